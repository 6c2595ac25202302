// Leases that a pool has let go of, and whose deadlines it still keeps.
#pragma once

#include "hotpool/base/deadline_wheel.hpp"
#include "hotpool/base/time.hpp"

namespace hotpool::detail {

/// Detached and reclaimed leases have no slot; an exchange on one is limited in time all the same. No I/O.
/// @threads distinct objects only
/// @cost only those that have a deadline are kept
template <class Connection>
class strays {
public:
    bool empty() const noexcept { return due_.empty(); }
    /// The lease of `c` is to be cut at `deadline`, and at no earlier one. @param deadline `never`: not at all
    void set_deadline(Connection& c, time_point now, time_point deadline) noexcept {
        leave(c);
        if (deadline == never) return;
        due_.now_is(now);
        due_.insert(c, deadline);
    }
    void leave(Connection& c) noexcept {
        if (c.in_wheel()) due_.remove(c);
    }
    /// Not later than the next deadline.
    time_point next_due() const noexcept { return due_.next(); }
    /// One whose deadline is not after `now`; null when there is none.
    Connection* take_due(time_point now) noexcept { return due_.take_due(now); }

private:
    base::deadline_wheel<Connection> due_;
};

}  // namespace hotpool::detail
