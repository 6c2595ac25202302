// The TLS sessions that later openings may go on with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_totals.hpp"
#include "hotpool/transport/tls_trust.hpp"
#include "hotpool/transport/transport_stats.hpp"

namespace hotpool::detail {

/// Whether a peer may be expected to go on with `session`, and this side may.
inline bool is_resumable(const SSL_SESSION& session, std::time_t now) noexcept {
    if (SSL_SESSION_is_resumable(&session) != 1 || !is_trusted(session, now)) return false;
    const bool tls_1_3 = SSL_SESSION_get_protocol_version(&session) >= TLS1_3_VERSION;
    const auto hint = static_cast<std::time_t>(SSL_SESSION_get_ticket_lifetime_hint(&session));
    auto lifetime = static_cast<std::time_t>(SSL_SESSION_get_timeout(&session));
    // No hint is no limit in TLS 1.2 (RFC 5077, 3.3) and the end of it in TLS 1.3 (RFC 8446, 4.6.1).
    if (hint != 0 || tls_1_3) lifetime = std::min(lifetime, hint);
    const std::time_t age = now - static_cast<std::time_t>(SSL_SESSION_get_time(&session));
    return age >= 0 && age < lifetime;
}

/// The sessions of one context, newest last, and what became of those that were offered. Times are wall-clock
/// time as OpenSSL's are.
/// @threads any thread
class tls_sessions {
public:
    /// How long nothing is kept or offered after a peer that was offered a session broke off, in seconds: to such
    /// a peer every second opening would take two tries otherwise.
    static constexpr std::time_t pause_seconds = 60;

    /// @param limit how many are kept; 0: none
    /// @param totals where to count; not null
    explicit tls_sessions(std::size_t limit, std::shared_ptr<tls_totals> totals = std::make_shared<tls_totals>())
        : limit_(limit), totals_(std::move(totals)) {
        sessions_.reserve(limit);
    }

    /// Keeps a session that can be resumed; the oldest goes where there is no room.
    void keep(ssl_session_ptr session, std::time_t now = std::time(nullptr)) noexcept {
        if (limit_ == 0 || !is_resumable(*session, now)) return;
        const std::lock_guard lock(mutex_);
        if (forgetful_ || is_paused(now)) return;
        if (sessions_.size() == limit_) sessions_.erase(sessions_.begin());
        sessions_.push_back(std::move(session));
    }

    /// The newest session that can be resumed, to be offered now; null if there is none. One of TLS 1.3 leaves the
    /// cache, so that nobody can tell two connections to be of the same client by it; others may serve again.
    /// @source RFC 8446, C.4
    ssl_session_ptr take(std::time_t now = std::time(nullptr)) noexcept {
        const std::lock_guard lock(mutex_);
        while (!sessions_.empty()) {
            ssl_session_ptr newest = std::move(sessions_.back());
            sessions_.pop_back();
            if (!is_resumable(*newest, now)) continue;
            if (SSL_SESSION_get_protocol_version(newest.get()) < TLS1_3_VERSION) {
                SSL_SESSION_up_ref(newest.get());
                sessions_.emplace_back(newest.get());
            }
            totals_->add({.sessions_offered = 1});
            return newest;
        }
        return nullptr;
    }

    /// A handshake is through, in full, with `refused` having been offered if not null.
    void shaken_hands(const SSL_SESSION* refused) noexcept {
        totals_->add({.handshakes = 1, .sessions_refused = refused != nullptr ? 1u : 0u});
        if (refused == nullptr) return;
        const std::lock_guard lock(mutex_);
        std::erase_if(sessions_, [refused](const ssl_session_ptr& kept) { return kept.get() == refused; });
    }
    void resumed() noexcept { totals_->add({.handshakes = 1, .resumed = 1}); }
    /// A peer that was offered a session broke off: perhaps because of it.
    void rejected(std::time_t now = std::time(nullptr)) noexcept {
        totals_->add({.sessions_rejected = 1});
        const std::lock_guard lock(mutex_);
        rejected_at_ = now;
        sessions_.clear();
    }
    /// No new connection will ask: drops what is kept, and keeps nothing more.
    void forget() noexcept {
        const std::lock_guard lock(mutex_);
        forgetful_ = true;
        sessions_.clear();
    }

    std::size_t size() const noexcept {
        const std::lock_guard lock(mutex_);
        return sessions_.size();
    }
    /// The totals, and what is kept here.
    transport_stats stats() const noexcept {
        transport_stats now = totals_->get();
        now.sessions_cached = size();
        return now;
    }

private:
    bool is_paused(std::time_t now) const noexcept {
        return rejected_at_ && now >= *rejected_at_ && now - *rejected_at_ < pause_seconds;
    }

    const std::size_t limit_;
    const std::shared_ptr<tls_totals> totals_;
    mutable std::mutex mutex_;
    std::vector<ssl_session_ptr> sessions_;
    std::optional<std::time_t> rejected_at_;
    bool forgetful_ = false;
};

}  // namespace hotpool::detail
