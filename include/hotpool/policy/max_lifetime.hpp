// How long may a connection live?
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>

#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// The life of a new connection, told a random number in [0, 1); `duration::max()`: without limit.
/// A life shorter than a millisecond counts as one: what is opened for a caller reaches him.
template <class P>
concept lifetime_policy = std::copyable<P> && requires(const P p, double chance) {
    { p.life(chance) }
    noexcept->std::same_as<duration>;
};

/// `max_lifetime` × uniform(1 − `lifetime_jitter`, 1).
class max_lifetime {
public:
    explicit max_lifetime(const pool_options& o) noexcept : life_(o.max_lifetime), jitter_(o.lifetime_jitter) {}
    duration life(double chance) const noexcept {
        if (life_ == duration::zero()) return duration::max();
        return detail::share_of(life_, 1.0 - jitter_ * (1.0 - chance));
    }

private:
    duration life_;
    double jitter_;
};

namespace detail {

constexpr duration bounded_life(duration chosen) noexcept {
    return std::max<duration>(chosen, std::chrono::milliseconds(1));
}

}  // namespace detail
}  // namespace hotpool
