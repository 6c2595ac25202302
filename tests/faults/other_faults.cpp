// Each fault alone that does not end a connection under a request: late bytes, silence, refusal, a stale connection, and
// what a handshake meets.
#include "support/fault_stage.hpp"

#include <chrono>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

TEMPLATE_TEST_CASE("what_comes_late_or_drop_by_drop_is_as_good", "[faults]", over_tcp, over_tls) {
    fault_stage<TestType> s;
    request_id id = 1;
    for (const way w : {way::up, way::down})
        for (const fault_order& order :
             {fault_order{.what = fault::delay, .wait = 5ms}, fault_order{.what = fault::drip_feed}}) {
            CAPTURE(to_string(order.what), w == way::up);
            s.arm(w, order);  // the first one meets a handshake, with TLS
            CHECK(s.send(get_of(id)).body() == body_of(id));
            s.arm(w, order);
            CHECK(s.send(post_of(id + 1)).body() == body_of(id + 1));
            id += 2;
        }
    CHECK(s.pool.stats().total.opened == 1);
    for (request_id sent = 1; sent < id; ++sent) CHECK(s.times_in_the_end(sent) == 1);
}

TEMPLATE_TEST_CASE("silence_ends_with_the_deadline_and_nothing_is_sent_again", "[faults]", over_tcp, over_tls) {
    const descriptors_kept no_leak;
    const way w = GENERATE(way::up, way::down);
    const bool posted = GENERATE(false, true);
    CAPTURE(w == way::up, posted);
    fault_stage<TestType> s({}, 1s);
    s.use_one();
    s.arm(w, {.what = fault::silence});
    const answer a = s.send(posted ? post_of(1) : get_of(1));
    INFO(a.error.message());
    CHECK(a.error == errc::request_timed_out);
    CHECK(a.error == condition::timed_out);
    CHECK_FALSE(says_unprocessed(a.error));
    CHECK(s.pool.stats().total.retired_for(retire_reason::lease_deadline) == 1);
    CHECK(s.pool.stats().total.opened == 1);
    CHECK(s.times_in_the_end(1) == (w == way::down ? 1 : 0));
}

TEMPLATE_TEST_CASE("get_survives_a_connection_that_fell_silent_while_it_was_idle", "[faults]", over_tcp, over_tls) {
    const descriptors_kept no_leak;
    fault_stage<TestType> s;
    s.use_one();
    s.arm(way::down, {.what = fault::silence, .after = true});
    CHECK(s.send(get_of(1)).body() == body_of(1));
    http_client impatient(s.pool, {.first_byte_timeout = 300ms});
    const request_builder get = get_of(2);
    answer a;
    impatient.async_send(get, stage<TestType>::into(a));
    REQUIRE(s.until([&] { return a.completions != 0; }));
    INFO(a.error.message());
    CHECK(a.body() == body_of(2));
    CHECK(s.pool.stats().total.retired_for(retire_reason::lease_deadline) == 1);
    CHECK(s.pool.stats().total.opened == 2);
    CHECK(s.times_in_the_end(2) == 1);
}

TEMPLATE_TEST_CASE("refused_connection_is_named_and_later_ones_are_not_held_back_for_long", "[faults]", over_tcp,
                   over_tls) {
    fault_stage<TestType> s;
    s.bench.proxy().refuse(true);
    for (const request_id id : {request_id{1}, request_id{2}}) {
        const answer a = s.send(id == 1 ? post_of(id) : get_of(id));
        CHECK(a.error == errc::connect_refused);
        CHECK(a.error == condition::open_failed);
        CHECK(says_unprocessed(a.error));
    }
    s.bench.proxy().refuse(false);
    CHECK(s.send(post_of(3)).body() == body_of(3));
    CHECK(s.pool.stats().total.open_failures == 2);
    CHECK(s.times_in_the_end(1) == 0);
    CHECK(s.times_in_the_end(3) == 1);
}

// The connection ends between two requests, and the loop does not turn in between.
TEMPLATE_TEST_CASE("connection_closed_between_requests", "[faults]", over_tcp, over_tls) {
    const bool checked = GENERATE(true, false);
    const bool posted = GENERATE(false, true);
    CAPTURE(checked, posted);
    fault_stage<TestType> s({.check_after_idle = checked ? 0ms : 3'600'000ms});
    s.use_one();
    s.arm(way::down, {.what = fault::stale_close});
    s.send_and_stop(2);
    REQUIRE(s.bench.quiet());

    const answer a = s.send(posted ? post_of(1) : get_of(1));
    INFO(a.error.message());
    CHECK(a.body() == body_of(1));
    CHECK(s.pool.stats().total.opened == 2);
    CHECK(s.times_in_the_end(1) == 1);
}

// Nor does it turn before the next request is written.
TEMPLATE_TEST_CASE("what_nobody_asked_for_is_no_answer", "[faults]", over_tcp, over_tls) {
    const auto after = GENERATE(0us, 300us);
    const bool posted = GENERATE(false, true);
    CAPTURE(after.count(), posted);
    fault_stage<TestType> s({.check_after_idle = 1h});
    s.use_one();
    s.bench.served().office().arm_unsolicited(after);
    s.send_and_stop(2);
    REQUIRE(eventually([&] { return s.bench.tally.of(fault::unsolicited) == 1; }));
    s.bench.settle();

    const answer a = s.send(posted ? post_of(1) : get_of(1));
    CHECK(a.body() == body_of(1));
    CHECK(s.pool.stats().total.opened == 2);
    CHECK(s.times_in_the_end(1) == 1);
    CHECK(s.bench.tally.of(fault::unsolicited) == 1);
}

TEMPLATE_TEST_CASE("connection_that_is_accepted_and_ended_is_a_failed_opening_or_a_loss", "[faults]", over_tcp,
                   over_tls) {
    const bool posted = GENERATE(false, true);
    fault_stage<TestType> s;
    s.bench.proxy().arm_opening(fault::hang_up);
    const answer a = s.send(posted ? post_of(1) : get_of(1));
    INFO(a.error.message());
    CHECK(a.error);
    if (TestType::is_tls) {
        CHECK(a.error == errc::handshake_closed);
        CHECK(says_unprocessed(a.error));
    }
    CHECK(s.send(post_of(2)).body() == body_of(2));
    CHECK(s.times_in_the_end(1) == 0);
    CHECK(s.times_in_the_end(2) == 1);
}

TEMPLATE_TEST_CASE("connection_that_is_accepted_and_never_says_a_word_ends_by_a_limit", "[faults]", over_tcp,
                   over_tls) {
    fault_stage<TestType> s({.connect_timeout = 500ms}, 1s);
    s.bench.proxy().arm_opening(fault::mute);
    const answer a = s.send(get_of(1));
    INFO(a.error.message());
    CHECK(a.error == (TestType::is_tls ? errc::handshake_timed_out : errc::request_timed_out));
    CHECK(s.send(post_of(2)).body() == body_of(2));
    CHECK(s.times_in_the_end(1) == 0);
    CHECK(s.times_in_the_end(2) == 1);
}

TEMPLATE_TEST_CASE("connection_closed_while_idle_is_noticed_at_once", "[faults]", over_tcp, over_tls) {
    const fault how = GENERATE(fault::stale_close, fault::half_close, fault::reset);
    CAPTURE(to_string(how));
    fault_stage<TestType> s;
    s.use_one();
    s.arm(way::down, {.what = how, .after = true});
    CHECK_FALSE(s.send(get_of(2)).error);
    REQUIRE(s.until([&] { return s.pool.stats().now == connection_counts{}; }));
    CHECK(s.send(post_of(1)).body() == body_of(1));
    CHECK(s.times_in_the_end(1) == 1);
}

TEST_CASE("faults_of_a_handshake_are_named", "[faults]") {
    struct broken_handshake {
        way where;
        fault_order order;
        errc expected;
    };
    for (const auto& [where, order, expected] :
         std::vector<broken_handshake>{{way::up, {.what = fault::reset}, errc::handshake_closed},
                                       {way::down, {.what = fault::reset}, errc::handshake_closed},
                                       {way::down, {.what = fault::half_close}, errc::handshake_closed},
                                       {way::down, {.what = fault::truncate, .at = 50}, errc::handshake_closed},
                                       {way::down, {.what = fault::corrupt, .at = 100'000}, errc::handshake_failed},
                                       {way::up, {.what = fault::silence}, errc::handshake_timed_out},
                                       {way::down, {.what = fault::silence}, errc::handshake_timed_out}}) {
        const int direction = where == way::up ? 1 : 2;
        CAPTURE(to_string(order.what), direction);
        fault_stage<over_tls> s({.connect_timeout = 1s});
        s.arm(where, order);
        const answer a = s.send(post_of(1));
        INFO(a.error.message());
        CHECK(a.error == expected);
        CHECK(a.error == condition::open_failed);
        CHECK(says_unprocessed(a.error));
        CHECK(s.send(post_of(2)).body() == body_of(2));
        CHECK(s.times_in_the_end(1) == 0);
        CHECK(s.times_in_the_end(2) == 1);
    }
}
