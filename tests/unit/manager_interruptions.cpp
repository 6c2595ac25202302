// Suspension, changed options, the end of a drain and long leases, where two of them meet.
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

TEST_CASE("caller_that_wants_a_fresh_connection_gets_room_for_it_when_the_pool_is_resumed", "[manager]") {
    machine_bench<> bench({.max_connections = 1});
    auto& used = bench.leased();
    bench.machine.suspended();
    CHECK(bench.get_fresh().waiting);
    bench.machine.lease_returned(used, bench.now);
    CHECK(bench.machine.counts().idle == 1);
    bench.machine.resumed(bench.now);
    CHECK(bench.machine.counts().idle == 0);
    CHECK(bench.machine.counters().retired_for(retire_reason::made_room) == 1);
}

TEST_CASE("changed_options_of_a_suspended_pool_cost_no_idle_connection", "[manager]") {
    machine_bench<> bench({.max_connections = 1});
    bench.machine.lease_returned(bench.leased(), bench.now);
    bench.machine.suspended();
    CHECK(bench.get().waiting);
    bench.machine.options_changed(bench.machine.options(), bench.now);
    CHECK(bench.machine.counts().idle == 1);
}

TEST_CASE("lease_is_cut_by_the_end_of_a_drain_even_if_it_is_just_being_reported", "[manager]") {
    connection_manager<int> machine({.leak_after = 1s});
    connection_manager<int>::waiter_type caller;
    connection_manager<int>::action action;
    const time_point now{std::chrono::hours(1)};
    machine.get_requested(caller, now, never);
    REQUIRE(machine.next_action(action, now));
    machine.slot_opened(*action.slot, now);
    while (machine.next_action(action, now)) continue;

    machine.time_passed(now + 5s);  // a report is due, but not begun
    machine.stop_requested(errc::pool_draining, now + 5s);
    machine.time_passed(now + 5s);
    REQUIRE(machine.next_action(action, now + 5s));
    CHECK(action.task == slot_task::expire_lease);
    CHECK(machine.check());
}

TEST_CASE("lease_with_a_deadline_is_not_leaked_before_that", "[manager]") {
    connection_manager<int> machine({.leak_after = 1s});
    connection_manager<int>::waiter_type caller;
    connection_manager<int>::action action;
    const time_point now{std::chrono::hours(1)};
    caller.lease_deadline = now + 5s;
    machine.get_requested(caller, now, never);
    REQUIRE(machine.next_action(action, now));
    machine.slot_opened(*action.slot, now);
    while (machine.next_action(action, now)) continue;

    machine.time_passed(now + 4s);
    CHECK_FALSE(machine.next_action(action, now + 4s));
    machine.time_passed(now + 6s);
    REQUIRE(machine.next_action(action, now + 6s));
    CHECK(action.task == slot_task::expire_lease);
    machine.time_passed(now + 6s);
    REQUIRE(machine.next_action(action, now + 6s));
    CHECK(action.task == slot_task::report_leak);
    CHECK(machine.counters().leaks == 1);
    CHECK(machine.check());
}
