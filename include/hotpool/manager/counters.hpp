// What the machine counts.
#pragma once

#include <array>
#include <cstdint>

#include "hotpool/manager/retire_reason.hpp"

namespace hotpool {

/// Totals since the pool was made.
struct manager_counters {
    std::uint64_t openings = 0;  ///< openings begun
    std::uint64_t opened = 0;    ///< openings that gave a connection
    std::uint64_t open_failures = 0;
    std::uint64_t leases = 0;  ///< connections lent
    std::uint64_t reuses = 0;  ///< of them, connections that had been lent before
    std::uint64_t waits = 0;   ///< callers that had to wait
    std::uint64_t wait_timeouts = 0;
    std::uint64_t wait_cancellations = 0;
    std::uint64_t refusals = 0;          ///< callers refused because too many waited
    std::uint64_t breaker_refusals = 0;  ///< callers refused because no connection could be opened for some time
    std::uint64_t overtaken = 0;         ///< openings so slow that another address was tried beside them
    std::uint64_t ejections = 0;         ///< addresses ejected, their returns after a failed trial not counted
    std::uint64_t readmissions = 0;
    std::uint64_t answers = 0;  ///< lists of addresses that the endpoint source gave
    std::uint64_t failed_answers = 0;
    std::uint64_t leaks = 0;  ///< leases reported as held too long
    std::uint64_t probes = 0;
    std::uint64_t probe_failures = 0;
    std::uint64_t rests = 0;                                   ///< idle connections that gave their buffers back
    std::uint64_t examined = 0;                                ///< slots a sweep has looked at
    std::array<std::uint64_t, retire_reason_count> retired{};  ///< connections ended, by `retire_reason`

    std::uint64_t retired_for(retire_reason reason) const noexcept { return retired[static_cast<std::size_t>(reason)]; }
};

}  // namespace hotpool
