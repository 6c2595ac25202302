// The numbers of a pool, their ranges, and the check that refuses bad ones.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>

#include "hotpool/base/time.hpp"

namespace hotpool {

/// A count without a bound.
inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// The numbers of one pool. Fill in what differs from the defaults:
/// `pool_options{.max_connections = 16, .idle_timeout = std::chrono::seconds(20)}`.
/// Durations of zero mean "no limit" or "off" where the field says so; negative ones are always refused.
struct pool_options {
    /// Connections of this pool in whatever state, opening and closing ones included. 1 or more.
    std::size_t max_connections = 64;
    /// Connections kept idle; one that is put back beyond this number retires the one idle longest. 0: none is kept.
    std::size_t max_idle = no_limit;
    /// Connections kept open ahead of need; opened again when they go. At most `max_connections` and `max_idle`.
    std::size_t min_idle = 0;
    /// Callers that may wait at once; one more is refused. 0: nobody waits.
    std::size_t max_waiters = 1024;

    /// How long a get waits for a connection when it names no timeout of its own. 0: without limit.
    duration get_timeout = std::chrono::seconds(30);
    /// For name resolution, connect and handshake together, over all addresses that are tried. More than 0.
    duration connect_timeout = std::chrono::seconds(10);
    /// For the handshake alone. 0: what is left of `connect_timeout`. At most `connect_timeout`.
    duration handshake_timeout = duration::zero();
    /// An idle connection is closed after this. 0: never. Below the keep-alive time out of usual servers (75 s).
    duration idle_timeout = std::chrono::seconds(60);
    /// A connection is not used again after this, counted from its opening. 0: no limit. Lets DNS changes through.
    duration max_lifetime = std::chrono::minutes(30);
    /// The share of `max_lifetime` that chance may take off, so that connections opened together do not end
    /// together. 0 to 1.
    double lifetime_jitter = 0.1;
    /// Uses of one connection, a use being one lease. 0: no limit.
    std::uint64_t max_requests = 0;

    /// How often an idle connection is probed by a health checker. 0: never; a closed one is noticed at once anyway.
    duration health_check_interval = duration::zero();
    /// For one probe. More than 0.
    duration health_check_timeout = std::chrono::seconds(2);

    /// A connection that was idle longer than this is looked at once more before it is lent (one system call).
    /// 0: always. Hot connections skip it.
    duration check_after_idle = std::chrono::milliseconds(20);
    /// An idle connection gives its buffers back after this; one taken again sooner keeps them. 0: as soon as the
    /// pool's timer comes by.
    duration rest_after_idle = std::chrono::milliseconds(100);

    /// An unread response body up to this size is read and dropped to save its connection. 0: never.
    std::size_t drain_limit_bytes = 256 * 1024;
    /// How long that may take. More than 0.
    duration drain_timeout = std::chrono::milliseconds(50);

    /// Openings under way at once; races between addresses and trials of ejected ones come on top. 1 or more.
    std::size_t max_openings = 64;
    /// Whether a new connection that no caller waits for is probed by the health checker before it is lent.
    bool probe_new = false;

    /// How often the addresses of the origin's name are looked up again while connections are open; those known are in
    /// use meanwhile. 0: never again.
    duration resolve_interval = std::chrono::seconds(60);
    /// How long connections to an address stay in use that the answers do not name any more; nothing new is opened to it,
    /// unless it returns. For names that answer with some of their addresses in turn. 0: it is left with the answer; empty:
    /// ten times `resolve_interval`.
    std::optional<duration> absent_grace{};
    /// An address that has not accepted after this is overtaken by the next one. More than 0. RFC 8305 says 250 ms.
    duration attempt_delay = std::chrono::milliseconds(250);
    /// Failures in a row that eject an address, though never the last one. 0: none is ejected.
    unsigned ejection_failures = 5;
    /// How long an address is ejected the first time; the second time twice as long, and so on. More than 0.
    duration ejection_time = std::chrono::seconds(30);
    /// The longest ejection. At least `ejection_time`. An address that has been good for this long starts anew.
    duration ejection_limit = std::chrono::seconds(300);
    /// Failed openings in a row after which, with no connection left, callers are refused at once until one of the
    /// openings that go on one by one succeeds. 0: callers wait.
    unsigned breaker_failures = 5;
    /// Between connections that are retired together, as those to an address that has left the name. 0: all at once.
    duration retire_spacing = std::chrono::milliseconds(10);

    /// A lease held longer than this is reported once to the listener; one with a deadline, as a request of a client,
    /// not before that has passed. 0: never.
    duration leak_after = duration::zero();
    /// Whether its place is then taken back: the pool forgets the connection, whose next exchange fails.
    bool reclaim_leaked = false;

    /// After a failed opening the next one waits this long, doubling with each failure in a row. More than 0.
    duration backoff_first = std::chrono::milliseconds(10);
    /// The longest such wait. At least `backoff_first`.
    duration backoff_limit = std::chrono::seconds(5);
};

namespace detail {

[[noreturn]] inline void refuse_option(const char* field, const char* rule) {
    throw std::invalid_argument(std::string("hotpool::pool_options::") + field + " " + rule);
}
inline void require_not_negative(duration value, const char* field) {
    if (value < duration::zero()) refuse_option(field, "must not be negative");
}
inline void require_positive(duration value, const char* field) {
    if (value <= duration::zero()) refuse_option(field, "must be more than 0");
}

/// The `share`, from 0 to 1, of `whole`.
inline duration share_of(duration whole, double share) noexcept {
    // The longest durations round up to a number that no longer fits.
    const double count = static_cast<double>(whole.count()) * share;
    return count < static_cast<double>(whole.count()) ? duration{static_cast<duration::rep>(count)} : whole;
}

}  // namespace detail

/// Refuses numbers out of range or at odds with one another; corrects nothing.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const pool_options& options) {
    using namespace detail;
    if (options.max_connections == 0) refuse_option("max_connections", "must be 1 or more");
    if (options.min_idle > options.max_connections) refuse_option("min_idle", "must be at most max_connections");
    if (options.min_idle > options.max_idle) refuse_option("min_idle", "must be at most max_idle");
    require_not_negative(options.get_timeout, "get_timeout");
    require_positive(options.connect_timeout, "connect_timeout");
    require_not_negative(options.handshake_timeout, "handshake_timeout");
    if (options.handshake_timeout > options.connect_timeout)
        refuse_option("handshake_timeout", "must be at most connect_timeout");
    require_not_negative(options.idle_timeout, "idle_timeout");
    require_not_negative(options.max_lifetime, "max_lifetime");
    if (!(options.lifetime_jitter >= 0.0 && options.lifetime_jitter <= 1.0))
        refuse_option("lifetime_jitter", "must be from 0 to 1");
    require_not_negative(options.health_check_interval, "health_check_interval");
    require_positive(options.health_check_timeout, "health_check_timeout");
    require_not_negative(options.check_after_idle, "check_after_idle");
    require_not_negative(options.rest_after_idle, "rest_after_idle");
    require_positive(options.drain_timeout, "drain_timeout");
    if (options.max_openings == 0) refuse_option("max_openings", "must be 1 or more");
    require_not_negative(options.resolve_interval, "resolve_interval");
    if (options.absent_grace) require_not_negative(*options.absent_grace, "absent_grace");
    require_positive(options.attempt_delay, "attempt_delay");
    require_positive(options.ejection_time, "ejection_time");
    if (options.ejection_limit < options.ejection_time)
        refuse_option("ejection_limit", "must be at least ejection_time");
    require_not_negative(options.retire_spacing, "retire_spacing");
    require_not_negative(options.leak_after, "leak_after");
    if (options.reclaim_leaked && options.leak_after == duration::zero())
        refuse_option("reclaim_leaked", "needs leak_after");
    require_positive(options.backoff_first, "backoff_first");
    if (options.backoff_limit < options.backoff_first) refuse_option("backoff_limit", "must be at least backoff_first");
}

}  // namespace hotpool
