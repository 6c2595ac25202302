// What a pool does about its leases, its owner's wishes and those it must not talk to.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "hotpool/exchange.hpp"
#include "hotpool/health_checker.hpp"
#include "hotpool/http_client.hpp"
#include "support/event_log.hpp"
#include "support/mock_transport.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Answers each request with the next of its statuses, then with 200.
void answer_requests(server_connection& c, std::vector<int> statuses = {}) {
    std::string seen;
    for (std::size_t i = 0;; ++i) {
        while (seen.find("\r\n\r\n") == std::string::npos) {
            const std::string more = c.read_some();
            if (more.empty()) return;
            seen += more;
        }
        seen.erase(0, seen.find("\r\n\r\n") + 4);
        const int status = i < statuses.size() ? statuses[i] : 200;
        c.write("HTTP/1.1 " + std::to_string(status) + " -\r\nContent-Length: 0\r\n\r\n");
    }
}

struct answered {
    int completions = 0;
    std::error_code error{};
    int status = 0;
    auto handler() {
        return [this](std::error_code e, const response& r) {
            ++completions;
            error = e;
            status = e ? 0 : static_cast<int>(r.status());
        };
    }
};

}  // namespace

TEST_CASE("lease_held_for_long_is_reported_once_with_the_place_where_it_was_lent", "[pool][leak]") {
    site<tcp_transport> server;
    net::io_context io;
    event_log log;
    tcp_pool pool(io.get_executor(), server.target(), {.leak_after = 20ms}, {},
                  pool_services{.listener = log.listener()});
    got<tcp_pool> answer;
    pool.async_get(answer.handler());
    const unsigned line = __LINE__ - 1;
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    REQUIRE(run_until(io, [&] { return log.told(pool_event_kind::lease_leaked) == 1; }));
    const pool_event& leak = log.last(pool_event_kind::lease_leaked);
    CHECK(leak.where.line() == line);
    CHECK(std::string(leak.where.file_name()).ends_with("pool_care.cpp"));
    CHECK(leak.age >= 20ms);
    CHECK(leak.endpoint.port == port_number(server.target().port));
    io.run_for(60ms);
    CHECK(log.told(pool_event_kind::lease_leaked) == 1);
    CHECK(log.told(pool_event_kind::lease_reclaimed) == 0);

    // A hot one, lent elsewhere, is another lease.
    pool.put(std::move(answer.lease));
    auto again = pool.try_get();
    const unsigned second = __LINE__ - 1;
    REQUIRE(again);
    REQUIRE(run_until(io, [&] { return log.told(pool_event_kind::lease_leaked) == 2; }));
    CHECK(log.last(pool_event_kind::lease_leaked).where.line() == second);
    CHECK(pool.stats().total.leaks == 2);
}

TEMPLATE_TEST_CASE("leaked_lease_may_lose_its_place_and_does_no_harm_later", "[pool][leak]", tcp_transport,
                   tls_transport) {
    const descriptor_check no_leak;
    site<TestType> server([](server_connection& c) { answer_requests(c); });
    net::io_context io;
    event_log log;
    auto budget = std::make_shared<connection_budget>(1);
    pool_services services = pool_services{.listener = log.listener()};
    services.budget = budget;
    connection_pool<TestType> pool(io.get_executor(), server.target(),
                                   {.max_connections = 1, .leak_after = 20ms, .reclaim_leaked = true},
                                   trusting_options<TestType>(), services);
    auto leaked = get(io, pool);
    auto next = get(io, pool);  // waits until the place is free
    CHECK(log.told(pool_event_kind::lease_reclaimed) >= 1);
    CHECK(retired(pool, retire_reason::leaked) >= 1);
    CHECK(pool.stats().now.leased == 1);

    answered late;
    async_exchange(leaked, request_builder("GET", "/"), late.handler());
    REQUIRE(run_until(io, [&] { return late.completions == 1; }));
    CHECK(late.error == errc::lease_reclaimed);
    leaked = {};
    next = {};
    pool.close();
    CHECK(run_dry(io));
    CHECK(is_spent(pool));
    CHECK(budget->used() == 0);
}

TEST_CASE("suspended_pool_lends_nothing_until_it_is_resumed", "[pool]") {
    site<tcp_transport> server;
    net::io_context io;
    auto pool = server.pool(io, {.min_idle = 1});
    REQUIRE(run_until(io, [&] { return pool.stats().now.idle == 1; }));
    auto out = get(io, pool);
    REQUIRE(run_until(io, [&] { return pool.stats().now.idle == 1; }));
    pool.suspend();
    CHECK(pool.stats().suspended);
    CHECK_FALSE(pool.try_get());
    got<tcp_pool> first, second, third, impatient;
    pool.async_get(first.handler());
    pool.async_get(second.handler());
    pool.async_get(third.handler());
    pool.async_get(10ms, impatient.handler());
    pool.put(std::move(out));
    REQUIRE(run_until(io, [&] { return impatient.done(); }));
    CHECK(impatient.error == errc::get_timed_out);
    CHECK(pool.stats().now == connection_counts{.idle = 2, .waiting = 3});
    pool.resume();
    REQUIRE(run_until(io, [&] { return third.done(); }));
    CHECK(first.lease);
    CHECK(second.lease);
    CHECK(third.lease);
}

TEST_CASE("another_network_ends_idle_connections_now_and_leased_ones_later", "[pool]") {
    site<tcp_transport> server;
    net::io_context io;
    auto pool = server.pool(io);
    auto out = get(io, pool);
    pool.put(get(io, pool));
    REQUIRE(pool.stats().now == connection_counts{.idle = 1, .leased = 1});
    pool.network_changed();
    CHECK(pool.stats().now.idle == 0);
    CHECK(round_trip(io, out, "goes on") == "goes on");
    pool.put(std::move(out));
    REQUIRE(run_until(io, [&] { return pool.stats().now.total() == 0; }));
    CHECK(retired(pool, retire_reason::network_changed) == 2);
}

TEST_CASE("new_roots_are_used_at_once_and_old_connections_leave", "[pool][tls]") {
    site<tls_transport> server;
    net::io_context io;
    tls_options strangers{.ca_pem = authority().certificate_pem()};
    tls_pool pool(io.get_executor(), server.target(), {.retire_spacing = 1ms}, strangers);
    got<tls_pool> refused;
    pool.async_get(refused.handler());
    REQUIRE(run_until(io, [&] { return refused.done(); }));
    CHECK(refused.error == condition::open_failed);
    pool.set_transport_options(trusting_options<tls_transport>());
    auto out = get(io, pool);
    pool.put(get(io, pool));
    CHECK_THROWS_AS(pool.set_transport_options({.ca_pem = "nonsense"}), std::invalid_argument);
    CHECK(pool.stats().now.idle == 1);  // nothing has changed
    pool.set_transport_options(trusting_options<tls_transport>());
    pool.put(std::move(out));
    REQUIRE(run_until(io, [&] { return pool.stats().now.total() == 0; }));
    CHECK(retired(pool, retire_reason::rotated) == 2);
}

TEST_CASE("new_connections_are_validated_before_they_are_lent", "[pool][warm]") {
    net::io_context io;
    std::atomic<int> connections = 0;
    site<tcp_transport> server([&](server_connection& c) { answer_requests(c, {++connections == 1 ? 503 : 200}); });
    auto pool = server.pool(io, {.probe_new = true});
    health_checker<tcp_pool> checker(pool, request_builder("GET", "/health"),
                                     [](const response& r) { return r.status() == 200; });
    std::error_code warm;
    bool done = false;
    pool.async_warm(3, [&](std::error_code e) { done = true, warm = e; });
    REQUIRE(run_until(io, [&] { return done; }));
    CHECK(warm == errc::warm_incomplete);
    REQUIRE(run_until(io, [&] { return pool.stats().now == connection_counts{.idle = 2}; }));
    CHECK(retired(pool, retire_reason::validation_failed) == 1);
    CHECK(pool.stats().total.leases == 0);
}

TEST_CASE("warm_completes_with_the_first_or_with_all", "[pool][warm]") {
    net::io_context io;
    mock_network net;
    mock_pool pool(io.get_executor(), mock_origin, {.max_openings = 2}, {&net});
    int first = 0, all = 0;
    pool.async_warm(5, 1, [&](std::error_code e) { first += !e; });
    pool.async_warm(5, [&](std::error_code e) { all += !e; });
    CHECK(net.pending() == 2);  // the pace
    net.openings[0].succeed();
    io.poll();
    CHECK(first == 1);
    CHECK(all == 0);
    CHECK(net.pending() == 2);
    for (std::size_t i = 1; i < 5; ++i) {
        net.openings[i].succeed();
        io.restart();
        io.poll();
    }
    CHECK(all == 1);
    CHECK(net.openings.size() == 5);
    pool.close();
}

TEST_CASE("descriptors_that_run_out_lower_the_pace_and_fail_nobody_who_can_be_served", "[pool][warm]") {
    net::io_context io;
    mock_network net;
    mock_pool pool(io.get_executor(), mock_origin, {.max_openings = 8, .backoff_first = 1ms, .backoff_limit = 2ms},
                   {&net});
    const auto turn = [&] { io.restart(), io.poll(); };
    got<mock_pool> holder, waiter;
    pool.async_get(holder.handler());
    net.openings[0].succeed();
    turn();
    pool.async_get(waiter.handler());
    net.openings[1].fail(errc::descriptors_exhausted);
    turn();
    CHECK_FALSE(waiter.done());
    CHECK(pool.stats().now.waiting == 1);
    pool.put(std::move(holder.lease));
    turn();
    CHECK(waiter.lease);
    pool.async_warm(20, [](std::error_code) {});
    REQUIRE(run_until(io, [&] { return net.pending() != 0; }));
    CHECK(net.pending() == 1);
    pool.close();
    turn();
}

TEST_CASE("denied_addresses_are_not_connected_to", "[pool][access]") {
    site<tcp_transport> server;
    net::io_context io;
    auto access = std::make_shared<access_controller>();
    access->deny(*ip_block::parse("127.0.0.0/8"));
    event_log log;
    pool_services services = pool_services{.listener = log.listener()};
    services.access = access;
    tcp_pool pool(io.get_executor(), server.target(), {}, {}, services);
    got<tcp_pool> refused;
    pool.async_get(refused.handler());
    REQUIRE(run_until(io, [&] { return refused.done(); }));
    CHECK(refused.error == errc::access_denied);
    CHECK(server.accepted() == 0);

    access->allow(*ip_block::parse("127.0.0.1/32"));
    auto lease = get(io, pool);
    access->deny(*ip_block::parse("127.0.0.1/32"), 10min);
    pool.put(std::move(lease));  // it is asked again
    REQUIRE(run_until(io, [&] { return pool.stats().now.total() == 0; }));
    CHECK(retired(pool, retire_reason::access_denied) == 1);
}

TEST_CASE("address_that_answers_403_is_denied_and_readmitted_by_a_trial", "[pool][access]") {
    net::io_context io;
    std::atomic<int> connections = 0;
    site<tcp_transport> server([&](server_connection& c) {
        const int number = ++connections;
        answer_requests(c, number <= 2 ? std::vector<int>{200, 403} : std::vector<int>{});
    });
    pool_services services{
        .access = std::make_shared<access_controller>(
            access_options{}, status_denial_options{.statuses = {403}, .deny_for = 50ms, .deny_for_limit = 1s})};
    tcp_pool pool(io.get_executor(), server.target(), {.breaker_failures = 0}, {}, services);
    http_client<tcp_pool> client(pool);
    const auto fetch = [&] {
        answered a;
        client.async_get("/", a.handler());
        REQUIRE(run_until(io, [&] { return a.completions == 1; }));
        UNSCOPED_INFO(a.error.message());
        return a;
    };
    CHECK(fetch().status == 200);
    pool.put(get(io, pool));
    CHECK(fetch().status == 403);
    CHECK(services.access->state(*ip_address::parse("127.0.0.1")) == denial_state::denied);
    CHECK(fetch().error == errc::access_denied);
    CHECK(pool.stats().now.total() == 0);
    REQUIRE(run_until(io, [&] {
        // The pool reads a coarse clock.
        return services.access->state(*ip_address::parse("127.0.0.1"), clock_type::now() - 10ms) ==
               denial_state::on_probation;
    }));
    CHECK(fetch().status == 200);  // the trial
    CHECK(services.access->state(*ip_address::parse("127.0.0.1")) == denial_state::admitted);
}

TEST_CASE("handshake_has_a_limit_of_its_own", "[pool][tls]") {
    net::io_context io;
    site<tcp_transport> silent([](server_connection& c) { c.stay(); });
    tls_pool pool(io.get_executor(), silent.target(), {.connect_timeout = 10s, .handshake_timeout = 30ms});
    got<tls_pool> answer;
    const auto started = clock_type::now();
    pool.async_get(answer.handler());
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    CHECK(answer.error == errc::handshake_timed_out);
    CHECK(clock_type::now() - started >= 30ms);
    CHECK(clock_type::now() - started < 5s);
}

TEST_CASE("services_that_a_transport_cannot_use_are_refused_by_name", "[pool]") {
    net::io_context io;
    mock_network net;
    pool_services services{.local_addresses = {*ip_address::parse("127.0.0.1")}};
    try {
        mock_pool pool(io.get_executor(), mock_origin, {}, {&net}, services);
        FAIL("accepted");
    } catch (const std::invalid_argument& e) {
        CHECK(std::string(e.what()).find("local_addresses") != std::string::npos);
    }
}
