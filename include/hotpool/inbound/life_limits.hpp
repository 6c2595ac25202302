// When something of a connection is due: a function of its books, the options and the policies.
#pragma once

#include <algorithm>
#include <cstdint>

#include "hotpool/base/time.hpp"
#include "hotpool/inbound/life_options.hpp"
#include "hotpool/inbound/life_state.hpp"
#include "hotpool/inbound/supervised.hpp"
#include "hotpool/policy/policies.hpp"

namespace hotpool::inbound {

/// The limits that `connection_supervisor` holds connections to. Changes none of them.
/// @threads distinct objects only
template <policy_bundle Policies>
class life_limits {
public:
    /// @param options valid ones
    explicit life_limits(const life_options& options) : life_limits(options, detail::as_pool_options(options)) {}

    const life_options& options() const noexcept { return options_; }

    /// When it is to be looked at, whatever it is about; `never` if nothing limits it.
    time_point deadline_of(const supervised& c) const noexcept {
        switch (c.state_) {
            case life_state::accepted:
            case life_state::handshaking: return limit(c.since_, options_.handshake_timeout);
            case life_state::open: return std::min(end_of_activity(c), next_beat(c));
            case life_state::draining: return c.cut_ ? never : base::after(c.since_, options_.linger_timeout);
            case life_state::closed: break;
        }
        return never;
    }
    /// When an open connection has been too long at what it does.
    time_point end_of_activity(const supervised& c) const noexcept {
        switch (c.doing_) {
            case activity::idle: return std::min(c.dies_at_, idle_until(c));
            case activity::awaiting: return std::min(c.dies_at_, limit(c.since_, options_.request_timeout));
            case activity::receiving: return limit(c.since_, options_.request_timeout);
            case activity::working: return limit(c.since_, options_.handler_timeout);
            case activity::replying: return limit(c.since_, options_.reply_timeout);
        }
        return never;
    }
    /// When the next ping is due, or the next interval without a beat is over.
    time_point next_beat(const supervised& c) const noexcept {
        if (options_.heartbeat_interval == duration::zero()) return never;
        return base::after(std::max(c.heard_at(), c.pinged_at_), options_.heartbeat_interval);
    }
    /// Whether anything came since the last ping.
    bool heard_since_ping(const supervised& c) const noexcept {
        // An answer may be told a tick before its ping. What came earlier came an interval before.
        const duration tick = std::min(base::longest_tick, options_.heartbeat_interval / 2);
        return c.heard_at() + tick >= c.pinged_at_;
    }

    /// When a connection that opens now has lived long enough.
    /// @param chance from 0 up to 1
    time_point end_of_life(time_point now, double chance) const noexcept {
        return base::after(now, lifetime_.life(chance));
    }
    /// Why no request may follow those that a connection has had; `none`: one may.
    close_reason spent(const supervised& c, time_point now) const noexcept {
        if (requests_.spent(c.requests_)) return close_reason::max_requests;
        if (c.dies_at_ <= now) return close_reason::max_lifetime;
        return idle_.limit({}) <= duration::zero() ? close_reason::idle_timeout : close_reason::none;
    }

private:
    life_limits(const life_options& options, const pool_options& for_policies)
        : options_(options),
          idle_(hotpool::detail::make_policy<typename Policies::idle_timeout>(for_policies)),
          lifetime_(hotpool::detail::make_policy<typename Policies::max_lifetime>(for_policies)),
          requests_(hotpool::detail::make_policy<typename Policies::max_requests>(for_policies)) {}

    static time_point limit(time_point from, duration span) noexcept {
        return span == duration::zero() ? never : base::after(from, span);
    }
    time_point idle_until(const supervised& c) const noexcept {
        return base::after(std::max(c.since_, c.heard_at()), idle_.limit({}));
    }

    life_options options_;
    typename Policies::idle_timeout idle_;
    typename Policies::max_lifetime lifetime_;
    typename Policies::max_requests requests_;
};

}  // namespace hotpool::inbound
