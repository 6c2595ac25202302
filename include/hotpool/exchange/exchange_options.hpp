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
    /// How long the origin may take nothing more of a request that it has answered already, with 2xx; then the rest is not
    /// sent, and `response::request_complete` says so. More than 0.
    duration upload_stall_timeout = std::chrono::seconds(1);
    /// How long the first byte of the final response may take, from the moment the request has been written; interim
    /// responses do not count. Then `errc::first_byte_timed_out`. 0: as long as the request may.
    duration first_byte_timeout = duration::zero();
    /// How long the response may stay silent once it has begun, in its head or in its body; time in which nobody reads
    /// does not count. Then `errc::response_stalled`. 0: as long as the request may.
    duration between_bytes_timeout = duration::zero();
    /// Fields for requests that do not have them themselves; null: none. Outlives the exchange.
    const http::field_block* defaults = nullptr;
};

/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const exchange_options& options) {
    options.limits.validate();
    if (options.continue_timeout <= duration::zero())
        throw std::invalid_argument("hotpool::exchange_options::continue_timeout must be more than 0");
    if (options.upload_stall_timeout <= duration::zero())
        throw std::invalid_argument("hotpool::exchange_options::upload_stall_timeout must be more than 0");
    if (options.first_byte_timeout < duration::zero())
        throw std::invalid_argument("hotpool::exchange_options::first_byte_timeout must not be negative");
    if (options.between_bytes_timeout < duration::zero())
        throw std::invalid_argument("hotpool::exchange_options::between_bytes_timeout must not be negative");
}

}  // namespace hotpool
