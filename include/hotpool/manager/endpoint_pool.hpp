// The addresses of one origin: which are known, which may be used, which comes next. No I/O, no clock, no lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/random.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/address_list.hpp"
#include "hotpool/manager/early_end.hpp"
#include "hotpool/policy/balance.hpp"
#include "hotpool/policy/endpoint_source.hpp"
#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// A question to the endpoint source.
struct endpoint_question {
    std::uint64_t number = 0;  ///< 0: there is none
    bool fresh = false;        ///< an answer that was on its way before is of no use
    explicit operator bool() const noexcept { return number != 0; }
};

/// Whether a connection to that address may be attempted now. Must not throw.
using endpoint_filter = std::function<bool(const ip_address&, time_point now)>;

/// Tell it what the source answered and how attempts ended; ask it where to connect.
/// @threads distinct objects only
/// @cost by the number of addresses; nothing of it is called for a request on an open connection
template <balance_policy Balance = least_leased>
class endpoint_pool {
public:
    explicit endpoint_pool(Balance balance = Balance()) : balance_(std::move(balance)) {}

    const std::vector<endpoint_ptr>& endpoints() const noexcept { return list_->in_order(); }
    /// What an answer is to be merged with.
    const std::shared_ptr<const detail::address_list>& list() const noexcept { return list_; }

    // --- asking the source

    /// The endpoints are these and stay so: no source is asked.
    /// @errors throws `std::bad_alloc`, nothing changed then
    void endpoints_fixed(const endpoint_list& fixed) {
        list_ = detail::address_list::merge(fixed, list_).after;
        fixed_ = true;
    }

    /// Whether there is an answer that may still be used at `now`. One that has been good is used until there is another
    /// one, for up to a day while the source is silent or fails; once it has said that there is no such name or no
    /// address, until the answer is twice `resolve_interval` old.
    /// @source RFC 8767, 5 and 6: stale answers for a day to three, refreshed beside their use
    bool is_known(time_point now, const pool_options& o) const noexcept {
        if (fixed_) return true;
        if (endpoints().empty() || stale_) return false;
        if (o.resolve_interval == duration::zero()) return true;
        const duration doubtful = base::times(o.resolve_interval, 2);
        return now < base::after(answered_at_, denied_ ? doubtful : std::max(doubtful, longest_use));
    }
    /// Whether the source is to be asked. @param active whether connections are open or wanted
    bool wants_answer(time_point now, bool active) const noexcept {
        return !fixed_ && !asking_ && active && (demanded_ || now >= ask_at_);
    }
    /// When `wants_answer` will say yes next while there are connections, or the question under way is lost.
    time_point ask_due() const noexcept { return fixed_ ? never : asking_ ? lost_at_ : ask_at_; }
    endpoint_question ask_started(time_point now, const pool_options& o) noexcept {
        asking_ = true;
        demanded_ = false;
        lost_at_ = base::after(now, o.connect_timeout);
        ++question_;
        return {question_, question_ == valid_from_};
    }
    /// Whether the question under way has been for longer than anybody waits for its answer. It counts as failed then;
    /// an answer that comes later is still good.
    bool is_lost(time_point now) const noexcept { return asking_ && now >= lost_at_; }
    /// The source is asked again. @param forget whether what is known of the addresses is void: then the next use waits
    /// for the answer to a new question, and the one under way is none
    void answer_demanded(bool forget) noexcept {
        demanded_ = true;
        if (!forget) return;
        valid_from_ = question_ + 1;
        asking_ = false;
        stale_ = !fixed_;
        for (const endpoint_ptr& e : endpoints()) absolve(*e);
    }

    std::uint64_t last_question() const noexcept { return question_; }
    /// Whether an answer to that question says something: none that is newer has come, and it was asked after everything
    /// was forgotten.
    bool counts(std::uint64_t question) const noexcept { return question >= answered_ && question >= valid_from_; }
    /// Whether it matters that there is no answer to that question.
    bool is_under_way(std::uint64_t question) const noexcept { return asking_ && question == question_; }

    /// Addresses that are not named any more are absent: they keep their connections for `absent_grace`.
    /// @param merged of `list()`; on return `left` has those whose connections are to be retired, and it is to be destroyed
    void answer_came(std::uint64_t question, detail::merged_addresses& merged, time_point now,
                     const pool_options& o) noexcept {
        for (const endpoint_ptr& e : merged.returned) {
            e->listed = true;
            e->absent_since = never;
        }
        absent_due_ = never;
        merged.after->forget_absent([&](const endpoint_ptr& e) {
            if (e->absent_since == never) e->absent_since = now;
            if (e->listed && !leaves(*e, now, o)) return false;
            if (std::exchange(e->listed, false)) merged.left.push_back(e);
            return true;
        });
        list_ = merged.after;
        answered_ = question;
        if (question == question_) asking_ = false;
        stale_ = denied_ = false;
        answered_at_ = now;
        ask_at_ = o.resolve_interval == duration::zero() ? never : base::after(now, o.resolve_interval);
        failed_answers_ = 0;
    }
    /// The same at once.
    /// @return the addresses that have left: their connections are to be retired
    /// @errors throws `std::bad_alloc`, nothing changed then
    std::vector<endpoint_ptr> answer_came(const endpoint_list& answer, time_point now, const pool_options& o) {
        detail::merged_addresses merged = detail::address_list::merge(answer, list_);
        answer_came(question_, merged, now, o);
        return std::move(merged.left);
    }
    /// When the next absent address has been so for `absent_grace`.
    time_point absent_due() const noexcept { return absent_due_; }
    /// Those that have been leave, each of which is told as `left(const endpoint_state&)`.
    template <class Left>
    void absence_over(time_point now, const pool_options& o, Left left) noexcept {
        absent_due_ = never;
        for (const endpoint_ptr& e : list_->absent()) {
            if (!e->listed || !leaves(*e, now, o)) continue;
            e->listed = false;
            left(std::as_const(*e));
        }
    }
    /// What was known stays in use. @param pause before the source is asked again
    /// @param definite whether it has said that there is no such name, or no address
    void answer_failed(time_point now, duration pause, bool definite = false) noexcept {
        asking_ = false;
        denied_ = denied_ || definite;
        ++failed_answers_;
        ask_at_ = base::after(now, pause);
    }
    unsigned failed_answers() const noexcept { return failed_answers_; }

    // --- choosing

    /// The addresses to try for one connection, in order: the balance policy's choice among the usable ones of the
    /// most preferred family, then the families in turn. Addresses that are slow just now come last.
    /// @errors throws `std::bad_alloc`, nothing changed then
    /// @source RFC 8305, 4
    std::vector<endpoint_ptr> plan(time_point now, double chance, const endpoint_filter& allows) {
        std::vector<endpoint_ptr> usable, order;
        std::vector<endpoint_load> loads;
        usable.reserve(endpoints().size());
        order.reserve(endpoints().size());
        loads.reserve(endpoints().size());
        for (const endpoint_ptr& e : endpoints())
            if (!allows || allows(e->where.address, now)) usable.push_back(e);
        const auto is_usable = [](const endpoint_ptr& e) { return e->standing == endpoint_standing::usable; };
        if (std::any_of(usable.begin(), usable.end(), is_usable))
            std::erase_if(usable, [&](const endpoint_ptr& e) { return !is_usable(e); });
        else  // those that failed are better than none
            for (const endpoint_ptr& e : usable) absolve(*e);
        std::stable_partition(usable.begin(), usable.end(), [](const endpoint_ptr& e) { return e->stalled == 0; });
        if (usable.empty()) return usable;

        const endpoint_state first = *usable.front();
        const auto choices_end = std::stable_partition(usable.begin(), usable.end(), [&](const endpoint_ptr& e) {
            return e->where.address.family() == first.where.address.family() &&
                   (e->stalled == 0) == (first.stalled == 0);
        });
        for (auto e = usable.begin(); e != choices_end; ++e) loads.push_back((*e)->load);
        const std::size_t chosen = std::min(balance_.choose(loads, turn_++, chance), loads.size() - 1);
        std::rotate(usable.begin(), usable.begin() + static_cast<std::ptrdiff_t>(chosen), choices_end);
        interleave(usable, order);
        return order;
    }
    /// Whether a filter is what leaves no address to use.
    bool all_filtered(time_point now, const endpoint_filter& allows) const {
        return allows && !endpoints().empty() &&
               std::none_of(endpoints().begin(), endpoints().end(),
                            [&](const endpoint_ptr& e) { return allows(e->where.address, now); });
    }

    // --- how it went

    /// A connection to it has served somebody.
    static void served(endpoint_state& e) noexcept {
        e.failures_in_a_row = 0;
        e.good_since = never;
    }
    /// A connection to it was made, which proves little. True if this readmits it: on probation, so that the next
    /// failure ejects it again.
    bool opened(endpoint_state& e, time_point now, const pool_options& o) const noexcept {
        e.good_since = std::min(e.good_since, now);
        if (e.standing != endpoint_standing::trial) return false;
        e.standing = endpoint_standing::usable;
        e.failures_in_a_row = o.ejection_failures == 0 ? 0 : o.ejection_failures - 1;
        e.readmitted_at = now;
        return true;
    }
    /// A connection to it could not be made, or broke under a fresh request. True if this ejects it.
    /// @param failures_before `endpoint_state::failures` when the attempt began: attempts under way together fail
    /// together, and that is one failure
    bool failed(endpoint_state& e, std::uint64_t failures_before, time_point now, const pool_options& o) noexcept {
        if (e.standing == endpoint_standing::trial) return eject(e, now, o), false;
        if (e.failures != failures_before) return false;
        if (detail::is_proven(std::exchange(e.good_since, never), now)) e.failures_in_a_row = 0;
        ++e.failures;
        ++e.failures_in_a_row;
        if (o.ejection_failures == 0 || e.failures_in_a_row < o.ejection_failures) return false;
        if (e.standing != endpoint_standing::usable || !others_usable(e)) return false;
        if (now >= base::after(e.readmitted_at, o.ejection_limit)) e.ejections = 0;
        eject(e, now, o);
        return true;
    }
    /// An ejected address whose time is over, now on trial; null when there is none.
    endpoint_ptr begin_trial(time_point now, const endpoint_filter& allows, const pool_options& o) noexcept {
        for (const endpoint_ptr& e : endpoints()) {
            if (e->standing != endpoint_standing::ejected || now < e->ejected_until) continue;
            if (allows && !allows(e->where.address, now)) {
                put_off(*e, now, o);
                continue;
            }
            e->standing = endpoint_standing::trial;
            return e;
        }
        return nullptr;
    }
    /// The trial came to nothing, for reasons that say nothing about the address.
    void trial_dropped(endpoint_state& e) const noexcept {
        if (e.standing == endpoint_standing::trial) e.standing = endpoint_standing::ejected;
    }
    /// The trial could not even begin: there is another one after as long as the first ejection lasts.
    void trial_put_off(endpoint_state& e, time_point now, const pool_options& o) const noexcept {
        trial_dropped(e);
        put_off(e, now, o);
    }
    /// When the next trial is due.
    time_point trial_due() const noexcept {
        time_point due = never;
        for (const endpoint_ptr& e : endpoints())
            if (e->standing == endpoint_standing::ejected) due = std::min(due, e->ejected_until);
        return due;
    }

private:
    static constexpr duration longest_use = std::chrono::hours(24);

    /// Notes when, if it does not yet.
    bool leaves(const endpoint_state& e, time_point now, const pool_options& o) noexcept {
        const time_point due =
            base::after(e.absent_since, o.absent_grace.value_or(base::times(o.resolve_interval, 10)));
        if (due <= now) return true;
        absent_due_ = std::min(absent_due_, due);
        return false;
    }
    static void absolve(endpoint_state& e) noexcept {
        e.standing = endpoint_standing::usable;
        e.failures_in_a_row = e.ejections = 0;
    }

    bool others_usable(const endpoint_state& e) const noexcept {
        return std::any_of(endpoints().begin(), endpoints().end(), [&](const endpoint_ptr& other) {
            return other.get() != &e && other->standing == endpoint_standing::usable;
        });
    }
    static void put_off(endpoint_state& e, time_point now, const pool_options& o) noexcept {
        e.ejected_until = base::after(now, o.ejection_time);
    }
    /// Each ejection lasts longer than the one before.
    static void eject(endpoint_state& e, time_point now, const pool_options& o) noexcept {
        e.standing = endpoint_standing::ejected;
        e.failures_in_a_row = 0;
        ++e.ejections;
        e.ejected_until = base::after(now, std::min(base::times(o.ejection_time, e.ejections), o.ejection_limit));
    }

    /// Families in turn, beginning with the first one's; quick addresses before slow ones as they stand.
    static void interleave(std::vector<endpoint_ptr>& list, std::vector<endpoint_ptr>& order) {
        const ip_family first = list.front()->where.address.family();
        const auto other = std::stable_partition(
            list.begin(), list.end(), [&](const endpoint_ptr& e) { return e->where.address.family() == first; });
        auto a = list.begin();
        auto b = other;
        while (a != other || b != list.end()) {
            if (a != other) order.push_back(std::move(*a++));
            if (b != list.end()) order.push_back(std::move(*b++));
        }
    }

    Balance balance_;
    std::shared_ptr<const detail::address_list> list_ = std::make_shared<const detail::address_list>();
    std::uint64_t turn_ = 0;
    std::uint64_t question_ = 0;    // the last one
    std::uint64_t answered_ = 0;    // the last one that was
    std::uint64_t valid_from_ = 0;  // answers to questions before are of another network
    bool fixed_ = false;
    bool asking_ = false;
    bool demanded_ = false;
    bool stale_ = false;
    bool denied_ = false;  // by the source, after its last answer
    unsigned failed_answers_ = 0;
    time_point answered_at_{};
    time_point ask_at_ = time_point::min();
    time_point lost_at_ = never;
    time_point absent_due_ = never;
};

}  // namespace hotpool
