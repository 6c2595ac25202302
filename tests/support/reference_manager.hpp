// The rules of the connection manager once more, as plainly as can be: vectors, linear scans, nothing remembered
// that could be found by looking. Slow on purpose; what it and the machine disagree on is a bug in one of them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "hotpool/connection_manager.hpp"

namespace hotpool::testing {

using namespace std::chrono_literals;

struct reference_slot {
    int id = 0;
    slot_state state = slot_state::opening;
    retire_reason retire = retire_reason::none;
    bool tending = false;
    bool rested = false;
    std::uint64_t uses = 0;
    std::uint64_t failures_before = 0;  // failed openings counted when this one began
    std::uint64_t arrival = 0;          // the order of becoming idle, decides between equal `idle_since`
    time_point idle_since{};
    time_point dies_at = never;
    time_point idle_until = never;
    time_point probe_at = never;
    time_point lease_deadline = never;
};

struct reference_waiter {
    int id = 0;
    time_point deadline = never;
    time_point lease_deadline = never;
};

/// What one event led to. Openings are in order; the rest is sorted before it is compared.
struct outcomes {
    using answer = std::tuple<int, int, int>;  // caller, slot or -1, error value
    std::vector<int> opens;
    std::vector<std::pair<int, slot_task>> tasks;
    std::vector<answer> answers;
};

class reference_manager {
public:
    reference_manager(const pool_options& o, idle_end order, bool rests) : options(o), order_(order), rests_(rests) {}

    pool_options options;
    std::vector<reference_slot> slots;  // those that are not vacant
    std::vector<reference_waiter> waiters;
    manager_counters counters;
    outcomes out;
    std::string complaint;  // chance went outside its bounds

    // --- callers

    get_outcome get(const reference_waiter& w, time_point now, int& granted, int& error) {
        if (stopped_) return error = static_cast<int>(*stopped_), get_outcome::refused;
        granted = lease(now, w.lease_deadline);
        if (granted != -1) return get_outcome::granted;
        if (waiters.size() >= options.max_waiters) {
            ++counters.refusals;
            return error = static_cast<int>(errc::waiters_full), get_outcome::refused;
        }
        ++counters.waits;
        waiters.push_back(w);
        return get_outcome::queued;
    }
    int lease(time_point now, time_point lease_deadline) {
        while (reference_slot* s = end_of_idle(order_)) {
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
        const auto found = std::find_if(waiters.begin(), waiters.end(), [&](auto& w) { return w.id == id; });
        if (found == waiters.end()) return false;
        waiters.erase(found);
        ++counters.wait_cancellations;
        return true;
    }

    // --- leases

    void returned(int id, time_point now, const return_report& report) {
        reference_slot& s = slot(id);
        s.lease_deadline = never;
        const duration usual = options.idle_timeout == 0s ? duration::max() : options.idle_timeout;
        duration limit = usual;
        if (report.idle_hint) limit = std::min<duration>(usual, *report.idle_hint - std::chrono::seconds(2));
        if (report.retire != retire_reason::none) return end(s, report.retire);
        if (s.retire != retire_reason::none) return end(s, s.retire);
        if (options.max_requests != 0 && s.uses >= options.max_requests) return end(s, retire_reason::max_requests);
        if (limit <= 0s) return end(s, retire_reason::idle_timeout);
        s.rested = !rests_;
        s.idle_until = base::after(now, limit);
        fresh(s, now);
    }
    void detached(int id) {
        ++counters.retired[static_cast<std::size_t>(retire_reason::detached)];
        remove(id);
    }
    void all_overdue() {
        for (reference_slot& s : slots)
            if (s.state == slot_state::leased) cut(s);
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
    void probed(int id, time_point now, bool healthy) {
        reference_slot& s = slot(id);
        s.probe_at = next_probe(now);
        s.rested = !rests_;
        if (!healthy) ++counters.probe_failures;
        come_back(s, now, healthy ? retire_reason::none : retire_reason::probe_failed);
    }
    bool reclaim() {
        reference_slot* s = end_of_idle(idle_end::oldest);
        if (s != nullptr) end(*s, retire_reason::budget);
        return s != nullptr;
    }

    // --- openings

    std::size_t warm(std::size_t wanted) {
        std::size_t started = 0;
        for (; !stopped_ && live() < wanted && slots.size() < options.max_connections; ++started) begin_opening();
        return started;
    }
    void opened(int id, time_point now, duration life) {
        ++counters.opened;
        failures_in_a_row_ = 0;
        no_opening_before_ = time_point::min();
        reference_slot& s = slot(id);
        if (stopped_) return end(s, stop_reason());
        const double longest = static_cast<double>(options.max_lifetime.count());
        const double actual = static_cast<double>(life.count());
        if (options.max_lifetime == 0s ? life != duration::max()
                                       : actual > longest || actual < longest * (1 - options.lifetime_jitter) - 1)
            complaint = "lifetime out of bounds";
        s.dies_at = base::after(now, life);
        s.idle_until = base::after(now, options.idle_timeout == 0s ? duration::max() : options.idle_timeout);
        s.rested = !rests_;
        fresh(s, now);
    }
    /// @param pause what the backoff policy was asked for, if it was
    void failed(int id, time_point now, std::optional<duration> pause, int error) {
        ++counters.open_failures;
        const bool first_news = slot(id).failures_before == failures_counted_;
        remove(id);
        if (pause.has_value() != (!stopped_ && first_news)) complaint = "failures in a row miscounted";
        if (stopped_) return;
        if (first_news && pause) {
            ++failures_counted_;
            ++failures_in_a_row_;
            duration full = options.backoff_first;
            for (unsigned i = 1; i < failures_in_a_row_; ++i) full = std::min(2 * full, options.backoff_limit);
            if (*pause > full || *pause < full / 2) complaint = "backoff out of bounds";
            no_opening_before_ = now + *pause;
        }
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
        const auto late = waiters;
        for (const reference_waiter& w : late) {
            if (w.deadline > now) continue;
            ++counters.wait_timeouts;
            answer(w.id, -1, static_cast<int>(errc::get_timed_out));
        }
        for (reference_slot& s : slots) {
            if (s.state == slot_state::leased && s.lease_deadline <= now) cut(s);
            if (s.state != slot_state::idle) continue;
            if (const retire_reason why = too_old(s, now); why != retire_reason::none) {
                end(s, why);
            } else if (s.probe_at <= now) {
                ++counters.probes;
                s.state = slot_state::probing;
                out.tasks.emplace_back(s.id, slot_task::probe);
            } else if (rest_at(s) <= now) {
                ++counters.rests;
                s.state = slot_state::probing;
                s.tending = s.rested = true;
                out.tasks.emplace_back(s.id, slot_task::rest);
            }
        }
    }
    void stop(errc why) {
        stopped_ = why;
        while (!waiters.empty()) answer(waiters.front().id, -1, static_cast<int>(why));
        for (reference_slot& s : slots) {
            if (s.state == slot_state::idle) end(s, stop_reason());
            if (s.state == slot_state::opening) out.tasks.emplace_back(s.id, slot_task::abort_opening);
            if (s.state == slot_state::leased || s.state == slot_state::probing) s.retire = stop_reason();
        }
    }
    void change(const pool_options& o, time_point now) {
        options = o;
        for (reference_slot& s : slots) {
            if (s.state != slot_state::idle && s.state != slot_state::probing) continue;
            if (o.idle_timeout != 0s) s.idle_until = std::min(s.idle_until, s.idle_since + o.idle_timeout);
            s.probe_at = next_probe(now);
        }
        while (in(slot_state::idle) > 0 && (live() > o.max_connections || in(slot_state::idle) > o.max_idle))
            end(*end_of_idle(idle_end::oldest), retire_reason::limits_lowered);
    }
    /// What follows from the state of things: openings.
    void settle(time_point now) {
        while (!stopped_ && !growth_blocked_ && now >= no_opening_before_ && slots.size() < options.max_connections &&
               in(slot_state::opening) < unserved() + missing_idle())
            begin_opening();
    }
    /// The earliest time at which `time_passed` would find something, or growth may go on.
    time_point next_due() const {
        time_point due = never;
        for (const reference_waiter& w : waiters) due = std::min(due, w.deadline);
        for (const reference_slot& s : slots) {
            if (s.state == slot_state::leased) due = std::min(due, s.lease_deadline);
            if (s.state == slot_state::idle) due = std::min({due, s.dies_at, s.idle_until, s.probe_at, rest_at(s)});
        }
        reference_manager later = *this;
        later.settle(never);
        return later.slots.size() > slots.size() ? std::min(due, no_opening_before_) : due;
    }

    std::size_t in(slot_state state) const {
        return static_cast<std::size_t>(
            std::count_if(slots.begin(), slots.end(), [&](auto& s) { return s.state == state; }));
    }
    connection_counts counts() const {
        return {in(slot_state::opening), in(slot_state::idle),    in(slot_state::leased),
                in(slot_state::probing), in(slot_state::closing), waiters.size()};
    }
    bool stopped() const { return stopped_.has_value(); }

private:
    reference_slot& slot(int id) {
        return *std::find_if(slots.begin(), slots.end(), [&](auto& s) { return s.id == id; });
    }
    void remove(int id) {
        slots.erase(std::find_if(slots.begin(), slots.end(), [&](auto& s) { return s.id == id; }));
    }
    std::size_t live() const { return slots.size() - in(slot_state::closing); }

    reference_slot* end_of_idle(idle_end which) {
        reference_slot* best = nullptr;
        for (reference_slot& s : slots) {
            if (s.state != slot_state::idle) continue;
            const bool newer = best != nullptr && std::pair(s.idle_since, s.arrival) > std::pair(best->idle_since, best->arrival);
            if (best == nullptr || newer == (which == idle_end::newest)) best = &s;
        }
        return best;
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
    retire_reason stop_reason() const {
        return *stopped_ == errc::pool_draining ? retire_reason::drained : retire_reason::pool_closed;
    }

    void lend(reference_slot& s, time_point lease_deadline) {
        ++counters.leases;
        if (s.uses > 0) ++counters.reuses;
        ++s.uses;
        s.state = slot_state::leased;
        s.lease_deadline = lease_deadline;
    }
    void cut(reference_slot& s) {
        s.lease_deadline = never;
        out.tasks.emplace_back(s.id, slot_task::expire_lease);
    }
    void end(reference_slot& s, retire_reason why) {
        ++counters.retired[static_cast<std::size_t>(why)];
        s.state = slot_state::closing;
        s.retire = why;
        out.tasks.emplace_back(s.id, slot_task::close);
    }
    void answer(int waiter, int slot_id, int error) {
        out.answers.emplace_back(waiter, slot_id, error);
        std::erase_if(waiters, [&](auto& w) { return w.id == waiter; });
    }

    /// Put back or just opened: fit for the oldest waiter, or idle from now on.
    void fresh(reference_slot& s, time_point now) {
        if (now >= s.dies_at) return end(s, retire_reason::max_lifetime);
        if (live() > options.max_connections) return end(s, retire_reason::limits_lowered);
        if (serve_waiter(s)) return;
        s.idle_since = now;
        s.probe_at = next_probe(now);
        keep(s);
    }
    void come_back(reference_slot& s, time_point now, retire_reason why) {
        if (why == retire_reason::none) why = s.retire;
        if (why == retire_reason::none) why = too_old(s, now);
        if (why == retire_reason::none && live() > options.max_connections) why = retire_reason::limits_lowered;
        if (why != retire_reason::none) return end(s, why);
        if (!serve_waiter(s)) keep(s);
    }
    bool serve_waiter(reference_slot& s) {
        if (waiters.empty()) return false;
        const reference_waiter w = waiters.front();
        lend(s, w.lease_deadline);
        answer(w.id, s.id, 0);
        return true;
    }
    void keep(reference_slot& s) {
        s.state = slot_state::idle;
        s.arrival = ++arrivals_;
        if (in(slot_state::idle) > options.max_idle) end(*end_of_idle(idle_end::oldest), retire_reason::surplus);
    }

    void begin_opening() {
        ++counters.openings;
        slots.push_back({.id = ++last_id_, .failures_before = failures_counted_});
        out.opens.push_back(last_id_);
    }
    /// Waiters for whom nothing is about to come back.
    std::size_t unserved() const {
        const auto tending = std::count_if(slots.begin(), slots.end(), [](auto& s) { return s.tending; });
        return waiters.size() - std::min(waiters.size(), static_cast<std::size_t>(tending));
    }
    std::size_t missing_idle() const {
        const std::size_t kept = in(slot_state::idle) + in(slot_state::probing);
        return options.min_idle - std::min(kept, options.min_idle);
    }

    idle_end order_;
    bool rests_;
    std::optional<errc> stopped_;
    bool growth_blocked_ = false;
    unsigned failures_in_a_row_ = 0;
    std::uint64_t failures_counted_ = 0;
    time_point no_opening_before_ = time_point::min();
    std::uint64_t arrivals_ = 0;
    int last_id_ = 0;
};

}  // namespace hotpool::testing
