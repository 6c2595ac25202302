// How a TLS handshake ended, by its name.
#pragma once

#include <string_view>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_peer.hpp"

namespace hotpool::detail {

/// The protocol that the peer chose (ALPN); empty if it chose none.
inline std::string_view selected_protocol(const SSL& session) noexcept {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(&session, &name, &size);
    return size == 0 ? std::string_view{} : std::string_view(reinterpret_cast<const char*>(name), size);
}

/// Why the handshake failed, from the error queue, which began empty.
/// @param lost the connection ended under it
inline std::error_code handshake_error(const SSL& session, bool lost) noexcept {
    const unsigned long error = ERR_peek_error();
    const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) return certificate_error(SSL_get_verify_result(&session));
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) return errc::certificate_missing;
    if (reason == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL || reason == SSL_R_NO_APPLICATION_PROTOCOL)
        return errc::alpn_mismatch;
    return lost ? errc::handshake_closed : errc::handshake_failed;
}

}  // namespace hotpool::detail
