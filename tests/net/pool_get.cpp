// Getting and giving back: hot, opened, awaited, refused, timed out, cancelled.
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include <string>

#include "support/mock_transport.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

TEMPLATE_TEST_CASE("connection_put_back_is_lent_again", "[pool]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    site<TestType> server;
    {
        net::io_context io;
        auto pool = server.pool(io);
        for (int round = 0; round < 5; ++round) {
            auto lease = get(io, pool);
            CHECK(lease.reused() == (round != 0));
            CHECK(round_trip(io, lease, "hello " + std::to_string(round)) == "hello " + std::to_string(round));
            pool.put(std::move(lease));
            CHECK_FALSE(lease);
        }
        CHECK(server.accepted() == 1);
        const pool_stats s = pool.stats();
        CHECK(s.total.openings == 1);
        CHECK(s.total.leases == 5);
        CHECK(s.total.reuses == 4);
        CHECK(s.reuse_rate() == 0.8);
        CHECK(s.now == connection_counts{.idle = 1});
        pool.close();
        CHECK(run_dry(io));
        CHECK(is_spent(pool));
        CHECK(retired(pool, retire_reason::pool_closed) == 1);
    }
    net::io_context waiting;
    CHECK(run_until(waiting, [&] { return server.live() == 0; }));
}

TEMPLATE_TEST_CASE("try_get_never_opens", "[pool]", tcp_transport, tls_transport) {
    site<TestType> server;
    net::io_context io;
    auto pool = server.pool(io);
    CHECK_FALSE(pool.try_get());
    CHECK(pool.stats().total.openings == 0);
    pool.put(get(io, pool));
    auto lease = pool.try_get();
    CHECK(lease);
    CHECK_FALSE(pool.try_get());
    CHECK(round_trip(io, lease, "x") == "x");
    pool.put(std::move(lease));
    pool.put({});  // nothing: ignored
    CHECK(pool.stats().now.idle == 1);
}

TEST_CASE("completion_never_runs_inside_the_initiating_call", "[pool]") {
    net::io_context io;
    mock_network net;
    net.opens_at_once = true;
    mock_pool pool(io.get_executor(), mock_origin, {.max_connections = 1, .max_waiters = 1}, {&net});
    got<mock_pool> cold, hot, waiting, refused, closed;
    pool.async_get(cold.handler());
    CHECK_FALSE(cold.done());
    CHECK(run_until(io, [&] { return cold.done(); }));
    pool.put(std::move(cold.lease));
    pool.async_get(hot.handler());
    CHECK_FALSE(hot.done());
    CHECK(run_until(io, [&] { return hot.done(); }));
    pool.async_get(waiting.handler());
    pool.async_get(refused.handler());
    CHECK_FALSE(refused.done());
    CHECK(run_until(io, [&] { return refused.done(); }));
    CHECK(refused.error == errc::waiters_full);
    CHECK(refused.error == condition::refused);
    CHECK(pool.stats().total.refusals == 1);
    pool.close();
    CHECK_FALSE(waiting.done());
    pool.async_get(closed.handler());
    CHECK_FALSE(closed.done());
    CHECK(run_until(io, [&] { return closed.done() && waiting.done(); }));
    CHECK(closed.error == errc::pool_closed);
    CHECK(waiting.error == errc::pool_closed);
    hot.lease = {};
    CHECK(run_dry(io));
    CHECK(is_spent(pool));
}

TEST_CASE("get_that_times_out_says_why", "[pool]") {
    net::io_context io;
    mock_network net;
    mock_pool pool(io.get_executor(), mock_origin, {.max_connections = 2, .get_timeout = 20ms, .backoff_first = 1ms},
                   {&net});
    got<mock_pool> unlucky, lucky;
    pool.async_get(unlucky.handler());
    net.openings.at(0).fail(errc::connect_refused);
    CHECK(run_until(io, [&] { return unlucky.done(); }));
    pool.async_get(duration::zero(), lucky.handler());
    CHECK(run_until(io, [&] { return net.pending() == 1; }));
    net.openings.at(1).succeed();
    CHECK(run_until(io, [&] { return lucky.done(); }));
    std::string text;
    net::co_spawn(
        io,
        [&]() -> net::awaitable<void> {
            try {
                co_await pool.async_get(net::use_awaitable);
            } catch (const std::system_error& e) {
                text = e.what();
                CHECK(e.code() == errc::get_timed_out);
            }
        },
        net::detached);
    CHECK(run_until(io, [&] { return !text.empty(); }));
    for (const char* part :
         {"2 connections (1 opening, 0 idle, 1 leased, 0 probing, 0 closing)", "0 waiting",
          "last open error: the peer refused the connection", "no connection became available before the get timeout"})
        CHECK_THAT(text, Catch::Matchers::Contains(part));
    pool.close();
}

TEST_CASE("own_timeout_goes_before_the_pools", "[pool]") {
    net::io_context io;
    mock_network net;
    mock_pool pool(io.get_executor(), mock_origin, {.get_timeout = 1h}, {&net});
    got<mock_pool> hasty;
    const time_point begin = clock_type::now();
    pool.async_get(20ms, hasty.handler());
    CHECK(run_until(io, [&] { return hasty.done(); }));
    CHECK(hasty.error == errc::get_timed_out);
    CHECK(hasty.error == condition::timed_out);
    CHECK(hasty.error == std::errc::timed_out);
    CHECK(clock_type::now() - begin >= 20ms);
    CHECK(pool.stats().total.wait_timeouts == 1);

    SECTION("and zero means without limit") {
        pool.set_options({.get_timeout = 1ms});
        got<mock_pool> patient, usual;
        pool.async_get(duration::zero(), patient.handler());
        pool.async_get(usual.handler());
        CHECK(run_until(io, [&] { return usual.done(); }));
        CHECK(usual.error == errc::get_timed_out);
        CHECK_FALSE(patient.done());
        net.openings[0].succeed();
        CHECK(run_until(io, [&] { return patient.done(); }));
        CHECK(patient.lease);
    }
    pool.close();
}

TEST_CASE("refused_connect_fails_one_waiter", "[pool]") {
    const descriptor_check no_leak;
    net::io_context io;
    origin nobody{.host = "127.0.0.1", .port = "0"};
    {
        net::ip::tcp::acceptor taken(io, {net::ip::address_v4::loopback(), 0});
        nobody.port = std::to_string(taken.local_endpoint().port());
    }
    tcp_pool pool(io.get_executor(), nobody, {.max_connections = 1, .backoff_first = 1h, .backoff_limit = 1h});
    got<tcp_pool> first, second;
    pool.async_get(first.handler());
    pool.async_get(second.handler());
    CHECK(run_until(io, [&] { return first.done(); }));
    CHECK(first.error == errc::connect_refused);
    CHECK(first.error == condition::open_failed);
    CHECK_FALSE(second.done());
    CHECK(pool.stats().last_open_error == errc::connect_refused);
    CHECK(pool.describe() ==
          "0 connections (0 opening, 0 idle, 0 leased, 0 probing, 0 closing), 1 waiting; last open error: " +
              make_error_code(errc::connect_refused).message());
    pool.close();
    CHECK(run_dry(io));
    CHECK(second.error == errc::pool_closed);
}

TEST_CASE("lease_of_another_pool_is_refused_and_stays_with_the_caller", "[pool]") {
    net::io_context io;
    mock_network net;
    net.opens_at_once = true;
    mock_pool one(io.get_executor(), mock_origin, {}, {&net});
    mock_pool other(io.get_executor(), mock_origin, {}, {&net});
    auto lease = get(io, one);
    CHECK_THROWS_AS(other.put(std::move(lease)), std::invalid_argument);
    CHECK(lease);
    one.put(std::move(lease));
    CHECK(one.stats().now.idle == 1);
}

TEST_CASE("pool_refuses_what_it_cannot_work_with", "[pool]") {
    net::io_context io;
    const auto ex = io.get_executor();
    CHECK_THROWS_WITH(tcp_pool(ex, {.host = "localhost", .port = "80"}, {.max_connections = 0}),
                      Catch::Matchers::Contains("max_connections"));
    CHECK_THROWS_AS(tcp_pool(ex, {.host = "", .port = "80"}), std::invalid_argument);
    CHECK_THROWS_AS(tcp_pool(ex, {.host = "localhost", .port = "70000"}), std::invalid_argument);
    CHECK_THROWS_AS(tcp_pool(ex, {.host = "two words", .port = "80"}), std::invalid_argument);
    CHECK(run_dry(io));
}
