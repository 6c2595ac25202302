// What a certificate says, without OpenSSL's types.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_pin.hpp"

namespace hotpool {

/// One of the names that a certificate is for (subjectAltName: RFC 5280, 4.2.1.6).
struct certificate_name {
    enum class kind : std::uint8_t { dns, address, uri, email };

    kind of;
    std::string text;  ///< as it stands there, whatever bytes these are; addresses as text
};

/// A certificate of somebody else's, looked at. Each member but the handle throws `std::system_error` with
/// `errc::tls_setup_failed` where OpenSSL has no memory.
/// @threads distinct objects only
/// @lifetime that of the certificate
class certificate_view {
public:
    explicit certificate_view(X509& certificate) noexcept : certificate_(&certificate) {}

    /// The certificate as it was sent.
    std::vector<unsigned char> der() const {
        unsigned char* bytes = nullptr;
        const int size = i2d_X509(certificate_, &bytes);
        const std::unique_ptr<unsigned char, free_bytes> owned(bytes);
        require(size > 0);
        return {bytes, bytes + size};
    }
    /// Of the DER: what `tls_pin::certificate` takes.
    tls_pin::digest_type sha256() const {
        tls_pin::digest_type digest{};
        require(X509_digest(certificate_, EVP_sha256(), digest.data(), nullptr) == 1);
        return digest;
    }
    /// For people and logs: `CN=device,O=example`, everything but visible ASCII escaped. Compare digests, not this.
    /// @source RFC 2253
    std::string subject() const {
        const detail::bio_ptr memory(BIO_new(BIO_s_mem()));
        require(memory != nullptr &&
                X509_NAME_print_ex(memory.get(), X509_get_subject_name(certificate_), 0, XN_FLAG_RFC2253) >= 0);
        char* text = nullptr;
        const long size = BIO_get_mem_data(memory.get(), &text);
        return {text, static_cast<std::size_t>(size)};
    }
    /// The names of the four kinds, in the certificate's order; none if it has none, or not in good form.
    std::vector<certificate_name> names() const {
        std::vector<certificate_name> all;
        const std::unique_ptr<GENERAL_NAMES, detail::freed_by<&GENERAL_NAMES_free>> read(
            static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate_, NID_subject_alt_name, nullptr, nullptr)));
        ERR_clear_error();
        for (int i = 0; read && i < sk_GENERAL_NAME_num(read.get()); ++i)
            add(*sk_GENERAL_NAME_value(read.get(), i), all);
        return all;
    }

    X509* native_handle() const noexcept { return certificate_; }

private:
    struct free_bytes {
        void operator()(unsigned char* bytes) const noexcept { OPENSSL_free(bytes); }
    };

    static void require(bool done) {
        if (done) return;
        ERR_clear_error();
        throw std::system_error(errc::tls_setup_failed);
    }

    static void add(const GENERAL_NAME& name, std::vector<certificate_name>& all) {
        using kind = certificate_name::kind;
        switch (name.type) {
            case GEN_DNS: all.push_back({kind::dns, text_of(*name.d.dNSName)}); break;
            case GEN_URI: all.push_back({kind::uri, text_of(*name.d.uniformResourceIdentifier)}); break;
            case GEN_EMAIL: all.push_back({kind::email, text_of(*name.d.rfc822Name)}); break;
            case GEN_IPADD: add_address(text_of(*name.d.iPAddress), all); break;
            default: break;
        }
    }
    static void add_address(const std::string& bytes, std::vector<certificate_name>& all) {
        const auto add_if = [&]<class Bytes>(Bytes address) {
            if (bytes.size() != address.size()) return;
            std::copy(bytes.begin(), bytes.end(), address.begin());
            all.push_back({certificate_name::kind::address, ip_address(address).to_string()});
        };
        add_if(ip_address::v4_bytes_type{});
        add_if(ip_address::v6_bytes_type{});
    }
    static std::string text_of(const ASN1_STRING& text) {
        return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(&text)),
                static_cast<std::size_t>(ASN1_STRING_length(&text))};
    }

    X509* certificate_;
};

/// A user's word on a peer's certificate.
enum class certificate_verdict : std::uint8_t { accepted, refused };

/// Asked about a peer's own certificate during the handshake, on whatever thread runs it, by several of them at once:
/// it must not block. An exception means refused. Empty: everybody is accepted.
using certificate_verifier = std::function<certificate_verdict(const certificate_view&)>;

}  // namespace hotpool
