// Idle connections are watched: what the peer does to them is noticed before anybody asks.
#include <atomic>
#include <deque>

#include "support/mock_transport.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Each connection's server waits at the door, then does its worst.
template <class Transport, class Act>
void expect_noticed(Act act, retire_reason why) {
    const descriptor_check no_leak;
    door go;
    site<Transport> server([&](server_connection& c) {
        go.wait();
        act(c);
        c.stay();
    });
    net::io_context io;
    auto pool = server.pool(io);
    const auto idle = [&](std::size_t n) {
        std::deque<got<typename site<Transport>::pool_type>> held(n);
        for (auto& h : held) pool.async_get(h.handler());
        CHECK(run_until(io, [&] { return pool.stats().now.leased == n && held.back().done(); }));
        for (auto& h : held) pool.put(std::move(h.lease));
    };
    idle(1);  // watched as soon as it is put back
    idle(3);  // watched when the turn is over
    CHECK(pool.stats().now == connection_counts{.idle = 3});
    go.open();
    // No get, no timer: the watch alone.
    CHECK(run_until(io, [&] { return pool.stats().now == connection_counts{}; }));
    CHECK(retired(pool, why) == 3);
    CHECK(run_until(io, [&] { return server.live() == 0; }));
    pool.close();
    CHECK(run_dry(io));
}

}  // namespace

TEMPLATE_TEST_CASE("idle_connection_closed_by_the_peer_is_noticed_at_once", "[pool]", tcp_transport, tls_transport) {
    SECTION("with an orderly end") {
        expect_noticed<TestType>(
            [](server_connection& c) {
                c.close_notify();
                c.end_sending();
            },
            retire_reason::peer_closed);
    }
    SECTION("without a word") {
        expect_noticed<TestType>([](server_connection& c) { c.end_sending(); }, retire_reason::peer_closed);
    }
    SECTION("with a reset") {
        expect_noticed<TestType>(
            [](server_connection& c) {
                c.reset();
                throw connection_over();
            },
            retire_reason::peer_closed);
    }
}

TEST_CASE("tls_close_notify_alone_ends_an_idle_connection", "[pool]") {
    expect_noticed<tls_transport>([](server_connection& c) { c.close_notify(); }, retire_reason::peer_closed);
}

TEMPLATE_TEST_CASE("bytes_nobody_asked_for_end_an_idle_connection", "[pool]", tcp_transport, tls_transport) {
    expect_noticed<TestType>([](server_connection& c) { c.write("HTTP/1.1 408 Request Timeout\r\n\r\n"); },
                             retire_reason::unsolicited_bytes);
}

TEST_CASE("session_tickets_do_not_end_an_idle_connection", "[pool]") {
    door go;
    std::atomic<int> sent = 0;
    site<tls_transport> server([&](server_connection& c) {
        go.wait();
        for (int i = 0; i < 3; ++i) {
            SSL_new_session_ticket(c.ssl());
            SSL_do_handshake(c.ssl());  // sends it
            ++sent;
        }
        echo(c);
    });
    net::io_context io;
    auto pool = server.pool(io, {.check_after_idle = 1h});
    pool.put(get(io, pool));
    go.open();
    CHECK(run_until(io, [&] { return sent == 3; }));
    run_until(
        io, [] { return false; }, 50ms);
    CHECK(pool.stats().now == connection_counts{.idle = 1});
    auto lease = pool.try_get();
    REQUIRE(lease);
    CHECK(round_trip(io, lease, "after the tickets") == "after the tickets");
}

TEST_CASE("connection_is_looked_at_on_the_way_out", "[pool]") {
    net::io_context io;
    mock_network net;
    net.opens_at_once = true;
    mock_pool pool(io.get_executor(), mock_origin, {.check_after_idle = 0ms}, {&net});
    pool.put(get(io, pool));
    SECTION("closed, but its watch has not been told yet") {
        net.links[0]->finish();  // the event is posted, not run
        run_until(io, [] { return true; });
        CHECK_FALSE(pool.try_get());
        CHECK(retired(pool, retire_reason::peer_closed) == 1);
    }
    SECTION("stray bytes likewise") {
        net.links[0]->feed("x");
        CHECK_FALSE(pool.try_get());
        CHECK(retired(pool, retire_reason::unsolicited_bytes) == 1);
    }
    SECTION("or else a get would open another") {
        net.links[0]->finish();
        auto lease = get(io, pool);
        CHECK_FALSE(lease.reused());
        CHECK(net.links.size() == 2);
    }
    pool.close();
    CHECK(run_dry(io));
    CHECK(net.open_links() == 0);
}

TEST_CASE("connection_closed_while_leased_is_noticed_soon_after_it_is_put_back", "[pool]") {
    net::io_context io;
    mock_network net;
    net.opens_at_once = true;
    const std::size_t others = GENERATE(0u, 2u);  // alone, or among others
    mock_pool pool(io.get_executor(), mock_origin, {}, {&net});
    std::vector<mock_pool::lease_type> held;
    for (std::size_t i = 0; i < others; ++i) held.push_back(get(io, pool));
    SECTION("it had been watched before") {
        pool.put(get(io, pool));
        io.restart();
        io.poll();
    }
    SECTION("it had not") {}
    auto lease = get(io, pool);
    net.links.back()->finish();
    io.restart();
    io.poll();  // the event finds nobody
    CHECK(pool.stats().now.leased == others + 1);
    pool.put(std::move(lease));
    CHECK(run_until(
        io, [&] { return retired(pool, retire_reason::peer_closed) == 1; }, 5s));
    CHECK(pool.stats().now.leased == others);
}

TEST_CASE("idle_connection_is_watched_once_however_often_it_is_lent", "[pool]") {
    net::io_context io;
    mock_network net;
    net.opens_at_once = true;
    mock_pool pool(io.get_executor(), mock_origin, {}, {&net});
    for (int i = 0; i < 100; ++i) pool.put(get(io, pool));
    CHECK(net.links.size() == 1);
    CHECK(net.links[0]->waits == 1);
}
