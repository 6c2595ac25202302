// A run of random events, told to the machine and to its reference.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hotpool/connection_manager.hpp"
#include "support/compared_managers.hpp"

namespace hotpool::test {

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
        return *(spied::pause = backoff::pause(failures, 0 * chance));  // the reference knows no chance
    }
};
struct newest_spied : default_policies {
    using max_lifetime = spied_lifetime;
    using backoff = spied_backoff;
};
struct oldest_spied : newest_spied {
    using reuse_order = hotpool::oldest_first;
};

template <class Policies>
class random_run : compared_managers<Policies> {
    using both = compared_managers<Policies>;
    using both::callers_, both::chance, both::dice, both::disagreement_, both::happened, both::note, both::now_,
        both::real, both::real_, both::real_or_null, both::reference_, both::require;

public:
    random_run(const std::vector<pool_options>& choices, std::uint64_t seed, step_counts& steps)
        : both(choices[seed % choices.size()], seed, seed % 2 == 0, steps), choices_(choices) {
        this->most_connections_ = 0;
        for (const pool_options& o : choices)
            this->most_connections_ = std::max(this->most_connections_, o.max_connections);
    }

    /// Empty when both agreed all the way, else what happened, ending with the disagreement.
    std::string run(int events) {
        happened();
        for (int i = 0; i < events && disagreement_.empty(); ++i) random_event();
        if (disagreement_.empty()) wind_up();
        if (disagreement_.empty()) return {};
        std::string told;
        for (const std::string& line : this->trace_) told += line + '\n';
        return told + disagreement_;
    }

private:
    /// A slot in this state, by chance, that the driver has or may answer for; -1 when there is none.
    int some(slot_state state) {
        std::vector<int> found;
        for (const reference_slot& s : reference_.slots)
            if (s.state == state &&
                (s.task == slot_task::none || s.task == slot_task::expire_lease || s.task == slot_task::abort_opening))
                found.push_back(s.id);
        return found.empty() ? -1 : found[dice(found.size())];
    }
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
        if (roll == 96) return change_deadline();
        if (roll == 97 && chance(10)) return stop(chance(50) ? errc::pool_draining : errc::pool_closed);
        pass_time();
    }

    void get() {
        const int id = static_cast<int>(callers_.size());
        auto& w = callers_.emplace_back();
        const time_point deadline = chance(30) ? never : now_ + std::chrono::milliseconds(dice(3000));
        w.lease_deadline = chance(60) ? never : now_ + std::chrono::milliseconds(dice(2000));
        w.fresh_only = chance(15);
        int granted = -1, error = 0;
        const get_outcome expected =
            reference_.get({id, deadline, w.lease_deadline, w.fresh_only}, now_, granted, error);
        const get_outcome outcome = real_.get_requested(w, now_, deadline);
        note("get by caller", id, w.fresh_only ? "fresh only" : "", outcome);
        require(outcome == expected, "outcome of get");
        require(w.granted == real_or_null(granted), "slot granted");
        require(w.error.value() == error, "error of get");
        require(w.waiting == (outcome == get_outcome::queued), "waiting or not");
        happened();
    }
    void try_lease() {
        const int expected = reference_.lease(now_, never);
        note("try_lease", expected);
        require(real_.try_lease(now_) == real_or_null(expected), "slot leased");
        happened();
    }
    void cancel() {
        if (callers_.empty()) return;
        const int id = static_cast<int>(callers_.size() - 1 - dice(std::min<std::size_t>(callers_.size(), 8)));
        note("cancel caller", id);
        require(real_.waiter_cancelled(callers_[static_cast<std::size_t>(id)]) == reference_.cancel(id),
                "cancelled in time");
        happened();
    }
    void put() {
        const int id = some(slot_state::leased);
        if (id == -1) return;
        return_report report;
        if (chance(10)) report = {.retire = retire_reason::connection_close, .delivered = true};
        if (chance(20)) report.idle_hint = std::chrono::seconds(dice(7));
        note("put slot", id, report.retire, report.idle_hint.value_or(std::chrono::seconds(-1)).count());
        reference_.returned(id, now_, report);
        real_.lease_returned(real(id), now_, report);
        happened();
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
        happened();
    }
    void pass_time() {
        // A coarse clock may be a little behind what a finer one has said before.
        constexpr duration steps[] = {0ms, 1us, 2ms, 7ms, 40ms, 100ms, 350ms, 1s, 4s, -4ms};
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
        happened();
    }
    void close_one() {
        const int id = some(slot_state::closing);
        if (id == -1) return;
        note("closed slot", id);
        reference_.closed(id);
        real_.slot_closed(real(id));
        happened();
    }
    void tend() {
        const int id = some(chance(90) ? slot_state::idle : slot_state::leased);
        if (id == -1) return;
        note("tend slot", id);
        require(real_.tend_started(real(id)) == reference_.tend(id), "tended or not");
        happened();
    }
    void come_back() {
        const int id = some(slot_state::probing);
        if (id == -1) return;
        const bool well = chance(85);
        const bool tending = reference_.slot(id).tending;
        note(tending ? "tended slot" : "probed slot", id, well);
        if (tending) {
            const retire_reason why = well ? retire_reason::none : retire_reason::peer_closed;
            reference_.tended(id, now_, why);
            real_.tend_finished(real(id), now_, why);
        } else {
            const retire_reason over = chance(80) ? retire_reason::none : retire_reason::connection_close;
            reference_.probed(id, now_, well, over);
            real_.probe_finished(real(id), now_, well, over);
        }
        happened();
    }
    void change_deadline() {
        const int id = some(slot_state::leased);
        if (id == -1) return;
        const time_point deadline = chance(20) ? never : now_ + std::chrono::milliseconds(dice(2000));
        note("new deadline for slot", id);
        reference_.deadline(id, deadline);
        real_.deadline_changed(real(id), deadline);
        happened();
    }
    void detach() {
        int id = some(chance(80) ? slot_state::leased : slot_state::probing);
        if (id != -1 && reference_.slot(id).tending) id = -1;
        if (id == -1) return;
        note("detach slot", id);
        reference_.detached(id);
        real_.lease_detached(real(id));
        happened();
    }
    void warm() {
        const std::size_t wanted = dice(6);
        note("warm", wanted);
        reference_.warm(wanted);
        real_.warm_requested(wanted);
        happened();
    }
    void change_options() {
        const std::size_t choice = dice(choices_.size());
        note("options", choice);
        reference_.change(choices_[choice], now_);
        real_.options_changed(choices_[choice], now_);
        happened();
    }
    void idle_fails() {
        const int id = some(chance(80) ? slot_state::idle : slot_state::leased);
        if (id == -1) return;
        note("idle failed, slot", id);
        const auto why = retire_reason::unsolicited_bytes;
        require(real_.idle_failed(real(id), why) == reference_.idle_failed(id, why), "failed or not");
        happened();
    }
    void reclaim() {
        note("reclaim");
        require(real_.reclaim_idle() == reference_.reclaim(), "reclaimed or not");
        happened();
    }
    void stop(errc why) {
        const time_point deadline = chance(40) ? never : now_ + std::chrono::milliseconds(dice(2000));
        note("stop", make_error_code(why).message());
        reference_.stop(why, deadline);
        real_.stop_requested(why, deadline);
        happened();
    }
    /// The pool is closed and everybody goes home.
    void wind_up() {
        this->prompt_ = true;
        stop(errc::pool_closed);
        for (int round = 0; disagreement_.empty() && !reference_.slots.empty() && round < 1000; ++round) {
            put();
            answer_an_opening();
            come_back();
            close_one();
        }
        if (disagreement_.empty()) require(real_.empty(), "all gone at the end");
    }

    const std::vector<pool_options>& choices_;
};

}  // namespace hotpool::test
