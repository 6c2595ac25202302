// The numbers of one exchange.
#pragma once

#include <chrono>
#include <stdexcept>

#include "hotpool/base/time.hpp"
#include "hotpool/http/field_block.hpp"
#include "hotpool/http/limits.hpp"

namespace hotpool {

/// What an exchange may cost, and what is added to its request.
struct exchange_options {
    /// How much the peer may send.
    http::limits limits = {};
    /// How long a request with `Expect: 100-continue` waits for the origin's consent before it sends its body anyway.
    /// More than 0.
    duration continue_timeout = std::chrono::seconds(1);
    /// Fields for requests that do not have them themselves; null: none. Outlives the exchange.
    const http::field_block* defaults = nullptr;
};

/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const exchange_options& options) {
    options.limits.validate();
    if (options.continue_timeout <= duration::zero())
        throw std::invalid_argument("hotpool::exchange_options::continue_timeout must be more than 0");
}

}  // namespace hotpool
