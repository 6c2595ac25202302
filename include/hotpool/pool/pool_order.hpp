// What a pool's driver is to do next, under no lock.
#pragma once

#include <cstdint>
#include <vector>

#include "hotpool/connection/gate.hpp"
#include "hotpool/manager/pool_event.hpp"
#include "hotpool/pool/pool_waiters.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// What a pool has to say to its budget.
enum class budget_errand : std::uint8_t {
    none,
    withdraw,       ///< it needs no room any more
    return_grants,  ///< it cannot use what it was granted just now
    promise_idle,   ///< it has an idle connection, which another pool wants
};

/// One thing to do: an action of the machine, events to tell, somebody to answer, or an errand.
template <class Machine>
struct pool_order {
    typename Machine::action action;
    std::vector<pool_event> events;
    progress_waiter* answered = nullptr;
    waiting_op* cut = nullptr;  ///< an operation whose lease is overdue
    opening under_way;          ///< of an `abort_opening`
    budget_errand budget = budget_errand::none;
    bool frees_permit = false;  ///< the place of a lease has been taken back
};

}  // namespace hotpool::detail
