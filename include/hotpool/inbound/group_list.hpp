// Groups of a table in the order in which they were seen.
#pragma once

#include <cstdint>

#include "hotpool/inbound/group_key.hpp"

namespace hotpool::inbound {

/// How much it matters that a group is remembered.
enum class group_standing : std::uint8_t {
    within_limits,
    over_limit,  ///< blocked, or its quota is used up: forgotten last
};

/// The place of no group.
inline constexpr std::uint32_t no_group = static_cast<std::uint32_t>(-1);

/// What a table knows of every group, whatever else is remembered of it. Groups name one another by their place in the
/// table, which takes half of what pointers would.
struct known_group {
    group_key key;
    group_standing standing = group_standing::within_limits;
    std::uint32_t connections = 0;  ///< with any it is not forgotten
    std::uint32_t next_in_chain = no_group;
    std::uint32_t previous = no_group;  ///< in a `group_list`
    std::uint32_t next = no_group;
};

/// A doubly linked list of elements of a table by their places; each is in at most one.
/// @threads distinct objects only
class group_list {
public:
    /// The element that is longest in it; `no_group` if there is none.
    std::uint32_t front() const noexcept { return first_; }

    template <class Table>
    void push_back(Table& table, std::uint32_t place) noexcept {
        table[place].previous = last_;
        table[place].next = no_group;
        (last_ != no_group ? table[last_].next : first_) = place;
        last_ = place;
    }
    template <class Table>
    void remove(Table& table, std::uint32_t place) noexcept {
        const std::uint32_t before = table[place].previous;
        const std::uint32_t after = table[place].next;
        (before != no_group ? table[before].next : first_) = after;
        (after != no_group ? table[after].previous : last_) = before;
    }

private:
    std::uint32_t first_ = no_group;
    std::uint32_t last_ = no_group;
};

}  // namespace hotpool::inbound
