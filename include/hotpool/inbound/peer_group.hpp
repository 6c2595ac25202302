// Whom limits are kept for: the group that an address belongs to.
#pragma once

#include <stdexcept>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/ip_block.hpp"

namespace hotpool::inbound {

/// The addresses that are counted as one peer, whatever of them connects.
using peer_group = ip_block;

/// How many leading bits make a group.
struct grouping {
    /// 0 to 32; 0 makes one group of all of IPv4. The whole address: behind one there may be a household or an office.
    unsigned v4_prefix_length = 32;
    /// 0 to 128; 0 makes one group of all of IPv6. A /64 is what a host has to itself, and it may use all of it.
    unsigned v6_prefix_length = 64;

    friend bool operator==(const grouping&, const grouping&) = default;
};

/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const grouping& options) {
    if (options.v4_prefix_length > 32)
        throw std::invalid_argument("hotpool::inbound::grouping::v4_prefix_length must be at most 32");
    if (options.v6_prefix_length > 128)
        throw std::invalid_argument("hotpool::inbound::grouping::v6_prefix_length must be at most 128");
}

/// The group of an address. An IPv4-mapped one is the IPv4 that it means, and scopes make no difference.
/// @param by valid lengths
/// @cost about 17 ns
constexpr peer_group group_of(const ip_address& address, const grouping& by = {}) noexcept {
    const ip_address grouped = address.unmapped();
    return ip_block::around(grouped, grouped.is_v4() ? by.v4_prefix_length : by.v6_prefix_length);
}

}  // namespace hotpool::inbound
