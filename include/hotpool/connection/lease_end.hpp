// How a lease ends.
#pragma once

#include "hotpool/connection/exchange_hold.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/manager/retire_reason.hpp"

namespace hotpool::detail {

/// An operation of `c` is over. If its lease has ended meanwhile, the connection goes where the lease would have
/// brought it, and may be gone afterwards.
template <class Connection>
void leave_exchange(Connection& c) {
    const exchange_hold::departure found = c.hold.leave();
    if (found == exchange_hold::departure::kept) [[likely]]
        return;
    const counted_ref<Connection> keep(c);
    const bool discarded = found == exchange_hold::departure::discarded;
    c.left.reset();
    c.home->give_back(c, discarded ? retire_reason::discarded : retire_reason::not_clean);
}

/// A lease ends while an operation of its exchange seems to be under way: that is cancelled, and then gives the
/// connection back. False when it was over before, and the connection is still the caller's.
template <class Connection>
bool end_beside_operation(Connection& c, bool discards) {
    const counted_ref<Connection> keep(c);
    if (!c.hold.end(discards)) return false;
    c.interrupt();
    return true;
}

}  // namespace hotpool::detail
