// How long to wait before the next opening after failed ones?
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>

#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// The pause after `failures` failed openings in a row (1 or more), told a random number in [0, 1). A pause shorter than a
/// millisecond counts as one, and one longer than an hour as an hour: so that a pool neither spins nor falls asleep.
template <class P>
concept backoff_policy = std::copyable<P> && requires(const P p, unsigned failures, double chance) {
    { p.pause(failures, chance) }
    noexcept->std::same_as<duration>;
};

/// `backoff_first`, doubled with each failure up to `backoff_limit`; chance takes off up to half of it, so that
/// pools that failed together do not return together.
class backoff {
public:
    explicit backoff(const pool_options& o) noexcept : first_(o.backoff_first), limit_(o.backoff_limit) {}
    duration pause(unsigned failures, double chance) const noexcept {
        duration full = first_;
        for (unsigned i = 1; i < failures && full < limit_; ++i) full = full > limit_ / 2 ? limit_ : full * 2;
        return detail::share_of(full, 1.0 - 0.5 * chance);
    }

private:
    duration first_;
    duration limit_;
};

namespace detail {

constexpr duration bounded_pause(duration chosen) noexcept {
    return std::clamp<duration>(chosen, std::chrono::milliseconds(1), std::chrono::hours(1));
}

}  // namespace detail
}  // namespace hotpool
