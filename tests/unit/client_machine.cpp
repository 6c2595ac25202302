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
    order answer(unsigned status, const std::string& asks, bool twice = false) {
        // As a head's text and where its fields lie.
        response_parser parser;
        const std::string line = asks.empty() ? "" : "Retry-After: " + asks + "\r\n";
        const std::string text =
            "HTTP/1.1 " + std::to_string(status) + " X\r\nServer: y\r\n" + line + (twice ? line : "") + "\r\n";
        REQUIRE(parser.parse(text).event == parse_event::head);
        m.lent(true);
        return m.answered(status, parser.head().fields(text), answered_partly, noon, std::chrono::sys_seconds(0s), 0.5,
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
        {"silent", get, errc::first_byte_timed_out, sent, true, order::fail},
    };
    for (const row& r : rows) {
        CAPTURE(r.sentence);
        request one(r.what);
        CHECK(one.fail(r.why, r.progress, r.reused) == r.next);
        if (r.next == order::fail) CHECK(one.m.error() == r.why);
        CHECK(one.m.tries() == (r.next == order::get ? 2u : 1u));
    }
}

TEST_CASE("third_try_is_the_last_and_on_a_fresh_connection", "[client]") {
    request r(get);
    CHECK(r.fail(errc::stale_connection, unsent, true) == order::get);
    CHECK_FALSE(r.m.wants_fresh());
    CHECK(r.fail(errc::response_missing, sent, true) == order::pause);
    CHECK(r.m.wants_fresh());
    CHECK(r.m.resumes_at() == noon + 15ms);
    CHECK(r.fail(errc::response_missing, sent, false) == order::fail);
    CHECK(r.m.error() == errc::response_missing);
}

TEST_CASE("pause_that_would_outlast_the_deadline_is_not_begun", "[client]") {
    for (const duration left : {duration(15ms), duration(16ms)}) {
        request r(get, noon + left);
        CHECK(r.fail(errc::stale_connection, unsent, true) == order::get);
        CHECK(r.fail(errc::stale_connection, unsent, true) == (left > 15ms ? order::pause : order::fail));
    }
}

TEST_CASE("retries_are_paid_for", "[client]") {
    retry_budget shared;
    int retried = 0;
    for (int i = 0; i < 20; ++i) {
        machine m(get, policy, 0s);
        m.start(never, shared);
        m.lent(true);
        retried += m.failed(errc::stale_connection, unsent, noon, 0.5, shared) == order::get;
    }
    CHECK(retried >= 3);
    CHECK(retried <= 7);  // three are free, and one for each five requests
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

TEST_CASE("age_is_blamed_for_what_happens_to_reused_connections_only", "[client]") {
    machine m(get, policy, 0s);
    m.lent(true);
    CHECK(m.blames_age(errc::stale_connection, unsent));
    CHECK(m.blames_age(errc::response_missing, sent));
    CHECK_FALSE(m.blames_age(errc::response_truncated, answered_partly));
    CHECK_FALSE(m.blames_age(errc::cancelled, sent));
    m.lent(false);
    CHECK_FALSE(m.blames_age(errc::response_missing, sent));
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
    request r(asks);
    REQUIRE(r.first == order::get);
    CHECK(r.m.asks_first());
    REQUIRE(r.m.may_ask_back(417));
    CHECK(r.answer(417, "") == order::get);
    CHECK_FALSE(r.m.asks_first());
    CHECK(r.m.tries() == 1);
    CHECK_FALSE(r.m.may_ask_back(417));  // once
    // Whoever has not asked has a response.
    CHECK_FALSE(request(post).m.may_ask_back(417));
    // Nor is there another one behind the deadline.
    request late(asks, noon);
    CHECK(late.answer(417, "") == order::deliver);
    CHECK(late.m.asks_first());
}
