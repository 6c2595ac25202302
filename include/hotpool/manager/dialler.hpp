// How connections come about: which address, which next, which beside it, and what a failure means. No I/O, no clock.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/random.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/endpoint_pool.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/manager/counters.hpp"
#include "hotpool/manager/growth.hpp"
#include "hotpool/manager/slot_table.hpp"
#include "hotpool/policy/policies.hpp"
#include "hotpool/manager/pool_event.hpp"

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
    using dial_type = dial<slot_type>;

    dialler(slot_table<Resource>& slots, const pool_options& options, const detail::policy_set<Policies>& policies,
            base::random_source& random, manager_counters& counters, event_queue& events)
        : slots_(slots),
          options_(options),
          policies_(policies),
          random_(random),
          counters_(counters),
          events_(events),
          growth_(options.max_openings),
          endpoints_(policies.balance) {}
    dialler(const dialler&) = delete;
    dialler& operator=(const dialler&) = delete;

    /// Connections lead to endpoints, of which a filter may forbid some.
    void use_endpoints(endpoint_filter allows) {
        routed_ = true;
        allows_ = std::move(allows);
    }
    endpoint_pool<typename Policies::balance>& endpoints() noexcept { return endpoints_; }
    const endpoint_pool<typename Policies::balance>& endpoints() const noexcept { return endpoints_; }
    growth& pace() noexcept { return growth_; }
    const growth& pace() const noexcept { return growth_; }

    /// Openings that a caller may count on.
    std::size_t promising() const noexcept { return slots_.count(slot_state::opening) - doubtful_; }
    /// Whether the source of endpoints is to be asked. @param active whether connections are open or wanted
    bool wants_answer(time_point now, bool active) const noexcept {
        return routed_ && endpoints_.wants_answer(now, active);
    }
    /// When a trial or a question to the source is due. @param active whether connections are open or wanted
    time_point next_due(bool active, bool has_room) const noexcept {
        if (!routed_ || !active) return never;
        return std::min(has_room ? endpoints_.trial_due() : never, endpoints_.ask_due());
    }

    // --- beginning

    /// One more connection, for whoever comes first. Never fails at once: what is wrong shows in `examine`.
    slot_type& begin(time_point now) {
        slot_type& s = occupy();
        if (!routed_) {
            ask_to_open(s);
            return s;
        }
        s.dialling = std::make_unique<dial_type>();
        s.dialling->deadline = deadline(now);
        if (endpoints_.is_known(now, options_))
            route(s, now);
        else
            await_answer(s);
        return s;
    }
    /// One to an ejected address whose time is over. False when there is none.
    bool begin_trial(time_point now) {
        if (!routed_) return false;
        endpoint_ptr candidate = endpoints_.begin_trial(now, allows_, options_);
        if (candidate == nullptr) return false;
        slot_type& s = occupy();
        s.dialling = std::make_unique<dial_type>();
        s.dialling->deadline = deadline(now);
        s.dialling->trial = true;
        ++doubtful_;
        attempt(s, std::move(candidate), now);
        return true;
    }

    // --- how it goes

    /// The peer has accepted; what remains is the handshake, which is no reason to try another address.
    void connected(slot_type& s) noexcept {
        if (s.dialling != nullptr && !s.dialling->cut) s.dialling->look_at = never;
    }
    void opened(slot_type& s, time_point now) {
        if (s.endpoint != nullptr) {
            if (endpoints_.succeeded(*s.endpoint, now)) {
                ++counters_.readmissions;
                tell(pool_event_kind::address_readmitted, s, {});
            }
            end_dial(s);
        }
        if (growth_.opening_succeeded(options_.max_openings)) tell(pool_event_kind::pool_recovered, s, {});
        tell(pool_event_kind::connection_opened, s, {});
    }

    /// How the failure of an attempt leaves its slot.
    enum class aftermath : std::uint8_t {
        goes_on,  ///< at the next address
        over,     ///< vacant: a caller may have to be told
        unnoticed  ///< vacant: no caller counted on it
    };
    /// @param error what the attempt ended with; on return, what a caller is to be told
    aftermath failed(slot_type& s, time_point now, std::error_code& error, bool stopped) {
        const bool local = is_local(error);
        const bool cut = s.dialling != nullptr && std::exchange(s.dialling->cut, false);
        if (cut && error == errc::cancelled) error = errc::connect_timed_out;
        tell(pool_event_kind::opening_failed, s, error);
        const bool says_nothing = local || error == errc::cancelled || error == errc::access_denied;
        if (s.endpoint != nullptr && !says_nothing) note_failure(s, now, error);

        if (s.dialling != nullptr && !stopped && !local && now < s.dialling->deadline && next_attempt(s, now)) {
            ++counters_.openings;
            s.retire = retire_reason::none;  // what was to end was the attempt
            return aftermath::goes_on;
        }
        const bool trial = s.dialling != nullptr && s.dialling->trial;
        const bool overtaken = s.dialling != nullptr && s.dialling->overtaken;
        const bool news = growth_.is_news(s.failures_before);
        leave(s);
        if (stopped || trial) return aftermath::unnoticed;
        if (local) growth_.descriptors_exhausted(slots_.count(slot_state::opening) + 1);
        // The one that overtook it goes on with the addresses that are left, and will say.
        const bool denied = error == errc::access_denied;  // which has cost nobody anything
        if (!overtaken && news)
            growth_.pause_until(
                base::after(now, policies_.backoff.pause(denied ? 1 : growth_.count_failure(), random_.uniform())));
        return aftermath::over;
    }
    /// A connection to its address broke in a way that is the address's fault.
    void blame(slot_type& s, time_point now) {
        if (endpoints_.failed(*s.endpoint, s.endpoint->failures, now, options_)) ejected(s, {});
    }
    /// Whether an address has been ejected since the last call.
    bool take_ejected() noexcept { return std::exchange(ejected_, false); }
    /// It was not even tried. If it was to overtake another one, that one has its addresses back, to try them in turn.
    void dropped(slot_type& s) noexcept {
        slot_type* const other = s.dialling == nullptr ? nullptr : s.dialling->overtakes;
        if (other != nullptr && other->state == slot_state::opening && other->dialling != nullptr &&
            other->dialling->overtaken && other->dialling->deadline == s.dialling->deadline) {
            dial_type& d = *other->dialling;
            d.rest = std::move(s.dialling->rest);
            d.rest.insert(d.rest.begin(), s.endpoint);
            d.overtaken = false;
            d.alone = true;
            --other->endpoint->stalled;
            --doubtful_;
            d.look_at = share_end(d);
            slots_.look_at(*other, d.look_at);
        }
        leave(s);
    }

    /// What is due for an opening.
    /// @param room how many more connections may be opened
    /// @return why the opening is over before it has begun, if it is: to be passed on to `failed`
    std::optional<std::error_code> examine(slot_type& s, time_point now, std::size_t room) {
        dial_type& d = *s.dialling;
        d.look_at = never;
        if (d.awaits_answer) return make_error_code(errc::connect_timed_out);
        if (d.hopeless) return d.hopeless;
        if (d.rest.empty() || s.task != slot_task::none) return std::nullopt;
        if (room > 0 && !d.alone) {
            overtake(s, now);
        } else if (now < share_end(d)) {
            d.look_at = share_end(d);
            slots_.look_at(s, d.look_at);
        } else {
            d.cut = true;
            slots_.give_task(s, slot_task::abort_opening);
        }
        return std::nullopt;
    }
    static time_point due(const slot_type& s) noexcept { return s.dialling == nullptr ? never : s.dialling->look_at; }

    // --- the source

    static bool awaits_answer(const slot_type& s) noexcept { return s.dialling != nullptr && s.dialling->awaits_answer; }

    /// The slots that waited for an answer go on. True if an address has left the list.
    bool answer_came(const endpoint_list& answer, time_point now) {
        if (endpoints_.drop_outdated_answer()) return false;
        ++counters_.answers;
        const std::vector<endpoint_ptr> left = endpoints_.answer_came(answer, now, options_);
        for (const endpoint_ptr& e : left) events_.add({.kind = pool_event_kind::address_left, .endpoint = e->where});
        route_waiting(now);
        return !left.empty();
    }
    /// What is known stays in use. True if nothing is: then the slots that waited for the answer are to fail.
    bool answer_failed(time_point now, std::error_code error) {
        if (endpoints_.drop_outdated_answer()) return false;
        ++counters_.failed_answers;
        endpoints_.answer_failed(now, policies_.backoff.pause(endpoints_.failed_answers() + 1, random_.uniform()));
        events_.add({.kind = pool_event_kind::addresses_unknown, .error = error});
        if (!endpoints_.is_known(now, options_)) return true;
        route_waiting(now);
        return false;
    }

    /// No connection leads there any more.
    void leave(slot_type& s) noexcept {
        if (s.dialling != nullptr) end_dial(s);
        if (s.endpoint != nullptr) --s.endpoint->load.connections;
        slots_.vacate(s);
    }

    /// Every opening is counted as what it is.
    bool check(std::size_t doubtful_seen) const noexcept { return doubtful_ == doubtful_seen; }

private:
    static bool is_local(std::error_code error) noexcept { return error == errc::descriptors_exhausted; }

    slot_type& occupy() {
        slot_type& s = slots_.take_vacant();
        slots_.enter(s, slot_state::opening);
        s.failures_before = growth_.failures();
        ++counters_.openings;
        return s;
    }
    /// Not early, even if `now` is the coarse clock's.
    time_point deadline(time_point now) const noexcept {
        return base::after(base::after(now, options_.connect_timeout), base::longest_tick);
    }
    void ask_to_open(slot_type& s) noexcept { slots_.give_task(s, slot_task::open); }

    void await_answer(slot_type& s) noexcept {
        s.dialling->awaits_answer = true;
        s.dialling->look_at = s.dialling->deadline;
        slots_.look_at(s, s.dialling->look_at);
    }

    void route_waiting(time_point now) {
        slots_.for_each([&](slot_type& s) {
            if (awaits_answer(s)) route(s, now);
        });
    }
    void route(slot_type& s, time_point now) {
        dial_type& d = *s.dialling;
        d.awaits_answer = false;
        d.look_at = never;
        d.rest = endpoints_.plan(now, random_.uniform(), allows_);
        if (next_attempt(s, now)) return;
        d.hopeless = endpoints_.all_filtered(now, allows_) ? errc::access_denied : errc::connect_unreachable;
        d.look_at = now;
        slots_.look_at(s, now);
    }

    /// False when there is none left; what has been ejected or has left since the plan was made is passed over.
    bool next_attempt(slot_type& s, time_point now) {
        std::vector<endpoint_ptr>& rest = s.dialling->rest;
        const auto next = std::find_if(rest.begin(), rest.end(), [](const endpoint_ptr& e) {
            return e->listed && e->standing == endpoint_standing::usable;
        });
        if (next == rest.end()) return false;
        endpoint_ptr to = std::move(*next);
        rest.erase(rest.begin(), next + 1);
        attempt(s, std::move(to), now);
        return true;
    }
    void attempt(slot_type& s, endpoint_ptr to, time_point now) {
        if (s.endpoint != nullptr) --s.endpoint->load.connections;
        s.endpoint = std::move(to);
        ++s.endpoint->load.connections;
        dial_type& d = *s.dialling;
        d.failures_before = s.endpoint->failures;
        d.began = now;
        d.look_at = d.rest.empty() ? never : base::after(now, options_.attempt_delay);
        slots_.look_at(s, d.look_at);
        ask_to_open(s);
    }

    /// Another slot takes over the addresses that are left.
    void overtake(slot_type& s, time_point now) {
        slot_type& racer = occupy();
        racer.dialling = std::make_unique<dial_type>();
        racer.dialling->rest = std::move(s.dialling->rest);
        racer.dialling->deadline = s.dialling->deadline;
        racer.dialling->overtakes = &s;
        s.dialling->rest.clear();
        s.dialling->overtaken = true;
        ++s.endpoint->stalled;
        ++doubtful_;
        ++counters_.overtaken;
        if (!next_attempt(racer, now)) dismiss(racer);
    }
    /// Nothing is left for it to try.
    void dismiss(slot_type& s) noexcept {
        --counters_.openings;
        leave(s);
    }

    /// How long to try one address where no other is tried beside it: an equal share of what remained when it began.
    static time_point share_end(const dial_type& d) noexcept {
        return base::after(d.began, (d.deadline - d.began) / static_cast<duration::rep>(d.rest.size() + 1));
    }

    void note_failure(slot_type& s, time_point now, std::error_code error) {
        if (endpoints_.failed(*s.endpoint, s.dialling->failures_before, now, options_)) ejected(s, error);
    }
    void ejected(const slot_type& s, std::error_code error) {
        ejected_ = true;
        ++counters_.ejections;
        tell(pool_event_kind::address_ejected, s, error);
    }

    void end_dial(slot_type& s) noexcept {
        if (s.dialling->doubtful()) --doubtful_;
        if (s.dialling->overtaken) --s.endpoint->stalled;
        if (s.dialling->trial) endpoints_.trial_dropped(*s.endpoint);
        s.dialling.reset();
    }

    void tell(pool_event_kind kind, const slot_type& s, std::error_code error) {
        if (!events_.listens()) return;
        events_.add({.kind = kind, .endpoint = s.leads_to(), .error = error});
    }

    slot_table<Resource>& slots_;
    const pool_options& options_;
    const detail::policy_set<Policies>& policies_;
    base::random_source& random_;
    manager_counters& counters_;
    event_queue& events_;
    growth growth_;
    endpoint_pool<typename Policies::balance> endpoints_;
    endpoint_filter allows_;
    bool routed_ = false;
    bool ejected_ = false;  // and nobody has been told
    std::size_t doubtful_ = 0;  // openings that were overtaken, and trials
};

}  // namespace hotpool
