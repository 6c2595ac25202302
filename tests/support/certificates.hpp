// Certificates made in memory for tests: `authority root; identity server = root.issue();`
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace hotpool::test {

/// A certificate and its key, in PEM.
struct identity {
    std::string certificate_pem;
    std::string key_pem;
    std::string certificate_sha256;  ///< of the DER, hexadecimal
    std::string public_key_sha256;   ///< of the DER of SubjectPublicKeyInfo, as "sha256//" and base64
    std::string issuers_pem{};       ///< certificates between this one and the root, to be shown with it
};

/// What a certificate says; the defaults are a server's on loopback, good for a day.
struct certificate_spec {
    std::string common_name = "hotpool test";
    std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};  ///< host names and addresses
    std::chrono::seconds not_before = std::chrono::hours(-1);         ///< from now
    std::chrono::seconds not_after = std::chrono::hours(24);          ///< from now
    std::string purpose{};     ///< "clientAuth", "serverAuth" or "OCSPSigning"; empty: any
    bool must_staple = false;  ///< it says that it comes with an OCSP response
};

namespace x509 {

template <class T, void (*Free)(T*)>
struct freed {
    void operator()(T* object) const noexcept { Free(object); }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freed<EVP_PKEY, EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, freed<X509, X509_free>>;

inline void require(bool done, const char* what) {
    if (!done) throw std::runtime_error(std::string("OpenSSL failed: ") + what);
}

inline key_ptr make_key() {
    key_ptr key(EVP_EC_gen("P-256"));
    require(key != nullptr, "EVP_EC_gen");
    return key;
}

template <class Write>
std::string to_pem(Write write) {
    const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new(BIO_s_mem()), BIO_free);
    require(memory && write(memory.get()) == 1, "writing PEM");
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

inline std::array<unsigned char, 32> sha256(const std::vector<unsigned char>& bytes) {
    std::array<unsigned char, 32> digest{};
    require(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1, "EVP_Digest");
    return digest;
}

inline std::string to_hex(const std::array<unsigned char, 32>& digest) {
    std::string text;
    for (const unsigned char byte : digest) {
        char pair[3];
        std::snprintf(pair, sizeof pair, "%02x", static_cast<unsigned>(byte));
        text += pair;
    }
    return text;
}

inline std::string to_base64(const std::array<unsigned char, 32>& digest) {
    std::array<unsigned char, 45> text{};
    EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest.size()));
    return reinterpret_cast<const char*>(text.data());
}

inline std::vector<unsigned char> der_of_certificate(X509* certificate) {
    std::vector<unsigned char> der(static_cast<std::size_t>(i2d_X509(certificate, nullptr)));
    unsigned char* out = der.data();
    i2d_X509(certificate, &out);
    return der;
}

inline std::vector<unsigned char> der_of_public_key(X509* certificate) {
    X509_PUBKEY* const key = X509_get_X509_PUBKEY(certificate);
    std::vector<unsigned char> der(static_cast<std::size_t>(i2d_X509_PUBKEY(key, nullptr)));
    unsigned char* out = der.data();
    i2d_X509_PUBKEY(key, &out);
    return der;
}

inline void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, value.c_str());
    X509_EXTENSION_free(extension);
}

inline std::string alternative_names(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) {
        const bool address =
            name.find(':') != std::string::npos || name.find_first_not_of("0123456789.") == std::string::npos;
        text += (text.empty() ? "" : ",") + std::string(address ? "IP:" : "DNS:") + name;
    }
    return text;
}

/// A certificate for `key`, signed by `issuer`, or by itself where that is null.
inline certificate_ptr make_certificate(const certificate_spec& spec, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key,
                                        bool is_authority) {
    static std::atomic<long> serial{1};
    certificate_ptr made(X509_new());
    X509* const c = made.get();
    require(c != nullptr, "X509_new");
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c), static_cast<long>(spec.not_before.count()));
    X509_gmtime_adj(X509_getm_notAfter(c), static_cast<long>(spec.not_after.count()));
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1, -1, 0);
    X509* const signer = issuer != nullptr ? issuer : c;
    X509_set_issuer_name(c, X509_get_subject_name(signer));
    X509_set_pubkey(c, key);
    add_extension(c, signer, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (is_authority) add_extension(c, signer, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(c, signer, NID_subject_key_identifier, "hash");
    if (!spec.purpose.empty()) add_extension(c, signer, NID_ext_key_usage, spec.purpose);
    if (spec.must_staple) add_extension(c, signer, NID_tlsfeature, "status_request");
    if (!spec.names.empty()) add_extension(c, signer, NID_subject_alt_name, alternative_names(spec.names));
    require(X509_sign(c, issuer_key != nullptr ? issuer_key : key, EVP_sha256()) > 0, "X509_sign");
    return made;
}

inline identity make_identity(X509* certificate, EVP_PKEY* key) {
    return {.certificate_pem = to_pem([&](BIO* out) { return PEM_write_bio_X509(out, certificate); }),
            .key_pem = to_pem(
                [&](BIO* out) { return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); }),
            .certificate_sha256 = to_hex(sha256(der_of_certificate(certificate))),
            .public_key_sha256 = "sha256//" + to_base64(sha256(der_of_public_key(certificate)))};
}

}  // namespace x509

/// The same key, encrypted.
inline std::string encrypt_key(const std::string& key_pem, std::string password) {
    const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())),
                                                     BIO_free);
    const x509::key_ptr key(PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr));
    return x509::to_pem([&](BIO* out) {
        return PEM_write_bio_PKCS8PrivateKey(out, key.get(), EVP_aes_128_cbc(), password.data(),
                                             static_cast<int>(password.size()), nullptr, nullptr);
    });
}

/// A certificate that vouches for itself.
inline identity self_signed(const certificate_spec& spec = {}) {
    const auto key = x509::make_key();
    const auto certificate = x509::make_certificate(spec, key.get(), nullptr, nullptr, false);
    return x509::make_identity(certificate.get(), key.get());
}

/// Somebody who signs certificates: a root, or one in between whom `issuer` signs for.
class authority {
public:
    explicit authority(const std::string& name = "hotpool test root", const authority* issuer = nullptr)
        : key_(x509::make_key()),
          certificate_(x509::make_certificate({.common_name = name, .names = {}}, key_.get(),
                                              issuer ? issuer->certificate_.get() : nullptr,
                                              issuer ? issuer->key_.get() : nullptr, true)) {}

    std::string certificate_pem() const { return x509::make_identity(certificate_.get(), key_.get()).certificate_pem; }

    X509* certificate() const noexcept { return certificate_.get(); }
    EVP_PKEY* key() const noexcept { return key_.get(); }

    identity issue(const certificate_spec& spec = {}) const {
        const auto key = x509::make_key();
        const auto made = x509::make_certificate(spec, key.get(), certificate_.get(), key_.get(), false);
        return x509::make_identity(made.get(), key.get());
    }

private:
    x509::key_ptr key_;
    x509::certificate_ptr certificate_;
};

/// The root that most tests trust, and a server's certificate from it.
inline const authority& test_root() {
    static const authority made;
    return made;
}
inline const identity& test_identity() {
    static const identity made = test_root().issue();
    return made;
}

}  // namespace hotpool::test
