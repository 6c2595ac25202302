// When connections end: lifetime, idle limit, the peer's hint, uses, surplus, lease deadlines.
#include <algorithm>
#include <vector>

#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

constexpr pool_options ten_second_lives{.idle_timeout = 0s, .max_lifetime = 10s, .lifetime_jitter = 0.0};

}  // namespace

TEST_CASE("idle_connection_ends_when_its_idle_time_is_over", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 5s}};
    auto& s = bench.idle_slot();
    CHECK(bench.machine.next_due() == bench.now + 5s);
    bench.wait(5s - 1ns);
    CHECK(s.state == slot_state::idle);
    bench.wait(1ns);
    CHECK(s.state == slot_state::closing);
    CHECK(s.retire == retire_reason::idle_timeout);
    CHECK(bench.take(slot_task::close) == &s);
    CHECK(bench.retired_for(retire_reason::idle_timeout) == 1);
}

TEST_CASE("idle_time_counts_from_the_last_return", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 5s}};
    auto& s = bench.idle_slot();
    bench.wait(4s);
    bench.leased();
    bench.put(s);
    bench.wait(4s);
    CHECK(s.state == slot_state::idle);
    bench.wait(1s);
    CHECK(s.state == slot_state::closing);
}

TEST_CASE("overdue_idle_connection_is_not_lent_even_before_the_timer", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 5s}};
    const auto s = bench.leased_many(2);
    bench.put(*s[0]);
    bench.now += 5s;
    bench.put(*s[1]);
    CHECK(bench.get().granted == s[1]);
    CHECK(bench.get().waiting);
    CHECK(s[0]->retire == retire_reason::idle_timeout);
}

TEST_CASE("idle_timeout_of_zero_is_without_limit", "[manager]") {
    machine_bench<> bench{{.idle_timeout = 0s, .max_lifetime = 0s}};
    auto& s = bench.idle_slot();
    CHECK(bench.machine.next_due() == never);
    bench.wait(std::chrono::hours(24 * 365));
    CHECK(s.state == slot_state::idle);
}

TEST_CASE("peers_hint_shortens_the_idle_time_by_two_seconds_more", "[manager]") {
    struct {
        std::chrono::seconds hint;
        duration kept;  // zero: not pooled
    } const table[] = {{3s, 1s}, {5s, 3s}, {61s, 59s}, {62s, 60s}, {100s, 60s},
                       {2s, 0s}, {1s, 0s}, {0s, 0s},   {-5s, 0s}};
    for (const auto& row : table) {
        CAPTURE(row.hint.count());
        machine_bench<> bench{{.idle_timeout = 60s}};
        auto& s = bench.leased();
        bench.put(s, {.idle_hint = row.hint});
        if (row.kept > 0s) {
            bench.wait(row.kept - 1ns);
            CHECK(s.state == slot_state::idle);
            bench.wait(1ns);
        }
        CHECK(s.state == slot_state::closing);
        CHECK(s.retire == retire_reason::idle_timeout);
    }
}

TEST_CASE("connection_that_must_not_be_pooled_is_not_handed_to_a_waiter_either", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased();
    auto& w = bench.get();
    bench.put(s, {.idle_hint = 2s});
    CHECK(s.state == slot_state::closing);
    CHECK(w.waiting);
    bench.close_all();
    CHECK(&bench.open() == w.granted);
}

TEST_CASE("lifetime_is_judged_at_every_turn", "[manager]") {
    machine_bench<> bench{ten_second_lives};
    auto& s = bench.leased();
    slot_state last_state = slot_state::closing;
    SECTION("on get") {
        bench.put(s);
        bench.now += 10s;
        CHECK(bench.get().waiting);
    }
    SECTION("on put") {
        bench.now += 10s;
        bench.put(s);
    }
    SECTION("on the timer") {
        bench.put(s);
        CHECK(bench.machine.next_due() == bench.now + 10s);
        bench.wait(10s - 1ns);
        CHECK(s.state == slot_state::idle);
        bench.wait(1ns);
    }
    SECTION("on hand-off to a waiter") {
        auto& w = bench.get();
        bench.now += 10s;
        bench.put(s);
        CHECK(w.waiting);
    }
    SECTION("on the way back from a probe, waiter or not") {
        bench.put(s);
        REQUIRE(bench.machine.tend_started(s));
        auto& w = bench.get();
        bench.now += 10s;
        bench.machine.tend_finished(s, bench.now);
        bench.settle();
        CHECK(w.waiting);
    }
    SECTION("but a lease is never cut for it") {
        bench.wait(100s);
        CHECK(s.state == slot_state::leased);
        CHECK(bench.asked(slot_task::expire_lease) == 0);
        last_state = slot_state::leased;
    }
    CHECK(s.state == last_state);
    CHECK(s.retire == (last_state == slot_state::closing ? retire_reason::max_lifetime : retire_reason::none));
}

TEST_CASE("lifetime_is_counted_from_the_opening", "[manager]") {
    machine_bench<> bench{ten_second_lives};
    bench.get();
    bench.now += 60s;  // a slow connect costs no life
    auto& s = bench.open();
    bench.now += 10s - 1ns;
    bench.put(s);
    CHECK(s.state == slot_state::idle);
}

TEST_CASE("lifetimes_are_spread_by_the_jitter", "[manager]") {
    machine_bench<> bench{{.max_connections = 1000, .max_lifetime = 100s, .lifetime_jitter = 0.2}};
    bench.machine.warm_requested(1000);
    bench.settle();
    bench.open_all();
    duration shortest = duration::max(), longest{}, sum{};
    bench.machine.for_each_slot([&](const auto& s) {
        const duration life = s.dies_at - bench.now;
        shortest = std::min(shortest, life);
        longest = std::max(longest, life);
        sum += life;
    });
    CHECK(shortest >= 80s);
    CHECK(shortest < 81s);
    CHECK(longest <= 100s);
    CHECK(longest > 99s);
    CHECK(sum / 1000 > 89s);
    CHECK(sum / 1000 < 91s);
}

TEST_CASE("connection_is_spent_after_max_requests", "[manager]") {
    machine_bench<> bench{{.max_requests = 2}};
    auto& s = bench.leased();
    bench.put(s);
    CHECK(s.state == slot_state::idle);
    bench.leased();
    bench.put(s);
    CHECK(s.state == slot_state::closing);
    CHECK(s.retire == retire_reason::max_requests);
    bench.close_all();
    CHECK(bench.leased().uses == 1);  // the slot's next connection starts anew
}

TEST_CASE("reason_of_the_caller_ends_a_returned_connection", "[manager]") {
    for (const auto why : {retire_reason::connection_close, retire_reason::not_clean, retire_reason::body_not_drained,
                           retire_reason::protocol_error, retire_reason::transport_error, retire_reason::discarded}) {
        CAPTURE(why);
        machine_bench<> bench{{.max_connections = 1, .max_requests = 1}};
        auto& s = bench.leased();
        auto& w = bench.get();
        bench.put(s, {.retire = why});
        CHECK(s.retire == why);
        CHECK(bench.retired_for(why) == 1);
        CHECK(w.waiting);
        CHECK(bench.take(slot_task::close) == &s);
    }
}

TEST_CASE("connection_beyond_max_idle_retires_the_one_idle_longest", "[manager]") {
    machine_bench<> bench{{.max_idle = 2}};
    const auto s = bench.leased_many(3);
    bench.put_all(s);
    CHECK(s[0]->retire == retire_reason::surplus);
    CHECK(bench.count(slot_state::idle) == 2);
    CHECK(bench.get().granted == s[2]);
    CHECK(bench.get().granted == s[1]);
}

TEST_CASE("nothing_is_kept_when_max_idle_is_zero", "[manager]") {
    machine_bench<> bench{{.max_connections = 1, .max_idle = 0}};
    auto& s = bench.leased();
    auto& w = bench.get();
    bench.put(s);
    CHECK(w.granted == &s);  // a waiter may have it
    bench.put(s);
    CHECK(s.state == slot_state::closing);
    CHECK(s.retire == retire_reason::surplus);
}

TEST_CASE("connection_back_from_tending_respects_max_idle", "[manager]") {
    machine_bench<> bench{{.max_idle = 1}};
    const auto s = bench.leased_many(2);
    bench.put(*s[0]);
    bench.now += 1ms;
    REQUIRE(bench.machine.tend_started(*s[0]));
    bench.put(*s[1]);
    bench.machine.tend_finished(*s[0], bench.now);
    bench.settle();
    CHECK(bench.count(slot_state::idle) == 1);
    CHECK(s[0]->retire == retire_reason::surplus);
    CHECK(s[1]->state == slot_state::idle);
}

TEST_CASE("lease_deadline_asks_for_the_cut_once", "[manager]") {
    machine_bench<> bench{{.max_connections = 2}};
    bench.put_all(bench.leased_many(2));
    auto& timed = bench.leased(3s);
    auto& free = bench.leased();
    CHECK(bench.machine.next_due() <= bench.now + 3s);
    bench.wait(3s - 1ns);
    CHECK(bench.asked(slot_task::expire_lease) == 0);
    bench.wait(1ns);
    CHECK(bench.take(slot_task::expire_lease) == &timed);
    CHECK(timed.state == slot_state::leased);
    bench.wait(1h);
    CHECK(bench.asked(slot_task::expire_lease) == 0);
    CHECK(free.state == slot_state::leased);

    bench.put(timed, {.retire = retire_reason::lease_deadline});
    CHECK(timed.state == slot_state::closing);
}

TEST_CASE("waiters_lease_deadline_goes_with_the_grant", "[manager]") {
    machine_bench<> bench{{.max_connections = 1}};
    auto& s = bench.leased(2s);
    bench.get(1h, 5s);
    bench.put(s);
    bench.wait(4s);
    CHECK(bench.asked(slot_task::expire_lease) == 0);  // the deadline of the lease before is forgotten
    bench.wait(1s);
    CHECK(bench.take(slot_task::expire_lease) == &s);
}

TEST_CASE("deadline_of_a_lease_can_be_changed", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased();
    const auto change = [&](duration from_now) {
        bench.machine.deadline_changed(s, base::after(bench.now, from_now));
        bench.settle();
    };
    change(2s);
    bench.wait(1s);
    change(5s);  // later
    bench.wait(4s);
    CHECK(bench.asked(slot_task::expire_lease) == 0);
    change(duration(1));  // sooner
    bench.wait(1ns);
    CHECK(bench.take(slot_task::expire_lease) == &s);
    change(1s);  // once more for the next request
    bench.wait(1s);
    CHECK(bench.take(slot_task::expire_lease) == &s);
    change(1s);
    change(duration::max());
    bench.wait(1h);
    CHECK(bench.asked(slot_task::expire_lease) == 0);
}

TEST_CASE("new_deadline_takes_back_a_cut_that_was_not_performed_yet", "[manager]") {
    machine_bench<> bench;
    auto& s = bench.leased(1s);
    bench.now += 1s;
    bench.machine.time_passed(bench.now);
    bench.machine.deadline_changed(s, bench.now + 1s);
    bench.settle();
    CHECK(bench.asked(slot_task::expire_lease) == 0);
    bench.wait(1s);
    CHECK(bench.take(slot_task::expire_lease) == &s);
}
