// A simulated day of failures: manager, addresses, ejection, breaker, pace and probes together, by seed.
#include <chrono>
#include <cstdint>
#include <string>

#include "support/catch.hpp"
#include "support/network_simulation.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

const pool_options busy{.max_connections = 24,
                        .min_idle = 2,
                        .max_waiters = 100,
                        .connect_timeout = 3s,
                        .health_check_interval = 30s,
                        .max_openings = 8,
                        .probe_new = true,
                        .resolve_interval = 60s,
                        .absent_grace = 60s,
                        .ejection_failures = 3,
                        .leak_after = 15s};
const pool_options narrow{.max_connections = 2, .max_waiters = 20, .connect_timeout = 2s, .resolve_interval = 20s};

network_simulation::tally live_through(std::uint64_t seed, const pool_options& options, duration span) {
    network_simulation day(seed, options);
    const std::string told = day.run(span);
    if (!told.empty()) FAIL("seed " << seed << ":\n" << told);
    return day.totals();
}

}  // namespace

TEST_CASE("day_of_failures_leaves_every_account_exact", "[manager][simulation]") {
    network_simulation::tally all;
    const auto add = [&](const network_simulation::tally& t) {
        all.gets += t.gets;
        all.granted += t.granted;
        all.ejections += t.ejections;
        all.readmissions += t.readmissions;
        all.trips += t.trips;
        all.recoveries += t.recoveries;
        all.overtaken += t.overtaken;
        all.leaks += t.leaks;
        all.left += t.left;
    };
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        add(live_through(seed, busy, 6h));
        add(live_through(seed, narrow, 2h));
    }
    // It all has happened, or the day was too quiet.
    CHECK(all.granted > all.gets / 2);
    CHECK(all.ejections > 10);
    CHECK(all.readmissions > 5);
    CHECK(all.trips > 0);
    CHECK(all.recoveries > 0);
    CHECK(all.overtaken > 10);
    CHECK(all.leaks > 10);
    CHECK(all.left > 10);
    CHECK(all.recoveries <= all.trips);
}

TEST_CASE("day_is_the_same_for_the_same_seed", "[manager][simulation]") {
    network_simulation one(7, busy), same(7, busy), other(8, busy);
    CHECK(one.run(20min).empty());
    CHECK(same.run(20min).empty());
    CHECK(other.run(20min).empty());
    CHECK(one.fingerprint() == same.fingerprint());
    CHECK(one.fingerprint() != other.fingerprint());
}
