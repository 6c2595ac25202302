// The slots of a pool: how many are in which state, which have something to be done, which come due next.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <deque>
#include <utility>

#include "hotpool/base/deadline_wheel.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/manager/slot.hpp"

namespace hotpool {

/// Keeps the count of every state and refuses (assert) a step that `may_follow` does not allow.
/// @threads distinct objects only
template <class Resource>
class slot_table {
public:
    using slot_type = slot<Resource>;

    std::size_t count(slot_state state) const noexcept { return states_[static_cast<std::size_t>(state)]; }

    void enter(slot_type& s, slot_state state) noexcept {
        assert(may_follow(s.state, state));
        --states_[static_cast<std::size_t>(s.state)];
        ++states_[static_cast<std::size_t>(state)];
        s.state = state;
    }

    /// Takes a vacant slot, a new one where there is none.
    /// @errors throws `std::bad_alloc`, nothing changed then
    slot_type& take_vacant() {
        if (vacant_.empty()) {
            slots_.emplace_back();
            ++states_[static_cast<std::size_t>(slot_state::vacant)];
            return slots_.back();
        }
        return *vacant_.pop_front();
    }

    void vacate(slot_type& s) noexcept {
        assert(s.task == slot_task::none);
        if (s.in_wheel()) due_.remove(s);
        enter(s, slot_state::vacant);
        s.retire = retire_reason::none;
        s.uses = 0;
        s.dies_for = retire_reason::max_lifetime;
        s.dies_at = s.lease_deadline = s.leak_at = never;
        s.endpoint.reset();
        s.dialling.reset();
        s.probing = probe_kind::none;
        s.rested = s.served = s.answered = false;
        s.lent_where = {};
        s.resource = Resource{};
        vacant_.push_front(s);
    }

    void give_task(slot_type& s, slot_task task) noexcept {
        assert(s.task == slot_task::none);
        s.task = task;
        tasks_.push_back(s);
    }
    void drop_task(slot_type& s) noexcept {
        if (s.task == slot_task::none) [[likely]]
            return;
        s.task = slot_task::none;
        tasks_.remove(s);
    }
    bool no_task() const noexcept { return tasks_.empty(); }
    /// The next slot that has a task, and the task, which is then no longer the slot's; null when there is none.
    std::pair<slot_type*, slot_task> next_task() noexcept {
        slot_type* s = tasks_.pop_front();
        return {s, s == nullptr ? slot_task::none : std::exchange(s->task, slot_task::none)};
    }

    /// `s` comes up at `time` or sooner. A slot's place in the order may be too early, never too late: so what moves the
    /// time back costs nothing, and a slot that comes up too early is put in its place then.
    [[gnu::always_inline]] void schedule(slot_type& s, time_point time) noexcept {
        if (!s.in_wheel() || s.key > time) [[unlikely]]
            place(s, time);
    }
    /// Before this time no slot comes up.
    time_point next_due() const noexcept { return due_.next(); }
    /// A slot that has come up by `now`, no longer in the order; null when there is none.
    slot_type* take_due(time_point now) noexcept { return due_.take_due(now); }
    /// Before the first `schedule`.
    void now_is(time_point now) noexcept { due_.now_is(now); }

    /// Calls `visit(slot)` for every slot that is not vacant.
    template <class Visitor>
    void for_each(Visitor visit) {
        for (slot_type& s : slots_)
            if (s.state != slot_state::vacant) visit(s);
    }
    template <class Visitor>
    void for_each(Visitor visit) const {
        for (const slot_type& s : slots_)
            if (s.state != slot_state::vacant) visit(s);
    }

    /// True when every slot is counted once and stands where it says. `is_sound(slot)` adds to the question.
    template <class Predicate>
    bool check(Predicate is_sound) const {
        std::array<std::size_t, slot_state_count> seen{};
        std::size_t tasks = 0;
        for (const slot_type& s : slots_) {
            ++seen[static_cast<std::size_t>(s.state)];
            tasks += s.task != slot_task::none;
            if (s.state == slot_state::vacant && (s.in_wheel() || s.task != slot_task::none)) return false;
            if (!is_sound(s)) return false;
        }
        return seen == states_ && tasks == tasks_.size() && vacant_.size() == count(slot_state::vacant) && due_.check();
    }

private:
    [[gnu::noinline]] void place(slot_type& s, time_point time) noexcept {
        if (s.in_wheel()) due_.remove(s);
        if (time != never) due_.insert(s, time);
    }

    std::deque<slot_type> slots_;  // never shrinks: slots are small and their addresses are given out
    std::array<std::size_t, slot_state_count> states_{};
    base::linked_list<slot_type> vacant_;
    base::linked_list<slot_type, task_list_tag> tasks_;
    base::deadline_wheel<slot_type> due_;
};

}  // namespace hotpool
