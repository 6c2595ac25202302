// The machine and its reference, told the same random events and compared after each.
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

namespace hotpool::testing {

/// What the jittered policies answered last; the reference checks the bounds and takes the number over.
struct spied {
    static inline std::optional<duration> life, pause;
};
struct spied_lifetime : max_lifetime {
    using max_lifetime::max_lifetime;
    duration life(double chance) const noexcept { return *(spied::life = max_lifetime::life(chance)); }
};
struct spied_backoff : backoff {
    using backoff::backoff;
    duration pause(unsigned failures, double chance) const noexcept {
        return *(spied::pause = backoff::pause(failures, chance));
    }
};
struct newest_spied : default_policies {
    using max_lifetime = spied_lifetime;
    using backoff = spied_backoff;
};
struct oldest_spied : newest_spied {
    using reuse_order = hotpool::oldest_first;
};

/// How often each step of a slot's life was seen.
using step_counts = std::array<std::array<std::uint64_t, slot_state_count>, slot_state_count>;

template <class Policies>
class random_run {
public:
    random_run(const std::vector<pool_options>& choices, std::uint64_t seed, step_counts& steps)
        : choices_(choices),
          dice_(seed),
          steps_(steps),
          real_(choices[seed % choices.size()], seed, seed % 2 == 0),
          reference_(choices[seed % choices.size()], policy_set().order.lend_from(1), seed % 2 == 0) {}

    /// Empty when both agreed all the way, else what happened, ending with the disagreement.
    std::string run(int events) {
        happened("start");
        for (int i = 0; i < events && disagreement_.empty(); ++i) random_event();
        if (disagreement_.empty()) wind_up();
        if (disagreement_.empty()) return {};
        std::string told;
        for (const std::string& line : trace_) told += line + '\n';
        return told + disagreement_;
    }

private:
    using manager = connection_manager<int, Policies>;
    using slot_type = typename manager::slot_type;
    using waiter_type = typename manager::waiter_type;

    static detail::policy_set<Policies> policy_set() { return detail::policy_set<Policies>(pool_options{}); }
    std::uint64_t dice(std::uint64_t sides) { return dice_.next() % sides; }
    bool chance(std::uint64_t percent) { return dice(100) < percent; }

    template <class... Words>
    void note(const Words&... words) {
        std::ostringstream line;
        line << '+' << std::chrono::duration_cast<std::chrono::microseconds>(now_ - start_).count() << "us";
        ((line << ' ' << words), ...);
        trace_.push_back(line.str());
    }

    /// A slot of the reference in this state, by chance; -1 when there is none.
    int some(slot_state state) {
        const std::size_t n = reference_.in(state);
        if (n == 0) return -1;
        std::size_t skip = dice(n);
        for (const reference_slot& s : reference_.slots)
            if (s.state == state && skip-- == 0) return s.id;
        return -1;
    }
    const reference_slot& known(int id) {
        return *std::find_if(reference_.slots.begin(), reference_.slots.end(), [&](auto& s) { return s.id == id; });
    }
    slot_type& real(int id) { return *slot_of_.at(id); }

    // --- events

    void random_event() {
        const std::uint64_t roll = dice(100);
        if (roll < 22) return get();
        if (roll < 38) return put();
        if (roll < 56) return answer_an_opening();
        if (roll < 66) return pass_time();
        if (roll < 72) return close_one();
        if (roll < 79) return tend();
        if (roll < 86) return come_back();
        if (roll < 90) return cancel();
        rare_event(roll);
    }
    void rare_event(std::uint64_t roll) {
        if (roll == 90) return detach();
        if (roll == 91) return warm();
        if (roll == 92) return change_options();
        if (roll == 93) return idle_fails();
        if (roll == 94) return reclaim();
        if (roll == 95) return try_lease();
        if (roll == 96 && chance(10)) return stop(chance(50) ? errc::pool_draining : errc::pool_closed);
        if (roll == 97 && chance(20)) return cut_leases();
        pass_time();
    }

    void get() {
        const int id = static_cast<int>(callers_.size());
        waiter_type& w = callers_.emplace_back();
        const time_point deadline = chance(30) ? never : now_ + std::chrono::milliseconds(dice(3000));
        w.lease_deadline = chance(60) ? never : now_ + std::chrono::milliseconds(dice(2000));
        int granted = -1, error = 0;
        const get_outcome expected = reference_.get({id, deadline, w.lease_deadline}, now_, granted, error);
        const get_outcome outcome = real_.get_requested(w, now_, deadline);
        note("get by caller", id, outcome);
        require(outcome == expected, "outcome of get");
        require(w.granted == (granted == -1 ? nullptr : slot_of_[granted]), "slot granted");
        require(w.error.value() == error, "error of get");
        require(w.waiting == (outcome == get_outcome::queued), "waiting or not");
        happened("");
    }
    void try_lease() {
        const int expected = reference_.lease(now_, never);
        note("try_lease", expected);
        require(real_.try_lease(now_) == (expected == -1 ? nullptr : slot_of_[expected]), "slot leased");
        happened("");
    }
    void cancel() {
        if (callers_.empty()) return;
        const int id = static_cast<int>(callers_.size() - 1 - dice(std::min<std::size_t>(callers_.size(), 8)));
        note("cancel caller", id);
        require(real_.waiter_cancelled(callers_[static_cast<std::size_t>(id)]) == reference_.cancel(id), "cancelled in time");
        happened("");
    }
    void put() {
        const int id = some(slot_state::leased);
        if (id == -1) return;
        return_report report;
        if (chance(10)) report.retire = retire_reason::connection_close;
        if (chance(20)) report.idle_hint = std::chrono::seconds(dice(7));
        note("put slot", id, report.retire, report.idle_hint.value_or(std::chrono::seconds(-1)).count());
        reference_.returned(id, now_, report);
        real_.lease_returned(real(id), now_, report);
        happened("");
    }
    void answer_an_opening() {
        const int id = some(slot_state::opening);
        if (id == -1) return;
        spied::life = spied::pause = std::nullopt;
        const std::uint64_t roll = dice(100);
        if (roll < 65) {
            note("opened slot", id);
            real_.slot_opened(real(id), now_);
            reference_.opened(id, now_, spied::life.value_or(duration::max()));
        } else if (roll < 90) {
            note("opening failed, slot", id);
            real_.opening_failed(real(id), now_, make_error_code(errc::connect_refused));
            reference_.failed(id, now_, spied::pause, static_cast<int>(errc::connect_refused));
        } else {
            note("deferred slot", id);
            real_.opening_deferred(real(id));
            reference_.deferred(id);
        }
        happened("");
    }
    void pass_time() {
        constexpr duration steps[] = {0ms, 1us, 2ms, 7ms, 40ms, 100ms, 350ms, 1s, 4s};
        now_ += steps[dice(std::size(steps))];
        if (const time_point due = reference_.next_due(); due != never && due > now_ && chance(30))
            now_ = due - duration(dice(2));  // exactly then, or just before
        if (chance(30)) {
            reference_.growth_allowed();
            real_.growth_allowed();
        }
        note("time passed");
        reference_.time_passed(now_);
        real_.time_passed(now_);
        happened("");
    }
    void close_one() {
        const int id = some(slot_state::closing);
        if (id == -1) return;
        note("closed slot", id);
        reference_.closed(id);
        real_.slot_closed(real(id));
        happened("");
    }
    void tend() {
        const int id = some(chance(90) ? slot_state::idle : slot_state::leased);
        if (id == -1) return;
        note("tend slot", id);
        require(real_.tend_started(real(id)) == reference_.tend(id), "tended or not");
        happened("");
    }
    void come_back() {
        const int id = some(slot_state::probing);
        if (id == -1) return;
        const bool well = chance(85);
        note(known(id).tending ? "tended slot" : "probed slot", id, well);
        if (known(id).tending) {
            const retire_reason why = well ? retire_reason::none : retire_reason::peer_closed;
            reference_.tended(id, now_, why);
            real_.tend_finished(real(id), now_, why);
        } else {
            reference_.probed(id, now_, well);
            real_.probe_finished(real(id), now_, well);
        }
        happened("");
    }
    void detach() {
        const int id = some(slot_state::leased);
        if (id == -1) return;
        note("detach slot", id);
        reference_.detached(id);
        real_.lease_detached(real(id));
        happened("");
    }
    void warm() {
        const std::size_t wanted = dice(6);
        note("warm", wanted);
        require(real_.warm_requested(wanted) == reference_.warm(wanted), "openings started");
        happened("");
    }
    void change_options() {
        const std::size_t choice = dice(choices_.size());
        note("options", choice);
        reference_.change(choices_[choice], now_);
        real_.options_changed(choices_[choice], now_);
        happened("");
    }
    void idle_fails() {
        const int id = some(chance(80) ? slot_state::idle : slot_state::leased);
        if (id == -1) return;
        note("idle failed, slot", id);
        const auto why = retire_reason::unsolicited_bytes;
        require(real_.idle_failed(real(id), why) == reference_.idle_failed(id, why), "failed or not");
        happened("");
    }
    void reclaim() {
        note("reclaim");
        require(real_.reclaim_idle() == reference_.reclaim(), "reclaimed or not");
        happened("");
    }
    void stop(errc why) {
        note("stop", make_error_code(why).message());
        reference_.stop(why);
        real_.stop_requested(why);
        happened("");
    }
    void cut_leases() {
        note("leases overdue");
        reference_.all_overdue();
        real_.leases_overdue();
        happened("");
    }
    /// The pool is closed and everybody goes home.
    void wind_up() {
        stop(errc::pool_closed);
        for (int round = 0; disagreement_.empty() && !reference_.slots.empty() && round < 1000; ++round) {
            put();
            answer_an_opening();
            come_back();
            close_one();
        }
        if (disagreement_.empty()) require(real_.empty(), "all gone at the end");
    }

    // --- comparison

    void require(bool agreed, const char* what) {
        if (!agreed && disagreement_.empty()) disagreement_ = std::string("disagreement: ") + what;
    }

    /// After every event: what both ask for, and how both stand.
    void happened(const char* what) {
        if (*what != '\0') note(what);
        reference_.settle(now_);
        compare_actions();
        compare_states();
        require(real_.counts() == reference_.counts(), "counts");
        require(same_counters(), "counters");
        require(real_.next_due() <= reference_.next_due(), "next due too late");
        require(real_.counts().total() <= most_connections(), "limit exceeded");
        require(real_.check(), "check()");
        if (!reference_.complaint.empty()) require(false, reference_.complaint.c_str());
    }
    void compare_actions() {
        outcomes seen, expected = std::exchange(reference_.out, {});
        std::vector<slot_type*> opens;
        typename manager::action next;
        while (real_.next_action(next, now_)) {
            if (next.answered != nullptr)
                seen.answers.emplace_back(number_of(*next.answered), number_of(next.answered->granted),
                                          next.answered->error.value());
            else if (next.task == slot_task::open)
                opens.push_back(next.slot);
            else
                seen.tasks.emplace_back(number_of(next.slot), next.task);
        }
        require(opens.size() == expected.opens.size(), "number of openings");
        for (std::size_t i = 0; i < std::min(opens.size(), expected.opens.size()); ++i) {
            slot_of_[expected.opens[i]] = opens[i];
            number_of_[opens[i]] = expected.opens[i];
        }
        std::sort(seen.tasks.begin(), seen.tasks.end());
        std::sort(seen.answers.begin(), seen.answers.end());
        std::sort(expected.tasks.begin(), expected.tasks.end());
        std::sort(expected.answers.begin(), expected.answers.end());
        require(seen.tasks == expected.tasks, "tasks");
        require(seen.answers == expected.answers, "answers");
    }
    void compare_states() {
        std::map<slot_type*, slot_state> now_in;
        for (const reference_slot& s : reference_.slots) {
            if (!slot_of_.count(s.id)) continue;
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
    std::size_t most_connections() const {
        std::size_t most = 0;
        for (const pool_options& o : choices_) most = std::max(most, o.max_connections);
        return most;
    }
    int number_of(const waiter_type& w) {
        for (std::size_t i = callers_.size(); i-- > 0;)
            if (&callers_[i] == &w) return static_cast<int>(i);
        return -1;
    }
    int number_of(slot_type* s) { return s == nullptr ? -1 : number_of_[s]; }

    const std::vector<pool_options>& choices_;
    base::random_source dice_;
    step_counts& steps_;
    manager real_;
    reference_manager reference_;
    const time_point start_{std::chrono::hours(1)};
    time_point now_ = start_;
    std::deque<waiter_type> callers_;
    std::map<int, slot_type*> slot_of_;
    std::map<slot_type*, int> number_of_;
    std::map<slot_type*, slot_state> last_in_;
    std::vector<std::string> trace_;
    std::string disagreement_;
};

}  // namespace hotpool::testing
