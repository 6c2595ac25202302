// What a supervisor does with a connection, one rule each.
#include <chrono>
#include <cstddef>
#include <deque>
#include <stdexcept>

#include "hotpool/inbound/connection_supervisor.hpp"
#include "support/catch.hpp"
#include "support/inbound_names.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{100h};

constexpr life_options limits{.handshake_timeout = 10s,
                              .request_timeout = 30s,
                              .handler_timeout = 50s,
                              .reply_timeout = 20s,
                              .idle_timeout = 60s,
                              .linger_timeout = 2s,
                              .max_linger_bytes = 1000};

/// A supervisor and one connection, which ends with the test.
struct bench {
    explicit bench(const life_options& options = limits) : machine(options) {}
    ~bench() {
        if (one.state() != life_state::closed) machine.ended(one, close_reason::aborted);
        CHECK(machine.check());
    }

    bench& open() {
        machine.accepted(one, now);
        machine.opened(one, now);
        return *this;
    }
    /// What is asked for at `start` and this; it must not have been asked for before.
    life_action at(duration since_start) {
        now = start + since_start;
        machine.time_passed(now - 1ns);
        CHECK_FALSE(machine.has_action());
        CHECK(machine.next_deadline() <= now);
        machine.time_passed(now);
        return machine.next_action();
    }
    bool asks(const life_action& action, life_task task, close_reason why = close_reason::none) {
        CHECK(action.task == task);
        CHECK(action.reason == why);
        CHECK_FALSE(machine.has_action());
        return action.connection == &one;
    }

    connection_supervisor<> machine;
    supervised one;
    time_point now = start;
};

}  // namespace

TEST_CASE("supervised_part_of_a_connection_is_two_lines_of_the_cache", "[inbound]") {
    static_assert(sizeof(supervised) <= 128);
}

TEST_CASE("connection_that_is_not_open_in_time_is_cut", "[inbound]") {
    const bool handshaking = GENERATE(false, true);
    bench b;
    b.machine.accepted(b.one, start);
    if (handshaking) b.machine.handshake_begun(b.one);
    CHECK(b.one.state() == (handshaking ? life_state::handshaking : life_state::accepted));
    CHECK(b.asks(b.at(10s), life_task::abort, close_reason::handshake_timed_out));
    CHECK(b.machine.opened(b.one, b.now) == close_reason::handshake_timed_out);
    CHECK(b.machine.ended(b.one, close_reason::transport_error) == close_reason::handshake_timed_out);
    CHECK(b.machine.counters().closed_for(close_reason::handshake_timed_out) == 1);
}

TEST_CASE("time_from_accept_to_open_is_recorded", "[inbound]") {
    bench b;
    b.machine.accepted(b.one, start);
    b.machine.handshake_begun(b.one);
    b.machine.opened(b.one, start + 3ms);
    CHECK(b.machine.counters().establish_us.max() == 3000);
    CHECK(b.machine.counters().opened == 1);
}

TEST_CASE("idle_connection_ends_in_order_and_is_cut_when_it_lingers", "[inbound]") {
    bench b;
    b.open();
    CHECK(b.asks(b.at(60s), life_task::close, close_reason::idle_timeout));
    CHECK(b.one.state() == life_state::draining);
    CHECK(b.asks(b.at(62s), life_task::abort, close_reason::idle_timeout));
    b.machine.time_passed(start + 1000h);
    CHECK_FALSE(b.machine.has_action());
    CHECK(b.machine.ended(b.one, close_reason::transport_error) == close_reason::idle_timeout);
}

TEST_CASE("bytes_keep_a_connection_from_being_idle", "[inbound]") {
    bench b;
    b.open();
    b.machine.bytes_seen(b.one, start + 59s);
    b.machine.bytes_seen(b.one, start + 58s);  // a clock that is late
    CHECK(b.asks(b.at(119s), life_task::close, close_reason::idle_timeout));
}

TEST_CASE("first_request_that_is_awaited_must_begin_in_time", "[inbound]") {
    bench b;
    b.open();
    b.machine.request_awaited(b.one, start);
    b.machine.bytes_seen(b.one, start + 29s);
    const life_action action = b.at(30s);
    CHECK_FALSE(action.cuts_request);
    CHECK(b.asks(action, life_task::close, close_reason::request_timed_out));
}

TEST_CASE("request_must_come_in_time_whatever_trickles_in", "[inbound]") {
    bench b;
    b.open();
    b.machine.request_begun(b.one, start + 5s);
    b.machine.bytes_seen(b.one, start + 34s);
    const life_action action = b.at(35s);
    CHECK(action.cuts_request);
    CHECK(b.asks(action, life_task::close, close_reason::request_timed_out));
    CHECK(b.machine.counters().cut_requests == 1);
    CHECK(b.machine.request_begun(b.one, b.now) == close_reason::request_timed_out);
    CHECK(b.machine.counters().requests == 1);
}

TEST_CASE("request_must_be_answered_in_time", "[inbound]") {
    bench b;
    b.open();
    b.machine.request_begun(b.one, start);
    b.machine.request_received(b.one, start + 1s);
    const life_action action = b.at(51s);
    CHECK(action.cuts_request);
    CHECK(b.asks(action, life_task::close, close_reason::handler_timed_out));
    CHECK(b.machine.counters().cut_requests == 1);
}

TEST_CASE("request_that_is_worked_on_has_all_the_time_it_needs_without_a_limit", "[inbound]") {
    bench b({.handler_timeout = 0s, .idle_timeout = 60s});
    b.open();
    b.machine.request_begun(b.one, start);
    b.machine.request_received(b.one, start + 1s);
    b.machine.time_passed(start + 1000h);
    CHECK_FALSE(b.machine.has_action());
    b.machine.request_ended(b.one, start + 1000h);
    b.machine.time_passed(start + 1000h + 59s);
    CHECK_FALSE(b.machine.has_action());
    CHECK(b.machine.counters().request_us.max() == 3'600'000'000'000);
    CHECK(b.one.doing() == activity::idle);
}

TEST_CASE("connection_whose_reply_said_that_it_stays_is_not_ended_for_a_drain_that_came_since", "[inbound]") {
    bench b;
    b.open();
    b.machine.request_begun(b.one, start);
    b.machine.drain_requested(never);
    CHECK(b.machine.next_action().task == life_task::tell_draining);
    b.machine.request_ended(b.one, start, request_outcome::served, reply_said::it_stays);
    CHECK_FALSE(b.machine.has_action());
    b.machine.request_begun(b.one, start);
    b.machine.request_ended(b.one, start);
    CHECK(b.machine.next_action().task == life_task::close);
}

TEST_CASE("request_that_came_with_the_next_one_ends_as_that_begins", "[inbound]") {
    bench b({.max_requests = 2});
    b.open();
    b.machine.request_followed(b.one, start, request_outcome::served);  // there is none
    b.machine.request_begun(b.one, start);
    b.machine.request_received(b.one, start);
    CHECK(b.machine.last_request(b.one, start) == close_reason::none);
    b.machine.drain_requested(never);
    b.machine.request_followed(b.one, start + 1s, request_outcome::refused);
    CHECK(b.one.doing() == activity::receiving);
    CHECK(b.machine.counters().requests == 2);
    CHECK(b.machine.counters().refused_requests == 1);
    CHECK(b.machine.last_request(b.one, start + 1s) == close_reason::drained);
    CHECK(b.machine.next_action().task == life_task::tell_draining);
    CHECK_FALSE(b.machine.has_action());  // it is not ended between the two
    CHECK(b.machine.check());
    CHECK(b.asks(b.at(31s), life_task::close, close_reason::request_timed_out));
}

TEST_CASE("reply_that_makes_no_progress_is_cut", "[inbound]") {
    bench b;
    b.open();
    b.machine.request_begun(b.one, start);
    b.machine.request_received(b.one, start);
    b.machine.reply_progressed(b.one, start + 1s);
    b.machine.reply_progressed(b.one, start + 15s);
    CHECK(b.asks(b.at(35s), life_task::abort, close_reason::slow_reader));
}

TEST_CASE("outcomes_of_requests_are_counted", "[inbound]") {
    bench b;
    b.open();
    for (const auto outcome :
         {request_outcome::served, request_outcome::refused, request_outcome::failed, request_outcome::served}) {
        b.machine.request_begun(b.one, start);
        b.machine.request_ended(b.one, start, outcome);
    }
    b.machine.request_ended(b.one, start);  // there is none
    const inbound_counters& n = b.machine.counters();
    CHECK(n.requests == 4);
    CHECK(n.served == 2);
    CHECK(n.refused_requests == 1);
    CHECK(n.failed_requests == 1);
    CHECK(n.cut_requests == 0);
    CHECK(b.one.requests() == 4);
}

TEST_CASE("last_request_of_a_connection_is_known_before_its_reply", "[inbound]") {
    life_options two = limits;
    two.max_requests = 2;
    bench b(two);
    b.open();
    b.machine.request_begun(b.one, start);
    CHECK(b.machine.last_request(b.one, start) == close_reason::none);
    b.machine.request_ended(b.one, start);
    b.machine.request_begun(b.one, start);
    CHECK(b.machine.last_request(b.one, start) == close_reason::max_requests);
    b.machine.request_ended(b.one, start);
    CHECK(b.asks(b.machine.next_action(), life_task::close, close_reason::max_requests));
}

TEST_CASE("driver_that_begins_the_end_itself_is_not_asked_to", "[inbound]") {
    life_options one_request = limits;
    one_request.max_requests = 1;
    bench b(one_request);
    b.open();
    b.machine.request_begun(b.one, start);
    b.machine.request_ended(b.one, start);
    b.machine.close_begun(b.one, close_reason::connection_close, start);
    CHECK_FALSE(b.machine.has_action());
    CHECK(b.machine.ended(b.one, close_reason::peer_closed) == close_reason::max_requests);
}

TEST_CASE("lifetime_ends_a_connection_at_its_first_pause", "[inbound]") {
    life_options short_life = limits;
    short_life.max_lifetime = 40s;
    short_life.lifetime_jitter = 0;
    bench b(short_life);
    b.open();
    SECTION("when it is idle") { CHECK(b.asks(b.at(40s), life_task::close, close_reason::max_lifetime)); }
    SECTION("after the request that is under way") {
        b.machine.request_begun(b.one, start + 39s);
        b.machine.time_passed(start + 41s);
        CHECK_FALSE(b.machine.has_action());
        CHECK(b.machine.last_request(b.one, start + 41s) == close_reason::max_lifetime);
        b.machine.request_ended(b.one, start + 41s);
        CHECK(b.asks(b.machine.next_action(), life_task::close, close_reason::max_lifetime));
    }
}

TEST_CASE("jitter_spreads_the_ends_of_connections_that_came_together", "[inbound]") {
    life_options o = limits;
    o.idle_timeout = 0s;
    o.max_lifetime = 100s;
    o.lifetime_jitter = 0.5;
    connection_supervisor<> machine(o, 7);
    std::deque<supervised> many(100);
    for (supervised& c : many) {
        machine.accepted(c, start);
        machine.opened(c, start);
    }
    machine.time_passed(start + 50s - 1ns);
    CHECK_FALSE(machine.has_action());
    machine.time_passed(start + 75s);
    const std::size_t by_the_middle = machine.counts().draining;
    CHECK(by_the_middle > 30);
    CHECK(by_the_middle < 70);
    machine.time_passed(start + 100s);
    CHECK(machine.counts().draining == 100);
    for (supervised& c : many) machine.ended(c, close_reason::finished);
}

TEST_CASE("silent_peer_is_asked_and_cut_when_it_does_not_answer", "[inbound]") {
    life_options beats = limits;
    beats.idle_timeout = 0s;
    beats.heartbeat_interval = 10s;
    beats.max_missed_heartbeats = 2;
    bench b(beats);
    b.open();
    CHECK(b.asks(b.at(10s), life_task::send_ping));
    b.machine.bytes_seen(b.one, start + 11s);
    CHECK(b.asks(b.at(21s), life_task::send_ping));
    CHECK(b.asks(b.at(31s), life_task::send_ping));
    CHECK(b.asks(b.at(41s), life_task::abort, close_reason::heartbeat_missed));
    CHECK(b.machine.counters().pings == 3);
}

TEST_CASE("answer_told_a_tick_before_its_ping_is_one", "[inbound]") {
    for (const auto mode : {heartbeat_mode::active, heartbeat_mode::passive}) {
        life_options beats = limits;
        beats.idle_timeout = 0s;
        beats.heartbeat_interval = 10s;
        beats.heartbeats = mode;
        beats.max_missed_heartbeats = 2;
        bench b(beats);
        b.open();
        for (auto now = start + 10s; now < start + 100s; now += 10s) {
            b.machine.time_passed(now);
            b.machine.bytes_seen(b.one, now - base::longest_tick);
            while (const life_action action = b.machine.next_action()) CHECK(action.task == life_task::send_ping);
        }
    }
}

TEST_CASE("peer_that_must_beat_by_itself_is_cut_after_so_many_silent_intervals", "[inbound]") {
    life_options beats = limits;
    beats.idle_timeout = 0s;
    beats.heartbeat_interval = 10s;
    beats.heartbeats = heartbeat_mode::passive;
    beats.max_missed_heartbeats = 3;
    bench b(beats);
    b.open();
    b.machine.time_passed(start + 10s);
    b.machine.time_passed(start + 20s);
    CHECK_FALSE(b.machine.has_action());
    b.machine.bytes_seen(b.one, start + 25s);
    b.machine.time_passed(start + 35s);
    b.machine.time_passed(start + 45s);
    CHECK(b.asks(b.at(55s), life_task::abort, close_reason::heartbeat_missed));
    CHECK(b.machine.counters().pings == 0);
}

TEST_CASE("what_comes_during_an_orderly_end_is_bounded", "[inbound]") {
    bench b;
    b.open();
    b.machine.close_begun(b.one, close_reason::finished, start);
    CHECK(b.machine.linger_read(b.one, 1000) == linger_verdict::read_on);
    CHECK(b.machine.linger_read(b.one, 1) == linger_verdict::enough);
    CHECK(b.asks(b.machine.next_action(), life_task::abort, close_reason::finished));
}

TEST_CASE("without_time_to_linger_a_connection_is_cut_at_once", "[inbound]") {
    life_options no_time = limits;
    no_time.linger_timeout = 0s;
    bench b(no_time);
    b.open();
    b.machine.close_begun(b.one, close_reason::finished, start);
    b.machine.time_passed(start);
    CHECK(b.asks(b.machine.next_action(), life_task::abort, close_reason::finished));
}

TEST_CASE("connection_that_others_end_ends_for_their_reason", "[inbound]") {
    bench b;
    b.open();
    b.machine.end_requested(b.one, close_reason::group_blocked, start);
    b.machine.end_requested(b.one, close_reason::slow_reader, start);
    CHECK(b.asks(b.machine.next_action(), life_task::close, close_reason::group_blocked));
    b.machine.abort_requested(b.one, close_reason::resources);
    b.machine.abort_requested(b.one, close_reason::resources);
    CHECK(b.asks(b.machine.next_action(), life_task::abort, close_reason::group_blocked));
}

TEST_CASE("drain_tells_each_connection_once", "[inbound]") {
    bench b;
    b.open();
    supervised half_open;
    b.machine.accepted(half_open, start);
    b.machine.drain_requested(start + 10s);
    b.machine.drain_requested(start + 20s);
    CHECK(b.asks(b.machine.next_action(), life_task::tell_draining));
    CHECK(b.one.told_to_leave());
    b.machine.opened(half_open, start + 1s);
    CHECK(b.machine.next_action().connection == &half_open);
    CHECK_FALSE(b.machine.all_gone());
    CHECK(b.machine.ended(half_open, close_reason::peer_closed) == close_reason::drained);
    CHECK(b.machine.ended(b.one, close_reason::transport_error) == close_reason::transport_error);
    CHECK(b.machine.all_gone());
    CHECK(b.machine.next_deadline() <= start + 20s);
}

TEST_CASE("request_under_way_ends_before_a_drained_connection", "[inbound]") {
    bench b;
    b.open();
    b.machine.request_begun(b.one, start);
    b.machine.drain_requested(start + 20s);
    CHECK(b.asks(b.machine.next_action(), life_task::tell_draining));
    CHECK(b.machine.last_request(b.one, start) == close_reason::drained);
    b.machine.request_ended(b.one, start + 1s);
    CHECK(b.asks(b.machine.next_action(), life_task::close, close_reason::drained));
    CHECK(b.machine.counters().cut_requests == 0);
}

TEST_CASE("deadline_of_a_drain_cuts_who_is_left_and_who_still_comes", "[inbound]") {
    bench b;
    b.open();
    b.machine.drain_requested(start + 5s);
    CHECK(b.asks(b.machine.next_action(), life_task::tell_draining));
    CHECK(b.asks(b.at(5s), life_task::abort, close_reason::drain_timed_out));
    supervised late;
    b.machine.accepted(late, b.now);
    CHECK(b.machine.next_action().task == life_task::abort);
    CHECK(b.machine.ended(late, close_reason::aborted) == close_reason::drain_timed_out);
}

TEST_CASE("stop_cuts_every_connection_whatever_its_state", "[inbound]") {
    bench b;
    supervised opened, closing;
    b.machine.accepted(b.one, start);
    b.machine.accepted(opened, start);
    b.machine.opened(opened, start);
    b.machine.accepted(closing, start);
    b.machine.opened(closing, start);
    b.machine.close_begun(closing, close_reason::finished, start);
    b.machine.stop_requested(close_reason::acceptor_closed);
    CHECK(b.machine.counts() == life_counts{.draining = 3});
    for (int i = 0; i < 3; ++i) CHECK(b.machine.next_action().task == life_task::abort);
    CHECK(b.machine.ended(opened, close_reason::aborted) == close_reason::acceptor_closed);
    CHECK(b.machine.ended(closing, close_reason::aborted) == close_reason::finished);
}

TEST_CASE("new_limits_hold_for_connections_that_are_there", "[inbound]") {
    bench b;
    b.open();
    life_options sooner = limits;
    sooner.idle_timeout = 5s;
    b.machine.options_changed(sooner);
    CHECK(b.asks(b.at(5s), life_task::close, close_reason::idle_timeout));
    sooner.idle_timeout = -1s;
    CHECK_THROWS_AS(b.machine.options_changed(sooner), std::invalid_argument);
    CHECK(b.machine.options().idle_timeout == 5s);
}

TEST_CASE("part_of_a_connection_may_serve_another_one_afterwards", "[inbound]") {
    bench b;
    b.open();
    b.machine.drain_requested(start + 1h);
    b.machine.request_begun(b.one, start);
    CHECK(b.machine.ended(b.one, close_reason::peer_closed) == close_reason::drained);
    CHECK_FALSE(b.machine.has_action());
    b.machine.accepted(b.one, start);
    CHECK(b.one.requests() == 0);
    CHECK(b.one.reason() == close_reason::none);
    CHECK_FALSE(b.one.told_to_leave());
    CHECK(b.machine.counts() == life_counts{.accepted = 1});
}
