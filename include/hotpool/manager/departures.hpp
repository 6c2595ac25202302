// How connections leave the pool, and why.
#pragma once

#include "hotpool/manager/ledger.hpp"

namespace hotpool::detail {

/// Every connection that was opened is counted out once, for one reason. One in use is never cut: it is marked, and goes
/// as it comes back.
/// @threads distinct objects only
template <class Resource>
struct departures {
    using slot_type = slot<Resource>;
    using ledger_type = ledger<Resource>;

    /// The connection is not used again; it counts until it is closed.
    [[gnu::noinline]] static void retire(ledger_type& l, slot_type& s, retire_reason why) noexcept {
        s.retire = why;
        count(l, s, why);
        l.slots.enter(s, slot_state::closing);
        if (!s.served) l.unserved.push_back(s);
        l.ask(s, slot_task::close);
    }
    static void count(ledger_type& l, const slot_type& s, retire_reason why) noexcept {
        ++l.counters.retired[static_cast<std::size_t>(why)];
        if (l.events.listens())
            l.report({.kind = pool_event_kind::connection_ended, .endpoint = s.leads_to(), .reason = why});
    }

    /// Whether the end of a connection is the fault of its address: a fresh one that breaks, or one that does not answer.
    static bool blames_address(const slot_type& s, retire_reason why) noexcept {
        if (s.endpoint == nullptr) return false;
        return why == retire_reason::lease_deadline || why == retire_reason::validation_failed ||
               (why == retire_reason::transport_error && s.uses == 1);
    }

    /// It ends at `at` if it does not end sooner, and one being opened as soon as it is open. False when nothing has
    /// been begun yet that could lead anywhere, or it is closing already.
    static bool end_at(slot_type& s, time_point at, retire_reason why) noexcept {
        if (s.state == slot_state::closing || s.is_unrouted()) return false;
        if (s.state == slot_state::opening) {
            s.retire = why;
        } else if (at < s.dies_at) {
            s.dies_at = at;
            s.dies_for = why;
        }
        return true;
    }
};

}  // namespace hotpool::detail
