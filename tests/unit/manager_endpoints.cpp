// How the machine dials: questions to the source, races, fallbacks, what counts against whom.
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "hotpool/endpoint_pool.hpp"
#include "support/event_log.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

ip_endpoint at(const char* text) { return {ip_address::parse(text).value(), 80}; }
const ip_endpoint a = at("192.0.2.1");
const ip_endpoint b = at("192.0.2.2");

struct endpoint_bench : machine_bench<> {
    explicit endpoint_bench(const pool_options& options, const endpoint_list& fixed = {}) : machine_bench<>(options) {
        if (fixed.empty())
            machine.use_endpoints();
        else
            machine.use_endpoints(fixed);
        machine.listen(true);
        settle();
    }
    void answer(const endpoint_list& list) {
        machine.endpoints_came(list, now);
        settle();
    }
    void answer(std::uint64_t question, const endpoint_list& list) {
        auto merged = hotpool::detail::address_list::merge(list, machine.known_addresses());
        CHECK(machine.endpoints_came(question, merged, now));
        settle();
    }
    void fail_to_answer(std::uint64_t question, bool definite = false) {
        machine.endpoints_failed(question, errc::resolve_failed, definite, now);
        settle();
    }
    /// The next opening asked for; it is still to be answered.
    slot_type& attempt() {
        slot_type* s = take(slot_task::open);
        REQUIRE(s != nullptr);
        return *s;
    }
    void fail(slot_type& s, errc why = errc::connect_refused) {
        machine.opening_failed(s, now, why);
        settle();
    }
    void succeed(slot_type& s) {
        machine.slot_opened(s, now);
        settle();
    }
    std::size_t told(pool_event_kind kind) {
        for (const pool_event& e : machine.take_events()) log.listener()(e);
        return log.told(kind);
    }
    test::event_log log;
};

}  // namespace

TEST_CASE("callers_wait_for_the_addresses_and_one_question_is_asked", "[manager][endpoints]") {
    endpoint_bench bench({});
    auto& first = bench.get();
    auto& second = bench.get();
    CHECK(bench.questions == 1);
    CHECK(bench.asked(slot_task::open) == 0);
    bench.answer({a});
    CHECK(bench.asked(slot_task::open) == 2);
    bench.succeed(bench.attempt());
    bench.succeed(bench.attempt());
    CHECK(first.granted->endpoint->where == a);
    CHECK(second.granted->endpoint->load.leased == 2);
}

TEST_CASE("addresses_that_do_not_become_known_in_time_fail_the_opening", "[manager][endpoints]") {
    endpoint_bench bench({.connect_timeout = 1s});
    auto& w = bench.get();
    bench.wait(1100ms);
    CHECK(w.error == errc::connect_timed_out);
    bench.answer({a});
    CHECK(bench.count(slot_state::opening) == 0);
}

TEST_CASE("answer_from_before_another_network_counts_for_nothing", "[manager][endpoints]") {
    endpoint_bench bench({});
    bench.get();
    REQUIRE(bench.questions == 1);
    bench.machine.network_changed(bench.now);
    bench.settle();
    CHECK(bench.questions == 2);  // at once: the first one may never be answered
    bench.answer(1, {a});
    CHECK(bench.asked(slot_task::open) == 0);
    bench.answer(2, {b});
    CHECK(bench.attempt().endpoint->where == b);
}

TEST_CASE("question_that_nobody_answers_is_asked_again_and_callers_have_their_own_time", "[manager][endpoints]") {
    endpoint_bench bench({.connect_timeout = 1s, .backoff_first = 100ms});
    bench.get();
    REQUIRE(bench.questions == 1);
    bench.wait(900ms);
    auto& later = bench.get();
    CHECK(bench.questions == 1);
    bench.wait(150ms);  // the question is lost, and the first opening too
    CHECK(later.waiting);
    CHECK(bench.told(pool_event_kind::addresses_unknown) == 1);
    CHECK(bench.machine.counters().failed_answers == 1);
    bench.wait(100ms);
    CHECK(bench.questions == 2);

    SECTION("the new one is answered") { bench.answer(2, {a}); }
    SECTION("the old one is answered after all") { bench.answer(1, {a}); }
    SECTION("the old one is answered after the new one, which counts") {
        bench.answer(2, {a});
        bench.answer(1, {b});
    }
    SECTION("the old one fails, which says nothing any more") {
        bench.fail_to_answer(1);
        CHECK(later.waiting);
        bench.answer(2, {a});
    }
    REQUIRE(bench.machine.endpoints().size() == 1);
    CHECK(bench.attempt().endpoint->where == a);
    CHECK(later.waiting);
}

TEST_CASE("source_that_falls_silent_leaves_what_is_known_in_use", "[manager][endpoints]") {
    endpoint_bench bench({.connect_timeout = 1s, .idle_timeout = 0s, .max_lifetime = 0s, .resolve_interval = 10s});
    bench.get();
    bench.answer({a});
    bench.succeed(bench.attempt());
    for (int i = 0; i < 600; ++i) bench.wait(10s);
    CHECK(bench.questions > 100);
    auto& w = bench.get();
    bench.succeed(bench.attempt());  // 100 minutes later
    CHECK(w.granted != nullptr);
}

TEST_CASE("answers_merged_with_a_list_that_has_been_replaced_are_merged_anew", "[manager][endpoints]") {
    endpoint_bench bench({});
    bench.get();
    auto early = hotpool::detail::address_list::merge({a}, bench.machine.known_addresses());
    bench.answer({b});
    CHECK_FALSE(bench.machine.endpoints_came(1, early, bench.now));
    CHECK(bench.machine.endpoints().front()->where == b);
}

TEST_CASE("failed_attempt_goes_on_with_the_next_address_and_fails_nobody", "[manager][endpoints]") {
    endpoint_bench bench({}, {a, b});
    auto& w = bench.get();
    auto& s = bench.attempt();
    const ip_endpoint first = s.endpoint->where;
    bench.fail(s);
    CHECK(w.waiting);
    auto& again = bench.attempt();
    CHECK(&again == &s);
    CHECK(again.endpoint->where != first);
    bench.fail(again, errc::connect_unreachable);
    CHECK(w.error == errc::connect_unreachable);
    CHECK(bench.machine.counters().open_failures == 2);
    CHECK(bench.told(pool_event_kind::opening_failed) == 2);
}

TEST_CASE("slow_attempt_is_overtaken_and_both_connections_are_used", "[manager][endpoints]") {
    endpoint_bench bench({}, {a, b});
    auto& w = bench.get();
    auto& slow = bench.attempt();
    bench.wait(249ms);
    CHECK(bench.asked(slot_task::open) == 0);
    bench.wait(2ms);
    auto& racer = bench.attempt();
    CHECK(&racer != &slow);
    CHECK(racer.endpoint->where == b);
    bench.succeed(racer);
    CHECK(w.granted == &racer);
    auto& later = bench.get();
    CHECK(bench.attempt().endpoint->where == b);  // the slow one is not counted on
    bench.succeed(slow);
    CHECK(later.granted == &slow);
    CHECK(bench.machine.counters().overtaken == 1);
}

TEST_CASE("slow_handshake_is_overtaken_as_well", "[manager][endpoints]") {
    endpoint_bench bench({}, {a, b});
    auto& w = bench.get();
    auto& slow = bench.attempt();
    bench.wait(20ms);
    bench.machine.opening_connected(slow, bench.now);
    bench.wait(240ms);  // longer than an address may take to accept, but accepted it has
    CHECK(bench.asked(slot_task::open) == 0);
    bench.wait(15ms);
    auto& racer = bench.attempt();
    CHECK(racer.endpoint->where == b);
    bench.succeed(racer);
    CHECK(w.granted == &racer);
    CHECK(bench.machine.counters().overtaken == 1);
}

TEST_CASE("handshake_with_a_far_peer_has_twice_the_time_that_connecting_took", "[manager][endpoints]") {
    endpoint_bench bench({}, {a, b});
    bench.get();
    auto& far = bench.attempt();
    bench.wait(240ms);
    bench.machine.opening_connected(far, bench.now);
    bench.wait(470ms);
    CHECK(bench.asked(slot_task::open) == 0);
    bench.wait(20ms);
    CHECK(bench.asked(slot_task::open) == 1);
}

TEST_CASE("handshake_without_room_for_a_race_has_its_share_of_the_time", "[manager][endpoints]") {
    endpoint_bench bench({.max_connections = 1, .connect_timeout = 2s}, {a, b});
    auto& w = bench.get();
    auto& stalled = bench.attempt();
    bench.machine.opening_connected(stalled, bench.now);
    bench.wait(900ms);
    CHECK(bench.asked(slot_task::abort_opening) == 0);
    bench.wait(200ms);
    REQUIRE(bench.take(slot_task::abort_opening) == &stalled);
    bench.fail(stalled, errc::cancelled);
    auto& next = bench.attempt();
    CHECK(next.endpoint->where == b);
    bench.succeed(next);
    CHECK(w.granted == &next);
}

TEST_CASE("nobody_is_blamed_for_an_attempt_that_had_less_than_its_share", "[manager][endpoints]") {
    endpoint_bench bench({.max_connections = 1, .connect_timeout = 2s}, {a, b});
    bench.get();
    auto& s = bench.attempt();
    const endpoint_ptr first = s.endpoint;
    SECTION("it had, and is") {
        bench.wait(2s + 10ms);
        bench.fail(s, errc::connect_timed_out);
        CHECK(first->failures == 1);
    }
    SECTION("the first one has eaten its time") {
        bench.now += 1800ms;  // whoever should have cut it comes late
        bench.fail(s, errc::connect_refused);
        auto& late = bench.attempt();
        REQUIRE(late.endpoint->where == b);
        const endpoint_ptr second = late.endpoint;
        SECTION("a timeout says nothing then") {
            bench.now += 200ms;
            bench.fail(late, errc::handshake_timed_out);
            CHECK(second->failures == 0);
        }
        SECTION("a refusal does") {
            bench.fail(late, errc::connect_refused);
            CHECK(second->failures == 1);
        }
    }
}

TEST_CASE("race_that_fails_on_both_sides_fails_one_caller_once", "[manager][endpoints]") {
    endpoint_bench bench({}, {a, b});
    auto& w = bench.get();
    auto& slow = bench.attempt();
    bench.wait(300ms);
    auto& racer = bench.attempt();
    SECTION("the racer first") {
        bench.fail(racer);
        CHECK(w.waiting);
        bench.fail(slow, errc::connect_timed_out);
        CHECK(w.error == errc::connect_timed_out);
    }
    SECTION("the racer last") {
        bench.fail(slow, errc::connect_timed_out);
        CHECK(w.waiting);
        bench.fail(racer);
        CHECK(w.error == errc::connect_refused);
    }
    CHECK(bench.answers.size() == 1);
}

TEST_CASE("without_room_for_a_race_each_address_has_its_share_of_the_time", "[manager][endpoints]") {
    endpoint_bench bench({.max_connections = 1, .connect_timeout = 2s}, {a, b});
    auto& w = bench.get();
    auto& s = bench.attempt();
    bench.wait(900ms);
    CHECK(bench.asked(slot_task::abort_opening) == 0);
    bench.wait(200ms);
    REQUIRE(bench.take(slot_task::abort_opening) == &s);
    bench.fail(s, errc::cancelled);
    CHECK(bench.attempt().endpoint->where == b);
    bench.fail(s);
    CHECK(w.error == errc::connect_refused);
}

TEST_CASE("trial_for_which_the_budget_has_no_room_waits_for_it", "[manager][endpoints]") {
    endpoint_bench bench({.ejection_failures = 1, .ejection_time = 1s}, {a, b});
    bench.get();
    bench.fail(bench.attempt());
    bench.succeed(bench.attempt());
    bench.wait(1s);
    REQUIRE(bench.asked(slot_task::open) == 1);  // the trial of the first
    CHECK_FALSE(bench.machine.needs_room());
    bench.defer();
    CHECK(bench.asked(slot_task::open) == 0);
    CHECK(bench.machine.needs_room());
    bench.machine.growth_allowed();
    bench.settle();
    CHECK(bench.asked(slot_task::open) == 1);
    CHECK_FALSE(bench.machine.needs_room());
    bench.succeed(bench.attempt());
    CHECK(bench.told(pool_event_kind::address_readmitted) == 1);
}

TEST_CASE("race_for_which_the_budget_has_no_room_gives_the_addresses_back", "[manager][endpoints]") {
    endpoint_bench bench({.connect_timeout = 2s}, {a, b});
    auto& w = bench.get();
    auto& slow = bench.attempt();
    bench.wait(300ms);
    bench.machine.opening_deferred(bench.attempt());
    bench.settle();
    CHECK(bench.count(slot_state::opening) == 1);
    bench.wait(900ms);
    REQUIRE(bench.take(slot_task::abort_opening) == &slow);
    bench.fail(slow, errc::cancelled);
    auto& again = bench.attempt();
    CHECK(again.endpoint->where == b);
    bench.succeed(again);
    CHECK(w.granted == &again);
    CHECK(bench.machine.counters().openings == 2);
}

TEST_CASE("pool_that_fails_refuses_at_once_and_tries_one_at_a_time", "[manager][endpoints]") {
    endpoint_bench bench({.breaker_failures = 2}, {a});
    bench.get();
    bench.fail(bench.attempt());
    bench.wait(1s);
    auto& second = bench.get();
    auto& third = bench.get();
    bench.fail(bench.attempt());
    CHECK(second.error == errc::connect_refused);
    CHECK(third.error == errc::connect_refused);
    CHECK(bench.told(pool_event_kind::pool_failing) == 1);
    bench.fail(bench.attempt());
    CHECK(bench.get().error == errc::connect_refused);
    CHECK(bench.machine.counters().breaker_refusals == 1);
    CHECK(bench.asked(slot_task::open) == 0);
    bench.wait(10s);
    CHECK(bench.asked(slot_task::open) == 1);
    bench.wait(10s);
    CHECK(bench.asked(slot_task::open) == 1);
    bench.succeed(bench.attempt());
    CHECK(bench.told(pool_event_kind::pool_recovered) == 1);
    CHECK(bench.get().granted != nullptr);
}

TEST_CASE("breaker_waits_while_a_connection_is_left_that_may_come_back", "[manager][endpoints]") {
    endpoint_bench bench({.breaker_failures = 1}, {a});
    bench.get();
    auto& held = bench.attempt();
    bench.succeed(held);
    auto& unlucky = bench.get();
    auto& patient = bench.get();
    bench.fail(bench.attempt());
    bench.fail(bench.attempt());
    CHECK_FALSE(bench.machine.failing());
    bench.put(held);
    const bool served = (unlucky.granted != nullptr) + (patient.granted != nullptr) <= 1;
    CHECK(served);
    CHECK(bench.told(pool_event_kind::pool_failing) == 0);
}

TEST_CASE("connections_to_an_address_that_has_left_end_one_after_the_other", "[manager][endpoints]") {
    endpoint_bench bench({.absent_grace = 0s, .retire_spacing = 100ms});
    for (int i = 0; i < 4; ++i) bench.get();
    bench.answer({a});
    std::vector<endpoint_bench::slot_type*> slots;
    for (int i = 0; i < 4; ++i) {
        slots.push_back(&bench.attempt());
        bench.succeed(*slots.back());
    }
    bench.put(*slots[1]);
    bench.put(*slots[2]);
    bench.put(*slots[3]);
    bench.answer({b});
    CHECK(bench.told(pool_event_kind::address_left) == 1);
    CHECK(slots[0]->state == slot_state::leased);
    const std::size_t at_once = bench.retired_for(retire_reason::endpoint_gone);
    CHECK(at_once <= 1);
    bench.wait(150ms);
    CHECK(bench.retired_for(retire_reason::endpoint_gone) >= at_once + 1);
    bench.wait(300ms);
    CHECK(bench.retired_for(retire_reason::endpoint_gone) == 3);
    bench.put(*slots[0]);
    CHECK(bench.retired_for(retire_reason::endpoint_gone) == 4);
}

TEST_CASE("connections_to_an_absent_address_are_used_until_its_grace_is_over", "[manager][endpoints]") {
    endpoint_bench bench({.idle_timeout = 0s, .max_lifetime = 0s, .resolve_interval = 10s, .retire_spacing = 0s});
    auto& first = bench.get();
    bench.answer({a});
    bench.succeed(bench.attempt());
    bench.put(*first.granted);
    bench.answer({b});
    CHECK(bench.told(pool_event_kind::address_left) == 0);
    auto& again = bench.get();
    REQUIRE(again.granted != nullptr);
    CHECK(again.granted->endpoint->where == a);
    bench.get();  // what is opened now leads to the address that is named
    auto& opened = bench.attempt();
    CHECK(opened.endpoint->where == b);
    bench.succeed(opened);
    SECTION("an idle connection ends, without another answer") {
        bench.put(*again.granted);
        bench.wait(100s);
        CHECK(bench.retired_for(retire_reason::endpoint_gone) == 1);
    }
    SECTION("one in use ends as it comes back") {
        bench.wait(100s);
        CHECK(bench.retired_for(retire_reason::endpoint_gone) == 0);
        bench.put(*again.granted);
        CHECK(bench.retired_for(retire_reason::endpoint_gone) == 1);
    }
    CHECK(bench.told(pool_event_kind::address_left) == 1);
}

// A name of 16 addresses that gives out four at a time: 16 callers at once, each second, for five minutes.
TEST_CASE("answers_that_rotate_leave_the_connections_hot", "[manager][endpoints]") {
    const auto most = [](std::optional<duration> grace) {
        endpoint_bench bench({.max_connections = 100,
                              .max_lifetime = 0s,
                              .resolve_interval = 5s,
                              .absent_grace = grace,
                              .retire_spacing = 0s});
        const auto subset = [](int turn) {
            endpoint_list list;
            for (int i = 0; i < 4; ++i)
                list.push_back(at(("192.0.2." + std::to_string(1 + (4 * turn + i) % 16)).c_str()));
            return list;
        };
        std::size_t openings = 0;
        for (int second = 0; second < 300; ++second) {
            std::vector<endpoint_bench::caller*> callers;
            for (int i = 0; i < 16; ++i) callers.push_back(&bench.get());
            if (second % 5 == 0) bench.answer(subset(second / 5));
            while (endpoint_bench::slot_type* s = bench.take(slot_task::open)) {
                ++openings;
                bench.succeed(*s);
            }
            for (auto* w : callers) {
                REQUIRE(w->granted != nullptr);
                bench.put(*w->granted);
            }
            while (endpoint_bench::slot_type* s = bench.take(slot_task::close)) {
                bench.machine.slot_closed(*s);
                bench.settle();
            }
            bench.wait(1s);
        }
        return openings;
    };
    CHECK(most({}) <= 20);
    CHECK(most(0s) > 200);
}
