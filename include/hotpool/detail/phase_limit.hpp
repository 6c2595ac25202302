// How long an operation waits for one thing, within the deadline of its lease.
#pragma once

#include <algorithm>
#include <atomic>

#include "hotpool/base/time.hpp"

namespace hotpool::detail {

/// Has the pool wake an operation at the end of a phase, by the one deadline that a lease has. It is set when the
/// operation waits, and afterwards only to something sooner: a phase that is prolonged with every byte costs nothing
/// more for that, and is looked at again when the pool has woken the operation too early.
///
/// Whoever set a limit and goes on to use the lease lifts it. A detached connection has no pool, and no limits.
/// @threads the owner of the connection
template <class Connection>
class phase_limit {
public:
    /// What the end of the lease's deadline means.
    enum class meaning {
        go_on,    ///< nothing yet
        phase,    ///< the phase has lasted too long
        request,  ///< the lease's own deadline has passed, or the pool has cut it
    };

    /// The operation is about to wait, until `due` at the longest.
    /// @param of_lease the lease's own deadline
    void set(Connection& c, time_point due, time_point of_lease) {
        if (due >= set_ || c.slot == nullptr) return;
        set_ = due;
        c.home->set_lease_deadline(c, std::min(due, of_lease));
    }

    /// The operation has been woken by the deadline.
    meaning judge(Connection& c, time_point due, time_point of_lease) {
        // An expiry finds nobody waiting at one of the two gates, and is kept there even if it was dealt with.
        if (!c.expired.load(std::memory_order_acquire)) return meaning::go_on;
        const time_point now = clock_type::now();
        if (now >= of_lease || now < set_) return meaning::request;
        if (now >= due) return meaning::phase;
        c.expired.store(false, std::memory_order_relaxed);
        set_ = due;
        c.home->set_lease_deadline(c, std::min(due, of_lease));
        return meaning::go_on;
    }

    /// The lease has its own deadline again.
    void lift(Connection& c, time_point of_lease) {
        if (set_ == never || c.slot == nullptr) return;
        c.home->set_lease_deadline(c, of_lease);
        // What has expired by now is the limit, unless the lease's deadline has passed too or the pool was quicker.
        const time_point now = clock_type::now();
        if (set_ <= now && now < of_lease) c.expired.store(false, std::memory_order_relaxed);
        set_ = never;
    }

    void reset() noexcept { set_ = never; }

private:
    time_point set_ = never;  // when the pool is to look at the latest; `never`: when the lease's deadline passes
};

}  // namespace hotpool::detail
