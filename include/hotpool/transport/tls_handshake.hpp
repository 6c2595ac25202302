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

/// Whether an error of OpenSSL's is the alert of a server that does not accept what this client has shown of itself.
/// @source RFC 8446, 6.2; OpenSSL's reason for an alert is 1000 more than its number
inline bool is_client_refusal(unsigned long error) noexcept {
    if (ERR_GET_LIB(error) != ERR_LIB_SSL) return false;
    switch (ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET) {
        case SSL_AD_BAD_CERTIFICATE:
        case SSL_AD_UNSUPPORTED_CERTIFICATE:
        case SSL_AD_CERTIFICATE_REVOKED:
        case SSL_AD_CERTIFICATE_EXPIRED:
        case SSL_AD_CERTIFICATE_UNKNOWN:
        case SSL_AD_UNKNOWN_CA:
        case SSL_AD_ACCESS_DENIED:
        case SSL_AD_CERTIFICATE_REQUIRED: return true;
        default: return false;
    }
}

/// The same of a client's failed handshake. A server of TLS 1.2 that was shown no certificate where it had asked for one
/// says no more than that the handshake failed.
inline bool is_client_refused(const SSL& session) noexcept {
    const unsigned long error = ERR_peek_error();
    if (is_client_refusal(error)) return true;
    const bool failed =
        ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE;
    return failed && SSL_get0_peer_CA_list(&session) != nullptr && SSL_get_certificate(&session) == nullptr;
}

/// Why the handshake failed, from the error queue, which began empty.
/// @param lost the connection ended under it
inline std::error_code handshake_error(const SSL& session, bool lost) noexcept {
    const unsigned long error = ERR_peek_error();
    const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) return certificate_error(SSL_get_verify_result(&session));
    if (reason == SSL_R_INVALID_STATUS_RESPONSE) {
        const std::error_code fault = certificate_error(SSL_get_verify_result(&session));
        return fault ? fault : make_error_code(errc::ocsp_response_invalid);
    }
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) return errc::certificate_missing;
    if (reason == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL || reason == SSL_R_NO_APPLICATION_PROTOCOL)
        return errc::alpn_mismatch;
    return lost ? errc::handshake_closed : errc::handshake_failed;
}

}  // namespace hotpool::detail
