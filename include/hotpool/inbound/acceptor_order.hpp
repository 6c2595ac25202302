// What an acceptor's machine asks its driver for.
#pragma once

#include <vector>

#include "hotpool/inbound/accept_gate.hpp"
#include "hotpool/inbound/inbound_event.hpp"
#include "hotpool/inbound/life_actions.hpp"
#include "hotpool/inbound/refusal_line.hpp"

namespace hotpool::inbound {

/// The first thing that it asks for: one of these says something.
template <class Waiter, class Drainer>
struct acceptor_order {
    std::vector<inbound_event> events{};  ///< for the listener
    life_action action{};                 ///< for a connection
    refused_peer* to_go = nullptr;        ///< who was refused, and is to be closed
    typename accept_gate<Waiter, Drainer>::answer answer{};
    typename accept_gate<Waiter, Drainer>::drained drained{};
    gate_task listeners = gate_task::none;
    bool read_usage = false;  ///< look at the process, and tell `usage_read`
};

}  // namespace hotpool::inbound
