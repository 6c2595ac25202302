// Who gets which connection: order of lending, order of waiters, deadlines, refusals, cancellation.
#include <vector>

#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

struct oldest_first_policies : default_policies {
    using reuse_order = hotpool::oldest_first;
};

}  // namespace

TEST_CASE("idle_connection_is_lent_at_once", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.idle_slot();
    auto& w = bench.get();
    CHECK(bench.outcome == get_outcome::granted);
    CHECK(w.granted == &s);
    CHECK_FALSE(w.waiting);
    CHECK(s.state == slot_state::leased);
    CHECK(bench.answers.empty());  // the call itself was the answer
    CHECK(bench.machine.counters().waits == 0);
}

TEST_CASE("newest_idle_connection_is_lent_first", "[manager]") {
    machine_bench<> bench;
    const auto s = bench.leased_many(3);
    bench.put_all(s);
    CHECK(bench.get().granted == s[2]);
    CHECK(bench.get().granted == s[1]);
    bench.put(*s[1]);
    CHECK(bench.get().granted == s[1]);
    CHECK(bench.get().granted == s[0]);
}

TEST_CASE("oldest_idle_connection_is_lent_first_when_the_policy_says_so", "[manager]") {
    machine_bench<oldest_first_policies> bench;
    const auto s = bench.leased_many(3);
    bench.put_all(s);
    CHECK(bench.get().granted == s[0]);
    bench.put(*s[0]);
    CHECK(bench.get().granted == s[1]);
    CHECK(bench.get().granted == s[2]);
    CHECK(bench.get().granted == s[0]);
}

TEST_CASE("try_lease_never_waits_and_opens_nothing", "[manager]") {
    machine_bench<> bench;
    CHECK(bench.machine.try_lease(bench.now) == nullptr);
    bench.settle();
    CHECK(bench.machine.counts() == connection_counts{});
    auto& s = bench.idle_slot();
    CHECK(bench.machine.try_lease(bench.now) == &s);
    CHECK(bench.machine.try_lease(bench.now) == nullptr);
}

TEST_CASE("returned_connection_goes_to_oldest_waiter", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased();
    auto& first = bench.get();
    auto& second = bench.get();
    bench.answers.clear();
    bench.put(s);
    CHECK(first.granted == &s);
    CHECK_FALSE(first.error);
    CHECK(second.waiting);
    CHECK(bench.answers == std::vector{&first});
    CHECK(s.state == slot_state::leased);
    bench.put(s);
    CHECK(second.granted == &s);
    CHECK(bench.machine.counters().waits == 3);
}

TEST_CASE("new_caller_never_overtakes_a_waiter", "[manager]") {
    machine_bench<> bench{{.max_connections = 2}};
    const auto s = bench.leased_many(2);
    auto& first = bench.get();
    auto& second = bench.get();
    bench.put(*s[0]);
    auto& late = bench.get();
    CHECK(first.granted == s[0]);
    CHECK(late.waiting);
    CHECK(bench.machine.try_lease(bench.now) == nullptr);
    bench.put(*s[1]);
    CHECK(second.granted == s[1]);
    CHECK(late.waiting);
}

TEST_CASE("connection_back_from_the_pools_own_hands_goes_to_the_oldest_waiter", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.idle_slot();
    REQUIRE(bench.machine.tend_started(s));
    auto& first = bench.get();
    auto& second = bench.get();
    bench.machine.tend_finished(s, bench.now);
    bench.settle();
    CHECK(first.granted == &s);
    CHECK(second.waiting);
}

TEST_CASE("every_waiter_has_a_deadline_of_its_own", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    bench.leased();
    bench.answers.clear();
    auto& slow = bench.get(30s);
    auto& quick = bench.get(10s);
    auto& patient = bench.get();
    auto& middle = bench.get(20s);
    CHECK(bench.machine.next_due() <= bench.now + 10s);

    bench.wait(10s - 1ns);
    CHECK(bench.answers.empty());
    bench.wait(1ns);
    CHECK(bench.answers == std::vector{&quick});
    CHECK(quick.error == errc::get_timed_out);
    CHECK(quick.granted == nullptr);
    bench.wait(20s);
    CHECK(bench.answers == std::vector{&quick, &middle, &slow});
    CHECK(patient.waiting);
    CHECK(bench.machine.counters().wait_timeouts == 3);
    CHECK_FALSE(bench.cancel(quick));
}

TEST_CASE("timed_out_waiter_leaves_the_order_of_the_others_alone", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased();
    auto& first = bench.get(30s);
    bench.get(10s);
    auto& third = bench.get(20s);
    bench.wait(15s);
    bench.put(s);
    CHECK(first.granted == &s);
    bench.put(s);
    CHECK(third.granted == &s);
}

TEST_CASE("full_queue_refuses_at_once", "[manager]") {
    machine_bench<> bench{{.max_connections = 1, .max_waiters = 2}};
    auto& s = bench.leased();
    auto& first = bench.get();
    bench.get();
    auto& refused = bench.get();
    CHECK(bench.outcome == get_outcome::refused);
    CHECK(refused.error == errc::waiters_full);
    CHECK(refused.error == condition::refused);
    CHECK_FALSE(refused.waiting);
    CHECK(bench.machine.counters().refusals == 1);

    bench.put(s);
    REQUIRE(first.granted == &s);
    bench.get();
    CHECK(bench.outcome == get_outcome::queued);
}

TEST_CASE("nobody_waits_when_max_waiters_is_zero", "[manager]") {
    machine_bench<> bench{{.max_waiters = 0}};
    CHECK(bench.get().error == errc::waiters_full);
    CHECK(bench.machine.counts() == connection_counts{});
    bench.idle_slot();
    CHECK(bench.get().granted != nullptr);
}

TEST_CASE("cancelled_waiter_is_not_served", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased();
    auto& first = bench.get(10s);
    auto& second = bench.get();
    CHECK(bench.cancel(first));
    CHECK_FALSE(bench.cancel(first));
    CHECK(bench.machine.counters().wait_cancellations == 1);
    bench.wait(20s);
    CHECK_FALSE(first.error);
    bench.put(s);
    CHECK(first.granted == nullptr);
    CHECK(second.granted == &s);
}

TEST_CASE("waiter_cancelled_after_its_answer_keeps_what_it_was_given", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased();
    auto& first = bench.get();
    auto& second = bench.get();
    bench.put(s);
    REQUIRE(first.granted == &s);
    CHECK_FALSE(bench.cancel(first));
    CHECK(bench.machine.counters().wait_cancellations == 0);
    CHECK(s.state == slot_state::leased);
    bench.put(s);  // the caller passes it on
    CHECK(second.granted == &s);
}

TEST_CASE("waiter_whose_deadline_has_passed_unnoticed_may_still_be_served", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased();
    auto& late = bench.get(10s);
    bench.now += 11s;
    bench.put(s);
    CHECK(late.granted == &s);
    bench.wait(0s);
    CHECK_FALSE(late.error);
    CHECK(bench.machine.counters().wait_timeouts == 0);
}

TEST_CASE("lending_counts_leases_and_reuses", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased();
    CHECK(s.uses == 1);
    CHECK(bench.machine.counters().reuses == 0);
    bench.put(s);
    bench.leased();
    CHECK(s.uses == 2);
    CHECK(bench.machine.counters().leases == 2);
    CHECK(bench.machine.counters().reuses == 1);
}
