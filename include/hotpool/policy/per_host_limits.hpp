// May this pool open one more, keep one more idle, let one more wait?
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>

#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// How many connections of a pool are in each state, and how many callers wait. Every connection is counted once.
struct connection_counts {
    std::size_t opening = 0;
    std::size_t idle = 0;
    std::size_t leased = 0;
    std::size_t probing = 0;
    std::size_t closing = 0;
    std::size_t waiting = 0;

    constexpr std::size_t total() const noexcept { return opening + idle + leased + probing + closing; }
    friend bool operator==(const connection_counts&, const connection_counts&) = default;
};

/// Decides about growth from the present counts. `room` is how many more connections may be opened now; it counts only as
/// far as `max_connections` leaves it. While there is no connection and no room either, callers are refused with
/// `errc::no_room`.
template <class P>
concept limits_policy = std::copyable<P> && requires(const P p, const connection_counts& c) {
    { p.room(c) }
    noexcept->std::same_as<std::size_t>;
    { p.may_idle(c) }
    noexcept->std::same_as<bool>;
    { p.may_wait(c) }
    noexcept->std::same_as<bool>;
};

/// Fixed numbers: `max_connections`, `max_idle`, `max_waiters`.
class per_host_limits {
public:
    explicit per_host_limits(const pool_options& o) noexcept
        : connections_(o.max_connections), idle_(o.max_idle), waiters_(o.max_waiters) {}
    std::size_t room(const connection_counts& c) const noexcept {
        return c.total() < connections_ ? connections_ - c.total() : 0;
    }
    /// @param c the counts before the connection in question becomes idle
    bool may_idle(const connection_counts& c) const noexcept { return c.idle < idle_; }
    bool may_wait(const connection_counts& c) const noexcept { return c.waiting < waiters_; }

private:
    std::size_t connections_;
    std::size_t idle_;
    std::size_t waiters_;
};

namespace detail {

/// How many more there may be: the policy's answer, within `max_connections`.
template <limits_policy Limits>
std::size_t room_for(const Limits& limits, const connection_counts& c, const pool_options& o) noexcept {
    const std::size_t total = c.total();
    return total < o.max_connections ? std::min(limits.room(c), o.max_connections - total) : 0;
}

}  // namespace detail
}  // namespace hotpool
