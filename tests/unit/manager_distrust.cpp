// A reused connection turns out dead or silent: those that likely are, too, are not used again unasked.
#include <chrono>
#include <vector>

#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

struct lends_oldest : default_policies {
    using reuse_order = hotpool::oldest_first;
};

constexpr auto distrusted = retire_reason::distrusted;

/// Connections put back one second after the other, the first of them idle longest.
template <class Bench>
auto idle_one_by_one(Bench& bench, std::size_t n) {
    auto slots = bench.leased_many(n);
    for (auto* s : slots) {
        bench.put(*s);
        bench.wait(1s);
    }
    return slots;
}

template <class Bench>
void find_stale(Bench& bench, const typename Bench::slot_type& s) {
    bench.machine.stale_found(s);
    bench.settle();
}

}  // namespace

TEST_CASE("stale_connection_takes_those_idle_longer_with_it", "[manager]") {
    machine_bench<> bench({.max_connections = 5});
    const auto slots = idle_one_by_one(bench, 5);
    auto* const newest = bench.get().granted;
    auto* const second = bench.get().granted;
    REQUIRE(newest == slots[4]);
    REQUIRE(second == slots[3]);
    bench.put(*newest);
    find_stale(bench, *second);
    CHECK(bench.retired_for(distrusted) == 3);
    CHECK(bench.count(slot_state::closing) == 3);
    CHECK(newest->state == slot_state::idle);  // put back since
    CHECK(second->state == slot_state::leased);
    bench.put(*second, {.retire = retire_reason::peer_closed});
    bench.close_all();
    CHECK(bench.get().granted == newest);
}

TEST_CASE("connections_put_back_later_are_trusted", "[manager]") {
    machine_bench<lends_oldest> bench({.max_connections = 3});
    const auto slots = idle_one_by_one(bench, 3);
    auto* const oldest = bench.get().granted;
    REQUIRE(oldest == slots[0]);
    find_stale(bench, *oldest);
    CHECK(bench.retired_for(distrusted) == 0);
    CHECK(bench.count(slot_state::idle) == 2);
}

TEST_CASE("connections_put_back_at_the_same_time_share_its_fate", "[manager]") {
    machine_bench<> bench({.max_connections = 3});
    bench.put_all(bench.leased_many(3));
    find_stale(bench, *bench.get().granted);
    CHECK(bench.retired_for(distrusted) == 2);
    CHECK(bench.count(slot_state::idle) == 0);
}

TEST_CASE("probed_connections_are_distrusted_by_their_age_wherever_they_stand", "[manager]") {
    machine_bench<> bench({.max_connections = 4, .health_check_interval = 10s});
    const auto slots = idle_one_by_one(bench, 4);
    bench.wait(7s);  // the oldest two are due one after the other
    for (auto* probed = bench.take(slot_task::probe); probed != nullptr; probed = bench.take(slot_task::probe)) {
        bench.machine.probe_finished(*probed, bench.now, true);
        bench.settle();
    }
    auto* const newest = bench.get().granted;
    auto* const stale = bench.get().granted;
    REQUIRE(newest == slots[3]);
    REQUIRE(stale == slots[2]);
    bench.put(*newest);
    find_stale(bench, *stale);
    CHECK(bench.retired_for(distrusted) == 2);
    CHECK(newest->state == slot_state::idle);
}

TEST_CASE("connection_that_is_being_tended_is_distrusted_when_it_comes_back", "[manager]") {
    machine_bench<> bench({.max_connections = 2});
    const auto slots = idle_one_by_one(bench, 2);
    REQUIRE(bench.machine.tend_started(*slots[0]));
    auto* const stale = bench.get().granted;
    REQUIRE(stale == slots[1]);
    find_stale(bench, *stale);
    CHECK(bench.retired_for(distrusted) == 0);
    bench.machine.tend_finished(*slots[0], bench.now);
    bench.settle();
    CHECK(bench.retired_for(distrusted) == 1);
    CHECK(slots[0]->state == slot_state::closing);
    CHECK(bench.asked(slot_task::close) == 1);
}

TEST_CASE("tended_connection_of_a_pool_that_stops_ends_for_that", "[manager]") {
    machine_bench<> bench({.max_connections = 2});
    const auto slots = idle_one_by_one(bench, 2);
    REQUIRE(bench.machine.tend_started(*slots[0]));
    auto* const stale = bench.get().granted;
    bench.machine.stop_requested(errc::pool_draining);
    bench.settle();
    find_stale(bench, *stale);
    bench.machine.tend_finished(*slots[0], bench.now);
    bench.settle();
    CHECK(bench.retired_for(distrusted) == 0);
    CHECK(bench.retired_for(retire_reason::drained) == 1);
}

TEST_CASE("connections_to_another_address_share_no_closing", "[manager]") {
    machine_bench<> bench({.max_connections = 4});
    bench.machine.use_endpoints(
        endpoint_list{{*ip_address::parse("192.0.2.1"), 80}, {*ip_address::parse("192.0.2.2"), 80}});
    const auto slots = idle_one_by_one(bench, 4);
    auto* const stale = bench.get().granted;
    REQUIRE(stale != nullptr);
    std::size_t there = 0;
    for (auto* s : slots) there += s != stale && s->endpoint == stale->endpoint;
    REQUIRE(there > 0);
    REQUIRE(there < 3);
    find_stale(bench, *stale);
    CHECK(bench.retired_for(distrusted) == there);
}

TEST_CASE("silence_puts_an_end_to_all_that_have_not_been_heard_of_since", "[manager]") {
    machine_bench<lends_oldest> bench({.max_connections = 4});
    const auto slots = idle_one_by_one(bench, 4);
    auto* const heard = bench.get().granted;
    auto* const silent = bench.get().granted;
    REQUIRE(heard == slots[0]);
    REQUIRE(silent == slots[1]);
    const time_point asked_at = bench.now;
    bench.wait(1s);
    bench.put(*heard);
    bench.machine.silence_found(bench.now, asked_at, false);
    bench.settle();
    CHECK(bench.retired_for(distrusted) == 2);  // though both were put back after the silent one
    CHECK(slots[2]->state == slot_state::closing);
    CHECK(slots[3]->state == slot_state::closing);
    CHECK(heard->state == slot_state::idle);
    CHECK(silent->state == slot_state::leased);
}

TEST_CASE("silence_has_the_others_probed_where_somebody_does", "[manager]") {
    machine_bench<> bench({.max_connections = 4});
    const auto slots = idle_one_by_one(bench, 4);
    auto* const silent = bench.get().granted;
    const time_point asked_at = bench.now;
    bench.wait(1s);
    REQUIRE(bench.machine.tend_started(*slots[0]));
    bench.machine.silence_found(bench.now, asked_at, true);
    bench.settle();
    CHECK(bench.count(slot_state::idle) == 0);
    auto* const first = bench.take(slot_task::probe);
    auto* const second = bench.take(slot_task::probe);
    REQUIRE(first != nullptr);
    REQUIRE(second != nullptr);
    CHECK(bench.take(slot_task::probe) == nullptr);
    bench.machine.probe_finished(*first, bench.now, true);
    bench.machine.probe_finished(*second, bench.now, false);
    bench.machine.tend_finished(*slots[0], bench.now);
    bench.settle();
    CHECK(first->state == slot_state::idle);
    CHECK(bench.retired_for(retire_reason::probe_failed) == 1);
    CHECK(bench.retired_for(distrusted) == 1);  // the one that was being tended
    bench.put(*silent, {.retire = retire_reason::lease_deadline});
    CHECK(bench.get().granted == first);
    // It has been heard of since, and is trusted.
    bench.put(*first);
    bench.machine.silence_found(bench.now, asked_at, true);
    bench.settle();
    CHECK(first->state == slot_state::idle);
}

TEST_CASE("distrust_finds_nothing_where_nothing_is_idle", "[manager]") {
    machine_bench<> bench({.max_connections = 2});
    auto& s = bench.leased();
    bench.put(s);
    find_stale(bench, *bench.get().granted);
    CHECK(bench.retired_for(distrusted) == 0);
    CHECK(bench.unanswered_tasks() == 0);
}

TEST_CASE("pool_replaces_a_distrusted_connection_that_it_keeps_idle", "[manager]") {
    machine_bench<> bench({.max_connections = 2, .min_idle = 1});
    bench.open();
    auto& stale = *bench.get().granted;
    bench.open();
    bench.put(stale);
    auto* const again = bench.get().granted;
    REQUIRE(again == &stale);
    find_stale(bench, *again);
    CHECK(bench.count(slot_state::closing) == 1);
    bench.close_all();
    CHECK(bench.count(slot_state::opening) == 1);
}
