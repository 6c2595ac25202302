// How often may a connection be used?
#pragma once

#include <concepts>
#include <cstdint>

#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// Whether a connection that has been leased `uses` times is spent and must not be lent again.
template <class P>
concept requests_policy = std::copyable<P> && requires(const P p, std::uint64_t uses) {
    { p.spent(uses) }
    noexcept->std::same_as<bool>;
};

/// Spent after `max_requests` leases.
class max_requests {
public:
    explicit max_requests(const pool_options& o) noexcept : limit_(o.max_requests) {}
    bool spent(std::uint64_t uses) const noexcept { return limit_ != 0 && uses >= limit_; }

private:
    std::uint64_t limit_;
};

}  // namespace hotpool
