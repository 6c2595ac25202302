// The machine of a pool: who gets which connection, when to open, when to close. No I/O, no clock, no lock.
#pragma once

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/accounts.hpp"
#include "hotpool/manager/budget_claim.hpp"
#include "hotpool/manager/junction.hpp"
#include "hotpool/policy/policies.hpp"

namespace hotpool {

/// What a caller says of the connection it gives back.
struct return_report {
    retire_reason retire = retire_reason::none;          ///< `none`: it may be used again
    std::optional<std::chrono::seconds> idle_hint = {};  ///< the peer's `Keep-Alive: timeout=N`
    bool delivered = false;                              ///< it has brought a response, or served as a stream
};

/// What became of a request for a connection.
enum class get_outcome { granted, queued, refused };

/// The slots of one pool and their waiters. Tell it what happened and what time it is; then perform what
/// `next_action` hands out, until it has nothing more. The times told may be a coarse clock's tick behind earlier ones.
///
/// Two halves that know nothing of one another do the work: `lending` has the connections that are open and those who
/// wait, `expansion` those that are being opened; `pool_end` knows whether the pool ends. They meet in `junction`. Here
/// is what a driver may say and ask.
///
/// No input throws but `use_endpoints` and `options_changed`, which have changed nothing then. An opening for which there
/// is no memory has failed with `std::errc::not_enough_memory`; an event for which there is none is lost.
/// @threads distinct objects only: the driver locks
/// @cost lend and return are constant, whoever waits, but for idle ones that are being tended at the end which is lent
/// from; what has a deadline costs a constant when it expires, nothing before
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
        endpoint_question ask{};          ///< answer `endpoints_came` or `endpoints_failed`
        Resource reclaimed{};  ///< of a `slot_task::report_leak`: the slot is vacant, this is its holder's now
    };

    /// @param seed for jitter
    /// @param rests whether idle connections have buffers to give back (`slot_task::rest`)
    /// @errors throws `std::invalid_argument` naming the option and the rule
    explicit connection_manager(const pool_options& options, std::uint64_t seed = 1, bool rests = true)
        : parts_((validate(options), options), seed, rests) {}
    connection_manager(const connection_manager&) = delete;
    connection_manager& operator=(const connection_manager&) = delete;

    /// Connections lead to endpoints from a source, of which a filter may forbid some. Before anything else.
    void use_endpoints(endpoint_filter allows = nullptr) { dialler().ways().use_endpoints(std::move(allows)); }
    /// These endpoints, and no source is asked.
    void use_endpoints(const endpoint_list& fixed, endpoint_filter allows = nullptr) {
        addresses().endpoints_fixed(fixed);
        dialler().ways().use_endpoints(std::move(allows));
    }
    /// Whether events are kept for `take_events`.
    void listen(bool on) noexcept {
        books().events.listen(on);
        books().attention = true;
    }

    // --- lending -----------------------------------------------------------------------------------------------

    /// Lends an idle connection, or null; never waits, and never overtakes a waiter.
    [[gnu::always_inline]] slot_type* try_lease(time_point now, time_point lease_deadline = never) noexcept {
        return parts_.lent.try_lease(now, lease_deadline);
    }

    /// Lends an idle connection to `w`, queues it, or refuses it; `w` says which.
    /// @param deadline for waiting, which ends with `w.lease_deadline` in any case
    get_outcome get_requested(waiter_type& w, time_point now, time_point deadline) noexcept {
        if (stopped()) return refuse(w, *parts_.end.why());
        if (slot_type* s = w.fresh_only ? nullptr : try_lease(now, w.lease_deadline)) {
            w.granted = s;
            return get_outcome::granted;
        }
        if (const std::error_code cause = failing()) {
            ++books().counters.breaker_refusals;
            return refuse(w, cause);
        }
        if (parts_.grown.can_never_serve(parts_.lent.numbers())) {
            ++books().counters.refusals;
            return refuse(w, errc::no_room);
        }
        if (!parts_.lent.policies.limits.may_wait(counts())) {
            ++books().counters.refusals;
            return refuse(w, errc::waiters_full);
        }
        parts_.lent.wait(w, now, deadline);
        return get_outcome::queued;
    }
    /// Until when a caller waits that comes now.
    /// @param timeout 0: without limit; none: `get_timeout` of the options
    time_point wait_deadline(std::optional<duration> timeout, time_point now) const noexcept {
        const duration limit = timeout.value_or(options().get_timeout);
        return limit == duration::zero() ? never : base::after(now, limit);
    }
    /// The caller no longer waits. False when it has been answered already: what it was given is then its own.
    bool waiter_cancelled(waiter_type& w) noexcept {
        if (!w.waiting) return false;
        parts_.lent.waiters.forget(w);
        ++books().counters.wait_cancellations;
        return true;
    }

    /// A leased connection comes back: to the oldest waiter, to the idle ones, or to its end.
    [[gnu::always_inline]] void lease_returned(slot_type& s, time_point now,
                                               const return_report& report = {}) noexcept {
        assert(s.state == slot_state::leased);
        leases_type::end(books(), s);
        if (report.retire != retire_reason::none || s.retire != retire_reason::none) [[unlikely]]
            return parts_.end_of_lease(s, now, report.retire, report.delivered);
        if (!s.served || (s.endpoint != nullptr && s.endpoint->failures_in_a_row != 0)) [[unlikely]]
            parts_.has_served(s);
        parts_.lent.put_back(s, now, report.idle_hint);
    }
    /// A leased connection is to be back by `deadline`; at once where the end of the pool is overdue.
    void deadline_changed(slot_type& s, time_point deadline) noexcept {
        assert(s.is_out());
        leases_type::deadline_changed(books(), s, parts_.end.cut(deadline), stopped());
    }
    /// The caller is done with it; the pool itself goes on to use the leased connection, until `deadline`.
    void lease_over(slot_type& s, time_point deadline) noexcept {
        leases_type::left_to_the_pool(books(), s);
        deadline_changed(s, deadline);
    }
    /// The leased connection now belongs to the caller; the slot is free at once.
    void lease_detached(slot_type& s) noexcept {
        assert(s.is_out());
        parts_.has_served(s);
        parts_.give_up(s, retire_reason::detached);
    }

    // --- idle connections --------------------------------------------------------------------------------------

    /// An idle connection turned out to be over. False when it is not idle any more: its holder will find out.
    bool idle_failed(slot_type& s, retire_reason why) noexcept { return parts_.lent.idle_failed(s, why); }
    /// A connection that had been idle before its lease turned out closed: those to the same address that have been idle
    /// for as long or longer are no better, and end.
    /// @cost a look at each idle connection, since a probe changes their order
    void stale_found(const slot_type& stale) noexcept { parts_.lent.stale_found(stale); }
    /// One that was asked at `asked_at` has been silent since, which may be the way's fault: idle ones that have not been
    /// heard of since then are probed before they are lent, where `probes` says that somebody does, or end.
    /// @cost a look at each idle connection
    void silence_found(time_point now, time_point asked_at, bool probes) noexcept {
        parts_.lent.silence_found(now, asked_at, probes);
    }
    /// Ends the connection idle longest, for the sake of another pool. False when none is idle.
    bool reclaim_idle() noexcept { return parts_.lent.oldest_failed(retire_reason::budget); }
    /// Since when that one is idle; `never`: none is.
    time_point longest_idle() const noexcept { return parts_.lent.longest_idle(); }
    /// A connection that comes back is ended for the sake of another pool when `claim` says so. Before anything else.
    void heed(detail::budget_claim& claim) noexcept { parts_.lent.claim = &claim; }

    /// Takes an idle connection out for a moment, to arm its watch or to see what arrived. False when it is not idle.
    bool tend_started(slot_type& s) noexcept { return parts_.lent.tend_started(s); }
    /// It is back, or over when `why` says so.
    void tend_finished(slot_type& s, time_point now, retire_reason why = retire_reason::none) noexcept {
        assert(is_tending(s.probing));
        parts_.lent.come_back(s, now, why);
    }
    /// The answer to `slot_task::probe`.
    /// @param over why the connection cannot stay although its peer is healthy, if it cannot
    void probe_finished(slot_type& s, time_point now, bool healthy, retire_reason over = retire_reason::none) noexcept {
        assert(asks_peer(s.probing));
        parts_.probed(s, now, healthy, over);
    }

    // --- opening and closing -----------------------------------------------------------------------------------

    /// Opens as many as bring the connections to `wanted`, as far as the limits go and at the pool's pace.
    void warm_requested(std::size_t wanted) noexcept {
        if (stopped()) return;
        books().attention = true;
        parts_.grown.warm_requested(wanted, parts_.lent.live(), parts_.lent.numbers());
    }
    /// Openings of `warm_requested` that have not begun.
    std::size_t warm_left() const noexcept { return parts_.grown.warm_left(); }
    /// New connections that are being probed before they are lent.
    std::size_t validating() const noexcept { return parts_.lent.validating(); }

    /// How long the driver may take for what `slot_task::open` asks, at least a millisecond.
    duration opening_timeout(const slot_type& s, time_point now) const noexcept {
        if (s.dialling == nullptr) return options().connect_timeout;
        return std::max<duration>(base::elapsed(now, s.dialling->deadline), std::chrono::milliseconds(1));
    }
    /// The peer has accepted; only the handshake remains.
    void opening_connected(slot_type& s, time_point now) noexcept { dialler().connected(s, now); }

    void slot_opened(slot_type& s, time_point now) noexcept {
        assert(s.state == slot_state::opening);
        parts_.opened(s, now);
    }
    /// Fails at most one waiter: the oldest, and only if no other opening is under way for it; when it makes the pool
    /// give up for now, all of them. Where addresses are left to try, the slot asks to be opened anew.
    void opening_failed(slot_type& s, time_point now, std::error_code error) noexcept {
        assert(s.state == slot_state::opening);
        parts_.opening_failed(s, now, error);
    }
    /// There was no room for it in the budget: nothing failed, nothing more is opened until `growth_allowed`.
    void opening_deferred(slot_type& s) noexcept {
        assert(s.state == slot_state::opening);
        books().slots.drop_task(s);
        parts_.grown.deferred(s, parts_.lent.numbers());
    }
    void growth_allowed() noexcept { parts_.grown.allow(); }
    bool growth_blocked() const noexcept { return parts_.grown.is_blocked(); }
    /// Whether room in the budget would be put to use.
    bool needs_room() const noexcept {
        return !stopped() && !is_suspended() && (!waiters().empty() || parts_.grown.needs_room(parts_.lent.numbers()));
    }

    void slot_closed(slot_type& s) noexcept {
        assert(s.state == slot_state::closing);
        dialler().leave(s);
    }

    // --- addresses -----------------------------------------------------------------------------------------------

    /// The list that an answer is to be merged with.
    std::shared_ptr<const detail::address_list> known_addresses() const noexcept { return addresses().list(); }
    /// The answer to `action::ask`. Connections to addresses that are not in it end early. One that is late still counts
    /// where none to a newer question has come.
    /// @param answer destroyed by the driver, outside of its lock
    /// @return false if another answer has come since `known_addresses`: it is to be merged anew
    bool endpoints_came(std::uint64_t question, detail::merged_addresses& answer, time_point now) noexcept {
        return parts_.answer_came(question, answer, now);
    }
    /// @param definite whether the source has said that there is no such name, or no address
    void endpoints_failed(std::uint64_t question, std::error_code error, bool definite, time_point now) noexcept {
        parts_.answer_failed(question, error, definite, now);
    }
    /// The same for the last question, merged at once.
    void endpoints_came(const endpoint_list& answer, time_point now) noexcept {
        try {
            detail::merged_addresses merged = detail::address_list::merge(answer, addresses().list());
            parts_.answer_came(addresses().last_question(), merged, now);
        } catch (const std::bad_alloc&) {
            endpoints_failed(std::make_error_code(std::errc::not_enough_memory), now);
        }
    }
    void endpoints_failed(std::error_code error, time_point now) noexcept {
        parts_.answer_failed(addresses().last_question(), error, error == errc::resolve_empty, now);
    }
    /// The source is asked at the next occasion. What is known stays in use until then.
    void refresh_requested() noexcept {
        addresses().answer_demanded(false);
        books().attention = true;
    }
    const std::vector<endpoint_ptr>& endpoints() const noexcept { return addresses().endpoints(); }

    /// The machine has another network: idle connections end now, leased ones as they come back; what is known of
    /// addresses and failures is void.
    void network_changed(time_point now) noexcept {
        end_early([](const slot_type&) { return true; }, retire_reason::network_changed, now, duration::zero());
        addresses().answer_demanded(true);
        dialler().pace().forget();
        books().attention = true;
    }
    /// Ends the chosen connections, those in use as they come back, one each `spacing`.
    template <class Predicate>
    void end_early(Predicate chosen, retire_reason why, time_point now, duration spacing) noexcept {
        parts_.lent.end_early(chosen, why, now, spacing);
    }

    // --- the pool as a whole -----------------------------------------------------------------------------------

    /// Timers have come this far; what is due by now comes out as actions.
    void time_passed(time_point now) noexcept { parts_.time_passed(now); }

    /// Nothing is lent or opened until `resumed`; callers wait, and leases come back.
    void suspended() noexcept { parts_.lent.suspend(); }
    void resumed(time_point now) noexcept { parts_.lent.resume(now); }
    bool is_suspended() const noexcept { return parts_.lent.is_suspended(); }
    /// Why callers are refused while no connection can be opened.
    std::error_code failing() const noexcept { return dialler().pace().failing().value_or(std::error_code()); }
    /// Why the last failed opening failed, or the last question for addresses.
    std::error_code last_open_error() const noexcept { return parts_.last_open_error(); }

    /// No more lending: waiters get `why`, idle connections and openings end, leases end as they come back.
    /// @param why `errc::pool_draining` or `errc::pool_closed`
    /// @param deadline then every lease and every probe that is still out is cut
    void stop_requested(errc why, time_point deadline = never) noexcept { parts_.stop(why, deadline); }
    bool stopped() const noexcept { return parts_.end.is_stopped(); }
    /// The deadline of `stop_requested` has passed.
    bool overdue() const noexcept { return parts_.end.is_overdue(); }

    /// New numbers from now on. Idle connections beyond them end now, others beyond them as they become available.
    /// @errors throws `std::invalid_argument` naming the option and the rule; nothing has changed then
    void options_changed(const pool_options& options, time_point now) {
        validate(options);
        parts_.lent.change_options(options, now);
        dialler().pace().options_changed(options.max_openings);
        books().attention = true;
    }

    // --- what follows ------------------------------------------------------------------------------------------

    /// Nobody waits and nothing is to be done: `next_action` would find nothing, and `next_due` would not say a time
    /// before `due`, which is what it said last.
    bool at_rest(time_point due) const noexcept { return !books().attention && books().slots.next_due() >= due; }

    /// The next thing to do, if any.
    bool next_action(action& out, time_point now) noexcept {
        out = {};
        if ((out.answered = parts_.lent.waiters.next_answered()) != nullptr) return true;
        parts_.grow(now);
        if ((out.answered = parts_.lent.waiters.next_answered()) != nullptr) return true;  // who is told that it failed
        if (!stopped() && (out.ask = parts_.grown.ask(now, parts_.lent.numbers()))) return true;
        std::tie(out.slot, out.task) = books().slots.next_task();
        if (out.slot == nullptr) {
            parts_.rest();
            return false;
        }
        if (out.task == slot_task::report_leak) {
            Resource held = out.slot->resource;
            if (parts_.leaked(*out.slot, now)) out.reclaimed = std::move(held);
            return true;
        }
        if (out.task == slot_task::probe)
            out.slot->lease_deadline = parts_.end.cut(base::after(now, options().health_check_timeout));
        parts_.lent.schedule(*out.slot);  // a deadline counts again once the task is no longer the slot's
        return true;
    }
    /// What is to be told to the listener.
    std::vector<pool_event> take_events() noexcept { return books().events.take(); }
    bool has_events() const noexcept { return !books().events.empty(); }

    /// Before this time, `time_passed` would find nothing.
    time_point next_due() const noexcept { return parts_.next_due(); }

    connection_counts counts() const noexcept { return parts_.lent.counts(); }
    std::size_t leased() const noexcept { return books().count(slot_state::leased); }
    const manager_counters& counters() const noexcept { return books().counters; }
    const pool_options& options() const noexcept { return parts_.lent.options; }
    const waiter_queue<Resource>& waiters() const noexcept { return parts_.lent.waiters; }
    /// No connection in any state, nobody waiting.
    bool empty() const noexcept { return counts().total() == 0 && waiters().empty(); }
    /// Calls `visit(slot)` for every slot that holds a connection or is getting one.
    template <class Visitor>
    void for_each_slot(Visitor visit) {
        books().slots.for_each(visit);
    }

    /// True when every slot is counted once, stands where its state says, and nobody waits beside an idle connection
    /// that would do.
    bool check() const {
        const detail::accounts<Resource> seen(books());
        const bool nothing_to_do = waiters().empty() && waiters().all_told() && books().slots.no_task() &&
                                   books().events.empty() && parts_.lent.numbers().lacking_idle() == 0;
        return parts_.lent.check(seen.probing()) && dialler().check(seen.doubtful()) && seen.loads_agree() &&
               seen.ends_agree() && (books().attention || nothing_to_do);
    }

private:
    using leases_type = detail::leases<Resource>;

    detail::ledger<Resource>& books() noexcept { return parts_.books(); }
    const detail::ledger<Resource>& books() const noexcept { return parts_.books(); }
    auto& dialler() noexcept { return parts_.dialler(); }
    const auto& dialler() const noexcept { return parts_.dialler(); }
    auto& addresses() noexcept { return dialler().ways().endpoints(); }
    const auto& addresses() const noexcept { return dialler().ways().endpoints(); }

    static get_outcome refuse(waiter_type& w, std::error_code why) noexcept {
        w.error = why;
        return get_outcome::refused;
    }

    detail::junction<Resource, Policies> parts_;
};

}  // namespace hotpool
