// The machine and its reference side by side: told the same, compared after every event.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/connection_manager.hpp"
#include "support/names.hpp"
#include "support/reference_manager.hpp"

namespace hotpool::test {

/// How often each step of a slot's life was seen.
using step_counts = std::array<std::array<std::uint64_t, slot_state_count>, slot_state_count>;

/// Everything that can be seen of both must be the same: actions, answers, states, counts, counters.
template <class Policies>
class compared_managers {
protected:
    using manager = connection_manager<int, Policies>;
    using slot_type = typename manager::slot_type;
    using waiter_type = typename manager::waiter_type;

    compared_managers(const pool_options& options, std::uint64_t seed, bool rests, step_counts& steps)
        : dice_(seed),
          real_(options, seed, rests),
          reference_(options, detail::policy_set<Policies>(options).order.lend_from(1), rests),
          steps_(steps) {}

    std::uint64_t dice(std::uint64_t sides) { return dice_.next() % sides; }
    bool chance(std::uint64_t percent) { return dice(100) < percent; }
    slot_type& real(int id) { return *slot_of_.at(id); }
    slot_type* real_or_null(int id) { return id == -1 ? nullptr : slot_of_.at(id); }

    template <class... Words>
    void note(const Words&... words) {
        std::ostringstream line;
        line << '+' << std::chrono::duration_cast<std::chrono::microseconds>(now_ - start_).count() << "us";
        ((line << ' ' << words), ...);
        trace_.push_back(line.str());
    }

    void require(bool agreed, const char* what) {
        if (!agreed && disagreement_.empty()) disagreement_ = std::string("disagreement: ") + what;
    }

    /// After every event: what both ask for, and how both stand.
    void happened() {
        const bool at_rest = real_.at_rest(due_);
        taken_up_ = 0;
        const bool all_done = compare_actions(prompt_ || chance(50) ? ~0u : static_cast<unsigned>(dice(3)));
        compare_states();
        require(real_.counts() == reference_.counts(), "counts");
        require(same_counters(), "counters");
        require(!at_rest || (taken_up_ == 0 && real_.next_due() >= due_), "no rest");
        require(!all_done || real_.next_due() <= reference_.next_due(), "next due too late");
        if (all_done) due_ = real_.next_due();
        require(real_.counts().total() <= most_connections_, "limit exceeded");
        require(real_.check(), "check()");
        require(!is_stuck(), "somebody waits for what will never come");
        if (!reference_.complaint.empty()) require(false, reference_.complaint.c_str());
    }

    base::random_source dice_;
    manager real_;
    reference_manager reference_;
    const time_point start_{std::chrono::hours(1)};
    time_point now_ = start_;
    std::deque<waiter_type> callers_;
    std::size_t most_connections_ = no_limit;  // that any options ever allowed
    bool prompt_ = false;                      // the driver takes up at once whatever is asked
    std::vector<std::string> trace_;
    std::string disagreement_;

private:
    /// Somebody waits, everything there is lies idle, and there is no room for more.
    bool is_stuck() const {
        const connection_counts c = real_.counts();
        return c.waiting > 0 && c.idle == c.total() && c.total() >= real_.options().max_connections;
    }
    /// Takes up what the machine asks for, or only the first few things. True when nothing is left.
    bool compare_actions(unsigned most) {
        typename manager::action next;
        for (; most != 0 && disagreement_.empty(); --most) {
            reference_.settle(now_);
            if (!real_.next_action(next, now_)) {
                require(reference_.nothing_asked(), "something is missing");
                return true;
            }
            ++taken_up_;
            if (next.answered != nullptr)
                compare_answer(*next.answered);
            else
                compare_task(*next.slot, next.task);
        }
        return false;
    }
    void compare_answer(const waiter_type& w) {
        const reference_answer answer{number_of(w), number_of(w.granted), w.error.value()};
        note("  answer to caller", std::get<0>(answer), "slot", std::get<1>(answer));
        require(std::erase(reference_.answers, answer) == 1, "answer");
    }
    void compare_task(slot_type& s, slot_task task) {
        if (task == slot_task::open) {
            // Openings are alike until they begin: the reference's oldest is this one.
            const auto& all = reference_.slots;
            const auto first = std::find_if(all.begin(), all.end(), [](auto& r) { return r.task == slot_task::open; });
            if (first == all.end()) return require(false, "opening");
            slot_of_[first->id] = &s;
            number_of_[&s] = first->id;
        }
        note("  task", task, "slot", number_of(&s));
        require(reference_.take(number_of(&s), task, now_), "task");
    }
    void compare_states() {
        std::map<slot_type*, slot_state> now_in;
        for (const reference_slot& s : reference_.slots) {
            if (!slot_of_.count(s.id)) continue;  // an opening the driver does not know of yet
            const slot_type& r = real(s.id);
            now_in[slot_of_[s.id]] = r.state;
            require(r.state == s.state, "state of a slot");
            require(r.uses == s.uses, "uses of a slot");
            require(r.retire == s.retire, "retire reason of a slot");
        }
        for (const auto& [slot, state] : now_in) ++steps_[index(last_in_[slot])][index(state)];
        for (const auto& [slot, state] : last_in_)
            if (!now_in.count(slot)) ++steps_[index(state)][index(slot_state::vacant)];
        last_in_ = std::move(now_in);
    }
    static std::size_t index(slot_state state) { return static_cast<std::size_t>(state); }
    bool same_counters() {
        manager_counters seen = real_.counters();
        seen.examined = 0;
        const manager_counters& expected = reference_.counters;
        return seen.openings == expected.openings && seen.opened == expected.opened &&
               seen.open_failures == expected.open_failures && seen.leases == expected.leases &&
               seen.reuses == expected.reuses && seen.waits == expected.waits &&
               seen.wait_timeouts == expected.wait_timeouts && seen.wait_cancellations == expected.wait_cancellations &&
               seen.refusals == expected.refusals && seen.probes == expected.probes &&
               seen.probe_failures == expected.probe_failures && seen.rests == expected.rests &&
               seen.retired == expected.retired;
    }
    int number_of(const waiter_type& w) {
        for (std::size_t i = callers_.size(); i-- > 0;)
            if (&callers_[i] == &w) return static_cast<int>(i);
        return -1;
    }
    int number_of(slot_type* s) { return s == nullptr ? -1 : number_of_[s]; }

    step_counts& steps_;
    std::map<int, slot_type*> slot_of_;
    std::map<slot_type*, int> number_of_;
    std::map<slot_type*, slot_state> last_in_;
    time_point due_ = never;  // when a driver's timer would fire
    unsigned taken_up_ = 0;   // taken up since the last event
};

}  // namespace hotpool::test
