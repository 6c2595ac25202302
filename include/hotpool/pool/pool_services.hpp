// What a pool is given besides its numbers.
#pragma once

#include <memory>
#include <vector>

#include "hotpool/access/access_controller.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/manager/connection_budget.hpp"
#include "hotpool/manager/pool_event.hpp"
#include "hotpool/policy/endpoint_source.hpp"

namespace hotpool {

/// All of it may be left out: `pool_services{.endpoints = static_endpoints(...), .listener = log_event}`.
struct pool_services {
    /// One ceiling shared with other pools.
    std::shared_ptr<connection_budget> budget = nullptr;
    /// Where the addresses come from. Empty: the system's resolver, asked for the origin's host.
    endpoint_source endpoints = nullptr;
    /// The addresses of this machine to connect from, each in its turn. Empty: the system chooses. Where no address of
    /// a family is among them, none of that family is connected to.
    std::vector<ip_address> local_addresses = {};
    /// Which addresses may be connected to. None given: all.
    std::shared_ptr<access_controller> access = nullptr;
    /// Told what happens, by whichever thread it happens on, under no lock. What it throws comes out of `run` of the pool's
    /// context.
    pool_listener listener = nullptr;
};

}  // namespace hotpool
