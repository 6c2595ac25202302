// A client's request as a machine: when it is tried again, and what its end is.
#include "hotpool/client/client_machine.hpp"

#include <chrono>
#include <string>
#include <system_error>
#include <vector>

#include "hotpool/http/response_parser.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;
using hotpool::detail::client_machine;
using hotpool::detail::exchange_progress;
using machine = client_machine<retry>;
using order = machine::order;

namespace {

constexpr time_point noon{1h};
constexpr exchange_progress unsent{.wrote_nothing = true, .response_begun = false};
constexpr exchange_progress sent{.wrote_nothing = false, .response_begun = false};
constexpr exchange_progress answered_partly{.wrote_nothing = false, .response_begun = true};

const retry policy;
const request_builder get("GET", "/");
const request_builder post("POST", "/");

/// A request whose budget is its own.
struct request {
    explicit request(const request_builder& what, time_point deadline = never, duration max_retry_after = 0s)
        : m(what, policy, max_retry_after), first(m.start(deadline, budget)) {}

    order fail(std::error_code why, exchange_progress progress, bool reused, time_point now = noon) {
        m.lent(reused);
        return m.failed(why, progress, now, 0.5, budget);
    }
    /// @param asks the value of Retry-After, empty: none
    order answer(unsigned status, const std::string& asks, bool twice = false,
                 exchange_progress progress = answered_partly) {
        // As a head's text and where its fields lie.
        response_parser parser;
        const std::string line = asks.empty() ? "" : "Retry-After: " + asks + "\r\n";
        const std::string text =
            "HTTP/1.1 " + std::to_string(status) + " X\r\nServer: y\r\n" + line + (twice ? line : "") + "\r\n";
        REQUIRE(parser.parse(text).event == parse_event::head);
        m.lent(true);
        return m.answered(status, parser.head().fields(text), progress, noon, std::chrono::sys_seconds(0s), 0.5,
                          budget);
    }

    retry_budget budget;
    machine m;
    order first;
};

}  // namespace

TEST_CASE("request_that_must_not_be_sent_gets_no_connection", "[client]") {
    const request_builder bad("G T", "/");
    request r(bad);
    CHECK(r.first == order::fail);
    CHECK(r.m.error() == errc::invalid_method);
    CHECK(request(get).first == order::get);
}

TEST_CASE("failure_of_one_try_leads_to_another_or_to_the_end", "[client]") {
    struct row {
        const char* sentence;
        const request_builder& what;
        std::error_code why;
        exchange_progress progress;
        bool reused;
        order next;
    };
    const std::error_code reset = errc::connection_reset;
    const std::vector<row> rows{
        {"stale", get, errc::stale_connection, unsent, true, order::get},
        {"stale, not idempotent", post, errc::stale_connection, unsent, true, order::get},
        {"no response", get, errc::response_missing, sent, true, order::get},
        {"reset", get, reset, sent, true, order::get},
        {"spoken first", get, errc::unsolicited_bytes, unsent, true, order::get},
        {"on a fresh connection", get, reset, sent, false, order::fail},
        {"perhaps processed", post, errc::maybe_processed, sent, true, order::fail},
        {"cut short", get, errc::response_truncated, answered_partly, true, order::fail},
        {"nonsense", get, errc::bad_status_line, answered_partly, true, order::fail},
        {"cancelled", get, errc::cancelled, sent, true, order::fail},
        {"timed out", get, errc::request_timed_out, sent, true, order::fail},
        {"silent", get, errc::first_byte_timed_out, sent, true, order::get},
        {"silent, not idempotent", post, errc::first_byte_timed_out, sent, true, order::fail},
        {"silent on a fresh connection", get, errc::first_byte_timed_out, sent, false, order::fail},
        {"silent after a word", get, errc::first_byte_timed_out, answered_partly, true, order::fail},
        {"silent in a response", get, errc::response_stalled, answered_partly, true, order::fail},
        {"spoken first on a fresh connection", get, errc::unsolicited_bytes, unsent, false, order::fail},
        {"spoken first, not idempotent", post, errc::unsolicited_bytes, unsent, true, order::get},
        {"stale, broken TLS", get, errc::tls_truncated, sent, true, order::get},
    };
    for (const row& r : rows) {
        CAPTURE(r.sentence);
        request one(r.what);
        CHECK(one.fail(r.why, r.progress, r.reused) == r.next);
        if (r.next == order::fail) CHECK(one.m.error() == r.why);
        if (r.next == order::get) CHECK(one.m.wants_fresh());
    }
}

TEST_CASE("stale_connection_leads_to_a_fresh_one_at_once_and_counts_for_nothing", "[client]") {
    request r(get, noon + 1ns);
    for (int i = 0; i < 3; ++i) CHECK(r.budget.withdraw());
    CHECK_FALSE(r.budget.withdraw());
    CHECK(r.fail(errc::response_missing, sent, true) == order::get);
    CHECK(r.m.wants_fresh());
    CHECK(r.m.resumes_at() == time_point::min());
    CHECK(r.m.tries() == 1);
    const bool probed_before = GENERATE(false, true);
    CHECK(r.fail(errc::response_missing, sent, probed_before) == order::fail);
    CHECK(r.m.error() == errc::response_missing);
}

TEST_CASE("stale_connection_costs_no_try_of_those_that_the_origin_has_asked_for", "[client]") {
    request r(get, never, 5s);
    CHECK(r.answer(503, "0") == order::get);
    CHECK(r.answer(503, "0") == order::pause);
    CHECK_FALSE(r.m.wants_fresh());
    CHECK(r.fail(errc::connection_reset, sent, true) == order::get);
    CHECK(r.m.wants_fresh());
    CHECK(r.answer(503, "0") == order::deliver);
    CHECK(r.m.tries() == 3);
}

TEST_CASE("silence_is_met_once_more_within_the_deadline_and_the_budget", "[client]") {
    request once(get, noon + 1ns);
    CHECK(once.fail(errc::first_byte_timed_out, sent, true) == order::get);
    CHECK(once.m.wants_fresh());
    CHECK(once.m.tries() == 2);
    CHECK(once.fail(errc::first_byte_timed_out, sent, false) == order::fail);
    CHECK(once.m.error() == errc::first_byte_timed_out);

    request late(get, noon);
    CHECK(late.fail(errc::first_byte_timed_out, sent, true) == order::fail);

    request broke(get);
    while (broke.budget.withdraw()) continue;
    CHECK(broke.fail(errc::first_byte_timed_out, sent, true) == order::fail);
}

TEST_CASE("policy_that_gives_up_is_heeded_and_one_that_does_not_mind_gets_a_fresh_connection", "[client]") {
    struct never_again : retry {
        retry_verdict judge(const failed_try&) const noexcept { return retry_verdict::give_up; }
    };
    struct anywhere : retry {
        retry_verdict judge(const failed_try&) const noexcept { return retry_verdict::again; }
        duration pause(const failed_try&, double) const noexcept { return 1s; }
    };
    retry_budget budget;
    const never_again no;
    client_machine<never_again> stops(get, no, 0s);
    stops.start(never, budget);
    stops.lent(true);
    CHECK(stops.failed(errc::stale_connection, unsent, noon, 0.5, budget) == client_machine<never_again>::order::fail);
    const anywhere any;
    client_machine<anywhere> goes(get, any, 0s);
    goes.start(never, budget);
    goes.lent(true);
    CHECK(goes.failed(errc::stale_connection, unsent, noon, 0.5, budget) == client_machine<anywhere>::order::get);
    CHECK(goes.wants_fresh());
}

TEST_CASE("pause_that_would_outlast_the_deadline_is_not_begun", "[client]") {
    for (const duration left : {duration(15ms), duration(16ms)}) {
        request r(get, noon + left, 5s);
        CHECK(r.answer(503, "0") == order::get);
        CHECK(r.answer(503, "0") == (left > 15ms ? order::pause : order::deliver));
    }
}

TEST_CASE("retries_are_paid_for_but_for_stale_connections", "[client]") {
    const auto retried_of_20 = [](std::error_code why, exchange_progress progress) {
        retry_budget shared;
        int retried = 0;
        for (int i = 0; i < 20; ++i) {
            machine m(get, policy, 0s);
            m.start(never, shared);
            m.lent(true);
            retried += m.failed(why, progress, noon, 0.5, shared) == order::get;
        }
        return retried;
    };
    CHECK(retried_of_20(errc::stale_connection, unsent) == 20);
    CHECK(retried_of_20(errc::response_missing, sent) == 20);
    CHECK(retried_of_20(errc::first_byte_timed_out, sent) >= 3);
    CHECK(retried_of_20(errc::first_byte_timed_out, sent) <= 7);  // three are free, and one for each five requests
}

TEST_CASE("deadline_that_passed_before_the_last_try_speaks_for_all_tries", "[client]") {
    request waited(get, noon);
    CHECK(waited.m.not_lent(errc::get_timed_out, noon) == order::fail);
    CHECK(waited.m.error() == errc::request_unsent);
    request early(get, noon);
    early.m.not_lent(errc::get_timed_out, noon - 1s);  // the pool's own limit
    CHECK(early.m.error() == errc::get_timed_out);
    request refused(get, noon);
    refused.m.not_lent(errc::waiters_full, noon);
    CHECK(refused.m.error() == errc::waiters_full);

    request again(get, noon + 1s);
    CHECK(again.fail(errc::response_missing, sent, true) == order::get);
    again.m.not_lent(errc::get_timed_out, noon + 1s);
    CHECK(again.m.error() == errc::request_timed_out);  // the first try had left
    request unseen(get, noon + 1s);
    CHECK(unseen.fail(errc::stale_connection, unsent, true) == order::get);
    unseen.m.not_lent(errc::get_timed_out, noon + 1s);
    CHECK(unseen.m.error() == errc::request_unsent);
}

TEST_CASE("response_that_asks_to_come_back_is_heeded_within_bounds", "[client]") {
    struct row {
        unsigned status;
        const char* asks;
        duration most;
        order next;
    };
    const std::vector<row> rows{
        {503, "2", 5s, order::pause},
        {429, "2", 5s, order::pause},
        {503, "0", 5s, order::get},
        {503, "5", 5s, order::pause},
        {503, "6", 5s, order::deliver},
        {503, "", 5s, order::deliver},
        {503, "x", 5s, order::deliver},
        {500, "2", 5s, order::deliver},
        {200, "2", 5s, order::deliver},
        {503, "2", 0s, order::deliver},
        {503, "99999999999999999999", duration::max(), order::pause},
        {503, "Thu, 01 Jan 1970 00:00:03 GMT", 5s, order::pause},
    };
    for (const row& r : rows) {
        CAPTURE(r.status, r.asks);
        request one(get, never, r.most);
        const order next = one.answer(r.status, r.asks);
        if (r.most == duration::max())
            CHECK((next == order::pause || next == order::deliver));
        else
            CHECK(next == r.next);
    }
    request waits(get, never, 5s);
    waits.answer(503, "2");
    CHECK(waits.m.resumes_at() == noon + 2s);
    CHECK(request(get, never, 5s).answer(503, "2", true) == order::deliver);  // which of the two
    CHECK(request(post, never, 5s).answer(503, "2") == order::deliver);
    CHECK(request(get, noon + 2s, 5s).answer(503, "2") == order::deliver);
}

TEST_CASE("doubt_is_cast_by_what_happens_to_reused_connections_only", "[client]") {
    using hotpool::detail::doubt;
    machine m(get, policy, 0s);
    m.lent(true);
    CHECK(m.casts_doubt(errc::stale_connection, unsent) == doubt::closed);
    CHECK(m.casts_doubt(errc::response_missing, sent) == doubt::closed);
    CHECK(m.casts_doubt(errc::maybe_processed, sent) == doubt::closed);
    CHECK(m.casts_doubt(errc::unsolicited_bytes, unsent) == doubt::closed);
    CHECK(m.casts_doubt(errc::first_byte_timed_out, sent) == doubt::silent);
    CHECK(m.casts_doubt(errc::request_timed_out, sent) == doubt::silent);
    CHECK(m.casts_doubt(errc::request_timed_out, answered_partly) == doubt::none);
    CHECK(m.casts_doubt(errc::request_timed_out, unsent) == doubt::none);
    CHECK(m.casts_doubt(errc::request_unsent, unsent) == doubt::none);
    CHECK(m.casts_doubt(errc::response_truncated, answered_partly) == doubt::none);
    CHECK(m.casts_doubt(errc::cancelled, sent) == doubt::none);
    m.lent(false);
    CHECK(m.casts_doubt(errc::response_missing, sent) == doubt::none);
    CHECK(m.casts_doubt(errc::first_byte_timed_out, sent) == doubt::none);
}

TEST_CASE("interruptions_end_a_request_in_every_step", "[client]") {
    request cancelled(get);
    CHECK(cancelled.m.cancelled() == order::fail);
    CHECK(cancelled.m.error() == errc::cancelled);
    request refused(get);
    CHECK(refused.m.memory_refused() == order::fail);
    CHECK(refused.m.error() == std::errc::not_enough_memory);
}

TEST_CASE("refusal_to_be_asked_is_followed_by_the_request_itself", "[client]") {
    request_builder asks("POST", "/");
    asks.body("x").expect_continue();
    constexpr exchange_progress withheld{.wrote_nothing = false, .response_begun = true, .body_withheld = true};
    request r(asks);
    REQUIRE(r.first == order::get);
    CHECK(r.m.asks_first());
    REQUIRE(r.m.may_ask_back(417));
    CHECK(r.answer(417, "", false, withheld) == order::get);
    CHECK_FALSE(r.m.asks_first());
    CHECK(r.m.tries() == 1);
    CHECK_FALSE(r.m.may_ask_back(417));  // once
    // Where the body has been sent, it may have been taken.
    request taken(asks);
    CHECK(taken.answer(417, "") == order::deliver);
    // Whoever has not asked has a response.
    CHECK_FALSE(request(post).m.may_ask_back(417));
    // Nor is there another one behind the deadline.
    request late(asks, noon);
    CHECK(late.answer(417, "", false, withheld) == order::deliver);
    CHECK(late.m.asks_first());
}
