// The connections that are in their handshake, by group: whose place a newcomer gets where all are taken.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hotpool/base/skew_heap.hpp"
#include "hotpool/inbound/accepted_peer.hpp"
#include "hotpool/inbound/group_list.hpp"

namespace hotpool::inbound {

/// Of the group that has most of them the one that began first. So a group that opens many pays with its own, and where
/// each has one, as with a flood from many addresses, the one that is here for longest goes.
/// @threads distinct objects only
/// @cost a logarithm of the number of groups in it for each change; nothing is allocated
class half_open_line {
public:
    /// A connection, with its ticket, is the last of its group.
    void handshake_begun(accepted_peer& c) noexcept {
        known_group& group = group_of(c);
        if (group.half_open == 0) {
            c.half_open_next = c.half_open_previous = &c;
            group.oldest_half_open = &c;
        } else {
            accepted_peer& oldest = *group.oldest_half_open;
            groups_.remove(oldest);
            c.half_open_next = &oldest;
            c.half_open_previous = oldest.half_open_previous;
            c.half_open_previous->half_open_next = oldest.half_open_previous = &c;
        }
        ++group.half_open;
        groups_.insert(*group.oldest_half_open);
    }
    /// Nothing happens if it is not in the line.
    void handshake_over(accepted_peer& c) noexcept {
        if (c.half_open_next == nullptr) return;
        known_group& group = group_of(c);
        groups_.remove(*group.oldest_half_open);
        if (group.oldest_half_open == &c) group.oldest_half_open = c.half_open_next;
        c.half_open_previous->half_open_next = c.half_open_next;
        c.half_open_next->half_open_previous = c.half_open_previous;
        c.half_open_next = c.half_open_previous = nullptr;
        if (--group.half_open != 0) groups_.insert(*group.oldest_half_open);
    }

    /// Whose place a newcomer gets; null if nobody is in the line.
    /// @param newcomers the newcomer's group, which counts as if he were in the line; null if it is not known
    accepted_peer* to_go(const known_group* newcomers) const noexcept {
        accepted_peer* const most = groups_.first();
        if (newcomers == nullptr || newcomers->half_open == 0) return most;
        accepted_peer* const own = newcomers->oldest_half_open;
        const std::uint32_t own_count = newcomers->half_open + 1, most_count = group_of(*most).half_open;
        if (own_count != most_count) return own_count > most_count ? own : most;
        return own->accepted_at < most->accepted_at ? own : most;
    }

private:
    static known_group& group_of(const accepted_peer& c) noexcept { return c.ticket.known(); }

    struct goes_before {
        bool operator()(const accepted_peer& a, const accepted_peer& b) const noexcept {
            const std::uint32_t of_a = group_of(a).half_open, of_b = group_of(b).half_open;
            return of_a != of_b ? of_a > of_b : a.accepted_at < b.accepted_at;
        }
    };

    base::skew_heap<accepted_peer, goes_before> groups_;  // of each group its oldest
};

}  // namespace hotpool::inbound
