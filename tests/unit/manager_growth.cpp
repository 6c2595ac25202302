// When connections are opened: late binding, limits, backoff, min_idle, warm, budget.
#include <algorithm>
#include <vector>

#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

/// Backs off for its full time, whatever chance says.
struct plain_backoff {
    duration pause(unsigned failures, double) const noexcept {
        return std::min<duration>(10ms * (1 << (failures - 1)), 80ms);
    }
};
struct plain_backoff_policies : default_policies {
    using backoff = plain_backoff;
};

}  // namespace

TEST_CASE("there_are_never_more_openings_than_waiters", "[manager]") {
    machine_bench<> bench;
    for (std::size_t n = 1; n <= 5; ++n) {
        bench.get();
        CHECK(bench.count(slot_state::opening) == n);
    }
    bench.open();
    CHECK(bench.count(slot_state::opening) == 4);
    CHECK(bench.asked(slot_task::open) == 4);
}

TEST_CASE("waiter_takes_what_comes_first_and_the_opening_is_pooled", "[manager]") {
    machine_bench<> bench;
    auto& returned = bench.leased();
    auto& w = bench.get();
    REQUIRE(bench.count(slot_state::opening) == 1);
    bench.put(returned);
    CHECK(w.granted == &returned);

    auto& opened = bench.open();
    CHECK(opened.state == slot_state::idle);
    CHECK(bench.get().granted == &opened);
}

TEST_CASE("opening_outlives_the_caller_that_asked_for_it", "[manager]") {
    machine_bench<> bench;
    SECTION("a cancelled one") { bench.cancel(bench.get()); }
    SECTION("a timed out one") {
        bench.get(1s);
        bench.wait(1s);
    }
    CHECK(bench.count(slot_state::opening) == 1);
    CHECK(bench.asked(slot_task::abort_opening) == 0);

    auto& w = bench.get();
    CHECK(bench.count(slot_state::opening) == 1);  // the one under way serves this caller as well
    CHECK(&bench.open() == w.granted);
}

TEST_CASE("openings_stop_at_max_connections_in_whatever_state", "[manager]") {
    machine_bench<> bench{{.max_connections = 4, .min_idle = 1}};
    auto& closing = bench.leased();
    auto& probing = bench.open();  // for min_idle
    REQUIRE(bench.machine.tend_started(probing));
    bench.put(closing, {.retire = retire_reason::discarded});
    for (int i = 0; i < 5; ++i) bench.get();
    CHECK(bench.machine.counts() == connection_counts{2, 0, 0, 1, 1, 5});
    bench.close_all();
    CHECK(bench.machine.counts() == connection_counts{3, 0, 0, 1, 0, 5});
}

TEST_CASE("failed_opening_fails_at_most_one_waiter", "[manager]") {
    machine_bench<> bench;
    auto& first = bench.get();
    auto& second = bench.get();
    auto& third = bench.get();
    bench.fail(errc::connect_refused);
    CHECK(first.error == errc::connect_refused);
    CHECK(second.waiting);
    CHECK(third.waiting);
    bench.open();
    CHECK(second.granted != nullptr);
    bench.fail(errc::connect_timed_out);
    CHECK(third.error == errc::connect_timed_out);
}

TEST_CASE("failed_opening_fails_nobody_while_another_is_under_way_for_everyone", "[manager]") {
    machine_bench<> bench;
    bench.cancel(bench.get());
    auto& w = bench.get();
    bench.machine.warm_requested(2);
    bench.settle();
    REQUIRE(bench.count(slot_state::opening) == 2);
    bench.fail();
    CHECK(w.waiting);
    bench.fail();
    CHECK(w.error == errc::connect_refused);
}

TEST_CASE("failed_opening_fails_nobody_while_a_tended_connection_is_about_to_come_back", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.idle_slot();
    bench.machine.warm_requested(2);
    bench.settle();
    REQUIRE(bench.machine.tend_started(s));
    auto& w = bench.get();
    REQUIRE(bench.count(slot_state::opening) == 1);
    bench.fail();
    CHECK(w.waiting);
    bench.machine.tend_finished(s, bench.now);
    bench.settle();
    CHECK(w.granted == &s);
}

TEST_CASE("tended_connection_spares_an_opening", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased();
    bench.put(s);
    REQUIRE(bench.machine.tend_started(s));
    bench.get();
    CHECK(bench.count(slot_state::opening) == 0);
    bench.get();
    CHECK(bench.count(slot_state::opening) == 1);
    bench.machine.tend_finished(s, bench.now, retire_reason::peer_closed);
    bench.settle();
    CHECK(bench.count(slot_state::opening) == 2);
}

TEST_CASE("next_opening_waits_out_the_backoff", "[manager]") {
    machine_bench<plain_backoff_policies> bench{{.max_connections = 1}};
    bench.get();
    bench.get();
    bench.fail();
    CHECK(bench.count(slot_state::opening) == 0);
    CHECK(bench.machine.next_due() == bench.now + 10ms);
    bench.wait(10ms - 1ns);
    CHECK(bench.count(slot_state::opening) == 0);
    bench.get();  // a new caller waits it out too
    CHECK(bench.count(slot_state::opening) == 0);
    bench.wait(1ns);
    CHECK(bench.count(slot_state::opening) == 1);
}

TEST_CASE("backoff_doubles_with_each_failure_in_a_row_and_ends_with_success", "[manager]") {
    machine_bench<plain_backoff_policies> bench{{.min_idle = 1}};
    for (const duration pause : {10ms, 20ms, 40ms, 80ms, 80ms}) {
        bench.fail();
        CHECK(bench.machine.next_due() == bench.now + pause);
        bench.wait(pause);
    }
    auto& s = bench.open();
    SECTION("it has served somebody") { bench.put(*bench.get().granted); }
    SECTION("it has lasted") { bench.wait(1s); }
    bench.machine.idle_failed(s, retire_reason::peer_closed);
    bench.settle();
    CHECK(bench.count(slot_state::opening) == 1);  // at once
    bench.fail();
    CHECK(bench.machine.next_due() == bench.now + 10ms);
}

TEST_CASE("openings_that_were_under_way_together_fail_as_one", "[manager]") {
    machine_bench<plain_backoff_policies> bench{{.max_connections = 8}};
    for (int i = 0; i < 30; ++i) bench.get();
    const time_point first_failure = bench.now;
    for (int i = 0; i < 4; ++i) bench.fail();
    CHECK(bench.machine.next_due() == first_failure + 10ms);

    bench.wait(15ms);  // the pause is over and four more have begun
    REQUIRE(bench.count(slot_state::opening) == 8);
    for (int i = 0; i < 4; ++i) bench.fail();  // these had begun before the first one failed
    REQUIRE(bench.count(slot_state::opening) == 8);
    bench.fail();  // this one began later
    CHECK(bench.count(slot_state::opening) == 7);
    CHECK(bench.machine.next_due() == bench.now + 20ms);
}

TEST_CASE("min_idle_is_kept_filled", "[manager]") {
    machine_bench<> bench{{.max_connections = 4, .min_idle = 2}};
    CHECK(bench.count(slot_state::opening) == 2);
    bench.open_all();
    CHECK(bench.count(slot_state::idle) == 2);

    auto& s = bench.leased();
    CHECK(bench.count(slot_state::opening) == 1);
    bench.open_all();
    bench.put(s);
    CHECK(bench.count(slot_state::idle) == 3);
    CHECK(bench.count(slot_state::opening) == 0);

    bench.leased_many(3);
    CHECK(bench.count(slot_state::opening) == 1);  // as many as the limit leaves
}

TEST_CASE("min_idle_is_filled_again_after_failures", "[manager]") {
    machine_bench<plain_backoff_policies> bench{{.min_idle = 2}};
    bench.fail();
    bench.fail();
    CHECK(bench.count(slot_state::opening) == 0);
    bench.wait(10ms);
    bench.open_all();
    CHECK(bench.count(slot_state::idle) == 2);
}

TEST_CASE("warm_opens_what_is_missing_and_no_more_than_the_limit", "[manager]") {
    machine_bench<> bench{{.max_connections = 5}};
    bench.leased();
    bench.idle_slot();
    const auto asked_after = [&](std::size_t wanted) {
        bench.machine.warm_requested(wanted);
        bench.settle();
        return bench.asked(slot_task::open);
    };
    CHECK(asked_after(4) == 2);
    CHECK(asked_after(4) == 2);
    CHECK(asked_after(100) == 3);
    bench.open_all();
    CHECK(bench.machine.counts() == connection_counts{0, 4, 1, 0, 0, 0});
}

TEST_CASE("deferred_opening_fails_nobody_and_stops_growth", "[manager]") {
    machine_bench<> bench;
    auto& first = bench.get();
    bench.defer();
    CHECK(first.waiting);
    CHECK(bench.machine.counts() == connection_counts{0, 0, 0, 0, 0, 1});
    CHECK(bench.machine.counters().openings == 0);
    CHECK(bench.machine.counters().open_failures == 0);
    auto& second = bench.get();
    CHECK(bench.count(slot_state::opening) == 0);
    CHECK(bench.machine.next_due() == never);

    bench.machine.growth_allowed();
    bench.settle();
    CHECK(bench.count(slot_state::opening) == 2);
    bench.open_all();
    CHECK(first.granted != nullptr);
    CHECK(second.granted != nullptr);
}

TEST_CASE("deferred_growth_still_serves_waiters_from_returned_connections", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased();
    auto& w = bench.get();
    bench.defer();
    bench.put(s);
    CHECK(w.granted == &s);
}
