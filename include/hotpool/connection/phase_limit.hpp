// How long an operation waits for one thing, within the deadline of its lease.
#pragma once

#include <algorithm>
#include <atomic>
#include <optional>

#include "hotpool/base/time.hpp"
#include "hotpool/connection/gate.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// Has the pool wake an operation at the end of a phase, by the one deadline that a lease has. It is set when the
/// operation waits, and afterwards only to something sooner: a phase that is prolonged with every byte costs nothing
/// more for that, and is looked at again when the pool has woken the operation too early.
///
/// Whoever set a limit and goes on to use the lease lifts it.
/// @threads the owner of the connection
template <class Connection>
class phase_limit {
public:
    /// Parks `op` at the gate for `want`. Instead, its machine is told when it has waited for too long already.
    /// @param of_lease gives the lease's own deadline; only asked when the machine limits silence
    /// @param heed is told why the operation goes on at once, when the gate says so
    /// @return false when the operation is parked, and not to be touched any more
    template <class Machine, class Deadline, class Heed>
    bool park(Connection& c, io_want want, waiting_op& op, Machine& machine, Deadline of_lease, Heed heed) {
        if (machine.limits_silence() && !set(c, machine.waits(clock_type::now()), of_lease())) {
            machine.silent_too_long();
            return true;
        }
        const std::optional<wake> at_once = c.gate_for(want).park(op);
        if (!at_once) return false;
        heed(*at_once);
        return true;
    }

    /// The operation has been woken by the deadline. If it was for the phase, it looks once more whether what it waits
    /// for has come: the program may have been slow, not the peer.
    /// @return false when the lease's own deadline has passed, or the pool has cut it
    bool may_go_on(Connection& c, time_point due, time_point of_lease) {
        // An expiry finds nobody waiting at one of the two gates, and is kept there even if it was dealt with.
        if (!c.expired.load(std::memory_order_acquire)) return true;
        const time_point now = clock_type::now();
        if (now >= of_lease || now < set_) return false;
        if (due <= now) passed_ = due;
        set_ = due <= now ? never : due;
        c.home->set_lease_deadline(c, std::min(set_, of_lease));
        return true;
    }

    /// The lease has its own deadline again, and has not expired by the limit.
    void lift(Connection& c, time_point of_lease) {
        if (set_ == never) return;
        c.home->set_lease_deadline(c, of_lease);
        set_ = never;
    }

    void reset() noexcept {
        set_ = never;
        passed_ = time_point::min();
    }

private:
    /// The operation is about to wait, until `due` at the longest.
    /// @param of_lease the lease's own deadline
    /// @return false when `due` has passed
    bool set(Connection& c, time_point due, time_point of_lease) {
        if (due == passed_) return false;
        if (due >= set_) return true;
        set_ = due;
        c.home->set_lease_deadline(c, std::min(due, of_lease));
        return true;
    }

    time_point set_ = never;                 // when the pool wakes the operation; `never`: at the lease's own deadline
    time_point passed_ = time_point::min();  // the last end of a phase that was reached
};

}  // namespace hotpool::detail
