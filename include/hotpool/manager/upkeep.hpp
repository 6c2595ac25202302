// Connections in the pool's own hands: being watched, rested, probed, validated.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "hotpool/manager/ledger.hpp"

namespace hotpool::detail {

/// Counts the slots in state probing by what they are taken out for.
/// @threads distinct objects only
template <class Resource>
class upkeep {
public:
    using slot_type = slot<Resource>;
    using ledger_type = ledger<Resource>;

    /// Takes an idle or a new connection out. What follows is the driver's to do, except for the watch, which it has
    /// asked for.
    void begin(ledger_type& l, slot_type& s, probe_kind kind) noexcept {
        l.slots.enter(s, slot_state::probing);
        s.probing = kind;
        ++count(kind);
        if (kind == probe_kind::rest) {
            ++l.counters.rests;
            s.rested = true;
            l.ask(s, slot_task::rest);
        } else if (asks_peer(kind)) {
            ++l.counters.probes;
            l.ask(s, slot_task::probe);
        }
    }
    /// It is over, one way or the other: the slot is about to leave the state. @return what it was taken out for
    probe_kind end(slot_type& s) noexcept {
        const probe_kind kind = std::exchange(s.probing, probe_kind::none);
        if (kind != probe_kind::none) --count(kind);
        return kind;
    }
    /// The peer has answered, or has not. @return why the connection is unfit, if it is
    retire_reason probed(ledger_type& l, slot_type& s, time_point now, bool healthy) noexcept {
        l.slots.drop_task(s);
        s.lease_deadline = s.leak_at = never;
        s.proven_at = now;
        if (healthy) return retire_reason::none;
        ++l.counters.probe_failures;
        return s.probing == probe_kind::validation ? retire_reason::validation_failed : retire_reason::probe_failed;
    }

    std::size_t validating() const noexcept { return count(probe_kind::validation); }
    /// Those that are back in a moment.
    std::size_t tending() const noexcept { return count(probe_kind::watch) + count(probe_kind::rest); }

    /// @param seen slots by what they are taken out for; of those that are not, the number does not matter
    bool check(std::array<std::size_t, probe_kind_count> seen) const noexcept {
        seen[0] = counts_[0];
        return seen == counts_;
    }

private:
    std::size_t& count(probe_kind kind) noexcept { return counts_[static_cast<std::size_t>(kind)]; }
    std::size_t count(probe_kind kind) const noexcept { return counts_[static_cast<std::size_t>(kind)]; }

    std::array<std::size_t, probe_kind_count> counts_{};
};

}  // namespace hotpool::detail
