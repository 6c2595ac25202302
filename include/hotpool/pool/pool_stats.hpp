// What a pool says of itself.
#pragma once

#include <string>
#include <system_error>

#include "hotpool/manager/counters.hpp"
#include "hotpool/policy/per_host_limits.hpp"
#include "hotpool/transport/transport_stats.hpp"

namespace hotpool {

/// One look at a pool; all numbers are of the same moment, the transport's of one right after it.
struct pool_stats {
    connection_counts now;            ///< connections by state, and callers waiting
    manager_counters total;           ///< since the pool was made
    std::error_code last_open_error;  ///< why the last failed opening failed
    std::error_code failing{};        ///< why callers are refused at once, while no connection can be opened
    bool suspended = false;
    transport_stats transport{};  ///< since the pool's transport was made

    /// The share of leases that got a connection already used before; 0 to 1.
    double reuse_rate() const noexcept {
        return total.leases == 0 ? 0.0 : static_cast<double>(total.reuses) / static_cast<double>(total.leases);
    }
};

/// One line: `5 connections (1 opening, 0 idle, 4 leased, 0 probing, 0 closing), 7 waiting; last open error: none`.
inline std::string describe(const pool_stats& s) {
    const auto number = [](std::size_t n, const char* what) { return std::to_string(n) + what; };
    return number(s.now.total(), " connections (") + number(s.now.opening, " opening, ") +
           number(s.now.idle, " idle, ") + number(s.now.leased, " leased, ") + number(s.now.probing, " probing, ") +
           number(s.now.closing, " closing), ") + number(s.now.waiting, " waiting; last open error: ") +
           (s.last_open_error ? s.last_open_error.message() : "none") + (s.failing ? "; failing" : "") +
           (s.suspended ? "; suspended" : "");
}

}  // namespace hotpool
