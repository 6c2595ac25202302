// Which idle connection is lent next?
#pragma once

#include <concepts>
#include <cstddef>

#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// An end of the idle connections, which stand in the order they were put back.
enum class idle_end { newest, oldest };

/// Chooses the end to lend from, told how many are idle (1 or more).
template <class P>
concept order_policy = std::copyable<P> && requires(const P p, std::size_t idle) {
    { p.lend_from(idle) }
    noexcept->std::same_as<idle_end>;
};

/// Newest first: the connection most likely alive and warm in the caches; those beyond need grow old and leave.
class reuse_order {
public:
    explicit reuse_order(const pool_options&) noexcept {}
    idle_end lend_from(std::size_t) const noexcept { return idle_end::newest; }
};

/// Oldest first: spreads the load evenly over all connections and keeps every one of them in use.
class oldest_first {
public:
    explicit oldest_first(const pool_options&) noexcept {}
    idle_end lend_from(std::size_t) const noexcept { return idle_end::oldest; }
};

}  // namespace hotpool
