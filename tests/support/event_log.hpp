// The events that a pool has told; on the thread that runs it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "hotpool/manager/pool_event.hpp"
#include "support/catch.hpp"

namespace hotpool::test {

/// @lifetime outlives the pool that it listens to
struct event_log {
    std::vector<pool_event> events{};

    pool_listener listener() {
        return [this](const pool_event& e) { events.push_back(e); };
    }
    std::size_t told(pool_event_kind kind) const {
        return static_cast<std::size_t>(
            std::count_if(events.begin(), events.end(), [&](auto& e) { return e.kind == kind; }));
    }
    const pool_event& last(pool_event_kind kind) const {
        const auto it = std::find_if(events.rbegin(), events.rend(), [&](auto& e) { return e.kind == kind; });
        REQUIRE(it != events.rend());
        return *it;
    }
};

}  // namespace hotpool::test
