// How connections come about: which address, which next, which beside it, and what a failure means. No I/O, no clock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/base/random.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/growth.hpp"
#include "hotpool/manager/ledger.hpp"
#include "hotpool/manager/routes.hpp"
#include "hotpool/policy/policies.hpp"

namespace hotpool {

/// The part of the connection manager that is about slots in state opening. An attempt leads to one address; when it
/// fails, its slot goes on to the next. One that is slow is overtaken: a second slot, if there is room, takes over the
/// addresses that are left, and whichever connection comes about is used. So the loser of a race is an ordinary
/// connection, counted like every other.
/// @threads distinct objects only
template <class Resource, policy_bundle Policies>
class dialler {
public:
    using slot_type = slot<Resource>;
    using dial_type = detail::dial<slot_type>;

    dialler(detail::ledger<Resource>& books, const pool_options& options, const detail::policy_set<Policies>& policies,
            base::random_source& random)
        : ledger_(books),
          options_(options),
          policies_(policies),
          random_(random),
          growth_(options.max_openings),
          routes_(options, policies.balance) {}
    dialler(const dialler&) = delete;
    dialler& operator=(const dialler&) = delete;

    detail::routes<typename Policies::balance>& ways() noexcept { return routes_; }
    const detail::routes<typename Policies::balance>& ways() const noexcept { return routes_; }
    growth& pace() noexcept { return growth_; }
    const growth& pace() const noexcept { return growth_; }

    /// Openings that a caller may count on.
    std::size_t promising() const noexcept { return ledger_.count(slot_state::opening) - doubtful_; }

    // --- beginning

    /// One more connection, for whoever comes first. What is wrong with its addresses shows in `examine`. False where
    /// there is no memory for it: then it has failed.
    bool begin(time_point now) noexcept {
        try {
            if (routes_.lead_to_endpoints()) {
                slot_type& s = occupy(std::make_unique<dial_type>(), now);
                if (routes_.are_known(now))
                    route(s, now);
                else
                    await_answer(s);
            } else {
                ledger_.ask(occupy(nullptr, now), slot_task::open);
            }
            return true;
        } catch (const std::bad_alloc&) {
            return false;
        }
    }
    /// One to an ejected address whose time is over. False when there is none.
    bool begin_trial(time_point now) noexcept {
        endpoint_ptr candidate = routes_.begin_trial(now);
        if (candidate == nullptr) return false;
        try {
            slot_type& s = occupy(std::make_unique<dial_type>(), now);
            s.dialling->trial = true;
            ++doubtful_;
            attempt(s, std::move(candidate), now);
        } catch (const std::bad_alloc&) {
            routes_.put_off_trial(*candidate, now);
        }
        return true;
    }

    // --- how it goes

    /// The peer has accepted; what remains is the handshake. That is slow once it takes twice as long as connecting did,
    /// and then another address is tried beside it as well.
    void connected(slot_type& s, time_point now) noexcept {
        if (s.dialling == nullptr || s.dialling->decide_at == never || s.dialling->alone) return;
        dial_type& d = *s.dialling;
        const duration usual = std::max(options_.attempt_delay, base::times(base::elapsed(d.began, now), 2));
        d.decide_at = std::max(d.decide_at, std::min(base::after(now, usual), d.share_end()));
    }
    void opened(slot_type& s, time_point now) noexcept {
        if (s.endpoint != nullptr) {
            if (routes_.endpoints().opened(*s.endpoint, now, options_)) {
                ++ledger_.counters.readmissions;
                report(pool_event_kind::address_readmitted, s, {});
            }
            s.address_failures_before = s.dialling->failures_before;
            end_dial(s);
        }
        if (growth_.opening_succeeded(now, options_.max_openings)) report(pool_event_kind::pool_recovered, s, {});
        report(pool_event_kind::connection_opened, s, {});
    }

    /// For want of something of our own; no address is to blame.
    static bool is_local(std::error_code error) noexcept {
        return error == errc::descriptors_exhausted || error == std::errc::not_enough_memory;
    }

    /// How the failure of an attempt leaves its slot.
    enum class aftermath : std::uint8_t {
        goes_on,   ///< at the next address
        over,      ///< vacant: a caller may have to be told
        unnoticed  ///< vacant: no caller counted on it
    };
    /// @param error what the attempt ended with; on return, what a caller is to be told
    aftermath failed(slot_type& s, time_point now, std::error_code& error, bool stopped) noexcept {
        const bool local = is_local(error);
        const bool cut = s.dialling != nullptr && std::exchange(s.dialling->cut, false);
        if (cut && error == errc::cancelled) error = errc::connect_timed_out;
        report(pool_event_kind::opening_failed, s, error);
        const bool says_nothing =
            local || error == errc::cancelled || error == errc::access_denied || error == errc::socket_setup_failed;
        const bool had_time = error != condition::timed_out || s.dialling == nullptr || s.dialling->had_fair_time();
        if (s.endpoint != nullptr && !says_nothing && had_time) count_failure(s, now, error);

        if (s.dialling != nullptr && !stopped && !local && now < s.dialling->deadline && next_attempt(s, now)) {
            ++ledger_.counters.openings;
            s.retire = retire_reason::none;  // what was to end was the attempt
            return aftermath::goes_on;
        }
        const bool trial = s.dialling != nullptr && s.dialling->trial;
        const bool overtaken = s.dialling != nullptr && s.dialling->overtaken;
        const bool news = growth_.is_news(s.failures_before);
        leave(s);
        if (stopped || trial) return aftermath::unnoticed;
        if (local) growth_.ran_short(ledger_.count(slot_state::opening) + 1);
        // The one that overtook it goes on with the addresses that are left, and will say.
        if (!overtaken && news) pause(now, error);
        return aftermath::over;
    }
    /// `begin` had no memory: nothing has been opened, and that counts as one failure.
    void not_begun(time_point now, std::error_code error) noexcept {
        ledger_.report({.kind = pool_event_kind::opening_failed, .error = error});
        growth_.ran_short(ledger_.count(slot_state::opening) + 1);
        pause(now, error);
    }
    /// A connection to its address broke in a way that is the address's fault.
    /// @param failures_before of the address, when what led there began
    void blame(slot_type& s, time_point now, std::uint64_t failures_before) noexcept {
        if (routes_.failed(*s.endpoint, failures_before, now)) ejected(s, {});
    }
    /// A new connection has turned out unfit, however long that took to find out.
    void disproved(slot_type& s) noexcept {
        growth_.disproved();
        if (s.endpoint != nullptr) s.endpoint->good_since = never;
    }
    /// A connection ended early without having served anyone.
    /// @param failed whether that is as good as a failed opening
    /// @param for_all whether callers wait out the pause, too
    void came_to_nothing(const slot_type& s, time_point now, bool failed, bool for_all) noexcept {
        if (growth_.is_news(s.failures_before)) {
            const unsigned row = failed ? growth_.count_failure(now) : growth_.count_waste(now);
            growth_.pause_unasked_until(base::after(now, pause_after(row)));
        }
        if (for_all) growth_.pause_for_all();
    }
    /// Whether an address has been ejected since the last call.
    bool take_ejected() noexcept { return std::exchange(ejected_, false); }
    /// It was not even tried, and does not count as begun. If it was to overtake another one, that one has its addresses
    /// back, to try them in turn.
    void dropped(slot_type& s) noexcept {
        slot_type* const other = s.dialling == nullptr ? nullptr : s.dialling->overtakes;
        if (other != nullptr && other->state == slot_state::opening && other->dialling != nullptr &&
            other->dialling->overtaken && other->dialling->deadline == s.dialling->deadline) {
            dial_type& d = *other->dialling;
            d.rest = std::move(s.dialling->rest);
            d.rest.insert(d.rest.begin(), s.endpoint);  // where it was taken from: there is room for it
            d.overtaken = false;
            d.alone = true;
            --other->endpoint->stalled;
            --doubtful_;
            decide_at(*other, d.share_end());
        }
        dismiss(s);
    }

    /// The pool stops: what has not begun never does, the others are aborted.
    void stopped(slot_type& s) noexcept {
        if (s.task == slot_task::open || s.is_unrouted()) {
            ledger_.slots.drop_task(s);
            dismiss(s);
        } else if (s.task == slot_task::none) {
            ledger_.ask(s, slot_task::abort_opening);
        }
    }

    /// What is due for an opening.
    /// @param room how many more connections may be opened
    /// @return why the opening is over before it has begun, if it is: to be passed on to `failed`
    std::optional<std::error_code> examine(slot_type& s, time_point now, std::size_t room) noexcept {
        dial_type& d = *s.dialling;
        d.decide_at = never;
        if (d.awaits_answer) return make_error_code(errc::connect_timed_out);
        if (d.hopeless) return d.hopeless;
        if (d.rest.empty() || s.task != slot_task::none) return std::nullopt;
        if (room > 0 && !d.alone && overtake(s, now)) return std::nullopt;
        if (now < d.share_end()) {
            decide_at(s, d.share_end());
        } else {
            d.cut = true;
            ledger_.ask(s, slot_task::abort_opening);
        }
        return std::nullopt;
    }

    // --- the source

    /// The slots that waited for an answer go on.
    detail::answer_effect answer_came(std::uint64_t question, detail::merged_addresses& answer,
                                      time_point now) noexcept {
        if (!routes_.endpoints().counts(question)) return detail::answer_effect::nothing_left;
        const detail::answer_effect effect = routes_.answer_came(ledger_, question, answer, now);
        if (effect != detail::answer_effect::outrun) route_waiting(now);
        return effect;
    }
    /// True if the slots that waited for the answer are to fail, since nothing is known that they might use.
    bool answer_failed(time_point now, std::error_code error, bool definite) noexcept {
        note_failed_answer(now, error, definite);
        if (!routes_.are_known(now)) return true;
        route_waiting(now);
        return false;
    }
    /// Whether addresses have left that answers have not named for too long.
    bool absence_over(time_point now) noexcept { return routes_.absence_over(ledger_, now); }
    /// There is none: those that wait for it go on to do so as long as they may, and the source is asked again.
    void answer_lost(time_point now, std::error_code error) noexcept { note_failed_answer(now, error, false); }

    /// No connection leads there any more.
    void leave(slot_type& s) noexcept {
        if (s.dialling != nullptr) end_dial(s);
        if (s.endpoint != nullptr) --s.endpoint->load.connections;
        ledger_.slots.vacate(s);
    }

    /// Every opening is counted as what it is.
    bool check(std::size_t doubtful_seen) const noexcept { return doubtful_ == doubtful_seen; }

private:
    /// @errors throws `std::bad_alloc`, nothing changed then
    slot_type& occupy(std::unique_ptr<dial_type> dialling, time_point now) {
        slot_type& s = ledger_.slots.take_vacant();
        ledger_.slots.enter(s, slot_state::opening);
        s.failures_before = growth_.failures();
        s.dialling = std::move(dialling);
        // Not early, even if `now` is the coarse clock's.
        if (s.dialling != nullptr)
            s.dialling->deadline = base::after(base::after(now, options_.connect_timeout), base::longest_tick);
        ++ledger_.counters.openings;
        return s;
    }
    void decide_at(slot_type& s, time_point time) noexcept {
        s.dialling->decide_at = time;
        ledger_.slots.schedule(s, time);
    }
    void pause(time_point now, std::error_code error) noexcept {
        const bool denied = error == errc::access_denied;  // which has cost nobody anything
        growth_.pause_until(base::after(now, pause_after(denied ? 1 : growth_.count_failure(now))));
    }
    duration pause_after(unsigned failures) noexcept {
        return detail::bounded_pause(policies_.backoff.pause(failures, random_.uniform()));
    }

    void note_failed_answer(time_point now, std::error_code error, bool definite) noexcept {
        routes_.answer_failed(ledger_, now, error, definite, [&](unsigned failures) { return pause_after(failures); });
    }
    void await_answer(slot_type& s) noexcept {
        s.dialling->awaits_answer = true;
        decide_at(s, s.dialling->deadline);
    }

    void route_waiting(time_point now) noexcept {
        ledger_.slots.for_each([&](slot_type& s) {
            if (s.awaits_answer()) route(s, now);
        });
    }
    void route(slot_type& s, time_point now) noexcept {
        dial_type& d = *s.dialling;
        d.awaits_answer = false;
        d.decide_at = never;
        detail::route_plan plan = routes_.plan(now, random_.uniform());
        d.rest = std::move(plan.addresses);
        d.fair_share =
            base::elapsed(now, d.deadline) / static_cast<duration::rep>(std::max<std::size_t>(d.rest.size(), 1));
        if (next_attempt(s, now)) return;
        d.hopeless = plan.hopeless ? plan.hopeless : make_error_code(errc::connect_unreachable);
        decide_at(s, now);
    }

    /// False when there is none left; what has been ejected or has left since the plan was made is passed over.
    bool next_attempt(slot_type& s, time_point now) noexcept {
        std::vector<endpoint_ptr>& rest = s.dialling->rest;
        const auto next = std::find_if(rest.begin(), rest.end(), [](const endpoint_ptr& e) {
            return e->is_named() && e->standing == endpoint_standing::usable;
        });
        if (next == rest.end()) return false;
        endpoint_ptr to = std::move(*next);
        rest.erase(rest.begin(), next + 1);
        attempt(s, std::move(to), now);
        return true;
    }
    void attempt(slot_type& s, endpoint_ptr to, time_point now) noexcept {
        if (s.endpoint != nullptr) --s.endpoint->load.connections;
        s.endpoint = std::move(to);
        ++s.endpoint->load.connections;
        dial_type& d = *s.dialling;
        d.failures_before = s.endpoint->failures;
        d.began = now;
        decide_at(s, d.rest.empty() ? never : base::after(now, options_.attempt_delay));
        ledger_.ask(s, slot_task::open);
    }

    /// Another slot takes over the addresses that are left. False when there is no memory for it: then they are tried in
    /// turn.
    bool overtake(slot_type& s, time_point now) noexcept {
        try {
            slot_type& racer = occupy(std::make_unique<dial_type>(), now);
            racer.dialling->rest = std::exchange(s.dialling->rest, {});
            racer.dialling->deadline = s.dialling->deadline;
            racer.dialling->fair_share = s.dialling->fair_share;
            racer.dialling->overtakes = &s;
            s.dialling->overtaken = true;
            ++s.endpoint->stalled;
            ++doubtful_;
            ++ledger_.counters.overtaken;
            if (!next_attempt(racer, now)) dismiss(racer);
            return true;
        } catch (const std::bad_alloc&) {
            s.dialling->alone = true;
            return false;
        }
    }
    /// Nothing is left for it to try.
    void dismiss(slot_type& s) noexcept {
        --ledger_.counters.openings;
        leave(s);
    }

    void count_failure(slot_type& s, time_point now, std::error_code error) noexcept {
        if (routes_.failed(*s.endpoint, s.dialling->failures_before, now)) ejected(s, error);
    }
    void ejected(const slot_type& s, std::error_code error) noexcept {
        ejected_ = true;
        ++ledger_.counters.ejections;
        report(pool_event_kind::address_ejected, s, error);
    }

    void end_dial(slot_type& s) noexcept {
        if (s.dialling->doubtful()) --doubtful_;
        if (s.dialling->overtaken) --s.endpoint->stalled;
        if (s.dialling->trial) routes_.endpoints().trial_dropped(*s.endpoint);
        s.dialling.reset();
    }

    void report(pool_event_kind kind, const slot_type& s, std::error_code error) noexcept {
        if (ledger_.events.listens()) ledger_.report({.kind = kind, .endpoint = s.leads_to(), .error = error});
    }

    detail::ledger<Resource>& ledger_;
    const pool_options& options_;
    const detail::policy_set<Policies>& policies_;
    base::random_source& random_;
    growth growth_;
    detail::routes<typename Policies::balance> routes_;
    bool ejected_ = false;      // and nobody has been told
    std::size_t doubtful_ = 0;  // openings that were overtaken, and trials
};

}  // namespace hotpool
