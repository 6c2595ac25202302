// Callers in the queue: in order, answered once, whatever comes first.
#include <asio/bind_cancellation_slot.hpp>

#include <deque>
#include <vector>

#include "support/mock_stage.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

struct waiting_stage : mock_stage {
    explicit waiting_stage(pool_options options = {.max_connections = 1}) : mock_stage(options, false) {}
    ~waiting_stage() {
        pool.close();
        answers.clear();
    }

    got<mock_pool>& ask() {
        pool.async_get(answers.emplace_back().handler());
        turn();
        return answers.back();
    }
    got<mock_pool>& ask(net::cancellation_signal& signal) {
        pool.async_get(net::bind_cancellation_slot(signal.slot(), answers.emplace_back().handler()));
        turn();
        return answers.back();
    }
    void put(got<mock_pool>& from) {
        pool.put(std::move(from.lease));
        turn();
    }
    mock_pool::lease_type lease() {
        auto& first = ask();
        while (!first.done()) {
            net.openings.back().succeed();
            turn();
        }
        return std::move(first.lease);
    }

    std::deque<got<mock_pool>> answers;
};

}  // namespace

TEST_CASE("returned_connection_goes_to_the_oldest_waiter", "[pool]") {
    waiting_stage s;
    auto lease = s.lease();
    auto& first = s.ask();
    auto& second = s.ask();
    auto& third = s.ask();
    CHECK(s.pool.stats().now == connection_counts{.leased = 1, .waiting = 3});
    s.pool.put(std::move(lease));
    s.turn();
    CHECK(first.lease);
    CHECK_FALSE(second.done());
    CHECK_FALSE(s.pool.try_get());  // nobody overtakes
    s.put(first);
    CHECK(second.lease);
    CHECK_FALSE(third.done());
    s.put(second);
    CHECK(third.lease);
    CHECK(s.net.openings.size() == 1);
    CHECK(first.completions + second.completions + third.completions == 3);
}

TEST_CASE("waiter_takes_a_returned_connection_before_its_opening_is_done", "[pool]") {
    waiting_stage s({.max_connections = 2});
    auto lease = s.lease();
    auto& waiter = s.ask();
    CHECK(s.net.pending() == 1);
    s.pool.put(std::move(lease));
    s.turn();
    CHECK(waiter.lease);
    CHECK(waiter.lease.reused());
    // The opening outlives the caller that asked for it and is pooled.
    s.net.openings[1].succeed();
    s.turn();
    CHECK(s.pool.stats().now == connection_counts{.idle = 1, .leased = 1});
    auto fresh = s.pool.try_get();
    CHECK(fresh);
    CHECK_FALSE(fresh.reused());
}

TEST_CASE("there_are_never_more_openings_than_waiters", "[pool]") {
    waiting_stage s({.max_connections = 8});
    for (std::size_t n = 1; n <= 3; ++n) {
        s.ask();
        CHECK(s.net.pending() == n);
    }
    for (int i = 0; i < 3; ++i) {
        s.net.openings[static_cast<std::size_t>(i)].succeed();
        s.turn();
    }
    CHECK(s.net.openings.size() == 3);
    for (auto& answer : s.answers) CHECK(answer.lease);
}

TEST_CASE("each_failed_opening_fails_at_most_one_waiter", "[pool]") {
    waiting_stage s({.max_connections = 3, .backoff_first = 1h, .backoff_limit = 1h});
    for (int i = 0; i < 3; ++i) s.ask();
    s.net.openings[0].fail(errc::connect_refused);
    s.turn();
    int failed = 0;
    for (auto& answer : s.answers) failed += answer.done();
    CHECK(failed == 1);
    CHECK(s.answers[0].error == errc::connect_refused);
    s.net.openings[1].succeed();
    s.net.openings[2].succeed();
    s.turn();
    CHECK(s.answers[1].lease);
    CHECK(s.answers[2].lease);
}

TEST_CASE("cancelled_waiter_is_told_once_and_its_opening_is_pooled", "[pool]") {
    waiting_stage s;
    net::cancellation_signal signal;
    auto& waiter = s.ask(signal);
    CHECK(s.pool.stats().now == connection_counts{.opening = 1, .waiting = 1});
    signal.emit(net::cancellation_type::terminal);
    CHECK_FALSE(waiter.done());  // never inside the call that led to it
    s.turn();
    CHECK(waiter.error == errc::cancelled);
    CHECK(waiter.error == condition::cancelled);
    CHECK(s.pool.stats().now == connection_counts{.opening = 1});
    CHECK(s.pool.stats().total.wait_cancellations == 1);
    signal.emit(net::cancellation_type::terminal);
    s.net.openings[0].succeed();
    s.turn();
    CHECK(waiter.completions == 1);
    CHECK(s.pool.stats().now == connection_counts{.idle = 1});
}

TEST_CASE("every_type_of_cancellation_counts_for_a_get", "[pool]") {
    for (const auto type : {net::cancellation_type::terminal, net::cancellation_type::partial,
                            net::cancellation_type::total, net::cancellation_type::all}) {
        waiting_stage s;
        net::cancellation_signal signal;
        auto& waiter = s.ask(signal);
        signal.emit(net::cancellation_type::none);
        s.turn();
        CHECK_FALSE(waiter.done());
        signal.emit(type);
        s.turn();
        CHECK(waiter.error == errc::cancelled);
    }
}

TEST_CASE("cancellation_after_the_grant_comes_too_late", "[pool]") {
    waiting_stage s;
    auto lease = s.lease();
    net::cancellation_signal signal;
    auto& waiter = s.ask(signal);
    auto& next = s.ask();
    s.pool.put(std::move(lease));  // granted, not yet told
    signal.emit(net::cancellation_type::terminal);
    s.turn();
    CHECK(waiter.completions == 1);
    CHECK(waiter.lease);
    CHECK_FALSE(waiter.error);
    // What was given too late goes to the next caller as soon as it is dropped.
    waiter.lease = {};
    s.turn();
    CHECK(next.lease);
}

TEST_CASE("cancelled_waiter_does_not_hold_up_those_behind_it", "[pool]") {
    waiting_stage s;
    auto lease = s.lease();
    net::cancellation_signal signal;
    s.ask(signal);
    auto& second = s.ask();
    signal.emit(net::cancellation_type::terminal);
    s.turn();
    s.pool.put(std::move(lease));
    s.turn();
    CHECK(second.lease);
}

TEST_CASE("waiter_that_timed_out_is_passed_over", "[pool]") {
    waiting_stage s;
    auto lease = s.lease();
    got<mock_pool> hasty, patient;
    s.pool.async_get(10ms, hasty.handler());
    s.pool.async_get(patient.handler());
    CHECK(run_until(s.io, [&] { return hasty.done(); }));
    CHECK(hasty.error == errc::get_timed_out);
    s.pool.put(std::move(lease));
    s.turn();
    CHECK(patient.lease);
    CHECK(hasty.completions == 1);
    patient.lease = {};
}

TEST_CASE("waiter_gets_room_that_a_discarded_connection_leaves", "[pool]") {
    waiting_stage s;
    auto lease = s.lease();
    auto& waiter = s.ask();
    lease.discard();
    s.turn();
    CHECK(retired(s.pool, retire_reason::discarded) == 1);
    CHECK(s.net.pending() == 1);
    s.net.openings.back().succeed();
    s.turn();
    CHECK(waiter.lease);
    CHECK_FALSE(waiter.lease.reused());
}
