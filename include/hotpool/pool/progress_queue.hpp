// Those who wait for the pool as a whole.
#pragma once

#include <optional>
#include <system_error>
#include <utility>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/pool/pool_waiters.hpp"

namespace hotpool::detail {

/// Finds who of them is to be told. No I/O.
/// @threads distinct objects only
class progress_queue {
public:
    bool empty() const noexcept { return waiting_.empty(); }
    void add(progress_waiter& w) noexcept {
        waiting_.push_back(w);
        if (w.link_to_me) w.link_to_me->waiting = &w;
    }
    /// The waiter behind the link if it was still waiting, or null: it will not be answered any more.
    progress_waiter* forget(progress_waiter::link_type& link) noexcept {
        progress_waiter* w = std::exchange(link.waiting, nullptr);
        if (w != nullptr) waiting_.remove(*w);
        return w;
    }
    /// One whose condition holds, its `error` set; or null.
    progress_waiter* take_answered(const pool_progress& now) noexcept {
        for (progress_waiter* w = waiting_.front(); w != nullptr; w = waiting_.next(*w)) {
            const std::optional<std::error_code> outcome = w->outcome(now);
            if (!outcome) continue;
            w->error = *outcome;
            return take(*w);
        }
        return nullptr;
    }
    /// Any, or null.
    progress_waiter* take_first() noexcept { return empty() ? nullptr : take(*waiting_.front()); }

private:
    progress_waiter* take(progress_waiter& w) noexcept {
        if (w.link_to_me) w.link_to_me->waiting = nullptr;
        waiting_.remove(w);
        return &w;
    }

    base::linked_list<progress_waiter> waiting_;
};

}  // namespace hotpool::detail
