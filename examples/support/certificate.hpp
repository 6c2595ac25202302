// A certificate for servers on loopback, made in memory.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace support {

/// A self-signed certificate, which is its own root, and its key, both in PEM.
struct certificate {
    std::string pem;
    std::string key_pem;
};

namespace detail {

template <class T>
using owned = std::unique_ptr<T, void (*)(T*)>;

inline void require(bool done) {
    if (!done) throw std::runtime_error("OpenSSL could not make a certificate");
}

template <class Write>
std::string to_pem(Write write) {
    const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new(BIO_s_mem()), &BIO_free);
    require(memory != nullptr && write(memory.get()) == 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace detail

/// For localhost and 127.0.0.1, good for a day.
inline certificate make_certificate() {
    using namespace detail;
    const owned<EVP_PKEY> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const owned<X509> made(X509_new(), &X509_free);
    X509* const c = made.get();
    require(key != nullptr && c != nullptr);
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
    X509_gmtime_adj(X509_getm_notBefore(c), -60 * 60);
    X509_gmtime_adj(X509_getm_notAfter(c), 24 * 60 * 60);
    X509_NAME* const name = X509_get_subject_name(c);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
                               0);
    X509_set_issuer_name(c, name);
    X509_set_pubkey(c, key.get());
    const owned<X509_EXTENSION> names(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1"),
        &X509_EXTENSION_free);
    require(names != nullptr && X509_add_ext(c, names.get(), -1) == 1 && X509_sign(c, key.get(), EVP_sha256()) > 0);
    return {to_pem([&](BIO* out) { return PEM_write_bio_X509(out, c); }), to_pem([&](BIO* out) {
                return PEM_write_bio_PKCS8PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
            })};
}

}  // namespace support
