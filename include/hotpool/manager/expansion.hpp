// When the pool gets another connection, and who is told that it does not.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/base/random.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/demand.hpp"
#include "hotpool/manager/dialler.hpp"
#include "hotpool/manager/early_end.hpp"
#include "hotpool/manager/ledger.hpp"
#include "hotpool/policy/policies.hpp"

namespace hotpool::detail {

/// Which of those who wait a failed opening is told to.
enum class failure_reach : std::uint8_t { nobody, oldest, everybody };

/// The half of the connection manager that is about connections which are not open yet: it begins as many openings as
/// `num_openings` says, at the pace of `growth`, by its `dialler`. What it has to know of waiters and open connections
/// it is given as numbers.
/// @threads distinct objects only
template <class Resource, policy_bundle Policies>
class expansion {
public:
    using slot_type = slot<Resource>;
    using dialler_type = hotpool::dialler<Resource, Policies>;

    expansion(ledger<Resource>& books, const pool_options& options, const policy_set<Policies>& policies,
              std::uint64_t seed)
        : books_(books),
          options_(options),
          policies_(policies),
          random_(seed),
          dialler_(books, options, policies, random_) {}
    expansion(const expansion&) = delete;
    expansion& operator=(const expansion&) = delete;

    dialler_type& dialler() noexcept { return dialler_; }
    const dialler_type& dialler() const noexcept { return dialler_; }

    // --- asked for

    /// @param d numbers of now
    void warm_requested(std::size_t wanted, std::size_t live, const demand& d) noexcept {
        const std::size_t missing = base::excess(wanted, base::sum(live, warm_left_));
        warm_left_ = base::sum(warm_left_, std::min(missing, room(d)));
    }
    std::size_t warm_left() const noexcept { return warm_left_; }
    /// There was no room in the budget: openings wait for it. A warm-up goes only as far as the limits allow.
    void deferred(slot_type& s, const demand& d) noexcept {
        blocked_ = true;
        trial_deferred_ = trial_deferred_ || (s.dialling != nullptr && s.dialling->trial);
        dialler_.dropped(s);
        if (d.waiting == 0) warm_left_ = 0;
    }
    /// There may be room again.
    void allow() noexcept { blocked_ = trial_deferred_ = false; }
    bool is_blocked() const noexcept { return blocked_; }
    void stop() noexcept {
        warm_left_ = 0;
        due_ = never;
    }

    // --- growing

    /// Begins what is due, or `most_begun` of it: the rest follows with the next call. False when there was no memory for
    /// one; no other is begun just now then.
    bool grow(time_point now, const demand& d) noexcept {
        if (books_.attention && !blocked_ && !d.suspended)
            while (is_active(d) && room(d) != 0 && dialler_.begin_trial(now)) continue;
        for (int left = most_begun; left > 0 && now >= dialler_.pace().not_before(); --left) {
            const openings next = wanted(d, now >= dialler_.pace().unasked_not_before());
            if (next.total == 0) break;
            if (next.for_warm_up == next.total) --warm_left_;
            if (!dialler_.begin(now)) return false;
        }
        if (room(d) == 0) warm_left_ = 0;
        return true;
    }
    /// Openings to begin as soon as the pace allows it. @param unasked those as well that nobody asks for
    openings wanted(demand d, bool unasked) const noexcept {
        if (!unasked) d.min_idle = 0;
        if (dialler_.pace().in_doubt()) d.min_idle = std::min(d.min_idle, d.kept + 1);
        if (blocked_ || (d.waiting == 0 && !grows_unasked(d))) return {};
        d.warm_left = warm_left_;
        d.opening = books_.count(slot_state::opening);
        d.promising = dialler_.promising();
        d.at_once = dialler_.pace().at_once();
        d.room = room(d);
        d.failing = is_failing();
        return num_openings(d);
    }
    /// There may be openings that no waiter asks for.
    bool grows_unasked(const demand& d) const noexcept {
        return d.lacking_idle() != 0 || warm_left_ != 0 || is_failing();
    }

    /// Whether room would be put to use, though no caller waits.
    bool needs_room(const demand& d) const noexcept { return grows_unasked(d) || (trial_deferred_ && is_active(d)); }

    /// An opening has come to nothing, and no other address is tried for it.
    failure_reach failed(std::error_code error, const demand& d) noexcept {
        const bool any_left = d.kept + books_.count(slot_state::leased) != 0;
        const bool denied = error == errc::access_denied;
        if (options_.breaker_failures == 0 || denied) warm_left_ = 0;
        // Where descriptors or memory are short, what is open serves those who wait.
        if (dialler_type::is_local(error) && any_left) return failure_reach::nobody;
        if (!denied && trips(any_left, error)) return failure_reach::everybody;
        const bool another = d.unserved() <= books_.count(slot_state::opening);
        return another ? failure_reach::nobody : failure_reach::oldest;
    }
    /// A connection has ended early without having served anyone. While others are left, callers may go on to ask for
    /// more; what nobody asks for is paced in any case. True when this makes the pool give up for now.
    bool came_to_nothing(const slot_type& s, time_point now, ended_by who, std::error_code error,
                         const demand& d) noexcept {
        const bool any_left = d.kept + books_.count(slot_state::leased) != 0;
        const bool failed = who == ended_by::peer;
        dialler_.came_to_nothing(s, now, failed, failed && !any_left);
        return failed && trips(any_left, error);
    }
    /// A new connection's end, chosen by the policy.
    time_point end_of_life(time_point now) noexcept {
        return base::after(now, bounded_life(policies_.lifetime.life(random_.uniform())));
    }
    /// There is no connection, and the policy allows none: whoever waits would wait in vain.
    bool can_never_serve(const demand& d) const noexcept { return books_.counts(0).total() == 0 && room(d) == 0; }

    // --- the source of endpoints, and times

    /// The question that the source is to be asked, which then counts as done.
    endpoint_question ask(time_point now, const demand& d) noexcept {
        if (!dialler_.ways().wants_answer(now, is_active(d))) return {};
        return dialler_.ways().endpoints().ask_started(now, options_);
    }
    /// Nothing is to be done now: when will there be?
    void rest(const demand& d) noexcept {
        due_ = dialler_.ways().next_due(is_active(d), !blocked_ && !d.suspended && room(d) != 0);
    }
    /// When a trial or a question is due, as of the last `rest`.
    time_point due() const noexcept { return due_; }
    /// When the next opening may begin that is wanted now.
    time_point opening_due(const demand& d) const noexcept {
        time_point due = never;
        if (wanted(d, false).total != 0)
            due = dialler_.pace().not_before();
        else if (wanted(d, true).total != 0)
            due = dialler_.pace().unasked_not_before();
        return due == time_point::min() ? never : due;  // where it may be opened at once, it has been
    }

private:
    /// Nobody can be served for now, and that is news.
    bool trips(bool any_left, std::error_code error) noexcept {
        if (!dialler_.pace().trips(options_, any_left, error)) return false;
        books_.report({.kind = pool_event_kind::pool_failing, .error = error});
        warm_left_ = 0;
        return true;
    }

    static constexpr int most_begun = 256;  // at once, so that a call stays short whatever is asked for

    bool is_failing() const noexcept { return dialler_.pace().failing().has_value(); }
    /// Connections are open or wanted: it is worth while to know the addresses.
    bool is_active(const demand& d) const noexcept { return d.waiting != 0 || books_.counts(0).total() != 0; }
    std::size_t room(const demand& d) const noexcept {
        return room_for(policies_.limits, books_.counts(d.waiting), options_);
    }

    ledger<Resource>& books_;
    const pool_options& options_;
    const policy_set<Policies>& policies_;
    base::random_source random_;
    dialler_type dialler_;
    std::size_t warm_left_ = 0;
    bool blocked_ = false;         // no room in the budget
    bool trial_deferred_ = false;  // for a trial, too
    time_point due_ = never;
};

}  // namespace hotpool::detail
