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

/// A lease that was at an exchange ends. True when an operation of it is under way: that is cancelled, and then gives the
/// connection back.
template <class Connection>
[[gnu::noinline]] bool left_to_exchange(Connection& c, bool discards) {
    const counted_ref<Connection> keep(c);
    if (!c.hold.end(discards)) return false;
    c.interrupt();
    return true;
}

/// The same for reads and writes of the stream.
template <class Connection>
bool left_to_streams(Connection& c) {
    if (c.streams.is_free()) return false;
    const counted_ref<Connection> keep(c);
    if (!c.streams.end()) return false;
    c.cancel_all();
    return true;
}

}  // namespace hotpool::detail
