// Callers that want a connection nobody has used: the last try of a request.
#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

TEST_CASE("fresh_only_caller_is_not_lent_a_used_connection", "[manager]") {
    machine_bench<> bench;
    bench.put(bench.leased());
    auto& w = bench.get_fresh();
    CHECK(bench.outcome == get_outcome::queued);
    CHECK(bench.count(slot_state::idle) == 1);
    REQUIRE(bench.count(slot_state::opening) == 1);
    auto& opened = bench.open();
    CHECK(w.granted == &opened);
    CHECK(opened.uses == 1);
}

TEST_CASE("others_are_lent_what_a_fresh_only_waiter_does_not_want", "[manager]") {
    machine_bench<> bench;
    auto& used = bench.leased();
    auto& fresh = bench.get_fresh();
    auto& other = bench.get();
    bench.put(used);
    CHECK(other.granted == &used);
    CHECK(fresh.waiting);
    bench.put(used);
    CHECK(bench.get().granted == &used);  // from the idle ones
    CHECK(fresh.waiting);
}

TEST_CASE("fresh_connection_goes_to_the_oldest_waiter_whatever_it_wants", "[manager]") {
    machine_bench<> bench;
    auto& first = bench.get();
    auto& fresh = bench.get_fresh();
    auto& a = bench.open();
    CHECK(first.granted == &a);
    CHECK(fresh.waiting);
    CHECK(&bench.open() == fresh.granted);
}

TEST_CASE("idle_connection_makes_room_for_a_fresh_one", "[manager]") {
    machine_bench<> bench{{.max_connections = 2}};
    const auto s = bench.leased_many(2);
    bench.put_all(s);
    auto& w = bench.get_fresh();
    CHECK(s[0]->retire == retire_reason::made_room);
    CHECK(s[1]->state == slot_state::idle);
    bench.close_all();
    CHECK(&bench.open() == w.granted);
}

TEST_CASE("returned_connection_makes_room_for_a_fresh_one", "[manager]") {
    machine_bench<> bench{{.max_connections = 2}};
    const auto s = bench.leased_many(2);
    auto& w = bench.get_fresh();
    bench.put(*s[0]);
    CHECK(s[0]->retire == retire_reason::made_room);
    bench.put(*s[1]);  // one is enough
    CHECK(s[1]->state == slot_state::idle);
    bench.close_all();
    CHECK(&bench.open() == w.granted);
}

TEST_CASE("no_room_is_made_while_an_opening_is_under_way_for_the_fresh_only_waiter", "[manager]") {
    machine_bench<> bench{{.max_connections = 2}};
    auto& used = bench.leased();
    auto& w = bench.get_fresh();
    REQUIRE(bench.count(slot_state::opening) == 1);
    bench.put(used);
    CHECK(used.state == slot_state::idle);
    CHECK(&bench.open() == w.granted);
}

TEST_CASE("tended_connection_that_comes_back_makes_room_for_a_fresh_one", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased();
    bench.put(s);
    REQUIRE(bench.machine.tend_started(s));
    auto& w = bench.get_fresh();
    bench.machine.tend_finished(s, bench.now);
    bench.settle();
    CHECK(s.retire == retire_reason::made_room);
    bench.close_all();
    CHECK(&bench.open() == w.granted);
}

TEST_CASE("fresh_only_waiter_is_not_passed_over_forever", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased();
    auto& fresh = bench.get_fresh();
    auto& younger = bench.get();
    bench.put(s);
    CHECK(younger.waiting);
    CHECK(s.retire == retire_reason::made_room);
    bench.close_all();
    bench.open();
    CHECK(fresh.granted != nullptr);
    bench.put(*fresh.granted);
    CHECK(younger.granted != nullptr);
}

TEST_CASE("lowered_limit_makes_room_for_a_fresh_only_waiter", "[manager]") {
    machine_bench<> bench{{.max_connections = 2}};
    auto& s = bench.leased();
    bench.put(s);
    auto& w = bench.get_fresh();
    bench.defer();  // no room in the budget
    REQUIRE(s.state == slot_state::idle);
    bench.machine.options_changed({.max_connections = 1}, bench.now);
    bench.machine.growth_allowed();
    bench.settle();
    CHECK(s.retire == retire_reason::made_room);
    bench.close_all();
    CHECK(&bench.open() == w.granted);
}

TEST_CASE("closing_connection_gives_no_room_while_there_are_more_than_the_limit", "[manager]") {
    machine_bench<> bench{{.max_connections = 2}};
    bench.put_all(bench.leased_many(2));
    bench.machine.options_changed({.max_connections = 1}, bench.now);
    bench.settle();
    REQUIRE(bench.machine.counts() == connection_counts{0, 1, 0, 0, 1, 0});
    auto& w = bench.get_fresh();
    bench.close_all();
    CHECK(&bench.open() == w.granted);
}

TEST_CASE("fresh_only_waiter_times_out_and_cancels_like_any_other", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    bench.leased();
    auto& a = bench.get_fresh(1s);
    auto& b = bench.get_fresh();
    bench.wait(1s);
    CHECK(a.error == errc::get_timed_out);
    CHECK(bench.cancel(b));
    CHECK(bench.count(slot_state::opening) == 0);
}
