// What an authority says of the certificates it has issued: lists of revoked ones, and OCSP responses.
#pragma once

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/certificates.hpp"

namespace hotpool::test {

namespace x509 {

inline certificate_ptr certificate_of(const identity& own) {
    const std::unique_ptr<BIO, int (*)(BIO*)> memory(
        BIO_new_mem_buf(own.certificate_pem.data(), static_cast<int>(own.certificate_pem.size())), BIO_free);
    return certificate_ptr(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
}
inline key_ptr key_of(const identity& own) {
    const std::unique_ptr<BIO, int (*)(BIO*)> memory(
        BIO_new_mem_buf(own.key_pem.data(), static_cast<int>(own.key_pem.size())), BIO_free);
    return key_ptr(PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr));
}

inline std::unique_ptr<ASN1_TIME, freed<ASN1_TIME, ASN1_TIME_free>> time_from_now(std::chrono::seconds span) {
    return std::unique_ptr<ASN1_TIME, freed<ASN1_TIME, ASN1_TIME_free>>(
        X509_gmtime_adj(nullptr, static_cast<long>(span.count())));
}

}  // namespace x509

/// The list of what `issuer` has revoked, in PEM.
/// @param next when the next one is due, from now
inline std::string crl_of(const authority& issuer, const std::vector<identity>& revoked = {},
                          std::chrono::seconds next = std::chrono::hours(24)) {
    const std::unique_ptr<X509_CRL, x509::freed<X509_CRL, X509_CRL_free>> list(X509_CRL_new());
    X509_CRL* const c = list.get();
    X509_CRL_set_version(c, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(c, X509_get_subject_name(issuer.certificate()));
    const auto then = x509::time_from_now(std::chrono::hours(-48));
    X509_CRL_set1_lastUpdate(c, then.get());
    X509_CRL_set1_nextUpdate(c, x509::time_from_now(next).get());
    for (const identity& one : revoked) {
        const auto certificate = x509::certificate_of(one);
        X509_REVOKED* const entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate.get()));
        X509_REVOKED_set_revocationDate(entry, then.get());
        X509_CRL_add0_revoked(c, entry);
    }
    X509_CRL_sort(c);
    x509::require(X509_CRL_sign(c, issuer.key(), EVP_sha256()) > 0, "X509_CRL_sign");
    return x509::to_pem([&](BIO* out) { return PEM_write_bio_X509_CRL(out, c); });
}

/// What a response says.
struct ocsp_spec {
    int status = V_OCSP_CERTSTATUS_GOOD;
    std::chrono::seconds made = std::chrono::hours(-1);
    std::optional<std::chrono::seconds> next = std::chrono::hours(24);
    std::optional<identity> signer{};  ///< none: the issuer itself
    bool sha256 = false;               ///< how certificates are named; false: by SHA-1
};

/// An OCSP response to the certificate of `own`, in DER.
inline std::string ocsp_of(const authority& issuer, const identity& own, const ocsp_spec& spec = {}) {
    const auto certificate = x509::certificate_of(own);
    const std::unique_ptr<OCSP_BASICRESP, x509::freed<OCSP_BASICRESP, OCSP_BASICRESP_free>> basic(OCSP_BASICRESP_new());
    OCSP_CERTID* const id =
        OCSP_cert_to_id(spec.sha256 ? EVP_sha256() : EVP_sha1(), certificate.get(), issuer.certificate());
    const auto made = x509::time_from_now(spec.made);
    const auto next = x509::time_from_now(spec.next.value_or(std::chrono::seconds(0)));
    const bool revoked = spec.status == V_OCSP_CERTSTATUS_REVOKED;
    x509::require(OCSP_basic_add1_status(basic.get(), id, spec.status, 0, revoked ? made.get() : nullptr, made.get(),
                                         spec.next ? next.get() : nullptr) != nullptr,
                  "OCSP_basic_add1_status");
    OCSP_CERTID_free(id);
    int signed_well = 0;
    if (spec.signer) {
        const auto signer = x509::certificate_of(*spec.signer);
        const auto key = x509::key_of(*spec.signer);
        signed_well = OCSP_basic_sign(basic.get(), signer.get(), key.get(), EVP_sha256(), nullptr, 0);
    } else {
        signed_well = OCSP_basic_sign(basic.get(), issuer.certificate(), issuer.key(), EVP_sha256(), nullptr, 0);
    }
    x509::require(signed_well == 1, "OCSP_basic_sign");
    const std::unique_ptr<OCSP_RESPONSE, x509::freed<OCSP_RESPONSE, OCSP_RESPONSE_free>> response(
        OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
    std::string der(static_cast<std::size_t>(i2d_OCSP_RESPONSE(response.get(), nullptr)), '\0');
    auto* out = reinterpret_cast<unsigned char*>(der.data());
    i2d_OCSP_RESPONSE(response.get(), &out);
    return der;
}

/// Lets a server of OpenSSL's staple `response` where it is asked to; as long as the context.
inline void staple(SSL_CTX* context, const std::string& response) {
    SSL_CTX_set_tlsext_status_cb(
        context, +[](SSL* ssl, void* text) {
            const auto& der = *static_cast<const std::string*>(text);
            if (der.empty()) return SSL_TLSEXT_ERR_NOACK;
            auto* const copy = static_cast<unsigned char*>(OPENSSL_memdup(der.data(), der.size()));
            SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(der.size()));
            return SSL_TLSEXT_ERR_OK;
        });
    SSL_CTX_set_tlsext_status_arg(context, const_cast<std::string*>(&response));
}

}  // namespace hotpool::test
