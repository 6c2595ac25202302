// The rules of the connection manager once more, as plainly as can be: linear scans, nothing remembered that could
// be found by looking. Slow on purpose; what it and the machine disagree on is a bug in one of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "support/reference_slots.hpp"

namespace hotpool::test {

class reference_manager : public reference_slots {
public:
    reference_manager(const pool_options& o, idle_end order, bool rests)
        : reference_slots(o), order_(order), rests_(rests) {}

    std::string complaint;  // chance went outside its bounds

    // --- callers

    get_outcome get(const reference_waiter& w, time_point now, int& granted, int& error) {
        if (stopped_) return error = static_cast<int>(*stopped_), get_outcome::refused;
        granted = w.fresh_only ? -1 : lease(now, w.lease_deadline);
        if (granted != -1) return get_outcome::granted;
        if (failing) {
            ++counters.breaker_refusals;
            return error = failing_error_, get_outcome::refused;
        }
        if (waiters.size() >= options.max_waiters) {
            ++counters.refusals;
            return error = static_cast<int>(errc::waiters_full), get_outcome::refused;
        }
        ++counters.waits;
        waiters.push_back(w);
        waiters.back().deadline = std::min(w.deadline, w.lease_deadline);
        make_room();
        return get_outcome::queued;
    }
    int lease(time_point now, time_point lease_deadline) {
        while (reference_slot* s = end_of_shelf(order_)) {
            if (const retire_reason why = too_old(*s, now); why != retire_reason::none) {
                end(*s, why);
                continue;
            }
            lend(*s, lease_deadline);
            return s->id;
        }
        return -1;
    }
    bool cancel(int id) {
        if (std::erase_if(waiters, [&](auto& w) { return w.id == id; }) == 0) return false;
        ++counters.wait_cancellations;
        return true;
    }

    // --- leases

    void returned(int id, time_point now, const return_report& report) {
        reference_slot& s = slot(id);
        s.task = slot_task::none;
        s.lease_deadline = never;
        duration limit = usual_idle_limit();
        if (report.idle_hint) limit = std::min<duration>(limit, *report.idle_hint - 2s);
        serve(s);  // Connection: close says nothing against the exchange before
        if (report.retire != retire_reason::none) return end(s, report.retire);
        if (s.retire != retire_reason::none) return end(s, s.retire);
        if (options.max_requests != 0 && s.uses >= options.max_requests) return end(s, retire_reason::max_requests);
        if (limit <= 0s) return end(s, retire_reason::idle_timeout);
        s.rested = !rests_;
        s.idle_until = base::after(now, limit);
        make_available(s, now);
    }
    void deadline(int id, time_point deadline) {
        if (slot(id).task == slot_task::expire_lease && !stopped_) slot(id).task = slot_task::none;
        slot(id).lease_deadline = std::min(deadline, overdue_since_);
    }
    void detached(int id) {
        serve(slot(id));
        ++counters.retired[static_cast<std::size_t>(retire_reason::detached)];
        remove(id);
    }

    // --- idle connections

    bool idle_failed(int id, retire_reason why) {
        if (slot(id).state != slot_state::idle) return false;
        end(slot(id), why);
        return true;
    }
    bool tend(int id) {
        if (slot(id).state != slot_state::idle) return false;
        slot(id).state = slot_state::probing;
        slot(id).tending = true;
        return true;
    }
    void tended(int id, time_point now, retire_reason why) {
        slot(id).tending = false;
        come_back(slot(id), now, why);
    }
    void probed(int id, time_point now, bool healthy, retire_reason over) {
        reference_slot& s = slot(id);
        s.task = slot_task::none;
        s.lease_deadline = never;
        s.given_up_at = never;
        s.probe_at = next_probe(now);
        s.rested = !rests_;
        if (!healthy) ++counters.probe_failures;
        if (healthy) s.answered = true;
        const bool is_new = std::exchange(s.validating, false);
        if (!healthy && is_new) good_since_ = never;
        const retire_reason unfit = is_new ? retire_reason::validation_failed : retire_reason::probe_failed;
        come_back(s, now, healthy ? over : unfit);
    }
    bool reclaim() {
        reference_slot* s = end_of_shelf(idle_end::oldest);
        if (s != nullptr) end(*s, retire_reason::budget);
        return s != nullptr;
    }

    // --- openings

    void warm(std::size_t wanted) {
        const std::size_t coming = live() + warm_left_;
        if (stopped_ || wanted <= coming || slots.size() >= options.max_connections) return;
        warm_left_ += std::min(wanted - coming, options.max_connections - slots.size());
    }
    void opened(int id, time_point now, duration life) {
        reference_slot& s = slot(id);
        s.task = slot_task::none;
        ++counters.opened;
        good_since_ = std::min(good_since_, now);
        no_opening_before_ = time_point::min();
        failing = false;
        if (stopped_) return end(s, stop_reason());
        const double longest = static_cast<double>(options.max_lifetime.count());
        const double actual = static_cast<double>(life.count());
        if (options.max_lifetime == 0s ? life != duration::max()
                                       : actual > longest || actual < longest * (1 - options.lifetime_jitter) - 1)
            complaint = "lifetime out of bounds";
        s.opened_at = now;
        s.dies_at = base::after(now, std::max<duration>(life, 1ms));
        s.idle_until = base::after(now, usual_idle_limit());
        s.rested = !rests_;
        if (options.probe_new && std::none_of(waiters.begin(), waiters.end(), [&](auto& w) { return w.takes(s); })) {
            ++counters.probes;
            s.validating = true;
            s.idle_since = now;
            s.state = slot_state::probing;
            s.task = slot_task::probe;
            return;
        }
        make_available(s, now);
    }
    /// @param pause what the backoff policy answered, if it was asked
    void failed(int id, time_point now, std::optional<duration> pause, int error) {
        ++counters.open_failures;
        const bool is_news = slot(id).failures_before == failures_counted_;
        remove(id);
        if (pause.has_value() != (!stopped_ && is_news)) complaint = "failures in a row miscounted";
        if (stopped_) return;
        if (is_news && pause) {
            const duration full = count(failures_in_a_row_, now);
            if (*pause != full) complaint = "not the pause that follows from the failures in a row";
            no_opening_before_ = none_unasked_before_ = now + full;
        }
        if (options.breaker_failures == 0) warm_left_ = 0;
        give_up_if_hopeless(error);
        if (unserved() > in(slot_state::opening)) answer(waiters.front().id, -1, error);
    }
    void deferred(int id) {
        --counters.openings;
        remove(id);
        growth_blocked_ = true;
    }
    void growth_allowed() { growth_blocked_ = false; }
    void closed(int id) { remove(id); }

    // --- everything

    void time_passed(time_point now) {
        if (stopped_ && overdue_since_ == never && stop_deadline_ <= now) {
            overdue_since_ = now;
            for (reference_slot& s : slots)
                if (s.is_out()) cut(s, now);
        }
        const auto before = waiters;
        for (const reference_waiter& w : before) {
            if (w.deadline > now) continue;
            ++counters.wait_timeouts;
            answer(w.id, -1, static_cast<int>(errc::get_timed_out));
        }
        for (reference_slot& s : slots) {
            if (s.is_out() && s.task == slot_task::none && s.lease_deadline <= now)
                cut(s, now);
            else if (s.is_out() && s.task == slot_task::none && s.lease_deadline == never && s.given_up_at <= now)
                s.task = slot_task::report_leak;
            if (s.state == slot_state::idle) look_after(s, now);
        }
    }
    void stop(errc why, time_point deadline) {
        stopped_ = why;
        stop_deadline_ = std::min(stop_deadline_, deadline);
        warm_left_ = 0;
        while (!waiters.empty()) answer(waiters.front().id, -1, static_cast<int>(why));
        counters.openings -= std::erase_if(slots, [](auto& s) { return s.task == slot_task::open; });
        for (reference_slot& s : slots) {
            if (s.state == slot_state::idle) end(s, stop_reason());
            if (s.state == slot_state::opening) s.task = slot_task::abort_opening;
            if (s.state == slot_state::leased || s.state == slot_state::probing) s.retire = stop_reason();
        }
    }
    void change(const pool_options& o, time_point now) {
        options = o;
        for (reference_slot& s : slots) {
            if (s.state != slot_state::idle && s.state != slot_state::probing) continue;
            s.idle_until = std::min(s.idle_until, base::after(s.idle_since, usual_idle_limit()));
            s.probe_at = next_probe(now);
        }
        while (in(slot_state::idle) > 0 && (live() > o.max_connections || in(slot_state::idle) > o.max_idle))
            end(*end_of_shelf(idle_end::oldest), retire_reason::limits_lowered);
        make_room();
    }

    // --- what the driver sees

    /// Growth is decided each time the driver asks what to do and no answer is left to give.
    void settle(time_point now) {
        if (!answers.empty()) return;
        for (const reference_slot& s : std::exchange(in_vain, {}))
            if (!stopped_) conclude(s, now);
        if (stopped_) return;
        grow(now, now >= none_unasked_before_);
    }
    void grow(time_point now, bool unasked) {
        const auto lacking = [&] {
            const std::size_t most = unasked ? (failures_in_a_row_ + wasted_in_a_row_ != 0 ? 1 : no_limit) : 0;
            return std::min(missing_idle(), most);
        };
        const auto is_needed = [&] { return in(slot_state::opening) < unserved() + lacking(); };
        while (!growth_blocked_ && now >= no_opening_before_ && slots.size() < options.max_connections &&
               in(slot_state::opening) < (failing ? 1 : options.max_openings) &&
               (failing || warm_left_ != 0 || is_needed())) {
            if (warm_left_ != 0 && !is_needed()) --warm_left_;
            begin_opening();
        }
        if (slots.size() >= options.max_connections) warm_left_ = 0;
    }
    /// The driver takes up a task. False when it was not asked for.
    bool take(int id, slot_task task, time_point now) {
        if (std::none_of(slots.begin(), slots.end(), [&](auto& s) { return s.id == id; })) return false;
        const bool asked = std::exchange(slot(id).task, slot_task::none) == task;
        if (task == slot_task::probe)
            slot(id).lease_deadline = std::min(base::after(now, options.health_check_timeout), overdue_since_);
        if (task == slot_task::report_leak && asked) prober_is_silent(id, now);
        return asked;
    }
    /// The earliest time at which `time_passed` would find something, or growth may go on.
    time_point next_due() const {
        time_point due = never;
        for (const reference_waiter& w : waiters) due = std::min(due, w.deadline);
        for (const reference_slot& s : slots) {
            if (s.is_out() && s.task == slot_task::none)
                due = std::min(due, s.lease_deadline != never ? s.lease_deadline : s.given_up_at);
            if (s.state == slot_state::idle) due = std::min({due, s.dies_at, s.idle_until, s.probe_at, rest_at(s)});
        }
        if (stopped_ && !slots.empty() && overdue_since_ == never) due = std::min(due, stop_deadline_);
        if (stopped_) return due;
        reference_manager asked = *this, any = *this;
        asked.grow(never, false);
        any.grow(never, true);
        if (asked.slots.size() > slots.size()) return std::min(due, no_opening_before_);
        if (any.slots.size() > slots.size()) return std::min(due, std::max(no_opening_before_, none_unasked_before_));
        return due;
    }

private:
    retire_reason stop_reason() const {
        return *stopped_ == errc::pool_draining ? retire_reason::drained : retire_reason::pool_closed;
    }
    // --- openings that come to nothing

    void serve(reference_slot& s) {
        if (s.served) return;
        s.served = true;
        failures_in_a_row_ = wasted_in_a_row_ = 0;
        none_unasked_before_ = time_point::min();
        good_since_ = never;
    }
    /// @return the pause that follows
    duration count(unsigned& row, time_point now) {
        if (good_since_ != never && now - good_since_ >= 1s) failures_in_a_row_ = wasted_in_a_row_ = 0;
        good_since_ = never;
        ++failures_counted_;
        ++row;
        duration full = options.backoff_first;
        for (unsigned i = 1; i < row; ++i) full = std::min(2 * full, options.backoff_limit);
        return full;
    }
    bool any_left() const { return in(slot_state::idle) + in(slot_state::leased) + in(slot_state::probing) > 0; }
    void give_up_if_hopeless(int error) {
        if (options.breaker_failures == 0 || failures_in_a_row_ < options.breaker_failures || any_left()) return;
        failing_error_ = error;
        if (std::exchange(failing, true)) return;
        warm_left_ = 0;
        while (!waiters.empty()) answer(waiters.front().id, -1, error);
    }
    void conclude(const reference_slot& s, time_point now) {
        const bool closed = s.retire == retire_reason::peer_closed;
        const bool of_the_peer =
            !s.answered && ((closed && s.uses != 0) || s.retire == retire_reason::unsolicited_bytes ||
                            s.retire == retire_reason::probe_failed || s.retire == retire_reason::validation_failed);
        const bool of_the_pool = s.answered || (closed && s.uses == 0) || s.retire == retire_reason::idle_timeout ||
                                 s.retire == retire_reason::max_lifetime || s.retire == retire_reason::surplus ||
                                 s.retire == retire_reason::budget;
        if (!of_the_peer && !of_the_pool) return;
        if (now - s.opened_at >= 1s && s.retire != retire_reason::validation_failed) return;
        if (s.failures_before == failures_counted_)
            none_unasked_before_ = now + count(of_the_peer ? failures_in_a_row_ : wasted_in_a_row_, now);
        if (!of_the_peer) return;
        if (!any_left()) no_opening_before_ = none_unasked_before_;
        errc error = errc::closed_unserved;
        if (s.retire == retire_reason::unsolicited_bytes) error = errc::spoke_unasked;
        if (s.retire == retire_reason::probe_failed || s.retire == retire_reason::validation_failed)
            error = errc::probe_failed;
        give_up_if_hopeless(static_cast<int>(error));
    }

    /// His probe does not even end when it is cut.
    void prober_is_silent(int id, time_point now) {
        reference_slot s = slot(id);
        s.retire = s.validating ? retire_reason::validation_failed : retire_reason::probe_failed;
        if (s.validating) good_since_ = never;
        ++counters.probe_failures;
        ++counters.retired[static_cast<std::size_t>(s.retire)];
        remove(id);
        if (!s.served && !stopped_) conclude(s, now);
    }

    void begin_opening() {
        ++counters.openings;
        slots.push_back({.id = ++last_id_, .failures_before = failures_counted_});
    }

    /// An idle connection when its time comes.
    void look_after(reference_slot& s, time_point now) {
        if (const retire_reason why = too_old(s, now); why != retire_reason::none) return end(s, why);
        if (s.probe_at <= now) {
            ++counters.probes;
            s.state = slot_state::probing;
            s.task = slot_task::probe;
            std::erase(shelf, s.id);
        } else if (rest_at(s) <= now) {
            ++counters.rests;
            s.state = slot_state::probing;
            s.task = slot_task::rest;
            s.tending = s.rested = true;
        }
    }
    /// Put back or just opened.
    void make_available(reference_slot& s, time_point now) {
        if (now >= s.dies_at) return end(s, retire_reason::max_lifetime);
        if (const retire_reason why = displaced(s); why != retire_reason::none) return end(s, why);
        if (serve_waiter(s)) return;
        s.idle_since = now;
        s.probe_at = next_probe(now);
        shelf.insert(shelf.begin(), s.id);
        keep(s);
    }
    /// Back from tending, or from a probe, and then at the far end.
    void come_back(reference_slot& s, time_point now, retire_reason why) {
        if (why == retire_reason::none) why = s.retire;
        if (why == retire_reason::none) why = too_old(s, now);
        if (why == retire_reason::none) why = displaced(s);
        if (why != retire_reason::none) return end(s, why);
        if (serve_waiter(s)) return;
        if (std::find(shelf.begin(), shelf.end(), s.id) == shelf.end()) shelf.push_back(s.id);
        keep(s);
    }
    retire_reason displaced(const reference_slot& s) const {
        if (live() > options.max_connections) return retire_reason::limits_lowered;
        std::size_t passed_over = 0;
        while (passed_over < waiters.size() && !waiters[passed_over].takes(s)) ++passed_over;
        return lacks_room(passed_over) ? retire_reason::made_room : retire_reason::none;
    }
    bool serve_waiter(reference_slot& s) {
        const auto w = std::find_if(waiters.begin(), waiters.end(), [&](auto& one) { return one.takes(s); });
        if (w == waiters.end()) return false;
        lend(s, w->lease_deadline);
        answer(w->id, s.id, 0);
        return true;
    }
    void keep(reference_slot& s) {
        s.state = slot_state::idle;
        if (in(slot_state::idle) > options.max_idle) end(*end_of_shelf(idle_end::oldest), retire_reason::surplus);
    }
    void make_room() {
        while (in(slot_state::idle) > 0 && lacks_room(waiters.size()))
            end(*end_of_shelf(idle_end::oldest), retire_reason::made_room);
    }

    idle_end order_;
    bool rests_;
    std::optional<errc> stopped_;
    time_point stop_deadline_ = never;
    time_point overdue_since_ = never;
    bool growth_blocked_ = false;
    std::size_t warm_left_ = 0;
    unsigned failures_in_a_row_ = 0;
    unsigned wasted_in_a_row_ = 0;
    int failing_error_ = 0;
    time_point good_since_ = never;
    time_point none_unasked_before_ = time_point::min();
    std::uint64_t failures_counted_ = 0;
    time_point no_opening_before_ = time_point::min();
    int last_id_ = 0;
};

}  // namespace hotpool::test
