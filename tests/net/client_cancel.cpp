// A client's request is cancelled in every phase: one completion, and the connection is where it belongs.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

#include <memory>
#include <string>
#include <string_view>

using namespace hotpool;
using namespace hotpool::test;

namespace {

template <class Side>
void start(stage<Side>& s, http_client<typename Side::pool_type>& client, const request_builder& request, answer& a,
           asio::cancellation_signal& stop) {
    client.async_send(request, asio::bind_cancellation_slot(stop.slot(), s.into(a)));
    CHECK(a.completions == 0);
}

template <class Side>
void cancel(stage<Side>& s, answer& a, asio::cancellation_signal& stop) {
    stop.emit(asio::cancellation_type::terminal);
    CHECK(a.completions == 0);  // not inside the call
    REQUIRE(s.finish(a));
    CHECK(a.error == errc::cancelled);
    stop.emit(asio::cancellation_type::terminal);
    s.settle();
    CHECK(a.completions == 1);
}

}  // namespace

TEMPLATE_TEST_CASE("request_is_cancelled_while_it_waits", "[client]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hi")), {.max_connections = 1});
    http_client client(s.pool);
    auto held = s.get();
    answer a;
    asio::cancellation_signal stop;
    const request_builder get("GET", "/");
    start(s, client, get, a, stop);
    s.settle();
    CHECK(s.pool.stats().now.waiting == 1);
    cancel(s, a, stop);
    CHECK(s.pool.stats().now.waiting == 0);
    s.pool.put(std::move(held));
    CHECK(s.one_idle());
    CHECK(s.fetch(get).body() == "hi");
}

TEST_CASE("request_is_cancelled_while_its_connection_opens", "[client]") {
    // The TLS handshake is never answered; the opening outlives the caller.
    loopback_server mute([](server_connection& c) { c.stay(); });
    asio::io_context io;
    tls_pool pool(io.get_executor(), {"127.0.0.1", mute.port()}, {}, over_tls::options());
    http_client client(pool);
    answer a;
    asio::cancellation_signal stop;
    const request_builder get("GET", "/");
    client.async_send(get, asio::bind_cancellation_slot(stop.slot(), stage<over_tls>::into(a)));
    io.poll();
    CHECK(a.completions == 0);
    stop.emit(asio::cancellation_type::terminal);
    io.restart();
    io.poll();
    CHECK(a.completions == 1);
    CHECK(a.error == errc::cancelled);
    CHECK(pool.stats().now.opening == 1);
    CHECK(pool.stats().now.waiting == 0);
    pool.close();
    io.restart();
    io.run_for(plenty);
    CHECK(pool.stats().now.total() == 0);
}

TEMPLATE_TEST_CASE("request_is_cancelled_while_it_is_written", "[client]", over_tcp, over_tls) {
    fact reached;
    stage<TestType> s([&](server_connection& c) {
        reached.state();
        c.stay();
    });
    http_client client(s.pool);
    answer a;
    asio::cancellation_signal stop;
    request_builder put("PUT", "/");
    put.body(std::string(20'000'000, 'x'));
    start(s, client, put, a, stop);
    REQUIRE(s.until([&] { return reached.is_stated(); }));
    s.settle();
    cancel(s, a, stop);
    CHECK(s.ended_for(retire_reason::cancelled));
}

TEMPLATE_TEST_CASE("request_is_cancelled_while_its_response_is_read", "[client]", over_tcp, over_tls) {
    const std::string sent = GENERATE(std::string(), ok("hello").substr(0, 10), ok("hello").substr(0, 40));
    fact reached;
    stage<TestType> s([&](server_connection& c) {
        read_request(c);
        if (!sent.empty()) c.write(sent);
        reached.state();
        c.stay();
    });
    http_client client(s.pool);
    answer a;
    asio::cancellation_signal stop;
    const request_builder get("GET", "/");
    start(s, client, get, a, stop);
    REQUIRE(s.until([&] { return reached.is_stated(); }));
    s.settle();
    cancel(s, a, stop);
    CHECK(s.ended_for(retire_reason::cancelled));
}

// Cancels after the 1st, 2nd, 3rd ... step of the loop; the connection's first use ends with a retry on another.
TEMPLATE_TEST_CASE("request_with_a_retry_is_cancelled_at_every_step", "[client]", over_tcp, over_tls) {
    int cancelled = 0;
    bool over_before = false;
    for (int steps = 0; !over_before; ++steps) {
        REQUIRE(steps < 5'000);
        stage<TestType> s([](server_connection& c) {
            read_request(c);
            c.write(ok("hello"));
            read_request(c);
            c.close_notify();
            c.end_sending();
            c.stay();
        });
        http_client client(s.pool);
        const request_builder get("GET", "/");
        CHECK(s.fetch(get).body() == "hello");

        answer a;
        asio::cancellation_signal stop;
        start(s, client, get, a, stop);
        for (int step = 0; step < steps && a.completions == 0; ++step) {
            s.io.restart();
            s.io.run_one_for(plenty);
        }
        over_before = a.completions != 0;
        stop.emit(asio::cancellation_type::terminal);
        REQUIRE(s.finish(a));
        REQUIRE((!a.error || a.error == errc::cancelled));
        cancelled += a.error ? 1 : 0;
        CHECK(s.until([&] { return s.pool.stats().now.leased + s.pool.stats().now.opening == 0; }));
        CHECK(s.pool.stats().now.total() == s.pool.stats().now.idle);
        CHECK(s.pool.stats().now.waiting == 0);
    }
    CHECK(cancelled > 1);
}

TEMPLATE_TEST_CASE("signal_may_be_gone_before_the_request_ends", "[client]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hi")));
    http_client client(s.pool);
    const request_builder get("GET", "/");
    for (int round = 0; round < 3; ++round) {
        answer a;
        auto stop = std::make_unique<asio::cancellation_signal>();
        start(s, client, get, a, *stop);
        stop.reset();
        REQUIRE(s.finish(a));
        CHECK(a.body() == "hi");
    }
    CHECK(s.server.accepted() == 1);
}
