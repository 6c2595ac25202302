// What a TLS stream asks of the side that it speaks for, client or server.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_credentials.hpp"
#include "hotpool/transport/tls_crls.hpp"
#include "hotpool/transport/tls_handshake.hpp"
#include "hotpool/transport/tls_key_log.hpp"
#include "hotpool/transport/tls_peer.hpp"
#include "hotpool/transport/tls_profile.hpp"
#include "hotpool/transport/tls_resumption.hpp"

namespace hotpool::detail {

/// One end of TLS: an `SSL_CTX` with what both ends have in common, and the steps of a handshake where they differ.
/// Shared by its connections, which keep it alive. Nothing of it is asked once a handshake is through.
/// @threads any thread
class tls_end {
public:
    tls_end(const tls_end&) = delete;
    tls_end& operator=(const tls_end&) = delete;
    virtual ~tls_end() = default;

    SSL_CTX* native_handle() const noexcept { return context_.get(); }

    /// A new session that is to shake hands; null if OpenSSL fails.
    /// @param resumption the new connection's
    virtual ssl_ptr make_session(tls_resumption& resumption) const noexcept = 0;
    /// The last look at a session whose handshake OpenSSL has completed: what is wrong with it, if anything.
    virtual std::error_code completed(SSL& session, tls_resumption& resumption) const noexcept = 0;
    /// Why the handshake failed, from the error queue, which began empty.
    /// @param lost the connection ended under it
    virtual std::error_code failed(const SSL& session, bool lost, tls_resumption&) const noexcept {
        return handshake_error(session, lost);
    }
    /// How many records without application bytes a peer may send on end: `tls_bare_records`.
    std::size_t max_bare_records() const noexcept { return max_bare_records_; }
    /// The name of its `tls_profile`; empty without one.
    virtual std::string_view profile() const noexcept { return {}; }

protected:
    /// @errors throws `std::system_error` with `errc::tls_setup_failed` if OpenSSL fails, as the others do
    tls_end(const SSL_METHOD* method, std::size_t max_bare_records)
        : context_(SSL_CTX_new(method)), max_bare_records_(max_bare_records) {
        require_openssl(context_ != nullptr);
        SSL_CTX_set_options(context_.get(), SSL_OP_NO_RENEGOTIATION);
        SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        // A record is received together with its head, not after it.
        SSL_CTX_set_read_ahead(context_.get(), 1);
    }

    void set_min_version(tls_version version) {
        const int number = version == tls_version::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
        require_openssl(SSL_CTX_set_min_proto_version(context_.get(), number) == 1);
    }

    /// The certificate that this end shows, if it has one, and whose it believes. Before the peer's rules.
    /// @errors throws `std::invalid_argument` where certificate and key do not go together
    void set_credentials(const tls_credentials& read) {
        crls_ = read.crls;
        key_log_ = read.key_log;
        if (key_log_) require_openssl(keep_keys(*native_handle(), *key_log_));
        if (read.roots) SSL_CTX_set1_cert_store(context_.get(), read.roots.get());
        if (!read.certificate) return;
        if (SSL_CTX_use_certificate(context_.get(), read.certificate.get()) != 1)
            read.certificate_field.refuse("must hold a certificate that OpenSSL accepts");
        for (const x509_ptr& issuer : read.issuers)
            require_openssl(SSL_CTX_add1_chain_cert(context_.get(), issuer.get()) == 1);
        if (SSL_CTX_use_PrivateKey(context_.get(), read.private_key.get()) != 1 ||
            SSL_CTX_check_private_key(context_.get()) != 1)
            read.private_key_field.refuse("must belong to the certificate");
    }

    /// @param rules as long as any session of this end
    void check_peer(int mode, tls_peer_rules& rules) noexcept {
        SSL_CTX_set_verify(context_.get(), mode, nullptr);
        SSL_CTX_set_cert_verify_callback(context_.get(), &verify_peer, &rules);
    }

    const tls_crls* crls() const noexcept { return crls_.get(); }

private:
    std::shared_ptr<const tls_crls> crls_;
    std::shared_ptr<const tls_key_log> key_log_;
    ssl_ctx_ptr context_;
    const std::size_t max_bare_records_;
};

}  // namespace hotpool::detail
