// Origins that ask to come back later, and callers that have asked for that to be heeded.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Sends its callers away so many times, then answers.
class busy_origin {
public:
    explicit busy_origin(int refusals, std::string fields = "Retry-After: 0\r\n", std::string status = "503 Busy")
        : refusal_("HTTP/1.1 " + status + "\r\nContent-Length: 4\r\n" + fields + "\r\nbusy"), refusals_(refusals) {}

    loopback_server::script script() {
        return [this](server_connection& c) {
            for (;;) {
                std::string request = read_request(c);
                bool refuse = false;
                {
                    const std::lock_guard lock(mutex_);
                    requests_.push_back(std::move(request));
                    refuse = requests_.size() <= static_cast<std::size_t>(refusals_);
                }
                c.write(refuse ? refusal_ : ok("served"));
            }
        };
    }
    std::vector<std::string> requests() {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

private:
    const std::string refusal_;
    const int refusals_;
    std::mutex mutex_;
    std::vector<std::string> requests_;
};

/// As `send`, and there is an answer.
template <class Side>
answer served(stage<Side>& s, const request_builder& request, const client_options& options) {
    answer a = send(s, request, options);
    CHECK_FALSE(a.error);
    return a;
}

const client_options heeds_seconds{.max_retry_after = 5s};

}  // namespace

TEMPLATE_TEST_CASE("request_comes_back_when_it_was_asked_to", "[client]", over_tcp, over_tls) {
    const std::string status = GENERATE("503 Busy", "429 Too Many");
    const std::string when =
        GENERATE("0", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994");
    busy_origin origin(2, "Retry-After: " + when + "\r\n", status);
    stage<TestType> s(origin.script());
    const answer a = served(s, get_request, heeds_seconds);
    CHECK(a.reply.status() == 200);
    CHECK(a.body() == "served");
    CHECK(origin.requests().size() == 3);
    CHECK(s.server.accepted() == 1);  // the connection stayed hot
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("wait_is_as_long_as_asked_for_and_others_use_the_connection_meanwhile", "[client]", over_tcp,
                   over_tls) {
    busy_origin origin(1, "Retry-After: 1\r\n");
    stage<TestType> s(origin.script(), {.max_connections = 1});
    http_client client(s.pool, heeds_seconds);
    answer a;
    const time_point begin = clock_type::now();
    client.async_send(get_request, s.into(a));
    REQUIRE(s.until([&] { return s.pool.stats().now.idle == 1; }));
    CHECK(s.fetch(request_builder("GET", "/other")).body() == "served");
    CHECK(a.completions == 0);
    REQUIRE(s.finish(a));
    CHECK(clock_type::now() - begin >= 1s);
    CHECK(a.body() == "served");
    CHECK(origin.requests().size() == 3);
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("response_is_the_caller_s_where_the_request_must_not_come_back", "[client]", over_tcp, over_tls) {
    std::string fields = "Retry-After: 0\r\n";
    std::string status = "503 Busy";
    request_builder request("GET", "/");
    client_options options = heeds_seconds;
    SECTION("nobody asked for it") { options = {}; }
    SECTION("it may do something twice") { request = request_builder("POST", "/"); }
    SECTION("it has to wait for too long") { fields = "Retry-After: 6\r\n"; }
    SECTION("it is told a far date") { fields = "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n"; }
    SECTION("it is not told when") { fields = ""; }
    SECTION("it is told what is no time") { fields = "Retry-After: soon\r\n"; }
    SECTION("it is told twice") { fields = "Retry-After: 0\r\nretry-after: 0\r\n"; }
    SECTION("the status has another meaning") { status = "500 Broken"; }
    SECTION("its body cannot be read again") {
        request = request_builder("PUT", "/");
        request.body_source(
            [n = 0](std::span<char> room) mutable {
                room[0] = 'x';
                return std::size_t{n++ == 0};
            },
            1);
    }
    busy_origin origin(9, fields, status);
    stage<TestType> s(origin.script());
    const time_point begin = clock_type::now();
    const answer a = served(s, request, options);
    CHECK(clock_type::now() - begin < 900ms);
    CHECK(a.reply.status() == (status == "503 Busy" ? 503 : 500));
    CHECK(a.body() == "busy");
    CHECK(origin.requests().size() == 1);
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("wait_beyond_the_deadline_is_not_begun", "[client]", over_tcp, over_tls) {
    busy_origin origin(9, "Retry-After: 1\r\n");
    stage<TestType> s(origin.script());
    const time_point begin = clock_type::now();
    CHECK(served(s, get_request, {.request_timeout = 1900ms, .max_retry_after = 1900ms}).reply.status() == 503);
    CHECK(clock_type::now() - begin < 1800ms);
    CHECK(origin.requests().size() == 2);
}

TEMPLATE_TEST_CASE("post_with_a_key_comes_back_with_its_body", "[client]", over_tcp, over_tls) {
    busy_origin origin(1);
    stage<TestType> s(origin.script());
    request_builder post("POST", "/");
    post.header("Idempotency-Key", "\"7\"").body("what to do");
    CHECK(served(s, post, heeds_seconds).body() == "served");
    const auto seen = origin.requests();
    REQUIRE(seen.size() == 2);
    CHECK(seen[0] == seen[1]);
    CHECK(seen[1].ends_with("what to do"));
}

TEMPLATE_TEST_CASE("streamed_body_is_read_again_from_its_beginning", "[client]", over_tcp, over_tls) {
    busy_origin origin(1);
    stage<TestType> s(origin.script());
    pulled_text body{"streamed text"};
    const auto pull = [&](std::span<char> room) { return body.pull(room); };
    request_builder put("PUT", "/");
    put.body_source({pull, [&] { return body.at = 0, true; }}, body.text.size());
    CHECK(served(s, put, heeds_seconds).body() == "served");
    const auto seen = origin.requests();
    REQUIRE(seen.size() == 2);
    CHECK(seen[0] == seen[1]);
}

TEMPLATE_TEST_CASE("third_refusal_is_the_caller_s", "[client]", over_tcp, over_tls) {
    busy_origin origin(9);
    stage<TestType> s(origin.script());
    CHECK(served(s, get_request, heeds_seconds).reply.status() == 503);
    CHECK(origin.requests().size() == 3);
}

TEMPLATE_TEST_CASE("coming_back_is_paid_for_from_the_budget", "[client]", over_tcp, over_tls) {
    busy_origin origin(99);
    stage<TestType> s(origin.script());
    http_client client(s.pool, heeds_seconds);
    for (int i = 0; i < 4; ++i) {
        answer a;
        client.async_send(get_request, s.into(a));
        REQUIRE(s.finish(a));
        CHECK(a.reply.status() == 503);
    }
    CHECK(origin.requests().size() == 4 + 3);  // three retries are free
}

TEMPLATE_TEST_CASE("refusal_that_closes_the_connection_is_followed_by_another_connection", "[client]", over_tcp,
                   over_tls) {
    busy_origin origin(1, "Retry-After: 0\r\nConnection: close\r\n");
    stage<TestType> s(origin.script());
    CHECK(served(s, get_request, heeds_seconds).body() == "served");
    CHECK(s.server.accepted() == 2);
    CHECK(s.retired(retire_reason::connection_close) == 1);
}

TEMPLATE_TEST_CASE("wait_is_cancelled_at_once", "[client]", over_tcp, over_tls) {
    busy_origin origin(9, "Retry-After: 5\r\n");
    stage<TestType> s(origin.script());
    http_client client(s.pool, heeds_seconds);
    answer a;
    asio::cancellation_signal stop;
    const time_point begin = clock_type::now();
    client.async_send(get_request, asio::bind_cancellation_slot(stop.slot(), s.into(a)));
    REQUIRE(s.until([&] { return s.pool.stats().now.idle == 1; }));
    CHECK(a.completions == 0);
    stop.emit(asio::cancellation_type::terminal);
    CHECK(a.completions == 0);  // not inside the call
    REQUIRE(s.finish(a));
    CHECK(a.error == errc::cancelled);
    CHECK(a.reply.status() == 0);
    stop.emit(asio::cancellation_type::terminal);
    CHECK(s.one_idle());
    CHECK(origin.requests().size() == 1);
    // Nothing is left that would keep the loop.
    s.pool.close();
    s.io.restart();
    s.io.run_for(plenty);
    CHECK(s.io.stopped());
    CHECK(clock_type::now() - begin < 4s);
}

TEMPLATE_TEST_CASE("request_with_a_wait_is_cancelled_at_every_step", "[client]", over_tcp, over_tls) {
    int cancelled = 0;
    bool over_before = false;
    for (int steps = 0; !over_before; ++steps) {
        REQUIRE(steps < 5'000);
        busy_origin origin(2);
        stage<TestType> s(origin.script());
        http_client client(s.pool, heeds_seconds);
        answer a;
        asio::cancellation_signal stop;
        client.async_send(get_request, asio::bind_cancellation_slot(stop.slot(), s.into(a)));
        for (int step = 0; step < steps && a.completions == 0; ++step) {
            s.io.restart();
            s.io.run_one_for(plenty);
        }
        over_before = a.completions != 0;
        stop.emit(asio::cancellation_type::total);
        REQUIRE(s.finish(a));
        REQUIRE((!a.error || a.error == errc::cancelled));
        cancelled += a.error ? 1 : 0;
        CHECK(s.until([&] { return s.pool.stats().now.leased + s.pool.stats().now.opening == 0; }));
        CHECK(s.pool.stats().now.waiting == 0);
    }
    CHECK(cancelled > 2);
}

TEMPLATE_TEST_CASE("loop_may_end_during_a_wait", "[client]", over_tcp, over_tls) {
    const bool cancellable = GENERATE(false, true);
    busy_origin origin(9, "Retry-After: 5\r\n");
    const auto alive = std::make_shared<int>();
    {
        stage<TestType> s(origin.script());
        asio::cancellation_signal stop;
        http_client client(s.pool, heeds_seconds);
        const auto handler = [alive](std::error_code, response) { FAIL("nobody is left to be told"); };
        if (cancellable)
            client.async_send(get_request, asio::bind_cancellation_slot(stop.slot(), handler));
        else
            client.async_send(get_request, handler);
        REQUIRE(s.until([&] { return s.pool.stats().now.idle == 1; }));
        CHECK(alive.use_count() > 1);
    }
    CHECK(alive.use_count() == 1);
}

TEMPLATE_TEST_CASE("streamed_response_that_asks_to_come_back_is_drained", "[client]", over_tcp, over_tls) {
    const std::string body = GENERATE(as<std::string>(), "", "busy", std::string(100'000, 'b'));
    std::atomic<int> requests{0};
    stage<TestType> s([&](server_connection& c) {
        for (;;) {
            read_request(c);
            if (++requests < 3)
                c.write("HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: " + std::to_string(body.size()) +
                        "\r\n\r\n" + body);
            else
                c.write(ok("served"));
        }
    });
    http_client client(s.pool, heeds_seconds);
    std::optional<typename stage<TestType>::reader_type> reader;
    client.async_start(get_request, [&](std::error_code e, auto r) {
        CHECK_FALSE(e);
        reader = std::move(r);
    });
    REQUIRE(s.until([&] { return reader.has_value(); }));
    CHECK(reader->status() == 200);
    std::string got;
    bool done = false;
    reader->async_read_all([&](std::error_code e, std::string all) {
        CHECK_FALSE(e);
        got = std::move(all);
        done = true;
    });
    REQUIRE(s.until([&] { return done; }));
    CHECK(got == "served");
    CHECK(requests == 3);
    reader.reset();
    CHECK(s.until([&] { return s.pool.stats().now.leased == 0; }));
    CHECK(s.retired() == 0);
}

TEST_CASE("options_at_odds_are_refused_by_name", "[client]") {
    stage<over_tcp> s(answering(ok("hi")));
    const auto message = [&](const client_options& options) { return refusal(s, options); };
    const std::string prefix = "hotpool::client_options::";
    CHECK(message({.first_byte_timeout = -1ns}) == prefix + "first_byte_timeout must not be negative");
    CHECK(message({.between_bytes_timeout = -1ns}) == prefix + "between_bytes_timeout must not be negative");
    CHECK(message({.max_retry_after = -1ns}) == prefix + "max_retry_after must not be negative");
    const std::string rule = " must not be more than request_timeout";
    CHECK(message({.request_timeout = 1s, .first_byte_timeout = 1001ms}) == prefix + "first_byte_timeout" + rule);
    CHECK(message({.request_timeout = 1s, .between_bytes_timeout = 2s}) == prefix + "between_bytes_timeout" + rule);
    CHECK(message({.max_retry_after = 31s}) == prefix + "max_retry_after" + rule);
    CHECK(message({.request_timeout = 1s, .first_byte_timeout = 1s, .between_bytes_timeout = 1s}) == "accepted");
    CHECK(message({.request_timeout = 0s, .first_byte_timeout = 1h, .max_retry_after = 24h}) == "accepted");
    CHECK_THROWS_WITH(validate(exchange_options{.first_byte_timeout = -1ns}),
                      "hotpool::exchange_options::first_byte_timeout must not be negative");
    CHECK_THROWS_WITH(validate(exchange_options{.between_bytes_timeout = -1ns}),
                      "hotpool::exchange_options::between_bytes_timeout must not be negative");
}
