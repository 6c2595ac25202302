// Records of TLS 1.3 that no library would send: sealed here, with the keys of a connection that a library has made.
#pragma once

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace hotpool::test {

/// Where a context leaves the secrets of its newest connection: `keep_secrets(context, secrets)` before its handshake.
struct traffic_secrets {
    std::string client;
    std::string server;
};

/// Fixes the suite to the one that `record_sealer` knows.
inline void keep_secrets(SSL_CTX* context, traffic_secrets& secrets) {
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_app_data(context, &secrets);
    SSL_CTX_set_keylog_callback(context, [](const SSL* ssl, const char* text) {
        auto& kept = *static_cast<traffic_secrets*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
        const std::string_view line(text);
        std::string bytes;
        for (std::size_t i = line.rfind(' ') + 1; i + 1 < line.size(); i += 2)
            bytes += static_cast<char>(std::stoi(std::string(line.substr(i, 2)), nullptr, 16));
        if (line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) kept.client = bytes;
        if (line.starts_with("SERVER_TRAFFIC_SECRET_0 ")) kept.server = bytes;
    });
}

/// Goes on where the library, which has sent nothing since its handshake and never sends again, has left off.
/// @source RFC 8446, 5.2, 7.1 to 7.3
class record_sealer {
public:
    explicit record_sealer(std::string secret) : secret_(std::move(secret)), cipher_(EVP_CIPHER_CTX_new()) {
        const std::unique_ptr<EVP_KDF, freed<EVP_KDF_free>> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
        kdf_.reset(EVP_KDF_CTX_new(kdf.get()));
        if (!cipher_ || !kdf_ || secret_.size() != 32) throw std::runtime_error("cannot seal records");
        derive();
    }

    /// One record; 23 are application bytes, 22 is of the handshake, 21 an alert.
    std::string seal(char kind, std::string_view content, std::size_t padding = 0) {
        std::string inner = std::string(content) + kind + std::string(padding, '\0');
        const std::size_t size = inner.size() + tag_bytes;
        const std::string head{'\x17', '\x03', '\x03', static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
        std::string nonce = iv_;
        for (std::size_t i = 0; i < 8; ++i)
            nonce[4 + i] = static_cast<char>(nonce[4 + i] ^ static_cast<char>(sequence_ >> (56 - 8 * i) & 0xff));
        ++sequence_;
        std::string sealed(inner.size(), '\0');
        std::string tag(tag_bytes, '\0');
        int done = 0;
        require(EVP_EncryptInit_ex(cipher_.get(), nullptr, nullptr, nullptr, bytes(nonce)) == 1);
        require(EVP_EncryptUpdate(cipher_.get(), nullptr, &done, bytes(head), static_cast<int>(head.size())) == 1);
        require(EVP_EncryptUpdate(cipher_.get(), bytes(sealed), &done, bytes(inner), static_cast<int>(inner.size())) ==
                1);
        require(EVP_EncryptFinal_ex(cipher_.get(), bytes(sealed) + done, &done) == 1);
        require(EVP_CIPHER_CTX_ctrl(cipher_.get(), EVP_CTRL_AEAD_GET_TAG, tag_bytes, tag.data()) == 1);
        return head + sealed + tag;
    }
    std::string data(std::string_view content) { return seal('\x17', content); }
    std::string key_update(bool wants_ours = false) {
        using namespace std::string_view_literals;
        const std::string sealed = seal('\x16', wants_ours ? "\x18\0\0\1\1"sv : "\x18\0\0\1\0"sv);
        secret_ = expand("traffic upd", secret_.size());
        derive();
        return sealed;
    }
    /// The message of one key update, a byte to a record.
    std::string key_update_in_pieces() {
        using namespace std::string_view_literals;
        std::string sealed;
        for (const char byte : "\x18\0\0\1\0"sv) sealed += seal('\x16', {&byte, 1});
        secret_ = expand("traffic upd", secret_.size());
        derive();
        return sealed;
    }

private:
    template <auto Free>
    struct freed {
        template <class Object>
        void operator()(Object* object) const noexcept {
            Free(object);
        }
    };
    static constexpr int tag_bytes = 16;
    static void require(bool done) {
        if (!done) throw std::runtime_error("cannot seal a record");
    }
    static const unsigned char* bytes(const std::string& s) { return reinterpret_cast<const unsigned char*>(s.data()); }
    static unsigned char* bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

    // HKDF-Expand-Label without a context.
    std::string expand(std::string_view label, std::size_t size) {
        std::string info{'\0', static_cast<char>(size), static_cast<char>(6 + label.size())};
        info += "tls13 ";
        info += label;
        info += '\0';
        int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
        std::string digest = "SHA256";
        std::string out(size, '\0');
        const std::array<OSSL_PARAM, 5> params{
            OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
            OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret_.data(), secret_.size()),
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
            OSSL_PARAM_construct_end()};
        require(EVP_KDF_derive(kdf_.get(), bytes(out), out.size(), params.data()) == 1);
        return out;
    }
    void derive() {
        const std::string key = expand("key", 16);
        iv_ = expand("iv", 12);
        sequence_ = 0;
        require(EVP_EncryptInit_ex(cipher_.get(), EVP_aes_128_gcm(), nullptr, bytes(key), bytes(iv_)) == 1);
    }

    std::string secret_;
    std::unique_ptr<EVP_CIPHER_CTX, freed<EVP_CIPHER_CTX_free>> cipher_;
    std::unique_ptr<EVP_KDF_CTX, freed<EVP_KDF_CTX_free>> kdf_;
    std::string iv_;
    std::uint64_t sequence_ = 0;
};

}  // namespace hotpool::test
