// The limits in the life of an accepted connection, their ranges, and the check that refuses bad ones.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "hotpool/base/time.hpp"
#include "hotpool/policy/pool_options.hpp"

namespace hotpool::inbound {

/// Who says that a silent connection is alive.
enum class heartbeat_mode : std::uint8_t {
    active,   ///< after each interval of silence the program is asked to send a ping, whose answer counts as a beat
    passive,  ///< the peer must send something of its own in each interval; nothing is sent
};

/// The limits of one connection's life. Fill in what differs from the defaults:
/// `life_options{.idle_timeout = std::chrono::seconds(20), .max_requests = 1000}`.
/// A duration of zero means what its field says; negative ones are always refused.
struct life_options {
    /// From accept to the end of the TLS handshake. 0: no limit. Ten seconds are several round trips of a bad network.
    duration handshake_timeout = std::chrono::seconds(10);
    /// From the first byte of a request to its last, and before that for the first request of a connection to begin
    /// where one is awaited. 0: no limit. What ends who sends a request byte by byte.
    duration request_timeout = std::chrono::seconds(30);
    /// From the last byte of a request to its reply. 0: no limit. What ends a handler that never answers; set it above the
    /// longest that one may wait on purpose.
    duration handler_timeout = std::chrono::seconds(60);
    /// Without any progress in writing a reply. 0: no limit. What ends who does not read.
    duration reply_timeout = std::chrono::seconds(30);
    /// Between requests, or without any byte where there are none. 0: no limit. Above what pools of clients keep idle
    /// connections for, so that it is they who close: hotpool's own keep them for 60 s, or 2 s less than they are told.
    duration idle_timeout = std::chrono::seconds(75);
    /// A connection is asked to end at its first pause after this, counted from when it was open; it is not cut. 0: no
    /// limit.
    duration max_lifetime = duration::zero();
    /// The share of `max_lifetime` that chance may take off, so that connections that came together do not all come
    /// again together. 0 to 1.
    double lifetime_jitter = 0.1;
    /// Requests of one connection. 0: no limit.
    std::uint64_t max_requests = 0;

    /// The silence after which a beat is missed. 0: none is expected. For protocols that have pings, as WebSocket.
    duration heartbeat_interval = duration::zero();
    heartbeat_mode heartbeats = heartbeat_mode::active;
    /// So many in a row end the connection: with `active`, pings that nothing came after; with `passive`, intervals of
    /// silence. 1 or more.
    std::uint32_t max_missed_heartbeats = 3;

    /// How long an orderly end may take, from its beginning until the peer has closed too. 0: no time at all, the
    /// connection is cut.
    duration linger_timeout = std::chrono::seconds(2);
    /// What may come meanwhile, to be dropped, before the connection is cut. 0: nothing.
    std::uint64_t max_linger_bytes = 64 * 1024;
};

/// Refuses numbers out of range; corrects nothing.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const life_options& options) {
    const auto refuse = [](const char* field, const char* rule) {
        throw std::invalid_argument(std::string("hotpool::inbound::life_options::") + field + " " + rule);
    };
    const auto require_not_negative = [&](duration value, const char* field) {
        if (value < duration::zero()) refuse(field, "must not be negative");
    };
    require_not_negative(options.handshake_timeout, "handshake_timeout");
    require_not_negative(options.request_timeout, "request_timeout");
    require_not_negative(options.handler_timeout, "handler_timeout");
    require_not_negative(options.reply_timeout, "reply_timeout");
    require_not_negative(options.idle_timeout, "idle_timeout");
    require_not_negative(options.max_lifetime, "max_lifetime");
    if (!(options.lifetime_jitter >= 0.0 && options.lifetime_jitter <= 1.0))
        refuse("lifetime_jitter", "must be from 0 to 1");
    require_not_negative(options.heartbeat_interval, "heartbeat_interval");
    if (options.max_missed_heartbeats == 0) refuse("max_missed_heartbeats", "must be 1 or more");
    require_not_negative(options.linger_timeout, "linger_timeout");
}

namespace detail {

/// What the policies of a pool are made from: what both sides have, they call the same.
inline pool_options as_pool_options(const life_options& o) noexcept {
    pool_options result;
    result.idle_timeout = o.idle_timeout;
    result.max_lifetime = o.max_lifetime;
    result.lifetime_jitter = o.lifetime_jitter;
    result.max_requests = o.max_requests;
    return result;
}

}  // namespace detail
}  // namespace hotpool::inbound
