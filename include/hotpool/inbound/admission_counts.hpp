// What an admission tells about itself and its groups.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "hotpool/base/time.hpp"
#include "hotpool/inbound/peer_group.hpp"
#include "hotpool/inbound/refuse_reason.hpp"

namespace hotpool::inbound {

/// How many there are, and how many there have been.
struct admission_counts {
    using by_reason = std::array<std::uint64_t, refuse_reason_count>;  ///< at `refuse_reason::none` those admitted

    std::size_t connections = 0;  ///< now, half-open ones included
    std::size_t half_open = 0;    ///< now
    std::size_t groups = 0;       ///< remembered now
    by_reason connections_by_verdict{};
    by_reason requests_by_verdict{};
    std::uint64_t groups_forgotten = 0;             ///< to make room for others
    std::uint64_t groups_forgotten_over_limit = 0;  ///< of these, those that were over their limit

    std::uint64_t connections_refused(refuse_reason why) const noexcept {
        return connections_by_verdict[static_cast<std::size_t>(why)];
    }
    std::uint64_t requests_refused(refuse_reason why) const noexcept {
        return requests_by_verdict[static_cast<std::size_t>(why)];
    }
};

/// How a group stands.
struct group_status {
    peer_group group;
    std::uint32_t connections = 0;
    duration requests_after{};   ///< how long until it may make a request; zero if it may now
    time_point blocked_until{};  ///< not later than now if it is not blocked
};

/// What became of a group that was to be blocked.
enum class block_result : std::uint8_t {
    blocked,      ///< until that time, whatever was said before
    not_a_group,  ///< it is more than one group; the access list denies those
    table_full,   ///< every group that is known has connections
};

}  // namespace hotpool::inbound
