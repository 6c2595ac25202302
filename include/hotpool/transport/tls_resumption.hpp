// One handshake's part in resumption: what it offers, and what it leaves for later ones.
#pragma once

#include <ctime>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_sessions.hpp"
#include "hotpool/transport/tls_trust.hpp"

namespace hotpool::detail {

/// Told once how its handshake began and once how it ended; not told of an end by timeout or cancellation, which
/// says nothing about the session. That of a server's connection is told nothing. Early data is never sent: whoever
/// records it can send it again (RFC 8446, 8).
/// @threads distinct objects only
class tls_resumption {
public:
    /// Offers the newest of `sessions`, if there is one.
    void begin(SSL& ssl, tls_sessions& sessions) noexcept {
        offered_ = sessions.take();
        if (offered_ && SSL_set_session(&ssl, offered_.get()) != 1) offered_.reset();
    }

    /// The peer has been accepted. In TLS 1.3 the sessions come later, see `tls_context`.
    /// @param chain_counts,revocation_end as for `trust_end`
    void accepted(SSL& ssl, tls_sessions& sessions, bool chain_counts, std::time_t revocation_end) noexcept {
        if (SSL_session_reused(&ssl) == 1) {
            sessions.resumed();
        } else {
            sessions.shaken_hands(offered_.get());
            mark_trusted(*SSL_get_session(&ssl), trust_end(ssl, chain_counts, revocation_end, std::time(nullptr)));
        }
        // A server of TLS 1.2 may have renewed the one offered.
        if (SSL_version(&ssl) < TLS1_3_VERSION && SSL_get_session(&ssl) != offered_.get())
            sessions.keep(ssl_session_ptr(SSL_get1_session(&ssl)));
        offered_.reset();
    }

    /// The peer has not been accepted, or broke off.
    void failed(const std::error_code& error, tls_sessions& sessions) noexcept {
        if (!std::exchange(offered_, nullptr) || error == condition::certificate) return;
        sessions.rejected();
        rejected_ = true;
    }

    /// Whether the handshake failed, perhaps because of the session that it offered.
    bool rejected() const noexcept { return rejected_; }

private:
    ssl_session_ptr offered_;  // until the handshake is over
    bool rejected_ = false;
};

}  // namespace hotpool::detail
