// Options changed while running.
#include <stdexcept>

#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

template <class Bench>
void change(Bench& bench, const pool_options& options) {
    bench.machine.options_changed(options, bench.now);
    bench.settle();
}

}  // namespace

TEST_CASE("invalid_options_leave_everything_as_it_was", "[manager]") {
    machine_bench<> bench{{.max_connections = 3, .idle_timeout = 5s}};
    auto& s = bench.idle_slot();
    const connection_counts before = bench.machine.counts();
    CHECK_THROWS_AS(change(bench, {.max_connections = 1, .idle_timeout = 1s, .lifetime_jitter = 2.0}),
                    std::invalid_argument);
    bench.settle();
    CHECK(bench.machine.counts() == before);
    CHECK(bench.machine.options().max_connections == 3);
    bench.wait(4s);
    CHECK(s.state == slot_state::idle);
}

TEST_CASE("constructor_refuses_invalid_options", "[manager]") {
    CHECK_THROWS_AS(connection_manager<int>(pool_options{.max_connections = 0}), std::invalid_argument);
}

TEST_CASE("raised_limit_lets_waiters_have_connections", "[manager]") {
    machine_bench<> bench{{.max_connections = 1, .max_waiters = 2}};
    bench.leased();
    bench.get();
    bench.get();
    REQUIRE(bench.count(slot_state::opening) == 0);
    change(bench, {.max_connections = 2, .max_waiters = 3});
    CHECK(bench.count(slot_state::opening) == 1);
    bench.get();
    CHECK(bench.outcome == get_outcome::queued);
}

TEST_CASE("raised_min_idle_is_filled", "[manager]") {
    machine_bench<> bench;
    change(bench, {.min_idle = 3});
    CHECK(bench.count(slot_state::opening) == 3);
}

TEST_CASE("lowered_limit_ends_idle_connections_at_once_the_oldest_first", "[manager]") {
    machine_bench<> bench{{.max_connections = 5}};
    const auto s = bench.leased_many(5);
    for (std::size_t i = 0; i < 4; ++i) bench.put(*s[i]);
    change(bench, {.max_connections = 3});
    CHECK(s[0]->retire == retire_reason::limits_lowered);
    CHECK(s[1]->retire == retire_reason::limits_lowered);
    CHECK(bench.machine.counts() == connection_counts{0, 2, 1, 0, 2, 0});
    CHECK(bench.get().granted == s[3]);
}

TEST_CASE("lowered_max_idle_ends_the_ones_idle_longest", "[manager]") {
    machine_bench<> bench;
    const auto s = bench.leased_many(3);
    bench.put_all(s);
    change(bench, {.max_idle = 1});
    CHECK(s[0]->retire == retire_reason::limits_lowered);
    CHECK(s[1]->retire == retire_reason::limits_lowered);
    CHECK(s[2]->state == slot_state::idle);
}

TEST_CASE("lowered_limit_ends_leased_connections_as_they_come_back", "[manager]") {
    machine_bench<> bench{{.max_connections = 3}};
    const auto s = bench.leased_many(3);
    auto& w = bench.get();
    change(bench, {.max_connections = 1});
    CHECK(bench.unanswered_tasks() == 0);
    bench.put(*s[1]);
    bench.put(*s[0]);
    CHECK(bench.retired_for(retire_reason::limits_lowered) == 2);
    CHECK(w.waiting);
    bench.put(*s[2]);
    CHECK(w.granted == s[2]);
    bench.close_all();
    CHECK(bench.machine.counts() == connection_counts{0, 0, 1, 0, 0, 0});
}

TEST_CASE("lowered_limit_holds_for_connections_still_being_opened_or_tended", "[manager]") {
    machine_bench<> bench{{.max_connections = 4}};
    auto& tended = bench.idle_slot();
    bench.machine.warm_requested(4);
    bench.settle();
    REQUIRE(bench.machine.tend_started(tended));
    change(bench, {.max_connections = 1});
    bench.open_all();
    bench.machine.tend_finished(tended, bench.now);
    bench.settle();
    CHECK(bench.count(slot_state::idle) == 1);
    CHECK(bench.retired_for(retire_reason::limits_lowered) == 3);
}

TEST_CASE("limit_raised_again_spares_the_connections_still_out", "[manager]") {
    machine_bench<> bench{{.max_connections = 2}};
    const auto s = bench.leased_many(2);
    change(bench, {.max_connections = 1});
    change(bench, {.max_connections = 2});
    bench.put_all(s);
    CHECK(bench.count(slot_state::idle) == 2);
}

TEST_CASE("lowered_queue_keeps_those_who_wait_and_refuses_new_ones", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased();
    auto& first = bench.get();
    auto& second = bench.get();
    change(bench, {.max_connections = 1, .max_waiters = 1});
    CHECK(bench.get().error == errc::waiters_full);
    bench.put(s);
    bench.put(s);
    CHECK(first.granted == &s);
    CHECK(second.granted == &s);
}

TEST_CASE("shorter_idle_time_holds_for_connections_already_idle", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 60s}};
    auto& s = bench.idle_slot();
    auto& tended = bench.idle_slot();
    REQUIRE(bench.machine.tend_started(tended));
    bench.wait(1s);
    change(bench, {.idle_timeout = 3s});
    bench.machine.tend_finished(tended, bench.now);
    bench.settle();
    CHECK(bench.machine.next_due() <= bench.now + 2s);
    bench.wait(2s);
    CHECK(s.retire == retire_reason::idle_timeout);
    CHECK(tended.retire == retire_reason::idle_timeout);
}

TEST_CASE("longer_idle_time_does_not_lengthen_what_the_peer_announced", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 60s}};
    auto& s = bench.leased();
    bench.put(s, {.idle_hint = 5s});
    change(bench, {.idle_timeout = 600s});
    bench.wait(3s);
    CHECK(s.retire == retire_reason::idle_timeout);
}

TEST_CASE("probing_can_be_turned_on_and_off", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 0s}};
    auto& s = bench.idle_slot();
    change(bench, {.idle_timeout = 0s, .health_check_interval = 1s});
    bench.wait(1s);
    REQUIRE(bench.take(slot_task::probe) == &s);
    bench.machine.probe_finished(s, bench.now, true);
    bench.settle();
    change(bench, {.idle_timeout = 0s});
    bench.wait(10s);
    CHECK(bench.asked(slot_task::probe) == 0);
}

TEST_CASE("shorter_rest_time_holds_for_connections_already_idle", "[manager]") {
    machine_bench<> bench{{.rest_after_idle = 10s}, true};
    auto& s = bench.idle_slot();
    change(bench, {.rest_after_idle = 1s});
    bench.wait(1s);
    CHECK(bench.take(slot_task::rest) == &s);
}
