// The proxies whose word about their clients is taken.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/ip_block.hpp"

namespace hotpool::inbound {

/// A set of addresses, none unless made from some. IPv4-mapped addresses and blocks are IPv4 ones, so that no IPv6
/// block shorter than /96 speaks for IPv4; scopes make no difference.
/// @threads distinct objects only; `contains` from any thread while nothing else happens
class trusted_proxies {
public:
    trusted_proxies() = default;
    /// @param blocks in any order; they may lie in one another
    explicit trusted_proxies(std::vector<ip_block> blocks) : blocks_(std::move(blocks)) {
        for (ip_block& block : blocks_) block = block.unmapped();
        // An outer block sorts right before those in it, which say nothing new.
        std::sort(blocks_.begin(), blocks_.end());
        std::size_t kept = 0;
        for (const ip_block& block : blocks_)
            if (kept == 0 || !blocks_[kept - 1].contains(block.address())) blocks_[kept++] = block;
        blocks_.resize(kept);
    }

    /// @cost logarithmic in the number of blocks
    bool contains(const ip_address& address) const noexcept {
        if (blocks_.empty()) return false;
        const ip_address looked_for = address.unmapped();
        const auto behind = std::upper_bound(blocks_.begin(), blocks_.end(), ip_block{looked_for});
        return behind != blocks_.begin() && std::prev(behind)->contains(looked_for);
    }
    bool empty() const noexcept { return blocks_.empty(); }
    /// Blocks that do not lie in one another.
    std::size_t size() const noexcept { return blocks_.size(); }

    friend bool operator==(const trusted_proxies&, const trusted_proxies&) = default;

private:
    std::vector<ip_block> blocks_;
};

}  // namespace hotpool::inbound
