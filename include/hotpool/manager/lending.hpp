// Who gets which connection: idle ones, callers who wait, and what passes between them.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

#include "hotpool/base/time.hpp"
#include "hotpool/manager/accounts.hpp"
#include "hotpool/manager/budget_claim.hpp"
#include "hotpool/manager/demand.hpp"
#include "hotpool/manager/departures.hpp"
#include "hotpool/manager/idle_set.hpp"
#include "hotpool/manager/leases.hpp"
#include "hotpool/manager/ledger.hpp"
#include "hotpool/manager/timetable.hpp"
#include "hotpool/manager/upkeep.hpp"
#include "hotpool/manager/waiter.hpp"
#include "hotpool/policy/policies.hpp"

namespace hotpool::detail {

/// The half of the connection manager that is about connections which are open. Whatever becomes fit for use, by being
/// opened, put back or looked after, goes the same way: to its end if it is too old or in the way, else to the oldest
/// waiter that takes it, else to the idle ones. It knows nothing of how connections are opened; the other half,
/// `expansion`, is given `numbers`.
/// @threads distinct objects only
template <class Resource, policy_bundle Policies>
class lending {
public:
    using slot_type = slot<Resource>;
    using waiter_type = waiter<Resource>;
    using leases_type = leases<Resource>;
    using departures_type = departures<Resource>;

    /// @errors throws what the policies throw when they are made
    lending(const pool_options& o, bool rests) : options(o), policies(o), rests_(rests), times_(o, rests) {}

    // What both halves work with.
    pool_options options;
    policy_set<Policies> policies;
    ledger<Resource> books;
    waiter_queue<Resource> waiters;
    budget_claim* claim = nullptr;  ///< what other pools may want of this one; null without a budget

    // --- lending

    /// Lends an idle connection, or null.
    [[gnu::always_inline]] slot_type* try_lease(time_point now, time_point lease_deadline) noexcept {
        while (slot_type* s = next_idle()) {
            idle_.remove(*s);
            const retire_reason why = timetable::expired(*s, now);
            if (why == retire_reason::none) [[likely]] {
                lend(*s, now, lease_deadline);
                if (options.min_idle != 0 && kept() < options.min_idle) books.attention = true;
                return s;
            }
            departures_type::retire(books, *s, why);
        }
        return nullptr;
    }
    void wait(waiter_type& w, time_point now, time_point deadline) noexcept {
        books.attention = true;
        waiters.add(w, now, std::min(deadline, w.lease_deadline));
        ++books.counters.waits;
        if (w.fresh_only) make_room();
    }
    /// Back from a lease, and fit for use as far as its holder knows.
    [[gnu::always_inline]] void put_back(slot_type& s, time_point now,
                                         std::optional<std::chrono::seconds> idle_hint) noexcept {
        if (policies.requests.spent(s.uses)) [[unlikely]]
            return departures_type::retire(books, s, retire_reason::max_requests);
        s.idle_limit = policies.idle.limit(idle_hint);
        if (s.idle_limit <= duration::zero()) [[unlikely]]
            return departures_type::retire(books, s, retire_reason::idle_timeout);
        if (now >= s.dies_at || !waiters.empty() || shedding_) [[unlikely]]
            return make_available(s, now);
        put_aside(s, now);
    }
    /// Just opened.
    void add_new(slot_type& s, time_point now) noexcept {
        s.idle_limit = policies.idle.limit({});
        if (!options.probe_new || waiter_for(s) != nullptr) return make_available(s, now);
        s.idle_since = now;
        upkeep_.begin(books, s, probe_kind::validation);
    }
    /// Vacant in a moment: the connection is somebody else's.
    void give_up(slot_type& s, retire_reason why) noexcept {
        if (s.state == slot_state::leased)
            leases_type::end(books, s);
        else
            books.slots.drop_task(s);
        upkeep_.end(s);
        departures_type::count(books, s, why);
        books.attention = true;
    }

    // --- idle ones

    bool idle_failed(slot_type& s, retire_reason why) noexcept {
        if (s.state != slot_state::idle) return false;
        idle_.remove(s);
        departures_type::retire(books, s, why);
        return true;
    }
    /// The one idle longest. False when none is.
    bool oldest_failed(retire_reason why) noexcept {
        slot_type* s = idle_.from(idle_end::oldest);
        return s != nullptr && idle_failed(*s, why);
    }
    /// Since when the one idle longest is; `never`: there is none.
    time_point longest_idle() const noexcept {
        const slot_type* s = idle_.from(idle_end::oldest);
        return s == nullptr ? never : s->idle_since;
    }
    void stale_found(const slot_type& stale) noexcept {
        idle_.for_each([&](slot_type& s) {
            if (s.endpoint == stale.endpoint && s.idle_since <= stale.idle_since) distrust(s);
        });
    }
    void silence_found(time_point now, time_point asked_at, bool probes) noexcept {
        idle_.for_each([&](slot_type& s) {
            if (s.proven_at > asked_at) return;
            if (probes && s.state == slot_state::idle)
                look_after(s, now, due_matter::probe);
            else
                distrust(s);
        });
    }
    /// What its time has come for: an idle connection ends, is probed, or rests.
    void look_after(slot_type& s, time_point now, due_matter what) noexcept {
        if (what == due_matter::end) {
            idle_failed(s, timetable::expired(s, now));
        } else if (what == due_matter::probe) {
            idle_.remove(s);
            upkeep_.begin(books, s, probe_kind::health);
        } else {
            upkeep_.begin(books, s, probe_kind::rest);
        }
    }
    bool tend_started(slot_type& s) noexcept {
        if (s.state != slot_state::idle) return false;
        upkeep_.begin(books, s, probe_kind::watch);
        return true;
    }
    /// @return why the connection is unfit, if it is
    retire_reason probed(slot_type& s, time_point now, bool healthy) noexcept {
        s.rested = !rests_;
        return upkeep_.probed(books, s, now, healthy);
    }
    /// Back from the pool's own hands, with its age; after a probe at the far end of the idle ones.
    void come_back(slot_type& s, time_point now, retire_reason why) noexcept {
        const bool has_place = is_tending(upkeep_.end(s));
        if (why == retire_reason::none) why = s.retire;
        if (why == retire_reason::none) why = timetable::expired(s, now);
        if (why == retire_reason::none) why = displaced(s);
        if (why == retire_reason::none && waiter_for(s) == nullptr) {
            if (!has_place) idle_.add_oldest(s);
            return keep_idle(s, times_.idle_due(s));
        }
        if (has_place) idle_.remove(s);
        if (why != retire_reason::none) return departures_type::retire(books, s, why);
        hand_to_waiter(s, now);
    }

    // --- all of them

    /// Ends the chosen ones, those in use as they come back, one each `spacing`.
    template <class Predicate>
    void end_early(Predicate chosen, retire_reason why, time_point now, duration spacing) noexcept {
        time_point at = now;
        books.slots.for_each([&](slot_type& s) {
            if (!chosen(std::as_const(s)) || !departures_type::end_at(s, at, why) || s.state == slot_state::opening)
                return;
            at = base::after(at, spacing);
            if (s.state != slot_state::idle) return;
            if (s.dies_at <= now)
                idle_failed(s, s.dies_for);
            else
                schedule(s);
        });
    }
    void suspend() noexcept { suspended_ = true; }
    void resume(time_point now) noexcept {
        suspended_ = false;
        for (slot_type* s = next_idle(); s != nullptr && waiter_for(*s) != nullptr; s = next_idle()) {
            idle_.remove(*s);
            if (const retire_reason why = timetable::expired(*s, now); why != retire_reason::none)
                departures_type::retire(books, *s, why);
            else
                hand_to_waiter(*s, now);
        }
        make_room();
    }
    bool is_suspended() const noexcept { return suspended_; }

    /// Down to the new numbers: idle connections at once, the oldest first, the others as they become available.
    /// @errors throws what the policies throw when they are made or assigned; with the library's own, nothing
    void change_options(const pool_options& changed, time_point now) {
        policy_set<Policies> made(changed);
        policies = std::move(made);
        options = changed;
        times_ = timetable(changed, rests_);
        books.slots.for_each([&](slot_type& s) {
            if (s.state != slot_state::idle && s.state != slot_state::probing) return;
            s.idle_limit = std::min(s.idle_limit, policies.idle.limit({}));
            s.proven_at = now;
            schedule(s);
        });
        while (live() > options.max_connections || books.count(slot_state::idle) > options.max_idle)
            if (!oldest_failed(retire_reason::limits_lowered)) break;
        shedding_ = live() > options.max_connections;
        make_room();
    }

    // --- numbers and times

    connection_counts counts() const noexcept { return books.counts(waiters.size()); }
    std::size_t live() const noexcept { return counts().total() - books.count(slot_state::closing); }
    std::size_t validating() const noexcept { return upkeep_.validating(); }
    /// What `num_openings` has to know of connections that are open, and of those who wait.
    demand numbers() const noexcept {
        return {.waiting = waiters.size(),
                .tending = upkeep_.tending(),
                .kept = kept(),
                .min_idle = options.min_idle,
                .suspended = suspended_};
    }
    void schedule(slot_type& s) noexcept { books.slots.schedule(s, times_.due(s)); }
    due_matter examine(const slot_type& s, time_point now) const noexcept { return times_.examine(s, now); }

    /// The books agree with the slots, and nobody waits beside an idle connection that would do.
    bool check(const std::array<std::size_t, probe_kind_count>& probing) const {
        const std::size_t idle = books.count(slot_state::idle);
        return books.slots.check([&](const slot_type& s) { return accounts<Resource>::is_sound(s, times_.due(s)); }) &&
               waiters.check() && upkeep_.check(probing) && idle_.size() == idle + upkeep_.tending() &&
               (idle == 0 || suspended_ || waiters.all_fresh_only());
    }

private:
    /// Ends one that has a place among the idle ones, or marks it where it is being tended just now.
    void distrust(slot_type& s) noexcept {
        if (!idle_failed(s, retire_reason::distrusted) && s.retire == retire_reason::none)
            s.retire = retire_reason::distrusted;
    }
    /// In nobody's hands but the pool's.
    std::size_t kept() const noexcept { return books.count(slot_state::idle) + books.count(slot_state::probing); }
    slot_type* next_idle() const noexcept {
        const std::size_t idle = books.count(slot_state::idle);
        return idle == 0 || suspended_ ? nullptr : idle_.from(policies.order.lend_from(idle));
    }
    [[gnu::always_inline]] void lend(slot_type& s, time_point now, time_point lease_deadline) noexcept {
        leases_type::begin(books, s, now, lease_deadline, options.leak_after);
    }

    /// A connection fit for use: to the oldest waiter, or idle as the newest, or over when it is too old.
    [[gnu::noinline]] void make_available(slot_type& s, time_point now) noexcept {
        retire_reason why = now >= s.dies_at ? s.dies_for : displaced(s);
        if (why != retire_reason::none) return departures_type::retire(books, s, why);
        if (!hand_to_waiter(s, now)) put_aside(s, now);
    }
    /// Idle, as the newest.
    [[gnu::always_inline]] void put_aside(slot_type& s, time_point now) noexcept {
        s.idle_since = s.proven_at = now;
        s.rested = !rests_;
        idle_.add_newest(s);
        keep_idle(s, times_.put_back_due(s, now));
    }
    /// Idle, in its place, until something is `due`; where that is one too many, the one idle longest goes.
    [[gnu::always_inline]] void keep_idle(slot_type& s, time_point due) noexcept {
        const bool surplus = !policies.limits.may_idle(counts());
        books.slots.enter(s, slot_state::idle);
        books.slots.schedule(s, due);
        if (surplus) [[unlikely]]
            oldest_failed(retire_reason::surplus);
    }

    /// The oldest waiter that takes `s`, or null.
    waiter_type* waiter_for(const slot_type& s) const noexcept {
        return suspended_ ? nullptr : waiters.oldest_for(!s.is_fresh());
    }
    bool hand_to_waiter(slot_type& s, time_point now) noexcept {
        waiter_type* w = waiter_for(s);
        if (w == nullptr) return false;
        lend(s, now, w->lease_deadline);
        w->granted = &s;
        waiters.answer(*w, {});
        return true;
    }

    /// Why a connection that could be used again must go all the same.
    retire_reason displaced(const slot_type& s) noexcept {
        if (shedding_ && (shedding_ = live() > options.max_connections)) return retire_reason::limits_lowered;
        if (suspended_) return retire_reason::none;
        if (lacks_room_for(waiters.passed_over(!s.is_fresh()))) return retire_reason::made_room;
        // What was opened for somebody serves him first, however long that took.
        return claim != nullptr && s.uses != 0 && claim->take_returned() ? retire_reason::budget : retire_reason::none;
    }
    bool lacks_room_for(std::size_t callers) const noexcept {
        if (callers == 0) return false;
        connection_counts later = counts();
        later.closing = 0;
        return lacks_room(callers, later.opening, room_for(policies.limits, later, options));
    }
    /// Whoever waits beside an idle connection wants a fresh one: idle ones go where there is no room for it.
    void make_room() noexcept {
        while (!suspended_ && books.count(slot_state::idle) != 0 && lacks_room_for(waiters.size()))
            oldest_failed(retire_reason::made_room);
    }

    bool rests_;
    timetable times_;
    idle_set<Resource> idle_;
    upkeep<Resource> upkeep_;
    bool shedding_ = false;  // limits were lowered, and there are connections beyond them
    bool suspended_ = false;
};

}  // namespace hotpool::detail
