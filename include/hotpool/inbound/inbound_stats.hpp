// What the accepting side says of itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "hotpool/inbound/inbound_counters.hpp"
#include "hotpool/inbound/life_state.hpp"
#include "hotpool/inbound/resource_guard.hpp"

namespace hotpool::inbound {

/// One look at a server; all numbers are of the same moment but for bytes, which are counted where they pass.
struct inbound_stats {
    life_counts now{};                   ///< connections by state
    inbound_counters total{};            ///< since the server was made
    std::size_t groups = 0;              ///< groups of peers that are known
    std::size_t blocked_groups = 0;      ///< of them, those that are blocked
    std::size_t ready = 0;               ///< connections that are open and that the program has not accepted yet
    std::size_t lingering_refusals = 0;  ///< refused, and until they have read why
    resource_usage resources{};          ///< as they were looked at last
    bool short_of_resources = false;     ///< newcomers are refused for it
    bool alarm = false;                  ///< too large a share of what happened lately were errors
    bool draining = false;
};

/// One line: `5 connections (1 accepted, 0 handshaking, 4 open, 0 draining), 7 accepted in all, 2 refused`.
inline std::string describe(const inbound_stats& s) {
    const auto number = [](auto n, const char* what) { return std::to_string(n) + what; };
    std::uint64_t refused = 0;
    for (const std::uint64_t n : s.total.refused) refused += n;
    return number(s.now.total(), " connections (") + number(s.now.accepted, " accepted, ") +
           number(s.now.handshaking, " handshaking, ") + number(s.now.open, " open, ") +
           number(s.now.draining, " draining), ") + number(s.total.accepted, " accepted in all, ") +
           number(refused, " refused") + (s.short_of_resources ? "; short of resources" : "") +
           (s.alarm ? "; alarm" : "") + (s.draining ? "; draining" : "");
}

}  // namespace hotpool::inbound
