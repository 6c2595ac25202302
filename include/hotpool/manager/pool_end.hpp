// The end of a pool: why it stops, and when those who are still out are cut.
#pragma once

#include <algorithm>
#include <optional>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/retire_reason.hpp"

namespace hotpool::detail {

/// Runs, until it is stopped; then there may be a deadline, and when that has passed it is overdue for good. A second
/// stop gives the later reason and the earlier deadline.
/// @threads distinct objects only
class pool_end {
public:
    void requested(errc why, time_point deadline) noexcept {
        why_ = why;
        deadline_ = std::min(deadline_, deadline);
    }
    /// True when its deadline has passed just now: whoever is out is to be cut.
    bool time_passed(time_point now) noexcept {
        if (!why_ || is_overdue() || deadline_ > now) return false;
        overdue_since_ = now;
        return true;
    }

    const std::optional<errc>& why() const noexcept { return why_; }
    bool is_stopped() const noexcept { return why_.has_value(); }
    bool is_overdue() const noexcept { return overdue_since_ != never; }
    /// When `time_passed` has something to say.
    time_point due() const noexcept { return is_overdue() ? never : deadline_; }
    /// Once it is overdue nobody gets more time.
    time_point cut(time_point lease_deadline) const noexcept { return std::min(lease_deadline, overdue_since_); }
    /// Of connections that end with the pool.
    retire_reason reason() const noexcept {
        return why_ == errc::pool_draining ? retire_reason::drained : retire_reason::pool_closed;
    }

private:
    std::optional<errc> why_;
    time_point deadline_ = never;
    time_point overdue_since_ = never;
};

}  // namespace hotpool::detail
