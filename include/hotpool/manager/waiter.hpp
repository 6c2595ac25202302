// Callers that wait for a connection, in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>

#include "hotpool/base/deadline_wheel.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/manager/slot.hpp"

namespace hotpool {

/// Lives in the caller's operation until it is answered: with `granted`, or with an `error`.
template <class Resource>
struct waiter : base::list_hook<waiter<Resource>>, base::wheel_hook {
    slot<Resource>* granted = nullptr;
    std::error_code error;
    time_point lease_deadline = never;  ///< given to the slot that is granted; no waiting beyond it
    std::uint64_t turn = 0;             ///< the queue's: who has a smaller number came first
    bool fresh_only = false;            ///< wants a connection that nobody has used
    bool waiting = false;
};

/// First come, first served; each with a deadline of its own; each answered once.
///
/// Those that take any connection and those that want a fresh one stand in queues of their own, and one numbering says
/// who came first over both. So the oldest waiter is one of two, whoever takes a used connection is the first of the
/// one queue, and those it is given past are the fresh-only ones with smaller numbers: the first `passed_over` of the
/// other queue. That number changes only when the first of the one queue does, which is always to somebody younger: so
/// each is counted over at most once, and `steps` is never more than callers were added.
/// @threads distinct objects only
/// @cost constant for each caller from its coming to its answer, however many others wait
template <class Resource>
class waiter_queue {
public:
    using waiter_type = waiter<Resource>;

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    bool all_fresh_only() const noexcept { return any_.empty(); }

    waiter_type* oldest() const noexcept {
        waiter_type* const a = any_.front();
        waiter_type* const f = fresh_.front();
        return a == nullptr || (f != nullptr && f->turn < a->turn) ? f : a;
    }
    /// The oldest that takes a connection which has been used or not; null when there is none.
    waiter_type* oldest_for(bool used) const noexcept { return used ? any_.front() : oldest(); }
    /// How many came before that one and do not take it.
    std::size_t passed_over(bool used) const noexcept { return used ? passed_over_ : 0; }

    void add(waiter_type& w, time_point now, time_point deadline) noexcept {
        due_.now_is(now);
        if (deadline != never) due_.insert(w, deadline);
        w.waiting = true;
        w.turn = ++turns_;
        ++size_;
        if (!w.fresh_only) return any_.push_back(w);
        fresh_.push_back(w);
        if (any_.empty())
            ++passed_over_;
        else if (behind_ == nullptr)
            behind_ = &w;
    }
    void forget(waiter_type& w) noexcept {
        w.waiting = false;
        --size_;
        if (w.fresh_only)
            forget_fresh(w);
        else
            forget_any(w);
        if (w.in_wheel()) due_.remove(w);
    }
    void answer(waiter_type& w, std::error_code error) noexcept {
        forget(w);
        w.error = error;
        answered_.push_back(w);
    }
    waiter_type* next_answered() noexcept { return answered_.pop_front(); }
    /// `next_answered` would find nobody.
    bool all_told() const noexcept { return answered_.empty(); }

    /// Not later than the next deadline.
    time_point next_deadline() const noexcept { return due_.next(); }
    /// One whose deadline is not after `now`, to be answered; null when there is none.
    waiter_type* take_overdue(time_point now) noexcept { return due_.take_due(now); }

    /// Callers that were looked at for the sake of others.
    std::uint64_t steps() const noexcept { return steps_; }

    bool check() const noexcept {
        std::size_t before = 0;
        const waiter_type* f = fresh_.front();
        for (; f != nullptr && (any_.empty() || f->turn < any_.front()->turn); f = fresh_.next(*f)) ++before;
        return before == passed_over_ && f == behind_ && size_ == any_.size() + fresh_.size() && due_.size() <= size_ &&
               due_.check();
    }

private:
    void forget_any(waiter_type& w) noexcept {
        const bool first = &w == any_.front();
        any_.remove(w);
        if (!first) return;
        for (; behind_ != nullptr && (any_.empty() || behind_->turn < any_.front()->turn);
             behind_ = fresh_.next(*behind_)) {
            ++passed_over_;
            ++steps_;
        }
    }
    void forget_fresh(waiter_type& w) noexcept {
        if (behind_ == nullptr || w.turn < behind_->turn)
            --passed_over_;
        else if (&w == behind_)
            behind_ = fresh_.next(w);
        fresh_.remove(w);
    }

    base::linked_list<waiter_type> any_;    // oldest first
    base::linked_list<waiter_type> fresh_;  // oldest first
    waiter_type* behind_ = nullptr;         // the oldest fresh-only one that came after the oldest of the others
    std::size_t passed_over_ = 0;           // fresh-only ones that came before it
    std::size_t size_ = 0;
    std::uint64_t turns_ = 0;
    std::uint64_t steps_ = 0;
    base::linked_list<waiter_type> answered_;
    base::deadline_wheel<waiter_type> due_;
};

}  // namespace hotpool
