// What the TLS connections to one origin have in common: roots, keys and rules, checked once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/origin.hpp"
#include "hotpool/error.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_options.hpp"
#include "hotpool/transport/tls_peer.hpp"
#include "hotpool/transport/tls_sessions.hpp"

namespace hotpool::detail {

[[noreturn]] inline void refuse_tls_option(const char* field, const char* rule) {
    ERR_clear_error();
    throw std::invalid_argument(std::string("hotpool::tls_options::") + field + " " + rule);
}

/// A PEM text from one of its two fields; nothing if both are empty.
class pem_source {
public:
    /// @param fields the names of both, for messages
    pem_source(const std::string& file, const std::string& text, const char* file_field,
               const char* text_field)
        : field_(file.empty() ? text_field : file_field) {
        if (file.empty() && text.empty()) return;
        if (!file.empty() && !text.empty())
            refuse_tls_option(file_field, "must not be given together with the text");
        if (file.empty())
            bio_.reset(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
        else
            bio_.reset(BIO_new_file(file.c_str(), "r"));
        if (!bio_) refuse_tls_option(field_, "must be a file that can be read");
    }

    explicit operator bool() const noexcept { return bio_ != nullptr; }
    const char* field() const noexcept { return field_; }

    /// The next certificate; null at the end of the text.
    x509_ptr next_certificate() {
        x509_ptr certificate(PEM_read_bio_X509(bio_.get(), nullptr, nullptr, nullptr));
        if (!certificate && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
            refuse_tls_option(field_, "must hold certificates in PEM");
        ERR_clear_error();
        return certificate;
    }
    /// Never asks at the terminal for a password, as OpenSSL would on its own.
    pkey_ptr private_key(const std::string& password) {
        pkey_ptr key(
            PEM_read_bio_PrivateKey(bio_.get(), nullptr, nullptr, const_cast<char*>(password.c_str())));
        if (!key) refuse_tls_option(field_, "must hold a private key in PEM, with its password if encrypted");
        return key;
    }

private:
    const char* field_;
    bio_ptr bio_;
};

/// The system's roots, read once for as long as anyone uses them: 140 of them take 0.9 MB and tens of ms.
inline std::shared_ptr<X509_STORE> system_roots() {
    static std::mutex mutex;
    static std::weak_ptr<X509_STORE> shared;
    const std::lock_guard lock(mutex);
    if (auto roots = shared.lock()) return roots;
    std::shared_ptr<X509_STORE> roots(X509_STORE_new(), freed_by<&X509_STORE_free>{});
    if (!roots || X509_STORE_set_default_paths(roots.get()) != 1)
        throw std::system_error(errc::tls_setup_failed);
    shared = roots;
    return roots;
}

/// The protocols as they are sent: each after its length (RFC 7301, 3.1).
inline std::vector<unsigned char> alpn_wire(const std::vector<std::string>& protocols) {
    std::vector<unsigned char> wire;
    for (const std::string& protocol : protocols) {
        if (protocol.empty() || protocol.size() > 255)
            refuse_tls_option("alpn", "must be names of 1 to 255 bytes");
        wire.push_back(static_cast<unsigned char>(protocol.size()));
        wire.insert(wire.end(), protocol.begin(), protocol.end());
    }
    if (wire.size() > 65535) refuse_tls_option("alpn", "must be at most 65535 bytes together");
    return wire;
}

/// An `SSL_CTX` made from options, for one origin. Shared by its connections, which keep it alive.
/// @errors the constructor throws `std::invalid_argument` naming the field and the rule, and
/// `std::system_error` with `errc::tls_setup_failed` if OpenSSL itself fails
/// @threads any thread
class tls_context {
public:
    tls_context(const origin& target, tls_options options)
        : options_(std::move(options)),
          sessions_(checked_size(options_.session_cache_size)),
          context_(SSL_CTX_new(TLS_client_method())) {
        require(context_ != nullptr);
        set_protocol();
        set_session_cache();
        set_roots();
        set_own_certificate();
        set_peer_rules(options_.server_name.empty() ? target.host : options_.server_name);
    }
    tls_context(const tls_context&) = delete;
    tls_context& operator=(const tls_context&) = delete;

    const tls_options& options() const noexcept { return options_; }
    SSL_CTX* native_handle() const noexcept { return context_.get(); }
    /// They hold under the rules of this context only, and are kept for no other.
    tls_sessions& sessions() const noexcept { return sessions_; }

    /// A new client session; null if OpenSSL fails.
    ssl_ptr make_session() const noexcept {
        ssl_ptr session(SSL_new(context_.get()));
        if (!session) return nullptr;
        SSL_set_connect_state(session.get());
        // SNI has no addresses (RFC 6066, 3).
        if (!host_name_.empty() && SSL_set_tlsext_host_name(session.get(), host_name_.c_str()) != 1)
            return nullptr;
        return session;
    }

    bool offers(std::string_view protocol) const noexcept {
        return std::find(options_.alpn.begin(), options_.alpn.end(), protocol) != options_.alpn.end();
    }

private:
    static void require(bool done) {
        if (done) return;
        ERR_clear_error();
        throw std::system_error(errc::tls_setup_failed);
    }

    void set_protocol() {
        const int version = options_.min_version == tls_version::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
        require(SSL_CTX_set_min_proto_version(context_.get(), version) == 1);
        SSL_CTX_set_options(context_.get(), SSL_OP_NO_RENEGOTIATION);
        SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        // A record is received together with its head, not after it.
        SSL_CTX_set_read_ahead(context_.get(), 1);
        const std::vector<unsigned char> wire = alpn_wire(options_.alpn);
        if (!wire.empty())
            require(SSL_CTX_set_alpn_protos(context_.get(), wire.data(),
                                            static_cast<unsigned>(wire.size())) == 0);
    }

    static std::size_t checked_size(std::size_t size) {
        if (size > 4096) refuse_tls_option("session_cache_size", "must be at most 4096");
        return size;
    }

    // OpenSSL's own cache would not be asked by a client; it only tells of the sessions that come.
    void set_session_cache() noexcept {
        if (options_.session_cache_size == 0) {
            SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
            return;
        }
        SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_set_app_data(context_.get(), &sessions_);
        SSL_CTX_sess_set_new_cb(context_.get(), &session_came);
    }
    // In TLS 1.3 sessions come with tickets, after the handshake; in TLS 1.2 with the handshake, when it is not
    // yet known whether the peer is accepted.
    static int session_came(SSL* ssl, SSL_SESSION* session) noexcept {
        if (SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION) return 0;
        auto* const sessions = static_cast<tls_sessions*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
        sessions->keep(ssl_session_ptr(session));
        return 1;
    }

    void set_roots() {
        pem_source source(options_.ca_file, options_.ca_pem, "ca_file", "ca_pem");
        if (!source) {
            if (options_.verify == tls_verify::none) return;
            system_roots_ = system_roots();
            SSL_CTX_set1_cert_store(context_.get(), system_roots_.get());
            return;
        }
        X509_STORE* const store = SSL_CTX_get_cert_store(context_.get());
        x509_ptr root = source.next_certificate();
        if (!root) refuse_tls_option(source.field(), "must hold a certificate in PEM");
        for (; root; root = source.next_certificate()) require(X509_STORE_add_cert(store, root.get()) == 1);
    }

    void set_own_certificate() {
        pem_source chain(options_.certificate_file, options_.certificate_pem, "certificate_file",
                         "certificate_pem");
        pem_source key(options_.private_key_file, options_.private_key_pem, "private_key_file",
                       "private_key_pem");
        if (!chain && !key) return;
        if (!key) refuse_tls_option(key.field(), "must be given with a certificate");
        if (!chain) refuse_tls_option(chain.field(), "must be given with a private key");

        const x509_ptr leaf = chain.next_certificate();
        if (!leaf) refuse_tls_option(chain.field(), "must hold a certificate in PEM");
        if (SSL_CTX_use_certificate(context_.get(), leaf.get()) != 1)
            refuse_tls_option(chain.field(), "must hold a certificate that OpenSSL accepts");
        while (const x509_ptr issuer = chain.next_certificate())
            require(SSL_CTX_add1_chain_cert(context_.get(), issuer.get()) == 1);

        const pkey_ptr private_key = key.private_key(options_.private_key_password);
        if (SSL_CTX_use_PrivateKey(context_.get(), private_key.get()) != 1 ||
            SSL_CTX_check_private_key(context_.get()) != 1)
            refuse_tls_option(key.field(), "must belong to the certificate");
    }

    void set_peer_rules(std::string name) {
        if (const char* rule = host_fault(name)) refuse_tls_option("server_name", rule);
        std::error_code not_an_address;
        const net::ip::address address = net::ip::make_address(name, not_an_address);
        if (not_an_address) {
            if (name.ends_with('.')) name.pop_back();
            host_name_ = std::move(name);
        }
        rules_ = {.verify_chain = options_.verify == tls_verify::peer, .pins = options_.pins};
        if (!rules_.verify_chain && rules_.pins.empty()) return;
        SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_cert_verify_callback(context_.get(), &verify_peer, &rules_);
        require(not_an_address ? expect_name() : expect_address(address));
    }

    bool expect_name() noexcept {
        X509_VERIFY_PARAM* const expected = SSL_CTX_get0_param(context_.get());
        // The common name is not a host name (RFC 9525, 2), and f*.example.com no wildcard (6.3).
        X509_VERIFY_PARAM_set_hostflags(
            expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        return X509_VERIFY_PARAM_set1_host(expected, host_name_.data(), host_name_.size()) == 1;
    }
    bool expect_address(const net::ip::address& address) noexcept {
        X509_VERIFY_PARAM* const expected = SSL_CTX_get0_param(context_.get());
        if (address.is_v4()) {
            const auto bytes = address.to_v4().to_bytes();
            return X509_VERIFY_PARAM_set1_ip(expected, bytes.data(), bytes.size()) == 1;
        }
        const auto bytes = address.to_v6().to_bytes();
        return X509_VERIFY_PARAM_set1_ip(expected, bytes.data(), bytes.size()) == 1;
    }

    tls_options options_;
    mutable tls_sessions sessions_;
    ssl_ctx_ptr context_;
    std::shared_ptr<X509_STORE> system_roots_;  // null if the options name roots
    std::string host_name_;  // empty if the server is known by its address
    tls_peer_rules rules_;
};

}  // namespace hotpool::detail
