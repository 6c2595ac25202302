// Leases that never come back: said once, and their place taken back where that is asked for.
#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

using machine_type = connection_manager<int>;

/// A machine with one lease, of connection 42, and somebody who listens.
struct one_lease {
    explicit one_lease(const pool_options& o) : machine(o) {
        machine.listen(true);
        machine_type::action next;
        machine.warm_requested(1);
        REQUIRE(machine.next_action(next, start));
        next.slot->resource = 42;
        machine.slot_opened(*next.slot, start);
        s = machine.try_lease(start);
        REQUIRE(s != nullptr);
        s->lent_where = source_location::current();
        while (machine.next_action(next, start)) continue;
        machine.take_events();
    }

    const time_point start{1h};
    machine_type machine;
    slot<int>* s = nullptr;
};

}  // namespace

TEST_CASE("leak_is_reported_once_with_its_age_and_where_it_was_lent", "[manager]") {
    one_lease one({.leak_after = 5s});
    machine_type::action next;
    one.machine.time_passed(one.start + 6s);
    REQUIRE(one.machine.next_action(next, one.start + 6s));
    CHECK(next.task == slot_task::report_leak);
    CHECK(next.slot == one.s);
    CHECK(next.reclaimed == 0);
    CHECK(one.s->state == slot_state::leased);
    const auto told = one.machine.take_events();
    REQUIRE(told.size() == 1);
    CHECK(told[0].kind == pool_event_kind::lease_leaked);
    CHECK(told[0].age == 6s);
    CHECK(told[0].where.line() == one.s->lent_where.line());
    CHECK(told[0].where.line() != 0);
    one.machine.time_passed(one.start + 1h);
    CHECK_FALSE(one.machine.next_action(next, one.start + 1h));
    CHECK(one.machine.counters().leaks == 1);
    one.machine.lease_returned(*one.s, one.start + 1h);
    CHECK(one.s->state != slot_state::leased);
    CHECK(one.machine.check());
}

TEST_CASE("place_of_a_leak_is_taken_back_when_the_driver_is_told", "[manager]") {
    one_lease one({.max_connections = 1, .leak_after = 5s, .reclaim_leaked = true});
    machine_type::action next;
    machine_type::waiter_type caller;
    REQUIRE(one.machine.get_requested(caller, one.start, never) == get_outcome::queued);
    one.machine.time_passed(one.start + 6s);
    CHECK(one.s->state == slot_state::leased);  // it may still come back
    REQUIRE(one.machine.next_action(next, one.start + 6s));
    CHECK(next.task == slot_task::report_leak);
    CHECK(next.reclaimed == 42);
    CHECK(one.machine.counts().leased == 0);
    CHECK(one.machine.counters().retired_for(retire_reason::leaked) == 1);
    CHECK(one.machine.check());
    std::vector<pool_event_kind> kinds;
    for (const pool_event& e : one.machine.take_events()) kinds.push_back(e.kind);
    CHECK(kinds == std::vector{pool_event_kind::lease_leaked, pool_event_kind::connection_ended,
                               pool_event_kind::lease_reclaimed});
    REQUIRE(one.machine.next_action(next, one.start + 6s));  // its room is used for who waits
    CHECK(next.task == slot_task::open);
}

TEST_CASE("lease_that_comes_back_before_the_driver_is_told_is_no_leak_to_take_back", "[manager]") {
    one_lease one({.leak_after = 5s, .reclaim_leaked = true});
    machine_type::action next;
    one.machine.time_passed(one.start + 6s);
    one.machine.lease_returned(*one.s, one.start + 6s);
    CHECK_FALSE(one.machine.next_action(next, one.start + 6s));
    CHECK(one.s->state == slot_state::idle);
    CHECK(one.machine.counters().retired_for(retire_reason::leaked) == 0);
    CHECK(one.machine.check());
}
