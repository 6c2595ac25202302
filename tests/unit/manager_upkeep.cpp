// What the pool does to idle connections: rests, probes, tending, and taking one back for another pool.
#include <vector>

#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

constexpr pool_options resting{.idle_timeout = 10s, .max_lifetime = 0s, .rest_after_idle = 100ms};
constexpr pool_options probed{.idle_timeout = 0s, .max_lifetime = 0s, .health_check_interval = 1s};

template <class Bench, class Slot>
void tend(Bench& bench, Slot& s, retire_reason why = retire_reason::none) {
    REQUIRE(bench.machine.tend_started(s));
    bench.settle();
    bench.machine.tend_finished(s, bench.now, why);
    bench.settle();
}

}  // namespace

TEST_CASE("connection_that_stays_idle_is_asked_to_rest_once", "[manager]") {
    machine_bench<> bench{resting, true};
    auto& s = bench.idle_slot();
    bench.wait(100ms - 1ns);
    CHECK(bench.asked(slot_task::rest) == 0);
    bench.wait(1ns);
    REQUIRE(bench.take(slot_task::rest) == &s);
    CHECK(s.state == slot_state::probing);
    bench.machine.tend_finished(s, bench.now);
    bench.settle();
    CHECK(s.state == slot_state::idle);
    bench.wait(1s);
    CHECK(bench.asked(slot_task::rest) == 0);
    CHECK(bench.machine.counters().rests == 1);
    bench.wait(8900ms);
    CHECK(s.retire == retire_reason::idle_timeout);  // resting did not make it younger
}

TEST_CASE("connection_that_was_used_again_rests_again", "[manager]") {
    machine_bench<> bench{resting, true};
    auto& s = bench.idle_slot();
    bench.wait(100ms);
    bench.machine.tend_finished(*bench.take(slot_task::rest), bench.now);
    bench.leased();
    bench.put(s);
    bench.wait(100ms);
    CHECK(bench.take(slot_task::rest) == &s);
}

TEST_CASE("connection_without_buffers_never_rests", "[manager]") {
    machine_bench<> bench{resting, false};
    bench.idle_slot();
    bench.put(bench.leased());
    bench.wait(1s);
    CHECK(bench.unanswered_tasks() == 0);
}

TEST_CASE("idle_connection_is_probed_at_every_interval", "[manager]") {
    machine_bench<> bench{probed};
    auto& s = bench.idle_slot();
    for (int round = 1; round <= 3; ++round) {
        bench.wait(1s - 1ns);
        CHECK(bench.asked(slot_task::probe) == 0);
        bench.wait(1ns);
        REQUIRE(bench.take(slot_task::probe) == &s);
        CHECK(s.state == slot_state::probing);
        bench.wait(300ms);  // the interval counts from the answer
        bench.machine.probe_finished(s, bench.now, true);
        bench.settle();
        CHECK(s.state == slot_state::idle);
    }
    CHECK(bench.machine.counters().probes == 3);
    CHECK(bench.machine.counters().probe_failures == 0);
}

TEST_CASE("used_connection_is_not_probed", "[manager]") {
    machine_bench<> bench{probed};
    auto& s = bench.idle_slot();
    for (int i = 0; i < 5; ++i) {
        bench.wait(900ms);
        bench.put(bench.leased());
    }
    CHECK(bench.asked(slot_task::probe) == 0);
    CHECK(s.uses == 5);
}

TEST_CASE("failed_probe_ends_the_connection", "[manager]") {
    machine_bench<> bench{probed};
    auto& s = bench.idle_slot();
    bench.wait(1s);
    auto& w = bench.get();
    bench.machine.probe_finished(*bench.take(slot_task::probe), bench.now, false);
    bench.settle();
    CHECK(s.retire == retire_reason::probe_failed);
    CHECK(w.waiting);
    CHECK(bench.machine.counters().probe_failures == 1);
}

TEST_CASE("probe_does_not_count_as_about_to_come_back", "[manager]") {
    machine_bench<> bench{probed};
    auto& s = bench.idle_slot();
    bench.wait(1s);
    REQUIRE(s.state == slot_state::probing);
    auto& w = bench.get();
    CHECK(bench.count(slot_state::opening) == 1);  // a probe takes as long as the peer likes
    bench.machine.probe_finished(s, bench.now, true);
    bench.settle();
    CHECK(w.granted == &s);
}

TEST_CASE("probed_connection_gives_its_buffers_back_again", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 0s, .max_lifetime = 0s, .health_check_interval = 1s}, true};
    auto& s = bench.idle_slot();
    bench.wait(100ms);
    bench.machine.tend_finished(*bench.take(slot_task::rest), bench.now);
    bench.wait(900ms);
    bench.machine.probe_finished(*bench.take(slot_task::probe), bench.now, true);
    bench.settle();
    bench.wait(0s);
    CHECK(bench.take(slot_task::rest) == &s);
}

TEST_CASE("probe_that_takes_too_long_is_cut_once", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 0s, .health_check_interval = 1s, .health_check_timeout = 500ms}};
    auto& s = bench.idle_slot();
    bench.wait(1s);
    REQUIRE(bench.take(slot_task::probe) == &s);
    CHECK(bench.machine.next_due() == bench.now + 500ms);
    bench.wait(500ms - 1ns);
    CHECK(bench.asked(slot_task::expire_lease) == 0);
    bench.wait(1ns);
    CHECK(bench.take(slot_task::expire_lease) == &s);
    bench.wait(40ms);
    CHECK(bench.asked(slot_task::expire_lease) == 0);
    bench.machine.probe_finished(s, bench.now, false);
    bench.settle();
    CHECK(s.retire == retire_reason::probe_failed);
    CHECK(bench.take(slot_task::close) == &s);
    CHECK(bench.take(slot_task::report_leak) == nullptr);
}

TEST_CASE("probe_that_never_answers_loses_its_place", "[manager]") {
    const bool is_new = GENERATE(false, true);
    machine_bench<> bench{{.max_connections = 1,
                           .idle_timeout = 0s,
                           .health_check_interval = 1s,
                           .health_check_timeout = 500ms,
                           .probe_new = is_new}};
    bench.machine.warm_requested(1);
    bench.settle();
    auto& s = bench.open();
    if (!is_new) bench.wait(1s);
    REQUIRE(bench.take(slot_task::probe) == &s);
    bench.wait(500ms);
    REQUIRE(bench.take(slot_task::expire_lease) == &s);
    auto& w = bench.get();
    CHECK(bench.count(slot_state::probing) == 1);
    bench.wait(100ms);
    CHECK(bench.take(slot_task::report_leak) == &s);  // which the action calls reclaimed
    CHECK(bench.machine.counters().leaks == 0);
    CHECK(bench.machine.counters().probe_failures == 1);
    CHECK(bench.retired_for(is_new ? retire_reason::validation_failed : retire_reason::probe_failed) == 1);
    if (is_new) CHECK(bench.machine.last_open_error() == errc::probe_failed);
    bench.wait(100ms);
    bench.open();
    CHECK(w.granted != nullptr);
}

TEST_CASE("probe_that_never_answers_does_not_hold_up_the_end_of_the_pool", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 0s, .health_check_interval = 1s}};
    bench.idle_slot();
    bench.wait(1s);
    REQUIRE(bench.take(slot_task::probe) != nullptr);
    bench.machine.stop_requested(errc::pool_draining, bench.now + 1s);
    bench.settle();
    bench.wait(1s);
    CHECK(bench.asked(slot_task::expire_lease) == 1);
    CHECK_FALSE(bench.machine.empty());
    bench.wait(100ms);
    CHECK(bench.machine.empty());
}

TEST_CASE("time_of_a_probe_counts_from_when_the_driver_takes_it_up", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 0s, .health_check_interval = 1s, .health_check_timeout = 500ms}};
    auto& s = bench.idle_slot();
    bench.now += 1s;
    bench.machine.time_passed(bench.now);
    bench.now += 600ms;
    bench.machine.time_passed(bench.now);  // another thread came by before the driver asked
    bench.settle();
    REQUIRE(bench.take(slot_task::probe) == &s);
    CHECK(bench.asked(slot_task::expire_lease) == 0);
    bench.wait(500ms);
    CHECK(bench.take(slot_task::expire_lease) == &s);
}

TEST_CASE("probed_connection_may_be_detached", "[manager]") {
    machine_bench<> bench{probed};
    auto& s = bench.idle_slot();
    bench.wait(1s);
    REQUIRE(bench.take(slot_task::probe) == &s);
    bench.machine.lease_detached(s);
    bench.settle();
    CHECK(bench.machine.empty());
    CHECK(bench.retired_for(retire_reason::detached) == 1);
}

TEST_CASE("only_an_idle_connection_can_be_tended_or_fail_as_idle", "[manager]") {
    machine_bench<> bench{probed};
    auto& s = bench.idle_slot();
    const auto refused = [&] {
        return !bench.machine.tend_started(s) && !bench.machine.idle_failed(s, retire_reason::peer_closed);
    };
    bench.leased();
    CHECK(refused());
    bench.put(s);
    REQUIRE(bench.machine.tend_started(s));
    CHECK(refused());
    bench.machine.tend_finished(s, bench.now);
    bench.wait(1s);
    REQUIRE(s.state == slot_state::probing);
    CHECK(refused());
    bench.machine.probe_finished(s, bench.now, false);
    bench.settle();
    REQUIRE(s.state == slot_state::closing);
    CHECK(refused());
    bench.close_all();
    CHECK(refused());
    bench.get();
    REQUIRE(s.state == slot_state::opening);
    CHECK(refused());
}

TEST_CASE("idle_connection_that_failed_ends_for_that_reason", "[manager]") {
    for (const auto why : {retire_reason::peer_closed, retire_reason::unsolicited_bytes}) {
        machine_bench<> bench;
        auto& s = bench.idle_slot();
        CHECK(bench.machine.idle_failed(s, why));
        bench.settle();
        CHECK(bench.retired_for(why) == 1);
        CHECK(bench.take(slot_task::close) == &s);

        bench.now += 1s;  // it had served nobody: another one is not opened at once
        auto& tended = bench.idle_slot();
        tend(bench, tended, why);
        CHECK(bench.retired_for(why) == 2);
        CHECK(bench.take(slot_task::close) == &tended);
    }
}

TEST_CASE("tended_connection_keeps_its_place_among_the_idle_ones", "[manager]") {
    machine_bench<> bench;
    const auto s = bench.leased_many(4);
    for (auto* one : s) {
        bench.put(*one);
        bench.now += 1ms;
    }
    for (const std::size_t i : {3u, 0u, 2u, 1u, 3u}) tend(bench, *s[i]);
    CHECK(bench.get().granted == s[3]);
    CHECK(bench.get().granted == s[2]);
    bench.put(*s[3]);
    bench.now += 1ms;
    REQUIRE(bench.machine.reclaim_idle());
    bench.settle();
    CHECK(s[0]->retire == retire_reason::budget);
    CHECK(bench.get().granted == s[3]);
    CHECK(bench.get().granted == s[1]);
}

TEST_CASE("probed_connection_goes_to_the_far_end", "[manager]") {
    machine_bench<> bench{probed};
    const auto s = bench.leased_many(2);
    bench.put(*s[0]);
    bench.now += 1ms;
    bench.put(*s[1]);
    bench.wait(1s);
    REQUIRE(bench.asked(slot_task::probe) == 2);
    bench.machine.probe_finished(*s[1], bench.now, true);
    bench.machine.probe_finished(*s[0], bench.now, true);
    bench.settle();
    CHECK(bench.get().granted == s[1]);
}

TEST_CASE("connections_out_together_come_back_in_order_of_age_whoever_is_first", "[manager]") {
    machine_bench<> bench;
    const auto s = bench.leased_many(5);
    for (auto* one : s) {
        bench.put(*one);
        bench.now += 1ms;
    }
    for (auto* one : s) REQUIRE(bench.machine.tend_started(*one));
    for (const std::size_t i : {2u, 4u, 0u, 3u, 1u}) bench.machine.tend_finished(*s[i], bench.now);
    bench.settle();
    for (const std::size_t i : {4u, 3u, 2u, 1u, 0u}) CHECK(bench.get().granted == s[i]);
}

TEST_CASE("connection_idle_longest_is_reclaimed_for_another_pool", "[manager]") {
    machine_bench<> bench;
    const auto s = bench.leased_many(3);
    CHECK_FALSE(bench.machine.reclaim_idle());
    bench.put(*s[1]);
    bench.put(*s[0]);
    CHECK(bench.machine.reclaim_idle());
    bench.settle();
    CHECK(s[1]->retire == retire_reason::budget);
    CHECK(s[0]->state == slot_state::idle);
    CHECK(bench.machine.reclaim_idle());
    CHECK_FALSE(bench.machine.reclaim_idle());
}
