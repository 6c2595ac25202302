// Drain and close in every state, overdue leases, detaching.
#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

struct stop_row {
    errc why;
    retire_reason reason;
};
constexpr stop_row stops[] = {{errc::pool_draining, retire_reason::drained},
                              {errc::pool_closed, retire_reason::pool_closed}};

template <class Bench>
void stop(Bench& bench, errc why) {
    bench.machine.stop_requested(why);
    bench.settle();
}
/// A drain whose deadline has passed.
template <class Bench>
void end_drain(Bench& bench) {
    bench.machine.stop_requested(errc::pool_draining, bench.now);
    bench.wait(0s);
    CHECK(bench.machine.overdue());
}

}  // namespace

TEST_CASE("stopped_pool_refuses_callers_and_opens_nothing", "[manager]") {
    for (const auto& [why, reason] : stops) {
        machine_bench<> bench{{.min_idle = 0}};
        stop(bench, why);
        CHECK(bench.machine.stopped());
        CHECK(bench.machine.empty());
        auto& w = bench.get();
        CHECK(bench.outcome == get_outcome::refused);
        CHECK(w.error == why);
        CHECK(bench.machine.try_lease(bench.now) == nullptr);
        bench.machine.warm_requested(5);
        bench.settle();
        CHECK(bench.machine.counts() == connection_counts{});
    }
}

TEST_CASE("stop_answers_every_waiter_in_order", "[manager]") {
    for (const auto& [why, reason] : stops) {
        machine_bench<> bench{{.max_connections = 1}};
        bench.leased();
        bench.answers.clear();
        auto& first = bench.get(20s);
        auto& second = bench.get(10s);
        stop(bench, why);
        CHECK(bench.answers == std::vector{&first, &second});
        CHECK(first.error == why);
        CHECK(second.error == why);
        CHECK(bench.count(slot_state::leased) == 1);
    }
}

TEST_CASE("stop_ends_idle_connections_at_once", "[manager]") {
    for (const auto& [why, reason] : stops) {
        machine_bench<> bench{{.min_idle = 2}};
        bench.open_all();
        stop(bench, why);
        CHECK(bench.asked(slot_task::close) == 2);
        CHECK(bench.retired_for(reason) == 2);
        CHECK(bench.asked(slot_task::open) == 0);
        bench.close_all();
        CHECK(bench.machine.empty());
    }
}

TEST_CASE("stop_aborts_openings_and_takes_either_answer", "[manager]") {
    for (const auto& [why, reason] : stops) {
        machine_bench<> bench;
        bench.get();
        bench.get();
        auto& a = *bench.take(slot_task::open);
        auto& b = *bench.take(slot_task::open);
        stop(bench, why);
        CHECK(bench.take(slot_task::abort_opening) == &a);
        CHECK(bench.take(slot_task::abort_opening) == &b);
        bench.machine.opening_failed(a, bench.now, errc::cancelled);
        bench.machine.slot_opened(b, bench.now);  // it was made before it could be aborted
        bench.settle();
        CHECK(b.retire == reason);
        bench.close_all();
        CHECK(bench.machine.empty());
        CHECK(bench.machine.next_due() == never);
    }
}

TEST_CASE("opening_deferred_after_the_stop_is_over", "[manager]") {
    machine_bench<> bench;
    bench.get();
    auto& s = *bench.take(slot_task::open);
    stop(bench, errc::pool_draining);
    bench.machine.opening_deferred(s);
    bench.settle();
    CHECK(bench.machine.empty());
}

TEST_CASE("opening_that_was_wanted_but_not_yet_asked_for_never_begins", "[manager]") {
    machine_bench<> bench;
    bench.machine.warm_requested(2);
    stop(bench, errc::pool_closed);  // before the driver asked what to do
    CHECK(bench.unanswered_tasks() == 0);
    CHECK(bench.machine.empty());
    CHECK(bench.machine.counters().openings == 0);
}

TEST_CASE("lease_is_finished_and_its_connection_ends_on_return", "[manager]") {
    for (const auto& [why, reason] : stops) {
        machine_bench<> bench;
        auto& s = bench.leased();
        auto& spoiled = bench.leased();
        stop(bench, why);
        CHECK(bench.unanswered_tasks() == 0);
        bench.put(s);
        CHECK(s.retire == reason);
        bench.put(spoiled, {.retire = retire_reason::protocol_error});
        CHECK(spoiled.retire == retire_reason::protocol_error);  // the nearer reason
        bench.close_all();
        CHECK(bench.machine.empty());
    }
}

TEST_CASE("connection_in_the_pools_own_hands_ends_when_it_comes_back", "[manager]") {
    for (const auto& [why, reason] : stops) {
        machine_bench<> bench{{.health_check_interval = 1s}};
        auto& probed = bench.idle_slot();
        bench.wait(1s);
        auto& tended = bench.idle_slot();
        REQUIRE(bench.machine.tend_started(tended));
        stop(bench, why);
        CHECK(bench.count(slot_state::probing) == 2);
        bench.machine.probe_finished(probed, bench.now, true);
        bench.machine.tend_finished(tended, bench.now);
        bench.settle();
        CHECK(probed.retire == reason);
        CHECK(tended.retire == reason);
    }
}

TEST_CASE("close_after_drain_gives_the_later_reason", "[manager]") {
    machine_bench<> bench;
    const auto s = bench.leased_many(2);
    stop(bench, errc::pool_draining);
    bench.put(*s[0]);
    stop(bench, errc::pool_closed);
    bench.put(*s[1]);
    CHECK(s[0]->retire == retire_reason::drained);
    CHECK(s[1]->retire == retire_reason::pool_closed);
    CHECK(bench.get().error == errc::pool_closed);
}

TEST_CASE("overdue_leases_are_cut_once_each", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased(5s);
    bench.leased();
    auto& idle = bench.leased();
    bench.put(idle);
    end_drain(bench);
    CHECK(bench.asked(slot_task::expire_lease) == 2);
    bench.wait(10s);
    CHECK(bench.asked(slot_task::expire_lease) == 2);
    CHECK(s.state == slot_state::leased);
    CHECK(idle.retire == retire_reason::drained);
    bench.put(s, {.retire = retire_reason::lease_deadline});
    CHECK(s.state == slot_state::closing);
}

TEST_CASE("probe_that_is_out_is_cut_with_the_leases_a_tended_connection_is_not", "[manager]") {
    machine_bench<> bench{{.health_check_interval = 1s}};
    auto& probed = bench.idle_slot();
    bench.wait(1s);
    REQUIRE(bench.take(slot_task::probe) == &probed);
    auto& tended = bench.idle_slot();
    REQUIRE(bench.machine.tend_started(tended));
    end_drain(bench);
    CHECK(bench.take(slot_task::expire_lease) == &probed);
    CHECK(bench.unanswered_tasks() == 0);
}

TEST_CASE("new_deadline_does_not_undo_the_end_of_a_drain", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased();
    bench.machine.stop_requested(errc::pool_draining, bench.now);
    bench.machine.time_passed(bench.now);
    bench.machine.deadline_changed(s, bench.now + 1h);  // before the cut was performed
    bench.settle();
    CHECK(bench.take(slot_task::expire_lease) == &s);
    bench.machine.deadline_changed(s, bench.now + 1h);  // after it
    CHECK(bench.machine.next_due() <= bench.now);
    bench.wait(0s);
    CHECK(bench.take(slot_task::expire_lease) == &s);
    bench.machine.lease_over(s, bench.now + 1h);
    bench.wait(0s);
    CHECK(bench.take(slot_task::expire_lease) == &s);
}

TEST_CASE("end_of_a_drain_comes_at_its_earliest_deadline", "[manager]") {
    machine_bench<> bench;
    bench.leased();
    bench.machine.stop_requested(errc::pool_draining, bench.now + 5s);
    bench.machine.stop_requested(errc::pool_closed, bench.now + 9s);
    bench.settle();
    CHECK(bench.machine.next_due() == bench.now + 5s);
    bench.wait(5s - 1ns);
    CHECK_FALSE(bench.machine.overdue());
    bench.wait(1ns);
    CHECK(bench.machine.overdue());
    CHECK(bench.asked(slot_task::expire_lease) == 1);
    CHECK(bench.machine.next_due() == never);
}

TEST_CASE("drained_pool_has_no_deadline_left", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased();
    bench.machine.stop_requested(errc::pool_draining, bench.now + 5s);
    bench.put(s);
    bench.close_all();
    CHECK(bench.machine.empty());
    CHECK(bench.machine.next_due() == never);
}

TEST_CASE("lease_with_a_deadline_of_its_own_is_cut_by_the_sooner_one", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased(2s);
    bench.machine.stop_requested(errc::pool_draining, bench.now + 5s);
    bench.wait(2s);
    CHECK(bench.take(slot_task::expire_lease) == &s);
    bench.wait(3s);  // the end of the drain: whoever has not come back is told once more
    CHECK(bench.take(slot_task::expire_lease) == &s);
}

TEST_CASE("return_takes_back_a_cut_that_was_not_performed_yet", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased(5s);
    bench.machine.time_passed(bench.now + 5s);
    bench.machine.lease_returned(s, bench.now);
    bench.settle();
    CHECK(bench.unanswered_tasks() == 0);
    CHECK(s.state == slot_state::idle);
}

TEST_CASE("detached_connection_frees_its_slot_at_once", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased(5s);
    auto& w = bench.get();
    bench.machine.lease_detached(s);
    bench.settle();
    CHECK(bench.retired_for(retire_reason::detached) == 1);
    CHECK(bench.asked(slot_task::close) == 0);
    CHECK(bench.count(slot_state::opening) == 1);  // its room is used for the waiter
    CHECK(&bench.open() == w.granted);
    bench.wait(10s);
    CHECK(bench.asked(slot_task::expire_lease) == 0);  // the deadline went with the lease
}

TEST_CASE("detached_connection_ends_the_drain", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased();
    stop(bench, errc::pool_draining);
    bench.machine.lease_detached(s);
    bench.settle();
    CHECK(bench.machine.empty());
}
