// What the reference manager knows: plain records in vectors, and questions answered by looking at all of them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "hotpool/connection_manager.hpp"

namespace hotpool::test {

using namespace std::chrono_literals;

struct reference_slot {
    int id = 0;
    slot_state state = slot_state::opening;
    slot_task task = slot_task::open;  // asked for and not yet taken up by the driver
    retire_reason retire = retire_reason::none;
    bool tending = false;     // watched or rested
    bool validating = false;  // new, and being probed before anyone gets it
    bool rested = false;
    bool served = false;    // a caller
    bool answered = false;  // a probe
    std::uint64_t uses = 0;
    std::uint64_t failures_before = 0;  // failed openings counted when this one began
    time_point opened_at{};
    time_point idle_since{};
    time_point dies_at = never;
    time_point idle_until = never;
    time_point probe_at = never;
    time_point lease_deadline = never;
    time_point given_up_at = never;  // a probe that has been cut and has not come back by then never will

    /// With a caller or a prober, who may have a deadline.
    bool is_out() const { return state == slot_state::leased || (state == slot_state::probing && !tending); }
};

struct reference_waiter {
    int id = 0;
    time_point deadline = never;
    time_point lease_deadline = never;
    bool fresh_only = false;

    bool takes(const reference_slot& s) const { return !fresh_only || (s.uses == 0 && !s.answered); }
};

/// Waiter, slot or -1, error value.
using reference_answer = std::tuple<int, int, int>;

class reference_slots {
public:
    explicit reference_slots(const pool_options& o) : options(o) {}

    pool_options options;
    std::vector<reference_slot> slots;      // those that are not vacant
    std::vector<int> shelf;                 // idle ones, newest first; those being tended keep their place
    std::vector<reference_waiter> waiters;  // oldest first
    std::vector<reference_slot> in_vain;    // ended, have served nobody, and nobody has drawn conclusions yet
    std::vector<reference_answer> answers;  // given and not yet taken up by the driver
    bool failing = false;                   ///< callers are refused, and one opening at a time goes on
    manager_counters counters;

    reference_slot& slot(int id) {
        return *std::find_if(slots.begin(), slots.end(), [&](auto& s) { return s.id == id; });
    }
    std::size_t in(slot_state state) const {
        return static_cast<std::size_t>(
            std::count_if(slots.begin(), slots.end(), [&](auto& s) { return s.state == state; }));
    }
    std::size_t live() const { return slots.size() - in(slot_state::closing); }
    connection_counts counts() const {
        return {in(slot_state::opening), in(slot_state::idle),    in(slot_state::leased),
                in(slot_state::probing), in(slot_state::closing), waiters.size()};
    }
    bool nothing_asked() const {
        return answers.empty() &&
               std::all_of(slots.begin(), slots.end(), [](auto& s) { return s.task == slot_task::none; });
    }

protected:
    void remove(int id) {
        std::erase(shelf, id);
        std::erase_if(slots, [&](auto& s) { return s.id == id; });
    }
    reference_slot* end_of_shelf(idle_end which) {
        std::vector<int> order = shelf;
        if (which == idle_end::oldest) std::reverse(order.begin(), order.end());
        for (const int id : order)
            if (slot(id).state == slot_state::idle) return &slot(id);
        return nullptr;
    }
    retire_reason too_old(const reference_slot& s, time_point now) const {
        if (now >= s.dies_at) return retire_reason::max_lifetime;
        return now >= s.idle_until ? retire_reason::idle_timeout : retire_reason::none;
    }
    time_point rest_at(const reference_slot& s) const {
        return s.rested ? never : base::after(s.idle_since, options.rest_after_idle);
    }
    time_point next_probe(time_point now) const {
        return options.health_check_interval == 0s ? never : base::after(now, options.health_check_interval);
    }
    duration usual_idle_limit() const { return options.idle_timeout == 0s ? duration::max() : options.idle_timeout; }

    /// Waiters for whom nothing is about to come back.
    std::size_t unserved() const {
        const auto tending = std::count_if(slots.begin(), slots.end(), [](auto& s) { return s.tending; });
        return waiters.size() - std::min(waiters.size(), static_cast<std::size_t>(tending));
    }
    std::size_t missing_idle() const {
        const std::size_t kept = in(slot_state::idle) + in(slot_state::probing);
        return options.min_idle - std::min(kept, options.min_idle);
    }
    /// Not every one of `n` waiters can have a fresh connection, even when all that is closing is gone.
    bool lacks_room(std::size_t n) const {
        const std::size_t room = options.max_connections - std::min(live(), options.max_connections);
        return n > in(slot_state::opening) + room;
    }

    void lend(reference_slot& s, time_point lease_deadline) {
        ++counters.leases;
        if (s.uses > 0) ++counters.reuses;
        ++s.uses;
        s.state = slot_state::leased;
        s.lease_deadline = lease_deadline;
        std::erase(shelf, s.id);
    }
    void cut(reference_slot& s, time_point now) {
        s.lease_deadline = never;
        if (s.task == slot_task::report_leak) s.task = slot_task::none;
        if (s.task != slot_task::none) return;
        s.task = slot_task::expire_lease;
        if (s.state == slot_state::probing) s.given_up_at = base::after(now, 50ms);
    }
    void end(reference_slot& s, retire_reason why) {
        ++counters.retired[static_cast<std::size_t>(why)];
        s.state = slot_state::closing;
        s.retire = why;
        s.task = slot_task::close;
        std::erase(shelf, s.id);
        if (!s.served) in_vain.push_back(s);
    }
    void answer(int waiter, int slot_id, int error) {
        answers.emplace_back(waiter, slot_id, error);
        std::erase_if(waiters, [&](auto& w) { return w.id == waiter; });
    }
};

}  // namespace hotpool::test
