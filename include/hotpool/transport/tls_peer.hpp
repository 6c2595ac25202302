// Whether the peer is who it should be, and the name of what is wrong if it is not.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <system_error>

#include "hotpool/error.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_pin.hpp"

namespace hotpool::detail {

/// Whether `certificate` is the one that `pin` knows; not, if OpenSSL fails.
inline bool matches(const tls_pin& pin, X509& certificate) noexcept {
    unsigned char* der = nullptr;
    const int size = pin.of() == tls_pin::subject::certificate
                         ? i2d_X509(&certificate, &der)
                         : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &der);
    tls_pin::digest_type digest{};
    const bool hashed = size > 0 && EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), nullptr,
                                               EVP_sha256(), nullptr) == 1;
    OPENSSL_free(der);
    return hashed && digest == pin.digest();
}

/// The library's name for a verification result of OpenSSL.
inline std::error_code certificate_error(long result) noexcept {
    switch (result) {
        case X509_V_OK: return {};
        case X509_V_ERR_CERT_HAS_EXPIRED: return errc::certificate_expired;
        case X509_V_ERR_CERT_NOT_YET_VALID: return errc::certificate_not_yet_valid;
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH: return errc::certificate_host_mismatch;
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return errc::certificate_self_signed;
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return errc::certificate_unknown_issuer;
        case X509_V_ERR_CERT_REVOKED: return errc::certificate_revoked;
        case X509_V_ERR_APPLICATION_VERIFICATION: return errc::certificate_pin_mismatch;
        default: return errc::certificate_invalid;
    }
}

/// What the verification callback goes by.
struct tls_peer_rules {
    bool verify_chain = true;
    std::span<const tls_pin> pins{};
};

/// OpenSSL's verification callback, `rules` being a `const tls_peer_rules`. The pins are looked at here and
/// not after the handshake so that a peer that has none of them never sees this side's certificate.
inline int verify_peer(X509_STORE_CTX* store, void* rules) noexcept {
    const auto& r = *static_cast<const tls_peer_rules*>(rules);
    if (r.verify_chain && X509_verify_cert(store) != 1) return 0;
    if (r.pins.empty()) return 1;
    X509* const leaf = X509_STORE_CTX_get0_cert(store);
    const auto fits = [leaf](const tls_pin& pin) { return matches(pin, *leaf); };
    const bool known = leaf != nullptr && std::any_of(r.pins.begin(), r.pins.end(), fits);
    X509_STORE_CTX_set_error(store, known ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    return known ? 1 : 0;
}

}  // namespace hotpool::detail
