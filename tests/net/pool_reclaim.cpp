// What becomes of a lease whose place the pool takes back, in each of its steps.
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

struct counted {
    int leaked = 0, reclaimed = 0;
    pool_services services() {
        return {.listener = [this](const pool_event& e) {
            leaked += e.kind == pool_event_kind::lease_leaked;
            reclaimed += e.kind == pool_event_kind::lease_reclaimed;
        }};
    }
};

/// Begins a response and never ends it.
void stalled_body(server_connection& c) {
    read_request(c);
    c.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    c.stay();
}

/// Lives as long as the test says at the time.
struct told_life {
    static inline duration next = 1h;
    duration life(double) const noexcept { return next; }
};
struct told_life_policies : default_policies {
    using max_lifetime = told_life;
};

template <class Pool>
response_reader<typename Pool::transport_type> start_reading(net::io_context& io, http_client<Pool>& client,
                                                             const request_builder& request) {
    response_reader<typename Pool::transport_type> got_reader;
    int completions = 0;
    client.async_start(request, [&](std::error_code error, auto reader) {
        CHECK_FALSE(error);
        ++completions;
        got_reader = std::move(reader);
    });
    REQUIRE(run_until(io, [&] { return completions == 1; }));
    return got_reader;
}

}  // namespace

TEMPLATE_TEST_CASE("unread_body_of_a_reclaimed_lease_is_not_drained", "[pool][leak]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    site<TestType> server(stalled_body);
    net::io_context io;
    counted events;
    connection_pool<TestType> pool(io.get_executor(), server.target(), {.leak_after = 5ms, .reclaim_leaked = true},
                                   trusting_options<TestType>(), events.services());
    http_client client(pool, {.request_timeout = 0s});
    const request_builder request("GET", "/");
    auto reader = start_reading(io, client, request);
    REQUIRE(run_until(io, [&] { return events.reclaimed == 1; }));
    reader = {};
    CHECK(run_until(
        io, [&] { return server.live() == 0; }, 5s));
    pool.close();
    CHECK(run_dry(io, 5s));
    CHECK(is_spent(pool));
}

TEMPLATE_TEST_CASE("lease_that_its_caller_has_given_up_is_not_leaked_while_it_is_drained", "[pool][leak]",
                   tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    site<TestType> server(stalled_body);
    net::io_context io;
    counted events;
    connection_pool<TestType> pool(io.get_executor(), server.target(),
                                   {.drain_timeout = 60ms, .leak_after = 20ms, .reclaim_leaked = true},
                                   trusting_options<TestType>(), events.services());
    http_client client(pool, {.request_timeout = 0s});
    const request_builder request("GET", "/");
    start_reading(io, client, request).close();
    CHECK(run_until(
        io, [&] { return server.live() == 0; }, 5s));
    CHECK(retired(pool, retire_reason::body_not_drained) == 1);
    CHECK(events.leaked == 0);
    pool.close();
    CHECK(run_dry(io, 5s));
    CHECK(is_spent(pool));
}

TEMPLATE_TEST_CASE("deadline_of_a_request_holds_when_its_lease_is_reclaimed", "[pool][leak]", tcp_transport,
                   tls_transport) {
    const descriptor_check no_leak;
    site<TestType> server([](server_connection& c) { c.stay(); });
    net::io_context io;
    counted events;
    connection_pool<TestType> pool(io.get_executor(), server.target(), {.leak_after = 5ms, .reclaim_leaked = true},
                                   trusting_options<TestType>(), events.services());
    http_client client(pool, {.request_timeout = 500ms});
    const request_builder request("GET", "/");
    answer a;
    client.async_send(request, stage<over_tcp>::into(a));
    CHECK(run_until(
        io, [&] { return a.completions == 1; }, 5s));
    CHECK(a.error == errc::request_timed_out);
    pool.close();
    CHECK(run_dry(io, 5s));
    CHECK(is_spent(pool));
}

TEST_CASE("lease_may_be_reclaimed_before_its_caller_has_it", "[pool][leak]") {
    const descriptor_check no_leak;
    site<tcp_transport> server;
    net::io_context io;
    counted events;
    pool_services services = events.services();
    bool slow = false;
    services.listener = [&](const pool_event& e) {
        events.leaked += e.kind == pool_event_kind::lease_leaked;
        events.reclaimed += e.kind == pool_event_kind::lease_reclaimed;
        // It takes its time, and others go on meanwhile.
        if (std::exchange(slow, false))
            static_cast<void>(run_until(
                io, [] { return false; }, 1s));
    };
    using pool_type = connection_pool<tcp_transport, told_life_policies>;
    pool_type pool(io.get_executor(), server.target(), {}, {}, services);
    const auto lease_for = [&](duration life) {
        told_life::next = life;
        return get(io, pool);
    };
    auto stays = lease_for(1h);
    auto ends = lease_for(100ms);
    pool.put(std::move(stays));
    pool.put(std::move(ends));
    pool.set_options({.leak_after = 1ns, .reclaim_leaked = true});
    std::this_thread::sleep_for(200ms);
    REQUIRE(pool.stats().now.idle == 2);
    slow = true;
    auto lease = pool.try_get();  // the newest is over, which the listener is told before the other is handed out
    CHECK(events.reclaimed == 1);
    CHECK(lease);
    CHECK(pool.stats().now.leased == 0);
    lease = {};
    pool.close();
    CHECK(run_dry(io, 5s));
    CHECK(is_spent(pool));
}
