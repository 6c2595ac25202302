// How long may a connection live?
#pragma once

#include <concepts>

#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// The life of a new connection, told a random number in [0, 1); `duration::max()`: without limit.
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

}  // namespace hotpool
