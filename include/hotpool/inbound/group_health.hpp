// Groups of peers that make too many errors are kept out for a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "hotpool/base/expiring_map.hpp"
#include "hotpool/base/ip_block.hpp"
#include "hotpool/base/time.hpp"

namespace hotpool::inbound {

struct group_health_options {
    /// Errors of one group within `window` after which it is blocked: handshakes that fail, requests that break the
    /// protocol or take too long; what closes before its first byte is none. 0: no group is blocked. Above what an office behind one address makes on a bad day.
    std::uint32_t errors_to_block = 100;
    /// Counted from a group's first error, and anew after it. More than 0, at most 366 days.
    duration window = std::chrono::seconds(60);
    /// How long a group is blocked. More than 0.
    duration block_for = std::chrono::seconds(60);
    /// Groups with errors that are remembered; past it the one whose last error is longest ago is forgotten. 1 or more;
    /// about 200 bytes each.
    std::size_t max_groups = 4096;
};

/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const group_health_options& options) {
    const auto refuse = [](const char* field, const char* rule) {
        throw std::invalid_argument(std::string("hotpool::inbound::group_health_options::") + field + " " + rule);
    };
    if (options.window <= duration::zero()) refuse("window", "must be more than 0");
    if (options.window > std::chrono::hours(24 * 366)) refuse("window", "must be at most 366 days");
    if (options.block_for <= duration::zero()) refuse("block_for", "must be more than 0");
    if (options.max_groups == 0) refuse("max_groups", "must be 1 or more");
}

enum class group_verdict : std::uint8_t {
    go_on,
    block,  ///< for `block_for`, said once; its errors are forgotten
};

/// Counts the errors of groups, and says when one has made too many. Who blocks it is the admission, for newcomers.
/// @threads distinct objects only
/// @cost an error costs a logarithm of the groups that have some and an allocation or two, everything else nothing
class group_health {
public:
    /// @errors throws `std::invalid_argument`
    explicit group_health(const group_health_options& options = {}) : options_((validate(options), options)) {}

    group_verdict error_seen(const ip_block& group, time_point now) {
        if (options_.errors_to_block == 0) return group_verdict::go_on;
        groups_.drop_due(now);
        const auto* const known = groups_.find(group);
        tally t = known != nullptr ? known->value : tally{};
        if (now >= t.window_ends) t = {0, base::after(now, options_.window)};
        if (++t.errors >= options_.errors_to_block) {
            groups_.erase(group);
            return group_verdict::block;
        }
        if (known == nullptr && groups_.size() >= options_.max_groups) groups_.drop_due(groups_.next_expiry());
        groups_.put(group, t, base::after(now, options_.window));
        return group_verdict::go_on;
    }

    /// Groups with errors that are remembered.
    std::size_t size() const noexcept { return groups_.size(); }
    const group_health_options& options() const noexcept { return options_; }

private:
    struct tally {
        std::uint32_t errors = 0;
        time_point window_ends = time_point::min();
    };

    group_health_options options_;
    base::expiring_map<ip_block, tally> groups_{options_.max_groups};
};

}  // namespace hotpool::inbound
