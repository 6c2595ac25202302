// Connections in their callers' hands.
#pragma once

#include <chrono>

#include "hotpool/manager/ledger.hpp"
#include "hotpool/manager/timetable.hpp"

namespace hotpool::detail {

/// A lease begins, gets another deadline, and is over. Its deadline and the time after which it counts as leaked share
/// one place in the order of deadlines.
/// @threads distinct objects only
/// @cost constant, but for `cut_all`
template <class Resource>
struct leases {
    using slot_type = slot<Resource>;
    using ledger_type = ledger<Resource>;

    /// @param leak_after 0: it may be held for as long as one likes
    [[gnu::always_inline]] static void begin(ledger_type& l, slot_type& s, time_point now, time_point deadline,
                                             duration leak_after) noexcept {
        ++l.counters.leases;
        if (s.uses++ != 0) ++l.counters.reuses;
        s.lease_deadline = deadline;
        if (s.endpoint != nullptr) ++s.endpoint->load.leased;
        l.slots.enter(s, slot_state::leased);
        if (leak_after != duration::zero()) {
            s.leased_at = now;
            s.leak_at = base::after(now, leak_after);
            schedule(l, s);
        } else if (deadline != never) {
            schedule(l, s);
        }
    }
    /// No longer in its caller's hands; what becomes of it is for others to say.
    static void end(ledger_type& l, slot_type& s) noexcept {
        s.lease_deadline = s.leak_at = never;
        if (s.endpoint != nullptr) --s.endpoint->load.leased;
        l.slots.drop_task(s);
    }

    /// @param final whether a cut that has been asked for stays so
    static void deadline_changed(ledger_type& l, slot_type& s, time_point deadline, bool final) noexcept {
        if (!final && s.task == slot_task::expire_lease) l.slots.drop_task(s);  // it was for the deadline before
        s.lease_deadline = deadline;
        schedule(l, s);
    }
    /// The caller is done with it, and the pool goes on to use the lease: it is no leak.
    static void left_to_the_pool(ledger_type& l, slot_type& s) noexcept {
        s.leak_at = never;
        if (s.task == slot_task::report_leak) l.slots.drop_task(s);
    }

    /// How long a probe may take to give in after it has been cut.
    static constexpr duration probe_grace = std::chrono::milliseconds(50);

    /// The deadline of a lease or a probe has passed: once. A probe that is still out a little later does not answer.
    static void expire(ledger_type& l, slot_type& s, time_point now) noexcept {
        s.lease_deadline = never;
        if (asks_peer(s.probing)) s.leak_at = base::after(now, probe_grace);
        l.ask(s, slot_task::expire_lease);
    }
    /// Held longer than allowed: once.
    static void leak(ledger_type& l, slot_type& s) noexcept {
        s.leak_at = never;
        if (s.state == slot_state::leased) ++l.counters.leaks;
        l.ask(s, slot_task::report_leak);
    }
    /// Cuts every lease and every probe that is out.
    static void cut_all(ledger_type& l, time_point now) noexcept {
        l.slots.for_each([&](slot_type& s) {
            if (!s.is_out()) return;
            s.lease_deadline = never;
            if (s.task == slot_task::report_leak) l.slots.drop_task(s);
            if (s.task == slot_task::none) expire(l, s, now);
        });
    }

private:
    static void schedule(ledger_type& l, slot_type& s) noexcept { l.slots.schedule(s, timetable::out_due(s)); }
};

}  // namespace hotpool::detail
