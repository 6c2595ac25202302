// Callers that wait for a connection, in order.
#pragma once

#include <cstddef>
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
    time_point lease_deadline = never;  ///< given to the slot that is granted
    bool fresh_only = false;            ///< wants a connection that nobody has used
    bool waiting = false;
};

/// First come, first served; each with a deadline of its own; each answered once.
/// @threads distinct objects only
template <class Resource>
class waiter_queue {
public:
    using waiter_type = waiter<Resource>;

    bool empty() const noexcept { return waiting_.empty(); }
    std::size_t size() const noexcept { return waiting_.size(); }
    waiter_type* oldest() const noexcept { return waiting_.front(); }
    waiter_type* next(const waiter_type& w) const noexcept { return waiting_.next(w); }
    bool all_fresh_only() const noexcept {
        const waiter_type* w = oldest();
        while (w != nullptr && w->fresh_only) w = next(*w);
        return w == nullptr;
    }

    void add(waiter_type& w, time_point now, time_point deadline) noexcept {
        due_.now_is(now);
        if (deadline != never) due_.insert(w, deadline);
        w.waiting = true;
        waiting_.push_back(w);
    }
    void forget(waiter_type& w) noexcept {
        w.waiting = false;
        waiting_.remove(w);
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

    bool check() const noexcept { return due_.size() <= waiting_.size() && due_.check(); }

private:
    base::linked_list<waiter_type> waiting_;  // oldest first
    base::linked_list<waiter_type> answered_;
    base::deadline_wheel<waiter_type> due_;
};

}  // namespace hotpool
