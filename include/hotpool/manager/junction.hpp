// What happens to connections that are open and concerns those being opened, and the other way round.
#pragma once

#include <algorithm>
#include <cstdint>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/departures.hpp"
#include "hotpool/manager/early_end.hpp"
#include "hotpool/manager/expansion.hpp"
#include "hotpool/manager/leases.hpp"
#include "hotpool/manager/lending.hpp"
#include "hotpool/manager/pool_end.hpp"

namespace hotpool::detail {

/// Where the two halves of the connection manager and its end meet: `lent` has the connections that are open and those
/// who wait, `grown` those that are being opened. Neither knows the other; what one has to know goes along as numbers.
/// @threads distinct objects only
template <class Resource, policy_bundle Policies>
class junction {
public:
    using slot_type = slot<Resource>;
    using waiter_type = waiter<Resource>;
    using leases_type = leases<Resource>;
    using departures_type = departures<Resource>;
    using dialler_type = hotpool::dialler<Resource, Policies>;

    junction(const pool_options& options, std::uint64_t seed, bool rests)
        : lent(options, rests), grown(lent.books, lent.options, lent.policies, seed) {}

    lending<Resource, Policies> lent;
    expansion<Resource, Policies> grown;
    pool_end end;

    ledger<Resource>& books() noexcept { return lent.books; }
    const ledger<Resource>& books() const noexcept { return lent.books; }
    dialler_type& dialler() noexcept { return grown.dialler(); }
    const dialler_type& dialler() const noexcept { return grown.dialler(); }
    std::error_code last_open_error() const noexcept { return last_open_error_; }

    // --- openings

    void opened(slot_type& s, time_point now) noexcept {
        books().attention = true;
        books().slots.drop_task(s);
        ++books().counters.opened;
        dialler().opened(s, now);
        books().slots.now_is(now);
        if (end.is_stopped()) return departures_type::retire(books(), s, end.reason());
        if (s.retire != retire_reason::none) return departures_type::retire(books(), s, s.retire);
        s.opened_at = now;
        s.dies_at = grown.end_of_life(now);
        lent.add_new(s, now);
    }
    void opening_failed(slot_type& s, time_point now, std::error_code error) noexcept {
        books().attention = true;
        books().slots.drop_task(s);
        ++books().counters.open_failures;
        const auto outcome = dialler().failed(s, now, error, end.is_stopped());
        last_open_error_ = error;
        end_ejected(now);
        if (outcome == dialler_type::aftermath::over) opening_is_over(error);
    }
    /// Begins what is due, unless the pool ends.
    void grow(time_point now) noexcept {
        while (slot_type* s = books().unserved.pop_front())
            if (!end.is_stopped()) weigh(*s, now);
        if (end.is_stopped() || grown.grow(now, lent.numbers())) return;
        last_open_error_ = std::make_error_code(std::errc::not_enough_memory);
        ++books().counters.open_failures;
        dialler().not_begun(now, last_open_error_);
        opening_is_over(last_open_error_);
    }

    // --- addresses

    /// False where the answer was merged with a list that is not the present one.
    bool answer_came(std::uint64_t question, merged_addresses& answer, time_point now) noexcept {
        books().attention = true;
        switch (dialler().answer_came(question, answer, now)) {
            case answer_effect::outrun: return false;
            case answer_effect::nothing_left: return true;
            case answer_effect::some_left: break;
        }
        end_left(now);
        return true;
    }
    void answer_failed(std::uint64_t question, std::error_code error, bool definite, time_point now) noexcept {
        if (!dialler().ways().endpoints().is_under_way(question)) return;
        books().attention = true;
        last_open_error_ = error;
        if (!dialler().answer_failed(now, error, definite)) return;
        books().slots.for_each([&](slot_type& s) {
            if (s.awaits_answer()) opening_failed(s, now, error);
        });
    }

    // --- connections that end

    /// Back for the last time. @param reported why its caller says so, if he does
    /// @param delivered whether it has brought its caller something before
    [[gnu::noinline]] void end_of_lease(slot_type& s, time_point now, retire_reason reported, bool delivered) noexcept {
        if (delivered || reported == retire_reason::none) has_served(s);
        blame_for(s, now, reported);
        departures_type::retire(books(), s, reported == retire_reason::none ? s.retire : reported);
    }
    /// Its opening was worth while, and so is its address.
    [[gnu::noinline]] void has_served(slot_type& s) noexcept {
        if (!std::exchange(s.served, true)) dialler().pace().served();
        has_answered(s);
    }
    /// @param over why a connection to a healthy peer ends with its probe, if it does
    void probed(slot_type& s, time_point now, bool healthy, retire_reason over) noexcept {
        if (healthy)
            has_answered(s);
        else if (s.probing == probe_kind::validation)
            dialler().disproved(s);
        const retire_reason failed = lent.probed(s, now, healthy);
        blame_for(s, now, failed);
        lent.come_back(s, now, healthy ? over : failed);
    }
    /// Vacant at once: the connection is somebody else's.
    void give_up(slot_type& s, retire_reason why) noexcept {
        lent.give_up(s, why);
        dialler().leave(s);
    }
    /// A leak that the driver is told of, and the listener. True when the place of the lease has been taken back.
    bool leaked(slot_type& s, time_point now) noexcept {
        if (asks_peer(s.probing)) return give_up_probe(s, now), true;
        pool_event event{.kind = pool_event_kind::lease_leaked,
                         .endpoint = s.leads_to(),
                         .age = base::elapsed(s.leased_at, now),
                         .where = s.lent_where};
        books().report(event);
        if (!lent.options.reclaim_leaked) return false;
        give_up(s, retire_reason::leaked);
        event.kind = pool_event_kind::lease_reclaimed;
        books().report(event);
        return true;
    }

    // --- the pool as a whole

    void time_passed(time_point now) noexcept {
        books().attention = true;
        if (end.time_passed(now)) leases_type::cut_all(books(), now);
        while (waiter_type* w = lent.waiters.take_overdue(now)) {
            ++books().counters.wait_timeouts;
            lent.waiters.answer(*w, make_error_code(errc::get_timed_out));
        }
        while (slot_type* s = books().slots.take_due(now)) examine(*s, now);
        if (dialler().ways().endpoints().is_lost(now)) {
            last_open_error_ = errc::resolve_failed;
            dialler().answer_lost(now, last_open_error_);
        }
        if (dialler().absence_over(now)) end_left(now);
    }
    void stop(errc why, time_point deadline) noexcept {
        books().attention = true;
        end.requested(why, deadline);
        grown.stop();
        answer_all(make_error_code(why));
        while (lent.oldest_failed(end.reason())) continue;
        books().slots.for_each([&](slot_type& s) {
            if (s.state == slot_state::opening)
                dialler().stopped(s);
            else if (s.state != slot_state::closing)
                s.retire = end.reason();
        });
    }
    /// Nothing is left to do for the time being.
    void rest() noexcept {
        const demand d = lent.numbers();
        books().attention = d.waiting != 0 || !books().events.empty() || grown.grows_unasked(d) || end.is_stopped();
        if (!end.is_stopped()) grown.rest(d);
    }
    /// Before this time there is nothing to do.
    time_point next_due() const noexcept {
        const time_point due = std::min(books().slots.next_due(), grown.due());
        if (!books().attention) return due;
        if (!end.is_stopped()) return std::min({due, lent.waiters.next_deadline(), grown.opening_due(lent.numbers())});
        return lent.counts().total() == 0 ? never : std::min(due, end.due());
    }

private:
    void opening_is_over(std::error_code error) noexcept {
        switch (grown.failed(error, lent.numbers())) {
            case failure_reach::nobody: return;
            case failure_reach::oldest: return lent.waiters.answer(*lent.waiters.oldest(), error);
            case failure_reach::everybody: return answer_all(error);
        }
    }
    void answer_all(std::error_code error) noexcept {
        while (waiter_type* w = lent.waiters.oldest()) lent.waiters.answer(*w, error);
    }

    /// The peer is well; that the connection was worth its opening is another matter.
    void has_answered(slot_type& s) noexcept {
        s.answered = true;
        if (s.endpoint != nullptr) dialler().ways().endpoints().served(*s.endpoint);
    }

    /// A connection has ended without having served anyone: was its opening one that has failed?
    void weigh(slot_type& s, time_point now) noexcept {
        const ended_by who = s.answered ? ended_by::pool : who_ended(s.retire, s.uses != 0);
        const bool early = s.retire == retire_reason::validation_failed || now < base::after(s.opened_at, proving_time);
        if (who == ended_by::circumstance || !early) return;
        const std::error_code error = s.answered ? std::error_code() : opening_error(s.retire);
        if (error) last_open_error_ = error;
        if (who == ended_by::peer && s.endpoint != nullptr && !departures_type::blames_address(s, s.retire)) {
            dialler().blame(s, now, s.address_failures_before);
            end_ejected(now);
        }
        if (grown.came_to_nothing(s, now, who, error, lent.numbers())) answer_all(error);
    }

    /// Its prober does not answer, and the connection is left to him.
    void give_up_probe(slot_type& s, time_point now) noexcept {
        if (s.probing == probe_kind::validation) dialler().disproved(s);
        s.retire = lent.probed(s, now, false);
        blame_for(s, now, s.retire);
        lent.give_up(s, s.retire);
        books().slots.enter(s, slot_state::closing);
        if (!s.served && !end.is_stopped()) weigh(s, now);
        dialler().leave(s);
    }

    /// What the end of a connection says of its address, and with it of the other connections there.
    void blame_for(slot_type& s, time_point now, retire_reason why) noexcept {
        if (!departures_type::blames_address(s, why)) return;
        dialler().blame(s, now, s.endpoint->failures);
        end_ejected(now);
    }
    /// Connections to addresses that have left the list. Where the pool ends, all of them end for that.
    void end_left(time_point now) noexcept {
        if (end.is_stopped()) return;
        lent.end_early([](const slot_type& s) { return s.endpoint != nullptr && !s.endpoint->listed; },
                       retire_reason::endpoint_gone, now, lent.options.retire_spacing);
    }
    /// Connections to an address that has just been ejected are hardly better than those that failed.
    void end_ejected(time_point now) noexcept {
        if (!dialler().take_ejected()) return;
        books().attention = true;
        const auto leads_there = [](const slot_type& s) {
            return s.state != slot_state::opening && s.endpoint != nullptr &&
                   s.endpoint->standing == endpoint_standing::ejected;
        };
        lent.end_early(leads_there, retire_reason::endpoint_ejected, now, duration::zero());
    }

    void examine(slot_type& s, time_point now) noexcept {
        ++books().counters.examined;
        switch (const due_matter what = lent.examine(s, now)) {
            case due_matter::nothing: return lent.schedule(s);
            case due_matter::opening:
                if (const auto error =
                        dialler().examine(s, now, room_for(lent.policies.limits, lent.counts(), lent.options)))
                    opening_failed(s, now, *error);
                return;
            case due_matter::deadline: return leases_type::expire(books(), s, now);
            case due_matter::leak: return leases_type::leak(books(), s);
            case due_matter::end:
            case due_matter::probe:
            case due_matter::rest: return lent.look_after(s, now, what);
        }
    }

    std::error_code last_open_error_;
};

}  // namespace hotpool::detail
