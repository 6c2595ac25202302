// How a TLS handshake ended, by its name.
#pragma once

#include <string_view>
#include <system_error>

#include "hotpool/error.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_context.hpp"
#include "hotpool/transport/tls_peer.hpp"

namespace hotpool::detail {

/// The protocol that the peer chose (ALPN); empty if it chose none.
inline std::string_view selected_protocol(const SSL& session) noexcept {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(&session, &name, &size);
    return size == 0 ? std::string_view{} : std::string_view(reinterpret_cast<const char*>(name), size);
}

/// The last look at a session whose handshake OpenSSL has completed.
inline std::error_code accept_handshake(const SSL& session, const tls_context& context) noexcept {
    if (context.options().verify == tls_verify::peer) {
        if (SSL_get0_peer_certificate(&session) == nullptr) return errc::certificate_missing;
        // Resumed, the result is the one that the session was kept with.
        if (const long result = SSL_get_verify_result(&session); result != X509_V_OK)
            return certificate_error(result);
    }
    // Not every OpenSSL checks this itself. A peer that knows no ALPN has chosen nothing, which is fine.
    const std::string_view protocol = selected_protocol(session);
    if (!protocol.empty() && !context.offers(protocol)) return errc::alpn_mismatch;
    return {};
}

/// Why the handshake failed, from the error queue, which began empty.
/// @param lost the connection ended under it
inline std::error_code handshake_error(const SSL& session, bool lost) noexcept {
    const unsigned long error = ERR_peek_error();
    const bool from_tls = ERR_GET_LIB(error) == ERR_LIB_SSL;
    if (from_tls && ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return certificate_error(SSL_get_verify_result(&session));
    if (from_tls && ERR_GET_REASON(error) == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL)
        return errc::alpn_mismatch;
    return lost ? errc::handshake_closed : errc::handshake_failed;
}

}  // namespace hotpool::detail
