// One place for a connection, and the table of its life.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <vector>

#include "hotpool/base/deadline_wheel.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/endpoint_pool.hpp"
#include "hotpool/manager/retire_reason.hpp"

namespace hotpool {

/// Where a slot's connection is in its life. A vacant slot has none and counts against no limit.
enum class slot_state : std::uint8_t { vacant, opening, idle, leased, probing, closing };

inline constexpr std::size_t slot_state_count = 6;

/// The life of a slot: may `to` follow `from`?
constexpr bool may_follow(slot_state from, slot_state to) noexcept {
    constexpr bool yes = true, no = false;
    //                                              vacant opening idle leased probing closing
    constexpr bool table[slot_state_count][slot_state_count] = {
        /* vacant: nothing there                 */ {no,   yes,    no,  no,    no,     no},
        /* opening: being connected              */ {yes,  no,     yes, yes,   yes,    yes},
        /* idle: ready to be lent                */ {no,   no,     no,  yes,   yes,    yes},
        /* leased: a caller's (also handed over) */ {yes,  no,     yes, yes,   no,     yes},
        /* probing: taken out by the pool itself */ {yes,  no,     yes, yes,   no,     yes},
        /* closing: being shut down              */ {yes,  no,     no,  no,    no,     no},
    };
    return table[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
}

/// What the machine asks of its driver for a slot.
enum class slot_task : std::uint8_t {
    none,
    open,           ///< make a connection, to `endpoint` if there is one; answer `slot_opened`, `opening_failed` or `opening_deferred`
    abort_opening,  ///< stop making it; the opening still answers
    close,          ///< close the connection; answer `slot_closed`
    rest,           ///< give its buffers back; answer `tend_finished`
    probe,          ///< probe its health; answer `probe_finished`
    report_leak,    ///< the lease is held for long; `lease_reclaimed` may follow
    expire_lease,   ///< the lease's deadline passed: cut the exchange; the lease still comes back
};

struct task_list_tag;

/// A connection on its way to one of several addresses.
template <class Slot>
struct dial {
    std::vector<endpoint_ptr> rest{};   ///< the addresses still to be tried, next first
    time_point deadline = never;        ///< for all of them
    time_point began{};                 ///< the present attempt
    time_point look_at = never;         ///< when something is to be decided if it is not connected by then
    std::uint64_t failures_before = 0;  ///< of the present address when the attempt began
    std::error_code hopeless{};         ///< why there is no address to try
    Slot* overtakes = nullptr;          ///< the slot whose addresses it has taken over
    bool alone = false;                 ///< there is no room to try two addresses at once
    bool awaits_answer = false;         ///< the addresses are not known yet
    bool overtaken = false;             ///< slow: another slot tries the rest
    bool trial = false;                 ///< of an ejected address, for no caller
    bool cut = false;                   ///< being aborted for the sake of the rest
    /// Whether a caller had better not count on it.
    bool doubtful() const noexcept { return overtaken || trial; }
};

/// A connection as the machine sees it. The driver keeps its own object in `resource` and changes nothing else.
template <class Resource>
struct slot : base::list_hook<slot<Resource>>, base::list_hook<slot<Resource>, task_list_tag>, base::wheel_hook {
    Resource resource{};

    slot_state state = slot_state::vacant;
    slot_task task = slot_task::none;
    retire_reason retire = retire_reason::none;  ///< set while leased: close it on return, for this
    retire_reason dies_for = retire_reason::max_lifetime;  ///< why it ends at `dies_at`
    bool rested = false;                         ///< its buffers have been given back
    bool validating = false;                     ///< probing before anyone has had it
    bool tending = false;                        ///< probing, but back in a moment: watch or rest
    std::uint64_t uses = 0;                      ///< leases so far
    std::uint64_t failures_before = 0;           ///< failures of openings already counted when this one began
    time_point dies_at = never;
    time_point idle_since{};
    duration idle_limit{};                       ///< it may lie idle for so long
    time_point proven_at{};                      ///< put back or probed: from then the next probe is reckoned
    time_point lease_deadline = never;
    time_point leased_at{};                      ///< told only where leaks are reported
    time_point leak_at = never;                  ///< held longer than this, the lease is reported
    endpoint_ptr endpoint{};                     ///< where it leads; null where the transport finds its own way
    /// 0.0.0.0:0 where the transport finds its own way.
    ip_endpoint leads_to() const noexcept { return endpoint == nullptr ? ip_endpoint{} : endpoint->where; }
    std::unique_ptr<dial<slot>> dialling{};         ///< while it is being opened to an endpoint
};

}  // namespace hotpool
