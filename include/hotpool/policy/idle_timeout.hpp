// How long may a connection lie idle?
#pragma once

#include <chrono>
#include <concepts>
#include <optional>

#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// The time a connection may stay idle from the moment it is put back; zero or less: it is not pooled at all;
/// `duration::max()`: without limit. The hint is what the peer announced (`Keep-Alive: timeout=N`), if it did.
template <class P>
concept idle_policy = std::copyable<P> && requires(const P p, std::optional<std::chrono::seconds> hint) {
    { p.limit(hint) }
    noexcept->std::same_as<duration>;
};

/// `idle_timeout` of the options, or two seconds less than the peer's announcement where that is sooner: a request
/// must not cross the peer's close on the way.
class idle_timeout {
public:
    static constexpr std::chrono::seconds margin{2};

    explicit idle_timeout(const pool_options& o) noexcept
        : limit_(o.idle_timeout == duration::zero() ? duration::max() : o.idle_timeout) {}
    duration limit(std::optional<std::chrono::seconds> hint) const noexcept {
        if (!hint || *hint > std::chrono::hours(24 * 365)) return limit_;
        if (*hint <= margin) return duration::zero();
        const duration announced = *hint - margin;
        return announced < limit_ ? announced : limit_;
    }

private:
    duration limit_;
};

}  // namespace hotpool
