// OCSP responses: what one says of a certificate, to a client that has got it and to a server that is to staple it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <ctime>
#include <memory>
#include <span>

#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_stapling.hpp"
#include "hotpool/transport/tls_trust.hpp"

namespace hotpool::detail {

using ocsp_response_ptr = std::unique_ptr<OCSP_RESPONSE, freed_by<&OCSP_RESPONSE_free>>;
using ocsp_basic_ptr = std::unique_ptr<OCSP_BASICRESP, freed_by<&OCSP_BASICRESP_free>>;

/// How much the clocks of this side and of the issuer may differ, in seconds.
inline constexpr long ocsp_clock_skew = 300;
/// How old a response may be that does not say when the next one is due, in seconds.
inline constexpr long ocsp_longest_age = 24 * 60 * 60;

/// The issuer's word on one certificate, as far as it is there.
struct ocsp_word {
    staple_verdict verdict = staple_verdict::invalid;
    std::time_t until = 0;  ///< until when it holds
};

/// Whether the certificate must come with a stapled response.
/// @source RFC 7633, 4: the feature's number is that of the extension of TLS
inline bool must_staple(const X509& certificate) noexcept {
    static constexpr long status_request = 5;
    const auto free_feature = [](TLS_FEATURE* f) noexcept { TLS_FEATURE_free(f); };
    const std::unique_ptr<TLS_FEATURE, decltype(free_feature)> features(
        static_cast<TLS_FEATURE*>(X509_get_ext_d2i(&certificate, NID_tlsfeature, nullptr, nullptr)), free_feature);
    ERR_clear_error();
    for (int i = 0; features && i < sk_ASN1_INTEGER_num(features.get()); ++i)
        if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features.get(), i)) == status_request) return true;
    return false;
}

/// The signed part of a response; null if it is none, or one that says nothing.
inline ocsp_basic_ptr read_ocsp(std::span<const unsigned char> der) noexcept {
    const unsigned char* begin = der.data();
    const ocsp_response_ptr response(d2i_OCSP_RESPONSE(nullptr, &begin, static_cast<long>(der.size())));
    const bool answered = response && OCSP_response_status(response.get()) == OCSP_RESPONSE_STATUS_SUCCESSFUL;
    ocsp_basic_ptr basic(answered ? OCSP_response_get1_basic(response.get()) : nullptr);
    ERR_clear_error();
    return basic;
}

/// Whether `id` is of this certificate, as far as that can be told without its issuer's.
inline bool names(OCSP_CERTID& id, const X509& certificate) noexcept {
    ASN1_OCTET_STRING* issuer = nullptr;
    ASN1_OBJECT* algorithm = nullptr;
    ASN1_INTEGER* serial = nullptr;
    if (OCSP_id_get0_info(&issuer, &algorithm, nullptr, &serial, &id) != 1) return false;
    const EVP_MD* const digest = EVP_get_digestbyobj(algorithm);
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    if (digest == nullptr || X509_NAME_digest(X509_get_issuer_name(&certificate), digest, hash.data(), &size) != 1)
        return false;
    const ASN1_OCTET_STRING* const own = issuer;
    return ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(&certificate)) == 0 &&
           static_cast<unsigned>(ASN1_STRING_length(own)) == size &&
           std::equal(hash.begin(), hash.begin() + size, ASN1_STRING_get0_data(own));
}
/// The same, by the issuer's key as well.
inline bool names(OCSP_CERTID& id, const X509& certificate, const X509& issuer) noexcept {
    ASN1_OBJECT* algorithm = nullptr;
    if (OCSP_id_get0_info(nullptr, &algorithm, nullptr, nullptr, &id) != 1) return false;
    const EVP_MD* const digest = EVP_get_digestbyobj(algorithm);
    if (digest == nullptr) return false;
    const std::unique_ptr<OCSP_CERTID, freed_by<&OCSP_CERTID_free>> own(OCSP_cert_to_id(digest, &certificate, &issuer));
    return own && OCSP_id_cmp(own.get(), &id) == 0;
}

/// What `basic` says of the first certificate that `is_it` knows by its id. Signatures are left aside.
template <class IsIt>
ocsp_word word_on(OCSP_BASICRESP& basic, IsIt is_it, std::time_t now) noexcept {
    for (int i = 0; i < OCSP_resp_count(&basic); ++i) {
        OCSP_SINGLERESP* const single = OCSP_resp_get0(&basic, i);
        if (!is_it(*const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single)))) continue;
        ASN1_GENERALIZEDTIME* made = nullptr;
        ASN1_GENERALIZEDTIME* next = nullptr;
        const int status = OCSP_single_get0_status(single, nullptr, nullptr, &made, &next);
        // Revoked once is revoked, however old the news.
        if (status == V_OCSP_CERTSTATUS_REVOKED) return {staple_verdict::revoked, 0};
        const long longest = next != nullptr ? -1 : ocsp_longest_age;
        if (status != V_OCSP_CERTSTATUS_GOOD || OCSP_check_validity(made, next, ocsp_clock_skew, longest) != 1)
            return {};
        const std::time_t until = next != nullptr ? time_of(*next, now) : time_of(*made, now) + ocsp_longest_age;
        return {staple_verdict::good, until};
    }
    return {};
}

/// A client's look at what its peer has stapled, once the chain is verified.
/// @param chain the peer's, verified; not empty
/// @param roots whom the signer must lead to, be it the certificate's issuer or somebody it has named for that
inline ocsp_word judge_staple(std::span<const unsigned char> der, STACK_OF(X509) & chain, X509_STORE& roots,
                              std::time_t now) noexcept {
    const ocsp_basic_ptr basic = read_ocsp(der);
    ocsp_word word;
    if (basic && OCSP_basic_verify(basic.get(), &chain, &roots, OCSP_NOEXPLICIT) == 1) {
        const X509& leaf = *sk_X509_value(&chain, 0);
        const X509& issuer = *sk_X509_value(&chain, sk_X509_num(&chain) > 1 ? 1 : 0);
        word = word_on(
            *basic, [&](OCSP_CERTID& id) { return names(id, leaf, issuer); }, now);
    }
    ERR_clear_error();
    return word;
}

/// Where a session keeps until when its staple holds; negative if OpenSSL has no room.
inline int staple_index() noexcept {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

}  // namespace hotpool::detail
