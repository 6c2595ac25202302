// What accepted TLS connections have in common: certificate, key and rules, checked once.
#pragma once

#include <cstddef>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tcp_server_options.hpp"
#include "hotpool/transport/tls_credentials.hpp"
#include "hotpool/transport/tls_end.hpp"
#include "hotpool/transport/tls_hello.hpp"
#include "hotpool/transport/tls_ocsp.hpp"
#include "hotpool/transport/tls_peer.hpp"
#include "hotpool/transport/tls_pin.hpp"
#include "hotpool/transport/tls_resumption.hpp"
#include "hotpool/transport/tls_server_options.hpp"

namespace hotpool::detail {

/// A server's end. Keeps none of the options' texts, so that the key is in memory once.
/// @errors the constructor throws `std::invalid_argument` naming the field and the rule, and
/// `std::system_error` with `errc::tls_setup_failed` if OpenSSL itself fails
/// @threads any thread
class tls_server_context final : public tls_end {
public:
    explicit tls_server_context(const tls_server_options& options)
        : tls_end(TLS_server_method(), options.max_bare_records),
          clients_(options.client_certificates),
          pins_(options.pins),
          verifier_(options.verifier),
          tcp_(options.tcp) {
        validate(options);
        set_min_version(options.min_version);
        set_protocols(options.alpn);
        set_tickets(options.session_tickets);
        set_credentials(options);
    }

    const tcp_server_options& tcp() const noexcept { return tcp_; }

    ssl_ptr make_session(tls_resumption&) const noexcept override {
        ssl_ptr session(SSL_new(native_handle()));
        if (session) SSL_set_accept_state(session.get());
        return session;
    }
    // OpenSSL has seen to it before; this holds whatever way a session may come by.
    std::error_code completed(SSL& session, tls_resumption&) const noexcept override {
        const bool missing = clients_ == client_auth::required && SSL_get0_peer_certificate(&session) == nullptr;
        return missing ? make_error_code(errc::certificate_missing) : std::error_code{};
    }

private:
    void set_protocols(const name_list& protocols) {
        protocols_ = alpn_wire(protocols, [](const char* rule) { name_of("alpn").refuse(rule); });
        if (!protocols_.empty()) SSL_CTX_set_alpn_select_cb(native_handle(), &choose_protocol, &protocols_);
    }
    static int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                               unsigned offered_size, void* own) noexcept {
        const auto& ours = *static_cast<const std::vector<unsigned char>*>(own);
        unsigned char* found = nullptr;
        if (SSL_select_next_proto(&found, size, ours.data(), static_cast<unsigned>(ours.size()), offered,
                                  offered_size) != OPENSSL_NPN_NEGOTIATED)
            return SSL_TLSEXT_ERR_ALERT_FATAL;
        *chosen = found;
        return SSL_TLSEXT_ERR_OK;
    }

    // What is resumed is the client's to keep: a cache here would be memory that strangers fill.
    void set_tickets(std::size_t count) {
        SSL_CTX_set_session_cache_mode(native_handle(), SSL_SESS_CACHE_OFF);
        // Whoever must show a certificate again would find its tickets worthless.
        if (clients_ == client_auth::required) count = 0;
        if (count == 0) SSL_CTX_set_options(native_handle(), SSL_OP_NO_TICKET);
        require_openssl(SSL_CTX_set_num_tickets(native_handle(), count) == 1);
        if (clients_ == client_auth::off) return;
        // Without one OpenSSL breaks off where a session is offered to a server that asks for certificates.
        static constexpr unsigned char name[] = "hotpool";
        require_openssl(SSL_CTX_set_session_id_context(native_handle(), name, sizeof name) == 1);
        require_openssl(SSL_CTX_set_session_ticket_cb(native_handle(), nullptr, &judge_ticket, nullptr) == 1);
    }
    // A resumed handshake asks neither roots nor pins nor the verifier, and the certificate may have expired since. So
    // only those are resumed who have shown none.
    static SSL_TICKET_RETURN judge_ticket(SSL*, SSL_SESSION* session, const unsigned char*, std::size_t,
                                          SSL_TICKET_STATUS status, void*) noexcept {
        const bool opened = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
        if (!opened || SSL_SESSION_get0_peer(session) != nullptr) return SSL_TICKET_RETURN_IGNORE_RENEW;
        return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
    }

    void set_credentials(const tls_server_options& options) {
        tls_credentials read;
        read.roots = read_roots(options, options_name);
        read_certificate(options, options_name, read);
        read.crls = read_crls(options.crl_files, name_of("crl_files"));
        read.key_log = open_key_log(options.key_log_file, name_of("key_log_file"));
        tls_end::set_credentials(read);
        set_staple(options.ocsp_response_file, read);
        // The issuers shown are those that were given: none is looked for among the roots of clients.
        SSL_CTX_set_mode(native_handle(), SSL_MODE_NO_AUTO_CHAIN);
        if (clients_ == client_auth::off) return;
        if (read.roots) tell_names(*read.roots);
        rules_ = {.verify_chain = read.roots != nullptr,
                  .pins = pins_,
                  .verifier = verifier_ ? &verifier_ : nullptr,
                  .crls = crls()};
        const bool required = clients_ == client_auth::required;
        check_peer(SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), rules_);
    }
    void set_staple(const std::string& file, const tls_credentials& read) {
        const X509& certificate = *read.certificate;
        const option_name field = name_of("ocsp_response_file");
        if (file.empty()) {
            if (must_staple(certificate))
                field.refuse("must be given for a certificate that must come with a response");
            return;
        }
        staple_ = read_file(file, field);
        const ocsp_basic_ptr basic = read_ocsp(staple_);
        if (!basic) field.refuse("must hold an OCSP response in DER");
        const X509* const issuer = read.issuers.empty() ? nullptr : read.issuers.front().get();
        const auto is_it = [&](OCSP_CERTID& id) {
            return issuer != nullptr ? names(id, certificate, *issuer) : names(id, certificate);
        };
        const ocsp_word word = word_on(*basic, is_it, std::time(nullptr));
        ERR_clear_error();
        if (word.verdict != staple_verdict::good)
            field.refuse("must be to the certificate, say that it is good, and be current");
        staple_until_ = word.until;
        SSL_CTX_set_tlsext_status_cb(native_handle(), &bring_staple);
        SSL_CTX_set_tlsext_status_arg(native_handle(), this);
    }
    static std::vector<unsigned char> read_file(const std::string& file, const option_name& field) {
        static constexpr std::size_t most = 64 * 1024;
        const bio_ptr opened(BIO_new_file(file.c_str(), "rb"));
        if (!opened) field.refuse("must be a file that can be read");
        std::vector<unsigned char> bytes(most);
        std::size_t size = 0;
        if (BIO_read_ex(opened.get(), bytes.data(), bytes.size(), &size) != 1) size = 0;
        bytes.resize(size);
        return bytes;
    }
    // What has expired would be worse than nothing: a client may refuse it that asks for none.
    static int bring_staple(SSL* session, void* self) noexcept {
        const auto& own = *static_cast<const tls_server_context*>(self);
        if (std::time(nullptr) >= own.staple_until_) return SSL_TLSEXT_ERR_NOACK;
        void* const copy = OPENSSL_memdup(own.staple_.data(), own.staple_.size());
        if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
        SSL_set_tlsext_status_ocsp_resp(session, static_cast<unsigned char*>(copy),
                                        static_cast<long>(own.staple_.size()));
        return SSL_TLSEXT_ERR_OK;
    }
    void tell_names(X509_STORE& roots) {
        const STACK_OF(X509_OBJECT)* const all = X509_STORE_get0_objects(&roots);
        for (int i = 0; i < sk_X509_OBJECT_num(all); ++i)
            if (X509* const root = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i)))
                require_openssl(SSL_CTX_add_client_CA(native_handle(), root) == 1);
    }

    static constexpr const char* options_name = "tls_server_options";
    static option_name name_of(const char* field) noexcept { return {options_name, field}; }

    const client_auth clients_;
    const std::vector<tls_pin> pins_;
    const certificate_verifier verifier_;
    const tcp_server_options tcp_;
    std::vector<unsigned char> protocols_;
    std::vector<unsigned char> staple_;
    std::time_t staple_until_ = 0;
    tls_peer_rules rules_;
};

}  // namespace hotpool::detail
