// What a pool's driver is to do next, under no lock.
#pragma once

#include <array>
#include <vector>

#include "hotpool/connection/gate.hpp"
#include "hotpool/manager/pool_event.hpp"
#include "hotpool/pool/budget_share.hpp"
#include "hotpool/pool/pool_waiters.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// One thing to do: an action of the machine, events to tell, somebody to answer, or an errand.
template <class Machine>
struct pool_order {
    typename Machine::action action;
    std::vector<pool_event> events;
    progress_waiter* answered = nullptr;
    std::array<waiting_op*, 2> cut{};  ///< operations whose lease is overdue
    opening under_way;                 ///< of an `abort_opening`
    budget_errand errand = budget_errand::none;
};

}  // namespace hotpool::detail
