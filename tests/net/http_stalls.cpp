// The origin falls silent, or the caller loses patience, at every point: one completion, and nothing leaks.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

#include <string>
#include <string_view>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;

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
        http_client client(s.pool, {.request_timeout = std::chrono::milliseconds(40)});
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
