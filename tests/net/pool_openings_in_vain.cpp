// Openings that come to nothing: the peer accepts and leaves, or wants another certificate, or does not pass its probe.
#include <poll.h>

#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/health_checker.hpp"
#include "hotpool/http_client.hpp"
#include "support/pool_test.hpp"
#include "support/server_certificates.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Two seconds in which nobody calls. @return how many connections have been opened
template <class Pool>
std::uint64_t opened_for_nobody(net::io_context& io, Pool& pool) {
    const std::uint64_t before = pool.stats().total.opened;
    io.restart();
    io.run_for(2s);
    return pool.stats().total.opened - before;
}

void accept_and_close(server_connection& c) { c.close(); }
void accept_and_reset(server_connection& c) { c.reset(); }
void speak_first(server_connection& c) {
    c.write("220 who are you?\r\n");
    c.stay();
}

/// A server that lets nobody in who does not show a certificate of `client_root()`.
server_tls demanding(int version) {
    return {.own = test_identity(),
            .client_ca_pem = client_root().certificate_pem(),
            .min_version = version,
            .max_version = version};
}
tls_options showing_a_strangers() {
    tls_options options = trusting_options<tls_transport>();
    const identity stranger = self_signed();
    options.certificate_pem = stranger.certificate_pem;
    options.private_key_pem = stranger.key_pem;
    return options;
}

}  // namespace

TEMPLATE_TEST_CASE("server_that_ends_each_new_connection_is_not_stormed", "[pool][openings]", tcp_transport,
                   tls_transport) {
    struct {
        const char* how;
        site<tcp_transport>::script script;
        errc cause;
        bool resets = false;
    } const table[] = {
        {"closes", accept_and_close, errc::closed_unserved},
        {"resets", accept_and_reset, errc::closed_unserved, true},
        {"speaks first", speak_first, errc::spoke_unasked},
    };
    for (const auto& row : table) {
        CAPTURE(row.how);
        site<TestType> server(row.script);
        net::io_context io;
        auto pool = server.pool(io, {.min_idle = 2});
        const std::uint64_t opened = opened_for_nobody(io, pool);
        // On a slow machine a reset comes before the connection is there.
        const auto is_cause = [&](std::error_code e) {
            return e == row.cause || (row.resets && e == condition::open_failed);
        };
        CHECK(opened + pool.stats().total.open_failures >= 5);
        CHECK(opened < 30);
        CHECK(is_cause(pool.stats().last_open_error));

        got<typename site<TestType>::pool_type> answer;  // with the breaker's answer, or with one of those connections
        pool.async_get(answer.handler());
        REQUIRE(run_until(io, [&] { return answer.done(); }));
        CHECK((answer.lease || is_cause(answer.error)));
        answer.lease = {};
        pool.close();
        CHECK(run_dry(io));
        CHECK(is_spent(pool));
    }
}

TEST_CASE("server_that_refuses_the_clients_certificate_is_not_stormed", "[pool][openings][tls]") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const bool shown = GENERATE(false, true);
    CAPTURE(version, shown);
    loopback_server server(demanding(version), echo);
    net::io_context io;
    tls_pool pool(io.get_executor(), {.host = "127.0.0.1", .port = server.port()}, {.min_idle = 2},
                  shown ? showing_a_strangers() : trusting_options<tls_transport>());
    opened_for_nobody(io, pool);
    CHECK(server.accepted() >= 5);
    CHECK(server.accepted() < 30);
    CHECK(pool.stats().last_open_error == errc::client_certificate_refused);
    // In TLS 1.3 the pool takes its origin for well again, from each handshake to the alert that follows.
    CHECK(run_until(io, [&] { return pool.stats().failing == errc::client_certificate_refused; }));
    pool.close();
    CHECK(run_dry(io));
}

TEST_CASE("caller_is_told_that_the_clients_certificate_is_refused", "[pool][openings][tls]") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const bool shown = GENERATE(false, true);
    const char* const method = GENERATE("GET", "POST");
    CAPTURE(version, shown, method);
    loopback_server server(demanding(version), echo);
    for (int i = 0; i < 20; ++i) {
        net::io_context io;
        tls_pool pool(io.get_executor(), {.host = "127.0.0.1", .port = server.port()}, {},
                      shown ? showing_a_strangers() : trusting_options<tls_transport>());
        http_client client(pool);
        const request_builder request(method, "/");
        std::error_code error;
        bool done = false;
        client.async_send(request, [&](std::error_code e, response) { done = true, error = e; });
        REQUIRE(run_until(io, [&] { return done; }));
        CHECK(error == errc::client_certificate_refused);
        CHECK(pool.stats().last_open_error == errc::client_certificate_refused);
        pool.close();
        CHECK(run_dry(io));
    }
}

TEST_CASE("new_connections_that_fail_their_probe_are_not_opened_without_end", "[pool][openings]") {
    site<tcp_transport> server;
    net::io_context io;
    auto pool = server.pool(io, {.min_idle = 2, .probe_new = true});
    health_checker<tcp_pool> checker(pool, [](auto&, auto verdict) { verdict(false); });
    const std::uint64_t opened = opened_for_nobody(io, pool);
    CHECK(opened >= 5);
    CHECK(opened < 30);
    CHECK(pool.stats().last_open_error == errc::probe_failed);
}

TEST_CASE("origin_that_closes_with_its_answer_to_the_probe_is_well", "[pool][openings]") {
    const std::string_view answer = GENERATE("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                                             "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n");
    CAPTURE(answer);
    site<tcp_transport> server([answer](server_connection& c) {
        c.read_until("\r\n\r\n");
        c.write(answer);
        c.close();
    });
    net::io_context io;
    auto pool = server.pool(io, {.min_idle = 2, .probe_new = true, .breaker_failures = 3});
    health_checker checker(pool);
    const std::uint64_t opened = opened_for_nobody(io, pool);
    CHECK(opened >= 5);
    CHECK(opened < 40);
    CHECK(pool.stats().total.probe_failures == 0);
    CHECK_FALSE(pool.stats().last_open_error);
    CHECK_FALSE(pool.stats().failing);
    http_client client(pool);
    const request_builder request("HEAD", "/");
    for (int i = 0; i < 5; ++i) {
        std::optional<std::error_code> outcome;
        client.async_send(request, [&](std::error_code e, const response&) { outcome = e; });
        REQUIRE(run_until(io, [&] { return outcome.has_value(); }));
        CHECK(*outcome == std::error_code());
    }
    pool.close();
    CHECK(run_dry(io));
}

TEST_CASE("connections_that_live_for_a_nanosecond_are_not_opened_without_end", "[pool][openings]") {
    site<tcp_transport> server;
    struct {
        pool_options options;
        errc cause;
    } const table[] = {
        {{.min_idle = 2, .max_lifetime = 1ns}, errc::lifetime_over},
        {{.min_idle = 2, .idle_timeout = 1ns}, errc::idle_timed_out},
    };
    for (const auto& row : table) {
        net::io_context io;
        auto pool = server.pool(io, row.options);
        const std::uint64_t opened = opened_for_nobody(io, pool);
        CHECK(opened >= 5);
        CHECK(opened < 30);
        CHECK(pool.stats().last_open_error == row.cause);
        CHECK_FALSE(pool.stats().failing);
        auto lease = get(io, pool);  // whoever calls is served
        CHECK(round_trip(io, lease, "well") == "well");
    }
}

TEST_CASE("server_that_reads_to_the_end_and_closes_has_served", "[pool][openings]") {
    site<tcp_transport> server([](server_connection& c) { c.write(c.read_some()); });
    net::io_context io;
    auto pool = server.pool(io, {.breaker_failures = 2});
    for (int i = 0; i < 8; ++i) {
        auto lease = get(io, pool);
        CHECK(round_trip(io, lease, "all of it") == "all of it");
        std::error_code end;
        char byte = 0;
        lease.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) { end = e; });
        REQUIRE(run_until(io, [&] { return bool(end); }));
        CHECK(end == errc::connection_closed);
    }
    CHECK_FALSE(pool.stats().last_open_error);
}

// --- a handshake that stalls

namespace {

void say_nothing(server_connection& c) { c.stay(); }

template <class Pool>
endpoint_state known_of(const Pool& pool, const std::string& port) {
    for (const endpoint_state& e : pool.endpoints())
        if (std::to_string(e.where.port) == port) return e;
    return {};
}

}  // namespace

TEST_CASE("next_address_is_tried_beside_a_handshake_that_stalls", "[pool][openings][tls]") {
    loopback_server stalls(say_nothing);  // accepts, and never answers the hello
    site<tls_transport> well;
    net::io_context io;
    const ip_address here = ip_address::parse("127.0.0.1").value();
    tls_pool pool(io.get_executor(), well.target(), {.attempt_delay = 100ms}, trusting_options<tls_transport>(),
                  pool_services{.endpoints = static_endpoints(
                                    {{here, port_number(stalls.port())}, {here, port_number(well.target().port)}})});
    const auto began = clock_type::now();
    pool.put(get(io, pool));
    CHECK(clock_type::now() - began < 2s);  // of ten that it may take
    CHECK(pool.stats().total.overtaken == 1);
    CHECK(known_of(pool, stalls.port()).stalled == 1);
    CHECK(known_of(pool, well.target().port).failures == 0);
    pool.close();
    CHECK(run_dry(io));
}

TEST_CASE("handshake_that_stalls_has_its_share_of_the_time_and_no_more", "[pool][openings][tls]") {
    loopback_server stalls(say_nothing);
    site<tls_transport> well;
    net::io_context io;
    const ip_address here = ip_address::parse("127.0.0.1").value();
    tls_pool pool(io.get_executor(), well.target(),
                  {.max_connections = 1, .connect_timeout = 1s, .attempt_delay = 50ms},
                  trusting_options<tls_transport>(),
                  pool_services{.endpoints = static_endpoints(
                                    {{here, port_number(stalls.port())}, {here, port_number(well.target().port)}})});
    const auto began = clock_type::now();
    pool.put(get(io, pool));
    CHECK(clock_type::now() - began >= 500ms);
    CHECK(known_of(pool, stalls.port()).failures == 1);
    CHECK(known_of(pool, well.target().port).failures == 0);
}

// --- probes of the user's

TEST_CASE("probe_that_keeps_its_verdict_for_itself_loses_the_place", "[pool][openings]") {
    site<tcp_transport> server;
    net::io_context io;
    auto pool = server.pool(
        io,
        {.max_connections = 1, .health_check_interval = 20ms, .health_check_timeout = 50ms, .check_after_idle = 10s});
    std::vector<health_checker<tcp_pool>::verdict_type> kept;
    std::vector<tcp_pool::lease_type*> looked_at;
    health_checker<tcp_pool> checker(pool, [&](auto& lease, auto verdict) {
        looked_at.push_back(&lease);
        kept.push_back(std::move(verdict));
    });
    pool.put(get(io, pool));
    REQUIRE(run_until(io, [&] { return !kept.empty(); }));
    auto lease = get(io, pool);  // there is room for it again
    CHECK(round_trip(io, lease, "well") == "well");
    CHECK(pool.stats().total.probe_failures == 1);
    CHECK(retired(pool, retire_reason::probe_failed) == 1);

    std::error_code late;
    async_exchange(*looked_at[0], request_builder("GET", "/"), [&](std::error_code e, response) { late = e; });
    REQUIRE(run_until(io, [&] { return bool(late); }));
    CHECK(late == errc::lease_reclaimed);
    kept[0](true);  // too late
    CHECK(pool.stats().now == connection_counts{.leased = 1});
    CHECK(round_trip(io, lease, "still well") == "still well");
    lease = {};
    kept.clear();
    pool.close();
    CHECK(run_dry(io));
    CHECK(is_spent(pool));
    CHECK(run_until(io, [&] { return server.live() == 0; }));
}

TEST_CASE("probe_that_drops_its_verdict_or_throws_has_failed", "[pool][openings]") {
    const bool throws = GENERATE(false, true);
    site<tcp_transport> server;
    net::io_context io;
    auto pool = server.pool(io, {.health_check_interval = 20ms});
    health_checker<tcp_pool> checker(pool, [&](auto&, auto) {
        if (throws) throw std::runtime_error("no probe");
    });
    pool.put(get(io, pool));
    int thrown = 0;
    REQUIRE(run_until(io, [&] {
        try {
            io.poll();
        } catch (const std::runtime_error&) {
            ++thrown;
        }
        return pool.stats().now.total() == 0;
    }));
    CHECK(retired(pool, retire_reason::probe_failed) == 1);
    CHECK(pool.stats().total.probe_failures == 1);
    io.restart();
    try {
        io.poll();
    } catch (const std::runtime_error&) {
        ++thrown;
    }
    CHECK(thrown == int(throws));
}

// --- what is no fault of the origin's

TEST_CASE("origin_that_has_answered_is_no_bad_origin_whatever_comes_after", "[pool][openings]") {
    const std::string reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const std::string more = GENERATE("", "\r\n", "HTTP/1.1 408 Request Timeout\r\n\r\n");
    const std::string cut = GENERATE("", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok");
    CAPTURE(more, cut);
    site<tcp_transport> server([&](server_connection& c) {
        c.read_until("\r\n\r\n");
        c.write(cut.empty() ? reply + more : cut);
        c.close();
    });
    net::io_context io;
    auto pool = server.pool(io);
    http_client client(pool);
    const request_builder request("GET", "/");
    for (int i = 0; i < 20; ++i) {
        std::error_code error;
        bool done = false;
        client.async_send(request, [&](std::error_code e, response) { done = true, error = e; });
        REQUIRE(run_until(io, [&] { return done; }));
        CHECK(error == (cut.empty() ? std::error_code() : make_error_code(errc::response_truncated)));
    }
    CHECK_FALSE(pool.stats().failing);
}

TEST_CASE("server_that_takes_lines_and_never_answers_is_no_bad_origin", "[pool][openings]") {
    site<tcp_transport> server([](server_connection& c) {
        c.read_until("quit\n");
        c.close();
    });
    net::io_context io;
    auto pool = server.pool(io);
    for (int i = 0; i < 20; ++i) {
        auto lease = get(io, pool);
        std::error_code error;
        bool done = false;
        std::array<char, 8> room{};
        asio::async_write(lease, net::buffer("metric 1\nquit\n", 14), [&](std::error_code, std::size_t) {
            lease.async_read_some(net::buffer(room), [&](std::error_code e, std::size_t) { done = true, error = e; });
        });
        REQUIRE(run_until(io, [&] { return done; }));
        CHECK(error == errc::connection_closed);
    }
    CHECK_FALSE(pool.stats().failing);
}

TEST_CASE("server_that_closes_what_lies_idle_for_some_milliseconds_serves_whoever_asks", "[pool][openings]") {
    site<tcp_transport> server([](server_connection& c) {
        pollfd first{c.fd(), POLLIN, 0};
        if (::poll(&first, 1, 50) == 0) return c.close();
        for (;;) c.write(c.read_some());
    });
    net::io_context io;
    auto pool = server.pool(io, {.min_idle = 1});
    for (int i = 0; i < 10; ++i) {
        io.restart();
        io.run_for(150ms);
        const time_point asked = clock_type::now();
        auto lease = get(io, pool);
        CHECK(lease);
        CHECK(clock_type::now() - asked < 1s);
    }
    CHECK_FALSE(pool.stats().failing);
}
