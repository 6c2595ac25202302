// The origin falls silent, or the caller loses patience, at every point: one completion, and nothing leaks.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// What the origin does before it falls silent.
struct silence {
    bool reads = true;
    std::string sends;
};

const std::vector<silence> silences{
    {false, ""},  // the request does not even fit
    {true, ""},
    {true, "H"},
    {true, "HTTP/1.1 200 OK\r\nContent-Le"},
    {true, "HTTP/1.1 103 Early Hints\r\n\r\n"},
    {true, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"},
    {true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
    {true, "HTTP/1.1 200 OK\r\n\r\nuntil close"},
};

loopback_server::script falling_silent(const silence& how, fact& silent) {
    return [&how, &silent](server_connection& c) {
        if (how.reads) read_request(c);
        if (!how.sends.empty()) c.write(how.sends);
        silent.state();
        c.stay();
    };
}

request_builder request_for(const silence& how) {
    request_builder request("PUT", "/");
    request.body(std::string(how.reads ? 10 : 20'000'000, 'x'));
    return request;
}

}  // namespace

TEMPLATE_TEST_CASE("silent_origin_is_left_by_cancelling", "[http]", over_tcp, over_tls) {
    const std::size_t descriptors = open_descriptors();
    for (const silence& how : silences) {
        CAPTURE(how.reads, how.sends);
        fact silent;
        stage<TestType> s(falling_silent(how, silent));
        const request_builder request = request_for(how);
        auto lease = s.get();
        answer a;
        asio::cancellation_signal stop;
        s.start(lease, request, a, stop);
        REQUIRE(s.until([&] { return silent.is_stated(); }));
        s.settle();
        CHECK(a.completions == 0);
        stop.emit(asio::cancellation_type::terminal);
        CHECK(a.completions == 0);  // not inside the call
        REQUIRE(s.finish(a));
        CHECK(a.error == errc::cancelled);
        s.pool.put(std::move(lease));
        CHECK(s.ended_for(retire_reason::cancelled));
        stop.emit(asio::cancellation_type::terminal);  // too late, harmless
        s.settle();
        CHECK(a.completions == 1);
    }
    CHECK(open_descriptors() == descriptors);
}

TEMPLATE_TEST_CASE("silent_origin_is_left_at_the_deadline", "[http]", over_tcp, over_tls) {
    const std::size_t descriptors = open_descriptors();
    for (const silence& how : silences) {
        CAPTURE(how.reads, how.sends);
        fact silent;
        stage<TestType> s(falling_silent(how, silent));
        static_cast<void>(s.get());  // opened beforehand: the deadline passes in the exchange
        http_client client(s.pool, {.request_timeout = 150ms});
        const request_builder request = request_for(how);
        answer a;
        client.async_send(request, s.into(a));
        REQUIRE(s.finish(a));
        CHECK(a.error == errc::request_timed_out);
        CHECK(a.error == condition::timed_out);
        CHECK(s.ended_for(retire_reason::lease_deadline));
    }
    CHECK(open_descriptors() == descriptors);
}

TEMPLATE_TEST_CASE("silent_origin_is_left_when_the_drain_of_the_pool_is_over", "[http]", over_tcp, over_tls) {
    for (const silence& how : silences) {
        CAPTURE(how.reads, how.sends);
        fact silent;
        stage<TestType> s(falling_silent(how, silent));
        const request_builder request = request_for(how);
        auto lease = s.get();
        answer a;
        s.start(lease, request, a);
        REQUIRE(s.until([&] { return silent.is_stated(); }));
        std::error_code drained;
        s.pool.async_drain(std::chrono::milliseconds(5), [&](std::error_code e) { drained = e; });
        REQUIRE(s.finish(a));
        CHECK(a.error);
        lease = {};
        CHECK(s.until([&] { return s.pool.stats().now.total() == 0 && drained; }));
        CHECK(drained == errc::drain_timed_out);
    }
}

TEMPLATE_TEST_CASE("silent_origin_is_left_at_the_limit_of_its_phase", "[http]", over_tcp, over_tls) {
    const std::size_t descriptors = open_descriptors();
    for (const silence& how : silences) {
        if (!how.reads) continue;  // what is not written has no limit of its own
        CAPTURE(how.sends);
        fact silent;
        stage<TestType> s(falling_silent(how, silent));
        auto lease = s.get();
        const bool begun = !how.sends.empty() && how.sends.find("103") == std::string::npos;
        const duration first = begun ? 10s : 30ms;
        const answer a =
            s.exchange(lease, request_for(how), {.first_byte_timeout = first, .between_bytes_timeout = 30ms});
        CHECK(a.error == (begun ? errc::response_stalled : errc::first_byte_timed_out));
        CHECK(a.error == condition::timed_out);
        s.pool.put(std::move(lease));
        CHECK(s.ended_for(retire_reason::lease_deadline));
    }
    CHECK(open_descriptors() == descriptors);
}

TEMPLATE_TEST_CASE("limits_of_an_exchange_do_not_outlive_it_on_its_lease", "[http]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        for (int round = 0;; ++round) {
            const std::string request = c.read_until("\n");
            if (request != "raw\n") c.read_until("\r\n\r\n");
            if (round != 0) std::this_thread::sleep_for(400ms);
            c.write(request == "raw\n" ? "done" : ok("done"));
        }
    });
    const request_builder get("GET", "/");
    const exchange_options limited{.first_byte_timeout = 300ms, .between_bytes_timeout = 300ms};
    auto lease = s.get();
    CHECK(s.exchange(lease, get, limited).body() == "done");
    SECTION("the next exchange") { CHECK(s.exchange(lease, get).body() == "done"); }
    SECTION("the next exchange, after a rest") {
        const time_point later = clock_type::now() + 350ms;
        REQUIRE(s.until([&] { return clock_type::now() > later; }));
        CHECK(s.exchange(lease, get).body() == "done");
    }
    SECTION("bytes of another protocol") {
        std::string word(4, '\0');
        std::error_code error = errc::end_of_body;
        lease.async_write_some(asio::buffer("raw\n", 4), [&](std::error_code e, std::size_t) {
            CHECK_FALSE(e);
            lease.async_read_some(asio::buffer(word), [&](std::error_code read, std::size_t) { error = read; });
        });
        REQUIRE(s.until([&] { return error != errc::end_of_body; }));
        CHECK_FALSE(error);
        CHECK(word == "done");
    }
    s.pool.put(std::move(lease));
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("response_that_goes_on_and_on_within_its_limits_is_cut_by_a_drain", "[http]", over_tcp, over_tls) {
    const bool streamed = GENERATE(false, true);
    fact begun;
    stage<TestType> s([&](server_connection& c) {
        read_request(c);
        c.write("HTTP/1.1 200 OK\r\n\r\n");
        for (;;) {
            c.write("more");
            begun.state();
            std::this_thread::sleep_for(5ms);
        }
    });
    const request_builder get("GET", "/");
    const exchange_options limited{.first_byte_timeout = 300ms, .between_bytes_timeout = 300ms};
    auto lease = s.get();
    std::error_code error;
    typename stage<TestType>::reader_type reader;
    if (streamed)
        async_start_exchange(lease, get, limited, [&](std::error_code e, auto r) {
            if (e) error = e;
            reader = std::move(r);
            reader.async_read_all([&](std::error_code read, std::string) { error = read; });
        });
    else
        async_exchange(lease, get, limited, [&](std::error_code e, response) { error = e; });
    REQUIRE(s.until([&] { return begun.is_stated(); }));
    // Long enough for the limit to have been looked at and put off.
    std::error_code drained;
    s.pool.async_drain(700ms, [&](std::error_code e) { drained = e; });
    REQUIRE(s.until([&] { return error && drained; }));
    CHECK(error == errc::request_timed_out);
    CHECK(drained == errc::drain_timed_out);
    reader = {};
    lease = {};
    CHECK(s.until([&] { return s.pool.stats().now.total() == 0; }));
}

// Cancels after the 1st, 2nd, 3rd ... step of the loop until the exchange is over before.
TEMPLATE_TEST_CASE("cancelling_at_every_step_gives_one_completion", "[http]", over_tcp, over_tls) {
    const std::string text = "HTTP/1.1 103 Early Hints\r\n\r\n" + ok(std::string(2'000, 'x'));
    int cancelled = 0;
    bool always_over_before = false;
    for (int steps = 0; !always_over_before; ++steps) {
        REQUIRE(steps < 5'000);
        stage<TestType> s([&text](server_connection& c) {
            read_request(c);
            for (std::size_t at = 0; at < text.size(); at += 200) c.write(text.substr(at, 200));
            c.stay();
        });
        request_builder request("PUT", "/");
        request.body(std::string(100, 'x'));
        auto lease = s.get();
        answer a;
        asio::cancellation_signal stop;
        s.start(lease, request, a, stop);
        for (int step = 0; step < steps && a.completions == 0; ++step) {
            s.io.restart();
            s.io.run_one_for(plenty);
        }
        always_over_before = a.completions != 0;
        stop.emit(asio::cancellation_type::total);
        REQUIRE(s.finish(a));
        REQUIRE((!a.error || a.error == errc::cancelled));
        cancelled += a.error ? 1 : 0;
        CHECK(a.reply.status() == (a.error ? 0u : 200u));
        lease = {};
        if (a.error)
            CHECK(s.ended_for(retire_reason::cancelled));
        else
            CHECK(s.one_idle());
    }
    CHECK(cancelled > 1);
}
