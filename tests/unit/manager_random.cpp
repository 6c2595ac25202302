// Random event sequences: machine and naive reference must agree on everything that can be seen, after every event.
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/random_run.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

const std::vector<pool_options>& option_sets() {
    static const std::vector<pool_options> sets{
        {.max_connections = 1, .max_waiters = 1},
        {.max_connections = 1, .max_idle = 0, .max_waiters = 3, .rest_after_idle = 0s},
        {.max_connections = 3, .max_idle = 1, .min_idle = 1, .max_lifetime = 2s, .lifetime_jitter = 0.5},
        {.max_connections = 4,
         .max_idle = 2,
         .min_idle = 2,
         .idle_timeout = 500ms,
         .max_requests = 2,
         .backoff_first = 5ms,
         .backoff_limit = 30ms},
        {.max_connections = 5,
         .idle_timeout = 3s,
         .max_lifetime = 10s,
         .lifetime_jitter = 1.0,
         .health_check_interval = 200ms,
         .rest_after_idle = 50ms},
        {.max_connections = 12,
         .min_idle = 4,
         .idle_timeout = 0s,
         .max_lifetime = 0s,
         .health_check_interval = 1s,
         .backoff_first = 10ms,
         .backoff_limit = 10ms},
        {.max_connections = 40, .max_waiters = 100, .idle_timeout = 6s, .max_requests = 5, .max_openings = 7},
        {.max_connections = 6, .max_waiters = 9, .breaker_failures = 2},
        {.max_connections = 3, .min_idle = 1, .breaker_failures = 0},
        {.max_connections = 5, .min_idle = 2, .probe_new = true},
        {.max_connections = 8, .max_idle = 3, .min_idle = 3, .max_waiters = 0, .rest_after_idle = 1s},
    };
    return sets;
}

template <class Policies>
void try_seeds(std::uint64_t from, std::uint64_t to, int events, step_counts& steps) {
    for (std::uint64_t seed = from; seed < to; ++seed) {
        const std::string told = random_run<Policies>(option_sets(), seed, steps).run(events);
        if (!told.empty()) FAIL("seed " << seed << ", " << events << " events:\n" << told);
    }
}

}  // namespace

TEST_CASE("machine_and_reference_agree_after_every_random_event", "[manager]") {
    step_counts steps{};
    // Short runs first: what fails there is easier to read.
    for (const int events : {30, 200, 800}) {
        try_seeds<newest_spied>(1, 81, events, steps);
        try_seeds<oldest_spied>(200, 250, events, steps);
    }
    for (std::size_t from = 0; from < slot_state_count; ++from)
        for (std::size_t to = 0; to < slot_state_count; ++to) {
            const auto a = static_cast<slot_state>(from), b = static_cast<slot_state>(to);
            CAPTURE(a, b);
            // A slot that ends and is opened again within one event is seen as never having been vacant.
            if (from != to && steps[from][to] > 0) CHECK((may_follow(a, b) || b == slot_state::opening));
            if (from != to && may_follow(a, b)) CHECK(steps[from][to] > 0);
        }
}
