// A connection manager on a manual clock, with a driver that performs nothing and writes everything down.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "hotpool/connection_manager.hpp"
#include "support/catch.hpp"
#include "support/names.hpp"

namespace hotpool::test {

using namespace std::chrono_literals;

/// Call an event, and what it leads to is in the lists: `take` hands out what was asked, callers know their answers.
/// Idle connections have no buffers to give back unless `rests` is said.
template <class Policies = default_policies>
class machine_bench {
public:
    using manager = connection_manager<int, Policies>;
    using slot_type = typename manager::slot_type;
    using caller = typename manager::waiter_type;

    explicit machine_bench(const pool_options& options = {}, bool rests = false) : machine(options, 7, rests) {
        settle();
    }

    manager machine;
    time_point now{std::chrono::hours(1)};

    // --- callers

    caller& get(duration timeout = duration::max(), duration lease_time = duration::max(), bool fresh_only = false) {
        caller& w = callers_.emplace_back();
        w.lease_deadline = base::after(now, lease_time);
        w.fresh_only = fresh_only;
        outcome = machine.get_requested(w, now, base::after(now, timeout));
        settle();
        return w;
    }
    caller& get_fresh(duration timeout = duration::max()) { return get(timeout, duration::max(), true); }
    /// A lease for certain: of an idle connection, or of one opened for it.
    slot_type& leased(duration lease_time = duration::max()) {
        caller& w = get(duration::max(), lease_time);
        if (w.waiting) open();
        REQUIRE(w.granted != nullptr);
        return *w.granted;
    }
    std::vector<slot_type*> leased_many(std::size_t n) {
        std::vector<slot_type*> slots;
        while (slots.size() < n) slots.push_back(&leased());
        return slots;
    }
    caller& last_caller() { return callers_.back(); }
    bool cancel(caller& w) {
        const bool in_time = machine.waiter_cancelled(w);
        settle();
        return in_time;
    }
    void put(slot_type& s, const return_report& report = {}) {
        machine.lease_returned(s, now, report);
        settle();
    }
    void put_all(const std::vector<slot_type*>& slots) {
        for (slot_type* s : slots) put(*s);
    }
    /// One more connection, opened just now and idle.
    slot_type& idle_slot() {
        const connection_counts c = machine.counts();
        machine.warm_requested(c.total() - c.closing + 1);
        settle();
        return open();
    }

    // --- openings, in the order they were asked for

    slot_type& open() {
        slot_type& s = next_opening();
        machine.slot_opened(s, now);
        settle();
        return s;
    }
    void open_all() {
        while (asked(slot_task::open) > 0) open();
    }
    void fail(std::error_code why = make_error_code(errc::connect_refused)) {
        machine.opening_failed(next_opening(), now, why);
        settle();
    }
    void defer() {
        machine.opening_deferred(next_opening());
        settle();
    }

    // --- time and ends

    void wait(duration span) {
        now += span;
        machine.time_passed(now);
        settle();
    }
    void close_all() {
        while (asked(slot_task::close) > 0) {
            machine.slot_closed(*take(slot_task::close));
            settle();
        }
    }

    // --- what the machine has asked for and nobody has taken yet

    std::size_t asked(slot_task task) const {
        std::size_t n = 0;
        for (const auto& entry : tasks_) n += entry.second == task;
        return n;
    }
    /// The slot that was asked to do this first, or null.
    slot_type* take(slot_task task) {
        for (std::size_t i = 0; i < tasks_.size(); ++i) {
            if (tasks_[i].second != task) continue;
            slot_type* s = tasks_[i].first;
            tasks_.erase(tasks_.begin() + static_cast<std::ptrdiff_t>(i));
            return s;
        }
        return nullptr;
    }
    std::size_t unanswered_tasks() const { return tasks_.size(); }

    std::size_t count(slot_state state) const {
        const connection_counts c = machine.counts();
        switch (state) {
            case slot_state::vacant: return 0;
            case slot_state::opening: return c.opening;
            case slot_state::idle: return c.idle;
            case slot_state::leased: return c.leased;
            case slot_state::probing: return c.probing;
            case slot_state::closing: return c.closing;
        }
        return 0;
    }
    std::uint64_t retired_for(retire_reason why) const { return machine.counters().retired_for(why); }

    /// Lets the machine say what follows; every event of the bench ends with it.
    void settle() {
        typename manager::action next;
        while (machine.next_action(next, now)) {
            if (next.answered != nullptr)
                answers.push_back(next.answered);
            else if (next.ask)
                ++questions;
            else
                tasks_.emplace_back(next.slot, next.task);
        }
        if (!machine.check()) FAIL("the machine's accounts are wrong");
    }

    get_outcome outcome = get_outcome::granted;  // of the last get
    std::vector<caller*> answers;                // in the order they were given
    int questions = 0;                           // to the source of endpoints

private:
    slot_type& next_opening() {
        slot_type* s = take(slot_task::open);
        REQUIRE(s != nullptr);
        return *s;
    }

    std::deque<caller> callers_;
    std::vector<std::pair<slot_type*, slot_task>> tasks_;
};

}  // namespace hotpool::test
