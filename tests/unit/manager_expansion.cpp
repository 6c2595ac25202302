// When connections are opened and who is told of a failure; what the machine says of openings to its driver.
#include "hotpool/manager/expansion.hpp"
#include "support/catch.hpp"
#include "support/machine_bench.hpp"
#include "support/names.hpp"

using namespace hotpool;
using namespace hotpool::detail;
using namespace hotpool::test;

TEST_CASE("failed_opening_is_told_to_as_few_as_possible", "[manager]") {
    constexpr errc refused = errc::connect_refused;
    struct {
        const char* when;
        std::error_code error;
        unsigned failures_before;  // in a row
        std::size_t opening;       // still under way
        demand d;
        failure_reach expected;
    } const table[] = {
        {"nobody waits", refused, 0, 0, {}, failure_reach::nobody},
        {"one waits", refused, 0, 0, {.waiting = 1}, failure_reach::oldest},
        {"another opening is under way for him", refused, 0, 1, {.waiting = 1}, failure_reach::nobody},
        {"but not for both", refused, 0, 1, {.waiting = 2}, failure_reach::oldest},
        {"a connection is back in a moment", refused, 0, 0, {.waiting = 1, .tending = 1}, failure_reach::nobody},
        {"the breaker trips", refused, 3, 0, {.waiting = 5}, failure_reach::everybody},
        {"not while a connection is left", refused, 3, 0, {.waiting = 5, .kept = 1}, failure_reach::oldest},
        {"denied: that is no failure of the origin", errc::access_denied, 3, 0, {.waiting = 5}, failure_reach::oldest},
        {"no descriptors, what is open serves them",
         errc::descriptors_exhausted,
         0,
         0,
         {.waiting = 5, .kept = 1},
         failure_reach::nobody},
        {"no descriptors and nothing open", errc::descriptors_exhausted, 0, 0, {.waiting = 5}, failure_reach::oldest},
        {"no memory, what is open serves them",
         std::make_error_code(std::errc::not_enough_memory),
         0,
         0,
         {.waiting = 5, .kept = 1},
         failure_reach::nobody},
        {"no memory and nothing open",
         std::make_error_code(std::errc::not_enough_memory),
         0,
         0,
         {.waiting = 5},
         failure_reach::oldest},
    };
    for (const auto& row : table) {
        CAPTURE(row.when);
        const pool_options options{.breaker_failures = 3};
        const detail::policy_set<default_policies> policies(options);
        ledger<int> books;
        expansion<int, default_policies> half(books, options, policies, 1);
        for (unsigned i = 0; i < row.failures_before; ++i) half.dialler().pace().count_failure(time_point(1h));
        for (std::size_t i = 0; i < row.opening; ++i) books.slots.enter(books.slots.take_vacant(), slot_state::opening);
        CHECK(half.failed(row.error, row.d) == row.expected);
    }
}

TEST_CASE("last_open_error_is_that_of_the_last_failure", "[manager]") {
    machine_bench<> bench;
    CHECK_FALSE(bench.machine.last_open_error());
    bench.get();
    bench.fail(errc::connect_refused);
    CHECK(bench.machine.last_open_error() == errc::connect_refused);
    bench.wait(10s);
    bench.get();
    bench.fail(errc::tls_failed);
    CHECK(bench.machine.last_open_error() == errc::tls_failed);
    bench.wait(10s);
    bench.leased();
    CHECK(bench.machine.last_open_error() == errc::tls_failed);  // a success does not undo it
}

TEST_CASE("question_for_addresses_that_fails_is_an_open_error_too", "[manager]") {
    connection_manager<int> machine({.connect_timeout = 3s});
    connection_manager<int>::action next;
    connection_manager<int>::waiter_type caller;
    time_point now{1h};
    machine.use_endpoints();
    machine.get_requested(caller, now, never);
    while (machine.next_action(next, now)) continue;
    machine.endpoints_failed(errc::resolve_failed, now);
    CHECK(machine.last_open_error() == errc::resolve_failed);
    CHECK(caller.error == errc::resolve_failed);
}

TEST_CASE("waiting_ends_by_the_callers_time_or_the_options", "[manager]") {
    const connection_manager<int> machine({.get_timeout = 7s});
    const time_point now{1h};
    CHECK(machine.wait_deadline({}, now) == now + 7s);
    CHECK(machine.wait_deadline(2s, now) == now + 2s);
    CHECK(machine.wait_deadline(0s, now) == never);
    CHECK(machine.wait_deadline(duration::max(), now) == never);
    CHECK(connection_manager<int>({.get_timeout = 0s}).wait_deadline({}, now) == never);
}

TEST_CASE("nobody_waits_longer_than_his_lease_would_last", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    bench.leased();
    auto& w = bench.get(10s, 2s);
    CHECK(bench.machine.next_due() <= bench.now + 2s);
    bench.wait(2s);
    CHECK(w.error == errc::get_timed_out);
}

TEST_CASE("opening_has_what_is_left_of_its_deadline_and_a_millisecond_at_least", "[manager]") {
    const time_point now{1h};
    connection_manager<int> machine({.connect_timeout = 5s});
    slot<int> s;
    CHECK(machine.opening_timeout(s, now) == 5s);
    s.dialling = std::make_unique<dial<slot<int>>>();
    s.dialling->deadline = now + 3s;
    CHECK(machine.opening_timeout(s, now) == 3s);
    CHECK(machine.opening_timeout(s, now + 3s) == 1ms);
    CHECK(machine.opening_timeout(s, now + 9s) == 1ms);
}

TEST_CASE("openings_without_number_are_begun_some_at_a_time", "[manager]") {
    connection_manager<int> machine({.max_connections = no_limit, .max_openings = no_limit});
    connection_manager<int>::action next;
    const time_point now{1h};
    machine.warm_requested(no_limit);
    std::size_t before = 0;
    for (int i = 0; i < 3; ++i) {
        REQUIRE(machine.next_action(next, now));
        const std::size_t begun = machine.counts().opening - before;
        CHECK(begun > 0);
        CHECK(begun <= 1000);
        before = machine.counts().opening;
    }
}
