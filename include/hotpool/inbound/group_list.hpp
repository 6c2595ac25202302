// Groups of a table in the order in which they were seen.
#pragma once

#include <cstdint>

#include "hotpool/inbound/block_reach.hpp"
#include "hotpool/inbound/group_key.hpp"

namespace hotpool::inbound {

/// How much it matters that a group is remembered.
enum class group_standing : std::uint8_t {
    within_limits,
    over_limit,  ///< blocked, or its quota is used up: forgotten last
};

class accepted_peer;

/// The place of no group.
inline constexpr std::uint32_t no_group = static_cast<std::uint32_t>(-1);

/// Where a group is in a `group_list`.
struct group_links {
    std::uint32_t previous = no_group;
    std::uint32_t next = no_group;
};

/// What a table knows of every group, whatever else is remembered of it. Groups name one another by their place in the
/// table, which takes half of what pointers would.
struct known_group {
    group_key key;
    group_standing standing = group_standing::within_limits;
    block_reach reach = block_reach::everyone;  ///< of its block, if it is blocked
    std::uint32_t connections = 0;              ///< with any it is not forgotten
    union {
        group_links list{};               ///< while it has no connections
        accepted_peer* oldest_half_open;  ///< while `half_open` is not 0
    };
    std::uint32_t next_in_chain = no_group;
    std::uint32_t half_open = 0;  ///< of its connections, those in a `half_open_line`
};

/// A doubly linked list of elements of a table by their places; each is in at most one.
/// @threads distinct objects only
class group_list {
public:
    /// The element that is longest in it; `no_group` if there is none.
    std::uint32_t front() const noexcept { return first_; }

    template <class Table>
    void push_back(Table& table, std::uint32_t place) noexcept {
        table[place].list = {last_, no_group};
        (last_ != no_group ? table[last_].list.next : first_) = place;
        last_ = place;
    }
    template <class Table>
    void remove(Table& table, std::uint32_t place) noexcept {
        const auto [before, after] = table[place].list;
        (before != no_group ? table[before].list.next : first_) = after;
        (after != no_group ? table[after].list.previous : last_) = before;
    }

private:
    std::uint32_t first_ = no_group;
    std::uint32_t last_ = no_group;
};

}  // namespace hotpool::inbound
