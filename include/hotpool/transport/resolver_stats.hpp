// What the resolver counts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hotpool {

/// One look at the resolver that all pools of the process share.
struct resolver_stats {
    std::size_t threads = 0;     ///< started for look-ups and not ended
    std::size_t under_way = 0;   ///< look-ups in the system's resolver
    std::size_t slow = 0;        ///< of them, those that are late, or of names that were
    std::size_t waiting = 0;     ///< names that wait for their turn
    std::uint64_t look_ups = 0;  ///< begun since the start of the process
    std::uint64_t joined = 0;    ///< questions that were answered by the look-up of another one
    std::uint64_t failed = 0;    ///< look-ups that gave no address
    std::uint64_t refused = 0;   ///< questions that ended with `errc::resolver_busy`
};

}  // namespace hotpool
