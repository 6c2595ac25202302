// Which address gets the next connection?
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hotpool {

/// What an address carries at this moment.
struct endpoint_load {
    std::size_t leased = 0;       ///< connections in callers' hands
    std::size_t connections = 0;  ///< connections in whichever state, those being opened included
};

/// The place of one of `loads` (1 or more), told how many choices came before and a random number in [0, 1).
template <class P>
concept balance_policy = std::copyable<P> &&
    requires(const P p, std::span<const endpoint_load> loads, std::uint64_t turn, double chance) {
    { p.choose(loads, turn, chance) }
    noexcept->std::same_as<std::size_t>;
};

/// The one with the fewest leases, then the fewest connections; among equals, each in its turn.
class least_leased {
public:
    std::size_t choose(std::span<const endpoint_load> loads, std::uint64_t turn, double) const noexcept {
        std::size_t best = static_cast<std::size_t>(turn % loads.size());
        for (std::size_t i = 1; i < loads.size(); ++i) {
            const std::size_t next = (static_cast<std::size_t>(turn % loads.size()) + i) % loads.size();
            if (is_less(loads[next], loads[best])) best = next;
        }
        return best;
    }

private:
    static bool is_less(const endpoint_load& a, const endpoint_load& b) noexcept {
        return a.leased != b.leased ? a.leased < b.leased : a.connections < b.connections;
    }
};

/// Each in its turn.
class round_robin {
public:
    std::size_t choose(std::span<const endpoint_load> loads, std::uint64_t turn, double) const noexcept {
        return static_cast<std::size_t>(turn % loads.size());
    }
};

/// Any of them.
class random_choice {
public:
    std::size_t choose(std::span<const endpoint_load> loads, std::uint64_t, double chance) const noexcept {
        return static_cast<std::size_t>(static_cast<double>(loads.size()) * chance);
    }
};

}  // namespace hotpool
