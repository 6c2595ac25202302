// The policies of a storm: what they decide is counted, and now and then it makes no sense.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "hotpool/policy/policies.hpp"

namespace hotpool::test {

/// What the policies of all pools have done since the storm began; they are values, and know of no storm.
struct policy_deeds {
    static inline std::atomic<std::uint64_t> retries{0};
    static inline std::atomic<std::uint64_t> nonsense{0};

    static void forget() noexcept { retries = nonsense = 0; }
    template <class Value>
    static Value senseless(Value v) noexcept {
        ++nonsense;
        return v;
    }
};

/// The usual one, and how often it was in favour.
struct counted_retry : retry {
    retry_verdict judge(const failed_try& t) const noexcept {
        const retry_verdict verdict = retry::judge(t);
        if (verdict != retry_verdict::give_up) ++policy_deeds::retries;
        return verdict;
    }
};
/// Some connections are to end before they have begun.
struct odd_lifetime : max_lifetime {
    using max_lifetime::max_lifetime;
    duration life(double chance) const noexcept {
        return chance < 0.01 ? policy_deeds::senseless(duration::min()) : max_lifetime::life(chance);
    }
};
/// Some openings are to begin before the one before them has failed.
struct odd_backoff : backoff {
    using backoff::backoff;
    duration pause(unsigned failures, double chance) const noexcept {
        return chance < 0.1 ? policy_deeds::senseless(duration::min()) : backoff::pause(failures, chance);
    }
};
/// Where many wait, there is room for any number.
struct odd_limits : per_host_limits {
    using per_host_limits::per_host_limits;
    std::size_t room(const connection_counts& c) const noexcept {
        return c.waiting == 7 ? policy_deeds::senseless(no_limit) : per_host_limits::room(c);
    }
};

struct storm_policies : default_policies {
    using retry = counted_retry;
    using max_lifetime = odd_lifetime;
    using backoff = odd_backoff;
    using per_host_limits = odd_limits;
};

}  // namespace hotpool::test
