// Whether the peer is who it should be, and the name of what is wrong if it is not.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/transport/certificate_view.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_crls.hpp"
#include "hotpool/transport/tls_pin.hpp"

namespace hotpool::detail {

/// Whether `certificate` is the one that `pin` knows; not, if OpenSSL fails.
inline bool matches(const tls_pin& pin, X509& certificate) noexcept {
    unsigned char* der = nullptr;
    const int size = pin.of() == tls_pin::subject::certificate
                         ? i2d_X509(&certificate, &der)
                         : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &der);
    tls_pin::digest_type digest{};
    const bool hashed =
        size > 0 && EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr) == 1;
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
        case X509_V_ERR_UNABLE_TO_GET_CRL: return errc::crl_missing;
        case X509_V_ERR_CRL_HAS_EXPIRED: return errc::crl_expired;
        case X509_V_ERR_OCSP_VERIFY_NEEDED: return errc::ocsp_response_missing;
        case X509_V_ERR_OCSP_VERIFY_FAILED: return errc::ocsp_response_invalid;
        case X509_V_ERR_APPLICATION_VERIFICATION: return errc::certificate_pin_mismatch;
        default: return errc::certificate_invalid;
    }
}

/// What the verification callback goes by.
struct tls_peer_rules {
    bool verify_chain = true;
    std::span<const tls_pin> pins{};
    const certificate_verifier* verifier = nullptr;  ///< null: none
    const tls_crls* crls = nullptr;                  ///< null: no list is looked up
};

/// What is wrong with the peer of a session under way, as a result of OpenSSL; `X509_V_OK`: nothing.
inline int judge_peer(X509_STORE_CTX& store, const tls_peer_rules& rules) noexcept {
    if (rules.crls != nullptr) look_up_chain(store, *rules.crls);
    if (rules.verify_chain && X509_verify_cert(&store) != 1) return X509_STORE_CTX_get_error(&store);
    X509* const leaf = X509_STORE_CTX_get0_cert(&store);
    if (leaf == nullptr) return X509_V_ERR_UNSPECIFIED;
    const auto fits = [leaf](const tls_pin& pin) { return matches(pin, *leaf); };
    if (!rules.pins.empty() && std::none_of(rules.pins.begin(), rules.pins.end(), fits))
        return X509_V_ERR_APPLICATION_VERIFICATION;
    if (rules.verifier == nullptr) return X509_V_OK;
    try {
        if ((*rules.verifier)(certificate_view(*leaf)) == certificate_verdict::accepted) return X509_V_OK;
    } catch (...) {
    }
    return X509_V_ERR_CERT_REJECTED;
}

/// OpenSSL's verification callback, `rules` being a `const tls_peer_rules`. Pins and verifier are asked here and not
/// after the handshake so that a peer whom they do not know never sees this side's certificate, and hears why.
inline int verify_peer(X509_STORE_CTX* store, void* rules) noexcept {
    const int result = judge_peer(*store, *static_cast<const tls_peer_rules*>(rules));
    X509_STORE_CTX_set_error(store, result);
    // The first error in the queue is taken for the handshake's: what was found out on the way is none.
    ERR_clear_error();
    return result == X509_V_OK ? 1 : 0;
}

}  // namespace hotpool::detail
