// What every part of the connection manager writes in: slots, counters, events.
#pragma once

#include <cstddef>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/manager/counters.hpp"
#include "hotpool/manager/pool_event.hpp"
#include "hotpool/manager/slot_table.hpp"
#include "hotpool/policy/per_host_limits.hpp"

namespace hotpool::detail {

/// The parts of the machine know nothing of one another. Each is told by the manager what happened, writes what follows
/// in here, and answers the rest by return values: so no part calls another, or the manager, back.
/// @threads distinct objects only
template <class Resource>
struct ledger {
    slot_table<Resource> slots;
    manager_counters counters;
    event_queue events;
    /// Those that have ended without having served anyone, until it is decided what that means.
    base::linked_list<slot<Resource>> unserved;
    /// Set while somebody waits, a slot has a task, or anything else may be to be done; `next_action` finds out.
    bool attention = true;

    std::size_t count(slot_state state) const noexcept { return slots.count(state); }
    connection_counts counts(std::size_t waiting) const noexcept {
        return {count(slot_state::opening), count(slot_state::idle),    count(slot_state::leased),
                count(slot_state::probing), count(slot_state::closing), waiting};
    }

    void ask(slot<Resource>& s, slot_task task) noexcept {
        attention = true;
        slots.give_task(s, task);
    }
    /// For the listener, if there is one.
    void report(const pool_event& event) noexcept {
        if (!events.listens()) return;
        attention = true;
        events.add(event);
    }
};

}  // namespace hotpool::detail
