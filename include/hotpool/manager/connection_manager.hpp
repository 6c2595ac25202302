// The machine of a pool: who gets which connection, when to open, when to close. No I/O, no clock, no lock.
//
// Longer than other files: its rules share the counts, and what one of them changes the others must find.
#pragma once

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/random.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/manager/counters.hpp"
#include "hotpool/manager/dialler.hpp"
#include "hotpool/manager/retire_reason.hpp"
#include "hotpool/manager/slot_table.hpp"
#include "hotpool/manager/waiter.hpp"
#include "hotpool/policy/policies.hpp"
#include "hotpool/manager/pool_event.hpp"

namespace hotpool {

/// What a caller says of the connection it gives back.
struct return_report {
    retire_reason retire = retire_reason::none;               ///< `none`: it may be used again
    std::optional<std::chrono::seconds> idle_hint = {};       ///< the peer's `Keep-Alive: timeout=N`
};

/// What became of a request for a connection.
enum class get_outcome { granted, queued, refused };

/// The slots of one pool and their waiters. Tell it what happened and what time it is; then perform what
/// `next_action` hands out, until it has nothing more. The times told may be a coarse clock's tick behind earlier ones.
/// @threads distinct objects only: the driver locks
/// @cost lend and return are constant; what has a deadline costs a constant when it expires, nothing before
template <class Resource, policy_bundle Policies = default_policies>
class connection_manager {
public:
    using slot_type = slot<Resource>;
    using waiter_type = waiter<Resource>;

    /// Something to do for a slot, or a caller to answer, or a question to the source of endpoints.
    struct action {
        slot_type* slot = nullptr;
        slot_task task = slot_task::none;
        waiter_type* answered = nullptr;  ///< tell this caller its `granted` or `error`
        bool ask = false;                 ///< answer `endpoints_came` or `endpoints_failed`
    };

    /// @param seed for jitter
    /// @param rests whether idle connections have buffers to give back (`slot_task::rest`)
    /// @errors throws `std::invalid_argument` naming the option and the rule
    explicit connection_manager(const pool_options& options, std::uint64_t seed = 1, bool rests = true)
        : options_((validate(options), options)),
          policies_(options),
          random_(seed),
          rests_(rests),
          left_alone_for_(upkeep_interval()),
          dialler_(slots_, options_, policies_, random_, counters_, events_) {}
    connection_manager(const connection_manager&) = delete;
    connection_manager& operator=(const connection_manager&) = delete;

    /// Connections lead to endpoints from a source, of which a filter may forbid some. Before anything else.
    void use_endpoints(endpoint_filter allows = nullptr) { dialler_.use_endpoints(std::move(allows)); }
    /// These endpoints, and no source is asked.
    void use_endpoints(const endpoint_list& fixed, endpoint_filter allows = nullptr) {
        dialler_.use_endpoints(std::move(allows));
        dialler_.endpoints().endpoints_fixed(fixed);
    }
    /// Whether events are kept for `take_events`.
    void listen(bool on) noexcept {
        events_.listen(on);
        attention_ = true;
    }

    // --- lending -----------------------------------------------------------------------------------------------

    /// Lends an idle connection, or null; never waits, and never overtakes a waiter.
    [[gnu::always_inline]] slot_type* try_lease(time_point now, time_point lease_deadline = never) noexcept {
        while (slot_type* s = next_idle()) {
            idle_.remove(*s);
            const retire_reason why = expired(*s, now);
            if (why == retire_reason::none) [[likely]] {
                lend(*s, now, lease_deadline);
                if (options_.min_idle != 0 && lacks_idle()) attention_ = true;
                return s;
            }
            retire_slot(*s, why);
        }
        return nullptr;
    }

    /// Lends an idle connection to `w`, queues it until `deadline`, or refuses it; `w` says which.
    get_outcome get_requested(waiter_type& w, time_point now, time_point deadline) {
        if (stopped_) return refuse(w, *stopped_);
        if (slot_type* s = w.fresh_only ? nullptr : try_lease(now, w.lease_deadline)) {
            w.granted = s;
            return get_outcome::granted;
        }
        if (const auto& cause = dialler_.pace().failing()) {
            ++counters_.breaker_refusals;
            w.error = *cause;
            return get_outcome::refused;
        }
        if (!policies_.limits.may_wait(counts())) {
            ++counters_.refusals;
            return refuse(w, errc::waiters_full);
        }
        attention_ = true;
        waiters_.add(w, now, deadline);
        ++counters_.waits;
        if (w.fresh_only) make_room();
        return get_outcome::queued;
    }

    /// The caller no longer waits. False when it has been answered already: what it was given is then its own.
    bool waiter_cancelled(waiter_type& w) noexcept {
        if (!w.waiting) return false;
        waiters_.forget(w);
        ++counters_.wait_cancellations;
        return true;
    }

    /// A leased connection comes back: to the oldest waiter, to the idle ones, or to its end.
    void lease_returned(slot_type& s, time_point now, const return_report& report = {}) noexcept {
        assert(s.state == slot_state::leased);
        taken_back(s);
        if (report.retire != retire_reason::none || s.retire != retire_reason::none) [[unlikely]]
            return end_of_lease(s, now, report.retire);
        if (s.endpoint != nullptr && s.endpoint->failures_in_a_row != 0) [[unlikely]]
            dialler_.endpoints().succeeded(*s.endpoint, now);
        if (policies_.requests.spent(s.uses)) [[unlikely]]
            return retire_slot(s, retire_reason::max_requests);
        s.idle_limit = policies_.idle.limit(report.idle_hint);
        if (s.idle_limit <= duration::zero()) [[unlikely]]
            return retire_slot(s, retire_reason::idle_timeout);
        if (is_spoken_for(s, now)) [[unlikely]]
            return make_available(s, now);
        put_aside(s, now);
    }

    /// A leased connection is to be back by `deadline`.
    /// @return false once the pool's drain is over: then nobody gets more time
    bool deadline_changed(slot_type& s, time_point now, time_point deadline) noexcept {
        assert(is_out(s));
        if (overdue_) deadline = std::min(deadline, now);
        if (!stopped_ && s.task == slot_task::expire_lease) slots_.drop_task(s);  // a cut for the deadline before this one
        s.lease_deadline = deadline;
        schedule(s);
        return !overdue_;
    }

    /// The caller is done with it; the pool itself goes on to use the leased connection, until `deadline`.
    void lease_over(slot_type& s, time_point now, time_point deadline) noexcept {
        s.leak_at = never;
        if (s.task == slot_task::report_leak) slots_.drop_task(s);
        deadline_changed(s, now, deadline);
    }
    /// The answer to `slot_task::report_leak`. @return whether the slot is free at once, the connection the caller's
    bool leak_reported(slot_type& s, time_point now, const source_location& where) noexcept {
        pool_event event{.kind = pool_event_kind::lease_leaked, .endpoint = s.leads_to(), .age = now - s.leased_at, .where = where};
        tell(event);
        if (!options_.reclaim_leaked) return false;
        lease_reclaimed(s);
        event.kind = pool_event_kind::lease_reclaimed;
        tell(event);
        return true;
    }

    /// The leased connection now belongs to the caller; the slot is free at once.
    void lease_detached(slot_type& s) noexcept {
        assert(is_out(s));
        give_up(s, retire_reason::detached);
    }
    /// The lease was held too long, and its place is wanted back: the slot is free at once, the connection is the
    /// caller's.
    void lease_reclaimed(slot_type& s) noexcept {
        assert(s.state == slot_state::leased);
        give_up(s, retire_reason::leaked);
    }

    // --- idle connections --------------------------------------------------------------------------------------

    /// An idle connection turned out to be over. False when it is not idle any more: its holder will find out.
    bool idle_failed(slot_type& s, retire_reason why) noexcept {
        if (s.state != slot_state::idle) return false;
        idle_.remove(s);
        retire_slot(s, why);
        return true;
    }

    /// A connection that had been idle before its lease turned out dead: those idle for as long or longer are no better.
    /// @cost a look at each idle connection, since a probe changes their order
    void stale_found(const slot_type& stale) noexcept {
        slot_type* next = nullptr;
        for (slot_type* s = idle_.back(); s != nullptr; s = next) {
            next = idle_.previous(*s);
            if (s->idle_since > stale.idle_since || idle_failed(*s, retire_reason::distrusted)) continue;
            if (s->retire == retire_reason::none) s->retire = retire_reason::distrusted;  // being tended just now
        }
    }

    /// Takes an idle connection out for a moment, to arm its watch or to see what arrived. False when it is not idle.
    bool tend_started(slot_type& s) noexcept {
        if (s.state != slot_state::idle) return false;
        take_out(s, true);
        return true;
    }

    /// It is back, or over when `why` says so.
    void tend_finished(slot_type& s, time_point now, retire_reason why = retire_reason::none) noexcept {
        assert(s.state == slot_state::probing && s.tending);
        come_back(s, now, why);
    }

    /// The answer to `slot_task::probe`.
    void probe_finished(slot_type& s, time_point now, bool healthy) noexcept {
        assert(s.state == slot_state::probing && !s.tending);
        slots_.drop_task(s);
        s.lease_deadline = never;
        s.rested = !rests_;
        if (!healthy) ++counters_.probe_failures;
        const bool is_new = std::exchange(s.validating, false);
        validating_ -= is_new;
        s.proven_at = now;
        const retire_reason unfit = is_new ? retire_reason::validation_failed : retire_reason::probe_failed;
        if (!healthy) note_loss(s, now, unfit);
        come_back(s, now, healthy ? retire_reason::none : unfit);
    }

    /// Ends the connection idle longest, for the sake of another pool. False when none is idle.
    bool reclaim_idle() noexcept {
        slot_type* s = idle_from(idle_end::oldest);
        return s != nullptr && idle_failed(*s, retire_reason::budget);
    }

    // --- opening and closing -----------------------------------------------------------------------------------

    /// Opens as many as bring the connections to `wanted`, as far as the limits go and at the pool's pace.
    void warm_requested(std::size_t wanted) noexcept {
        if (stopped_) return;
        attention_ = true;
        const std::size_t coming = live() + warm_left_;
        if (wanted > coming) warm_left_ += std::min(wanted - coming, policies_.limits.room(counts()));
    }
    /// Openings of `warm_requested` that have not begun.
    std::size_t warm_left() const noexcept { return warm_left_; }
    /// New connections that are being probed before they are lent.
    std::size_t validating() const noexcept { return validating_; }

    /// The peer has accepted; only the handshake remains.
    void opening_connected(slot_type& s) noexcept { dialler_.connected(s); }

    void slot_opened(slot_type& s, time_point now) {
        assert(s.state == slot_state::opening);
        attention_ = true;
        slots_.drop_task(s);
        ++counters_.opened;
        dialler_.opened(s, now);
        slots_.now_is(now);
        if (stopped_) return retire_slot(s, stop_reason());
        if (s.retire != retire_reason::none) return retire_slot(s, s.retire);
        s.dies_at = base::after(now, policies_.lifetime.life(random_.uniform()));
        s.idle_limit = policies_.idle.limit({});
        if (options_.probe_new && waiter_for(s) == nullptr) return validate_new(s, now);
        make_available(s, now);
    }

    /// Fails at most one waiter: the oldest, and only if no other opening is under way for it; when it makes the pool
    /// give up for now, all of them. Where addresses are left to try, the slot asks to be opened anew.
    void opening_failed(slot_type& s, time_point now, std::error_code error) {
        assert(s.state == slot_state::opening);
        attention_ = true;
        slots_.drop_task(s);
        ++counters_.open_failures;
        last_open_error_ = error;
        const auto outcome = dialler_.failed(s, now, error, stopped_.has_value());
        end_ejected(now);
        if (outcome == dialler_type::aftermath::over) opening_is_over(error);
    }

    /// There was no room for it in the budget: nothing failed, nothing more is opened until `growth_allowed`.
    void opening_deferred(slot_type& s) noexcept {
        assert(s.state == slot_state::opening);
        --counters_.openings;
        slots_.drop_task(s);
        dialler_.dropped(s);
        growth_blocked_ = true;
        if (waiters_.empty()) warm_left_ = 0;  // a warm-up goes as far as the limits allow
    }
    void growth_allowed() noexcept { growth_blocked_ = false; }
    bool growth_blocked() const noexcept { return growth_blocked_; }

    void slot_closed(slot_type& s) noexcept {
        assert(s.state == slot_state::closing);
        dialler_.leave(s);
    }

    // --- addresses -----------------------------------------------------------------------------------------------

    /// The answer to `action::ask`. Connections to addresses that are not in it end early.
    void endpoints_came(const endpoint_list& answer, time_point now) {
        attention_ = true;
        if (dialler_.answer_came(answer, now) && !stopped_)
            end_early([](const slot_type& s) { return s.endpoint != nullptr && !s.endpoint->listed; },
                      retire_reason::endpoint_gone, now, options_.retire_spacing);
    }
    void endpoints_failed(std::error_code error, time_point now) {
        attention_ = true;
        last_open_error_ = error;
        if (!dialler_.answer_failed(now, error)) return;
        slots_.for_each([&](slot_type& s) {
            if (dialler_type::awaits_answer(s)) opening_failed(s, now, error);
        });
    }
    /// The source is asked at the next occasion. What is known stays in use until then.
    void refresh_requested() noexcept {
        dialler_.endpoints().answer_demanded(false);
        attention_ = true;
    }
    const std::vector<endpoint_ptr>& endpoints() const noexcept { return dialler_.endpoints().endpoints(); }

    /// The machine has another network: idle connections end now, leased ones as they come back; what is known of
    /// addresses and failures is void.
    void network_changed(time_point now) {
        end_early([](const slot_type&) { return true; }, retire_reason::network_changed, now, duration::zero());
        dialler_.endpoints().answer_demanded(true);
        dialler_.pace().forget();
        attention_ = true;
    }

    /// Ends the chosen connections, those in use as they come back, one each `spacing`.
    template <class Predicate>
    void end_early(Predicate chosen, retire_reason why, time_point now, duration spacing) {
        time_point at = now;
        slots_.for_each([&](slot_type& s) {
            if (s.state == slot_state::closing || !chosen(s)) return;
            if (s.state == slot_state::opening) {
                if (!is_unrouted(s)) s.retire = why;
                return;
            }
            if (at < s.dies_at) {
                s.dies_at = at;
                s.dies_for = why;
            }
            at = base::after(at, spacing);
            if (s.state != slot_state::idle) return;
            if (s.dies_at <= now)
                idle_failed(s, s.dies_for);
            else
                schedule(s);
        });
    }

    // --- the pool as a whole -----------------------------------------------------------------------------------

    /// Timers have come this far; what is due by now comes out as actions.
    void time_passed(time_point now) {
        attention_ = true;
        if (stop_deadline_ <= now) {
            stop_deadline_ = never;
            overdue_ = true;
            leases_overdue();
        }
        while (waiter_type* w = waiters_.take_overdue(now)) {
            ++counters_.wait_timeouts;
            waiters_.answer(*w, make_error_code(errc::get_timed_out));
        }
        while (slot_type* s = slots_.take_look(now)) examine(*s, now);
    }

    /// Nothing is lent or opened until `resumed`; callers wait, and leases come back.
    void suspended() noexcept { suspended_ = true; }
    void resumed(time_point now) noexcept {
        suspended_ = false;
        for (slot_type* s = next_idle(); s != nullptr && waiter_for(*s) != nullptr; s = next_idle()) {
            idle_.remove(*s);
            if (const retire_reason why = expired(*s, now); why != retire_reason::none)
                retire_slot(*s, why);
            else
                hand_to_waiter(*s, now);
        }
        make_room();
    }
    bool is_suspended() const noexcept { return suspended_; }
    /// Why callers are refused while no connection can be opened.
    std::error_code failing() const noexcept { return dialler_.pace().failing().value_or(std::error_code()); }

    /// No more lending: waiters get `why`, idle connections and openings end, leases end as they come back.
    /// @param why `errc::pool_draining` or `errc::pool_closed`
    void stop_requested(errc why, time_point deadline = never) noexcept {
        stopped_ = why;
        stop_deadline_ = std::min(stop_deadline_, deadline);
        attention_ = true;
        warm_left_ = 0;
        dialler_due_ = never;
        while (waiter_type* w = waiters_.oldest()) waiters_.answer(*w, make_error_code(why));
        while (slot_type* s = idle_from(idle_end::oldest)) idle_failed(*s, stop_reason());
        slots_.for_each([&](slot_type& s) {
            if (s.state == slot_state::opening && (s.task == slot_task::open || is_unrouted(s))) {
                slots_.drop_task(s);
                --counters_.openings;
                dialler_.leave(s);
            } else if (s.state == slot_state::opening && s.task == slot_task::none) {
                give_task(s, slot_task::abort_opening);
            } else if (s.state == slot_state::leased || s.state == slot_state::probing) {
                s.retire = stop_reason();
            }
        });
    }

    /// Every lease and every probe still out is to be cut now.
    void leases_overdue() noexcept {
        slots_.for_each([&](slot_type& s) {
            if (!is_out(s)) return;
            s.lease_deadline = never;
            if (s.task == slot_task::report_leak) slots_.drop_task(s);
            if (s.task == slot_task::none) give_task(s, slot_task::expire_lease);
        });
    }

    /// New numbers from now on. Idle connections beyond them end now, others beyond them as they become available.
    /// @errors throws `std::invalid_argument` naming the option and the rule; nothing has changed then
    void options_changed(const pool_options& options, time_point now) {
        validate(options);
        detail::policy_set<Policies> policies(options);
        options_ = options;
        policies_ = std::move(policies);
        left_alone_for_ = upkeep_interval();
        dialler_.pace().options_changed(options_.max_openings);
        slots_.for_each([&](slot_type& s) {
            if (s.state != slot_state::idle && s.state != slot_state::probing) return;
            s.idle_limit = std::min(s.idle_limit, policies_.idle.limit({}));
            s.proven_at = now;
            schedule(s);
        });
        shed();
        make_room();
        attention_ = true;
    }

    /// Nobody waits and nothing is to be done: `next_action` would find nothing, and `next_due` would not say a time
    /// before `due`, which is what it said last.
    bool at_rest(time_point due) const noexcept {
        return !attention_ && slots_.next_look() >= due;
    }
    /// The next thing to do, if any.
    bool next_action(action& out, time_point now) {
        if (waiter_type* w = waiters_.next_answered()) {
            out = {nullptr, slot_task::none, w};
            return true;
        }
        if (!stopped_) grow(now);
        if (!stopped_ && dialler_.wants_answer(now, is_active())) {
            dialler_.endpoints().ask_started();
            out = {nullptr, slot_task::none, nullptr, true};
            return true;
        }
        const auto [s, task] = slots_.next_task();
        out = {s, task, nullptr};
        if (s == nullptr) {
            attention_ = !waiters_.empty() || !events_.empty() || grows_unasked() || stopped_;
            dialler_due_ = stopped_ ? never : dialler_.next_due(is_active(), has_room() && !growth_blocked_ && !suspended_);
            return false;
        }
        if (task == slot_task::probe) s->lease_deadline = base::after(now, options_.health_check_timeout);
        schedule(*s);  // a deadline counts again once the task is no longer the slot's
        return true;
    }
    /// What is to be told to the listener.
    std::vector<pool_event> take_events() noexcept { return events_.take(); }
    bool has_events() const noexcept { return !events_.empty(); }
    /// For the driver, which knows more of a lease than the machine.
    void tell(const pool_event& event) {
        attention_ = true;
        events_.add(event);
    }

    /// Before this time, `time_passed` would find nothing.
    time_point next_due() const noexcept {
        const time_point due = std::min({slots_.next_look(), dialler_due_, stop_deadline_});
        if (!attention_) return due;
        const time_point opening_due = wants_opening() && !stopped_ ? dialler_.pace().not_before() : never;
        // Where it may be opened at once, it has been.
        return std::min({due, waiters_.next_deadline(), opening_due == time_point::min() ? never : opening_due});
    }

    connection_counts counts() const noexcept {
        return {count(slot_state::opening), count(slot_state::idle),    count(slot_state::leased),
                count(slot_state::probing), count(slot_state::closing), waiters_.size()};
    }
    /// Whether the deadline of a drain has passed.
    bool overdue() const noexcept { return overdue_; }
    std::error_code last_open_error() const noexcept { return last_open_error_; }
    /// Whether something is to be opened as soon as there is room in the budget.
    bool needs_room() const noexcept {
        return !stopped_ && (!waiters_.empty() || grows_unasked());
    }
    std::size_t leased() const noexcept { return count(slot_state::leased); }
    const manager_counters& counters() const noexcept { return counters_; }
    const pool_options& options() const noexcept { return options_; }
    bool stopped() const noexcept { return stopped_.has_value(); }
    /// No connection in any state, nobody waiting.
    bool empty() const noexcept { return counts().total() == 0 && waiters_.empty(); }

    /// True when every slot is counted once, stands where its state says, and nobody waits beside an idle connection
    /// that would do.
    bool check() const {
        std::uint64_t ended = 0;
        for (const std::uint64_t n : counters_.retired) ended += n;
        const std::size_t live = count(slot_state::idle) + count(slot_state::leased) + count(slot_state::probing);
        return slots_.check([&](const slot_type& s) { return is_sound(s); }) && waiters_.check() &&
               (attention_ || (waiters_.empty() && waiters_.all_told() && slots_.no_task() && events_.empty() &&
                               !lacks_idle())) &&
               idle_.size() == count(slot_state::idle) + tended_ &&
               (count(slot_state::idle) == 0 || suspended_ || waiters_.all_fresh_only()) &&
               ended + live == counters_.opened && addresses_check();
    }

    /// Calls `visit(slot)` for every slot that holds a connection or is getting one.
    template <class Visitor>
    void for_each_slot(Visitor visit) {
        slots_.for_each(visit);
    }

private:
    using dialler_type = dialler<Resource, Policies>;

    std::size_t count(slot_state state) const noexcept { return slots_.count(state); }

    /// Every slot is counted at its address.
    bool addresses_check() const {
        std::vector<std::pair<const endpoint_state*, endpoint_load>> seen;
        std::size_t doubtful = 0;
        std::size_t being_validated = 0;
        slots_.for_each([&](const slot_type& s) {
            doubtful += s.dialling != nullptr && s.dialling->doubtful();
            being_validated += s.validating;
            if (s.endpoint == nullptr) return;
            auto it = std::find_if(seen.begin(), seen.end(), [&](auto& e) { return e.first == s.endpoint.get(); });
            if (it == seen.end()) it = seen.insert(it, {s.endpoint.get(), {}});
            ++it->second.connections;
            it->second.leased += s.state == slot_state::leased;
        });
        return dialler_.check(doubtful) && being_validated == validating_ &&
               std::all_of(seen.begin(), seen.end(), [](auto& e) {
                   return e.first->load.connections == e.second.connections && e.first->load.leased == e.second.leased;
               });
    }

    bool is_sound(const slot_type& s) const noexcept {
        if (s.state == slot_state::closing) return s.retire != retire_reason::none;
        if (s.state == slot_state::idle && (s.retire != retire_reason::none || s.task != slot_task::none)) return false;
        return s.in_wheel() ? s.key <= due(s) : due(s) == never;
    }

    slot_type* next_idle() const noexcept {
        const std::size_t idle = count(slot_state::idle);
        return idle == 0 || suspended_ ? nullptr : idle_from(policies_.order.lend_from(idle));
    }
    /// The first at that end that is not being tended just now.
    slot_type* idle_from(idle_end end) const noexcept {
        slot_type* s = end == idle_end::newest ? idle_.front() : idle_.back();
        while (s != nullptr && s->state != slot_state::idle)
            s = end == idle_end::newest ? idle_.next(*s) : idle_.previous(*s);
        return s;
    }

    retire_reason expired(const slot_type& s, time_point now) const noexcept {
        if (now >= s.dies_at) return s.dies_for;
        if (now - s.idle_since >= s.idle_limit) return retire_reason::idle_timeout;
        return retire_reason::none;
    }

    void lend(slot_type& s, time_point now, time_point lease_deadline) noexcept {
        ++counters_.leases;
        if (s.uses++ != 0) ++counters_.reuses;
        s.lease_deadline = lease_deadline;
        if (s.endpoint != nullptr) ++s.endpoint->load.leased;
        slots_.enter(s, slot_state::leased);
        if (options_.leak_after != duration::zero()) {
            s.leased_at = now;
            s.leak_at = base::after(now, options_.leak_after);
            schedule(s);
        } else if (lease_deadline != never) {
            schedule(s);
        }
    }
    /// No longer in its caller's hands.
    void taken_back(slot_type& s) noexcept {
        s.lease_deadline = s.leak_at = never;
        if (s.endpoint != nullptr) --s.endpoint->load.leased;
        slots_.drop_task(s);
    }
    /// Vacant at once: the connection is somebody else's.
    void give_up(slot_type& s, retire_reason why) noexcept {
        if (s.state == slot_state::leased)
            taken_back(s);
        else
            slots_.drop_task(s);
        validating_ -= std::exchange(s.validating, false);
        count_end(s, why);
        dialler_.leave(s);
        attention_ = true;
    }
    /// Back for the last time. @param reported why its caller says so, if he does
    [[gnu::noinline]] void end_of_lease(slot_type& s, time_point now, retire_reason reported) noexcept {
        if (reported == retire_reason::none) return retire_slot(s, s.retire);
        note_loss(s, now, reported);
        retire_slot(s, reported);
    }
    /// What the end of a connection says of its address: a fresh one that breaks, or one that does not answer.
    void note_loss(slot_type& s, time_point now, retire_reason why) {
        const bool blamed = why == retire_reason::lease_deadline || why == retire_reason::validation_failed ||
                            (why == retire_reason::transport_error && s.uses == 1);
        if (!blamed || s.endpoint == nullptr) return;
        dialler_.blame(s, now);
        end_ejected(now);
    }
    /// Connections to an address that has just been ejected are hardly better than those that failed.
    void end_ejected(time_point now) {
        if (!dialler_.take_ejected()) return;
        attention_ = true;
        end_early([](const slot_type& s) {
            return s.state != slot_state::opening && s.endpoint != nullptr &&
                   s.endpoint->standing == endpoint_standing::ejected;
        }, retire_reason::endpoint_ejected, now, duration::zero());
    }

    /// A connection fit for use: to the oldest waiter, or idle as the newest, or over when it is too old.
    void make_available(slot_type& s, time_point now) noexcept {
        if (now >= s.dies_at) return retire_slot(s, s.dies_for);
        if (const retire_reason why = displaced(s); why != retire_reason::none) return retire_slot(s, why);
        if (!hand_to_waiter(s, now)) put_aside(s, now);
    }
    /// Whether anything but lying idle may be in store for it.
    bool is_spoken_for(const slot_type& s, time_point now) const noexcept {
        return now >= s.dies_at || !waiters_.empty() || shedding_;
    }
    /// Idle, as the newest.
    void put_aside(slot_type& s, time_point now) noexcept {
        s.idle_since = s.proven_at = now;
        s.rested = !rests_;
        idle_.push_front(s);
        // What `due` would say, for one that is put back just now.
        keep_idle(s, std::min(s.dies_at, base::after(now, std::min(s.idle_limit, left_alone_for_))));
    }

    /// Idle, in its place, until something is `due`; where that is one too many, the one idle longest goes.
    void keep_idle(slot_type& s, time_point due) noexcept {
        const bool surplus = !policies_.limits.may_idle(counts());
        slots_.enter(s, slot_state::idle);
        slots_.look_at(s, due);
        if (surplus) [[unlikely]]
            idle_failed(*idle_from(idle_end::oldest), retire_reason::surplus);
    }

    /// Why a connection that could be used again must go all the same.
    retire_reason displaced(const slot_type& s) noexcept {
        if (shedding_ && (shedding_ = live() > options_.max_connections)) return retire_reason::limits_lowered;
        if (suspended_) return retire_reason::none;
        std::size_t passed_over = 0;
        for (const waiter_type* w = waiters_.oldest(); w != nullptr && !takes(*w, s); w = waiters_.next(*w))
            ++passed_over;
        return lacks_room(passed_over) ? retire_reason::made_room : retire_reason::none;
    }

    // --- waiters that want a fresh connection

    static bool takes(const waiter_type& w, const slot_type& s) noexcept { return !w.fresh_only || s.uses == 0; }
    /// Not every one of so many waiters can have a fresh connection, even when all that is closing is gone.
    bool lacks_room(std::size_t waiters) const noexcept {
        if (waiters == 0) return false;
        connection_counts later = counts();
        later.closing = 0;
        return waiters > later.opening + policies_.limits.room(later);
    }
    /// Whoever waits beside an idle connection wants a fresh one: idle ones go where there is no room for it.
    void make_room() noexcept {
        while (!suspended_ && count(slot_state::idle) != 0 && lacks_room(waiters_.size()))
            idle_failed(*idle_from(idle_end::oldest), retire_reason::made_room);
    }

    /// The oldest waiter that takes `s`, or null.
    waiter_type* waiter_for(const slot_type& s) const noexcept {
        if (suspended_) return nullptr;
        waiter_type* w = waiters_.oldest();
        while (w != nullptr && !takes(*w, s)) w = waiters_.next(*w);
        return w;
    }
    bool hand_to_waiter(slot_type& s, time_point now) noexcept {
        waiter_type* w = waiter_for(s);
        if (w == nullptr) return false;
        lend(s, now, w->lease_deadline);
        w->granted = &s;
        waiters_.answer(*w, {});
        return true;
    }

    /// Out of the idle ones; while it is only tended it keeps its place among them.
    void take_out(slot_type& s, bool tending) noexcept {
        if (!tending) idle_.remove(s);
        slots_.enter(s, slot_state::probing);
        s.tending = tending;
        tended_ += tending;
    }

    /// Back from the pool's own hands, with its age; after a probe at the far end of the idle ones.
    void come_back(slot_type& s, time_point now, retire_reason why) noexcept {
        const bool has_place = std::exchange(s.tending, false);
        tended_ -= has_place;
        if (why == retire_reason::none) why = s.retire;
        if (why == retire_reason::none) why = expired(s, now);
        if (why == retire_reason::none) why = displaced(s);
        if (why == retire_reason::none && waiter_for(s) == nullptr) {
            if (!has_place) idle_.push_back(s);
            return keep_idle(s, idle_due(s));
        }
        if (has_place) idle_.remove(s);
        if (why != retire_reason::none) return retire_slot(s, why);
        hand_to_waiter(s, now);
    }

    /// A new connection is probed before anyone gets it.
    void validate_new(slot_type& s, time_point now) noexcept {
        s.idle_since = now;
        ++counters_.probes;
        ++validating_;
        s.validating = true;
        slots_.enter(s, slot_state::probing);
        give_task(s, slot_task::probe);
    }

    void give_task(slot_type& s, slot_task task) noexcept {
        attention_ = true;
        slots_.give_task(s, task);
    }

    /// The connection is not used again; it counts until it is closed.
    [[gnu::noinline]] void retire_slot(slot_type& s, retire_reason why) noexcept {
        s.retire = why;
        count_end(s, why);
        slots_.enter(s, slot_state::closing);
        give_task(s, slot_task::close);
    }

    void count_end(const slot_type& s, retire_reason why) {
        ++counters_.retired[static_cast<std::size_t>(why)];
        if (!events_.listens()) return;
        events_.add({.kind = pool_event_kind::connection_ended, .endpoint = s.leads_to(), .reason = why});
    }

    // --- waiters

    get_outcome refuse(waiter_type& w, errc why) noexcept {
        w.error = make_error_code(why);
        return get_outcome::refused;
    }

    // --- growth

    /// Waiters for whom nothing comes back in a moment.
    std::size_t unserved_waiters() const noexcept { return waiters_.size() - std::min(tended_, waiters_.size()); }
    std::size_t wanted_openings() const noexcept {
        return unserved_waiters() + (lacks_idle() ? options_.min_idle - kept() : 0);
    }
    /// Those in nobody's hands but the pool's.
    std::size_t kept() const noexcept { return count(slot_state::idle) + count(slot_state::probing); }
    bool lacks_idle() const noexcept { return kept() < options_.min_idle; }
    /// There may be openings that no waiter asks for.
    bool grows_unasked() const noexcept {
        return lacks_idle() || warm_left_ != 0 || dialler_.pace().failing().has_value();
    }
    bool has_room() const noexcept { return policies_.limits.room(counts()) > 0; }
    bool wants_opening() const noexcept {
        if ((waiters_.empty() && !grows_unasked()) || growth_blocked_ || suspended_) return false;
        if (count(slot_state::opening) >= dialler_.pace().at_once() || !has_room()) return false;
        return warm_left_ != 0 || dialler_.pace().failing() || dialler_.promising() < wanted_openings();
    }
    /// Connections are open or wanted: it is worth while to know the addresses.
    bool is_active() const noexcept { return counts().total() != 0 || !waiters_.empty(); }

    void grow(time_point now) {
        if (attention_ && !growth_blocked_ && !suspended_)
            while (is_active() && has_room() && dialler_.begin_trial(now)) continue;
        while (now >= dialler_.pace().not_before() && wants_opening()) {
            if (warm_left_ != 0 && dialler_.promising() >= wanted_openings()) --warm_left_;
            dialler_.begin(now);
        }
        if (!has_room()) warm_left_ = 0;
    }
    /// An opening has come to nothing, and no other address is tried for it.
    void opening_is_over(std::error_code error) {
        attention_ = true;
        const bool any_left = count(slot_state::idle) + count(slot_state::leased) + count(slot_state::probing) != 0;
        if (options_.breaker_failures == 0 || error == errc::access_denied) warm_left_ = 0;
        // Where descriptors are short, what is open serves those who wait.
        if (error == errc::descriptors_exhausted && any_left) return;
        if (error != errc::access_denied && dialler_.pace().trips(options_, any_left, error)) {
            events_.add({.kind = pool_event_kind::pool_failing, .error = error});
            warm_left_ = 0;
            while (waiter_type* w = waiters_.oldest()) waiters_.answer(*w, error);
        }
        if (unserved_waiters() > count(slot_state::opening)) waiters_.answer(*waiters_.oldest(), error);
    }
    /// Nothing has been begun for it that could be stopped.
    static bool is_unrouted(const slot_type& s) noexcept { return s.dialling != nullptr && s.endpoint == nullptr; }
    std::size_t live() const noexcept { return counts().total() - count(slot_state::closing); }

    /// Down to the present limits: idle connections at once, the oldest first, the others as they become available.
    void shed() noexcept {
        while (live() > options_.max_connections || count(slot_state::idle) > options_.max_idle) {
            slot_type* oldest = idle_from(idle_end::oldest);
            if (oldest == nullptr) break;
            idle_failed(*oldest, retire_reason::limits_lowered);
        }
        shedding_ = live() > options_.max_connections;
    }

    // --- deadlines

    /// In the hands of somebody who may have a deadline: a caller, or a probe.
    static bool is_out(const slot_type& s) noexcept {
        return s.state == slot_state::leased || (s.state == slot_state::probing && !s.tending);
    }
    time_point due(const slot_type& s) const noexcept {
        // What has a deadline is not leaked before that: an exchange may be under way, and must be cut in time.
        if (is_out(s)) return s.task != slot_task::none ? never : s.lease_deadline != never ? s.lease_deadline : s.leak_at;
        if (s.state == slot_state::opening) return dialler_type::due(s);
        return s.state == slot_state::idle ? idle_due(s) : never;
    }
    /// The same for an idle one.
    time_point idle_due(const slot_type& s) const noexcept {
        const time_point rest_at = s.rested ? never : base::after(s.idle_since, options_.rest_after_idle);
        return std::min({s.dies_at, base::after(s.idle_since, s.idle_limit), probe_at(s), rest_at});
    }
    time_point probe_at(const slot_type& s) const noexcept { return base::after(s.proven_at, probe_interval()); }
    duration probe_interval() const noexcept {
        return options_.health_check_interval == duration::zero() ? duration::max() : options_.health_check_interval;
    }
    /// How long a connection is left alone once it has been put back, unless its end is due sooner.
    duration upkeep_interval() const noexcept {
        return rests_ ? std::min(probe_interval(), options_.rest_after_idle) : probe_interval();
    }
    void schedule(slot_type& s) noexcept { slots_.look_at(s, due(s)); }

    void examine(slot_type& s, time_point now) {
        ++counters_.examined;
        if (due(s) > now) return schedule(s);
        if (s.state == slot_state::opening) {
            if (const auto error = dialler_.examine(s, now, policies_.limits.room(counts()))) opening_failed(s, now, *error);
            return;
        }
        if (is_out(s)) {
            const bool overdue = s.lease_deadline <= now;
            (overdue ? s.lease_deadline : s.leak_at) = never;
            if (!overdue) ++counters_.leaks;
            return give_task(s, overdue ? slot_task::expire_lease : slot_task::report_leak);
        }
        if (const retire_reason why = expired(s, now); why != retire_reason::none) {
            idle_failed(s, why);
        } else if (probe_at(s) <= now) {
            ++counters_.probes;
            take_out(s, false);
            give_task(s, slot_task::probe);
        } else {
            ++counters_.rests;
            s.rested = true;
            take_out(s, true);
            give_task(s, slot_task::rest);
        }
    }

    retire_reason stop_reason() const noexcept {
        return *stopped_ == errc::pool_draining ? retire_reason::drained : retire_reason::pool_closed;
    }

    pool_options options_;
    detail::policy_set<Policies> policies_;
    base::random_source random_;
    bool rests_;
    duration left_alone_for_;  // `upkeep_interval` of the present options

    slot_table<Resource> slots_;
    base::linked_list<slot_type> idle_;  // newest first; those being tended keep their place
    std::size_t tended_ = 0;             // probing, but back in a moment
    waiter_queue<Resource> waiters_;
    bool growth_blocked_ = false;
    bool shedding_ = false;  // limits were lowered, and there are connections beyond them
    bool suspended_ = false;
    bool attention_ = true;  // set while somebody waits, a slot has a task, or anything else may be to be done
    std::size_t warm_left_ = 0;
    std::size_t validating_ = 0;
    time_point dialler_due_ = never;
    std::optional<errc> stopped_;
    time_point stop_deadline_ = never;
    bool overdue_ = false;
    std::error_code last_open_error_;
    manager_counters counters_;
    event_queue events_;
    dialler_type dialler_;
};

}  // namespace hotpool
