// One place for a connection, and the table of its life.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "hotpool/base/deadline_wheel.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/source_location.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/dial.hpp"
#include "hotpool/manager/endpoint_pool.hpp"
#include "hotpool/manager/retire_reason.hpp"

namespace hotpool {

/// Where a slot's connection is in its life. A vacant slot has none and counts against no limit.
enum class slot_state : std::uint8_t { vacant, opening, idle, leased, probing, closing };

inline constexpr std::size_t slot_state_count = 6;

/// The life of a slot: may `to` follow `from`?
constexpr bool may_follow(slot_state from, slot_state to) noexcept {
    constexpr bool yes = true, no = false;
    // clang-format off
    //                                              vacant opening idle leased probing closing
    constexpr bool table[slot_state_count][slot_state_count] = {
        /* vacant: nothing there                 */ {no,   yes,    no,  no,    no,     no},
        /* opening: being connected              */ {yes,  no,     yes, yes,   yes,    yes},
        /* idle: ready to be lent                */ {no,   no,     no,  yes,   yes,    yes},
        /* leased: a caller's (also handed over) */ {yes,  no,     yes, yes,   no,     yes},
        /* probing: taken out by the pool itself */ {yes,  no,     yes, yes,   no,     yes},
        /* closing: being shut down              */ {yes,  no,     no,  no,    no,     no},
    };
    // clang-format on
    return table[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
}

/// What a slot in state probing is taken out for.
enum class probe_kind : std::uint8_t {
    none,        ///< it is not probing
    watch,       ///< its watch is armed, or what made it readable is looked into
    rest,        ///< its buffers are given back
    health,      ///< idle for long: the peer is asked whether it is well
    validation,  ///< new: the peer is asked before anyone has had it
};

inline constexpr std::size_t probe_kind_count = 5;

/// Whether it is back in a moment, and keeps its place among the idle ones until then.
constexpr bool is_tending(probe_kind kind) noexcept { return kind == probe_kind::watch || kind == probe_kind::rest; }
/// Whether the peer is asked, which takes its time and has a deadline.
constexpr bool asks_peer(probe_kind kind) noexcept {
    return kind == probe_kind::health || kind == probe_kind::validation;
}

/// What the machine asks of its driver for a slot.
enum class slot_task : std::uint8_t {
    none,
    open,           ///< make a connection; answer `slot_opened`, `opening_failed` or `opening_deferred`
    abort_opening,  ///< stop making it; the opening still answers
    close,          ///< close the connection; answer `slot_closed`
    rest,           ///< give its buffers back; answer `tend_finished`
    probe,          ///< probe its health; answer `probe_finished`
    report_leak,  ///< the lease is held for long, or a probe does not answer; the action's `reclaimed` says whether its
                  ///< place is free
    expire_lease,  ///< the lease's deadline passed: cut the exchange; the lease still comes back
};

struct task_list_tag;

/// A connection as the machine sees it. The driver keeps its own object in `resource`, writes down in `lent_where` where
/// it was lent, and changes nothing else.
template <class Resource>
struct slot : base::list_hook<slot<Resource>>, base::list_hook<slot<Resource>, task_list_tag>, base::wheel_hook {
    Resource resource{};
    source_location lent_where{};  ///< of the present lease, for the report that it never comes back

    slot_state state = slot_state::vacant;
    probe_kind probing = probe_kind::none;
    slot_task task = slot_task::none;
    retire_reason retire = retire_reason::none;            ///< why it is closed at the next occasion
    retire_reason dies_for = retire_reason::max_lifetime;  ///< why it ends at `dies_at`
    bool rested = false;                                   ///< its buffers have been given back
    bool served = false;                                   ///< a caller
    bool answered = false;                                 ///< a probe, or has served
    std::uint64_t uses = 0;                                ///< leases so far
    std::uint64_t failures_before = 0;                     ///< failures of openings already counted when this one began
    std::uint64_t address_failures_before = 0;             ///< the same of its address, kept while it has served nobody
    time_point opened_at{};
    time_point dies_at = never;
    time_point idle_since{};
    duration idle_limit{};   ///< it may lie idle for so long
    time_point proven_at{};  ///< put back or probed: from then the next probe is reckoned
    time_point lease_deadline = never;
    time_point leased_at{};      ///< kept only where leaks are reported
    time_point leak_at = never;  ///< held longer than this, the lease is reported
    endpoint_ptr endpoint{};     ///< where it leads; null where the transport finds its own way
    /// 0.0.0.0:0 where the transport finds its own way.
    ip_endpoint leads_to() const noexcept { return endpoint == nullptr ? ip_endpoint{} : endpoint->where; }
    std::unique_ptr<detail::dial<slot>> dialling{};  ///< while it is being opened to an endpoint

    /// In the hands of somebody who may have a deadline: a caller, or a prober.
    bool is_out() const noexcept { return state == slot_state::leased || asks_peer(probing); }
    /// Whether nothing has been sent on it yet: what is may find that the peer has closed it meanwhile.
    bool is_fresh() const noexcept { return uses == 0 && !answered; }
    /// Being opened, and nothing has been begun yet that leads anywhere.
    bool is_unrouted() const noexcept { return dialling != nullptr && endpoint == nullptr; }
    bool awaits_answer() const noexcept { return dialling != nullptr && dialling->awaits_answer; }
};

}  // namespace hotpool
