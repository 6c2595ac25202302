// What time does to a pool: limits, refills, rest, probes.
#include <functional>
#include <vector>

#include "hotpool/health_checker.hpp"
#include "support/mock_stage.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

using verdict_type = health_checker<mock_pool>::verdict_type;

}  // namespace

TEST_CASE("connection_idle_too_long_is_closed", "[pool]") {
    mock_stage s({.idle_timeout = 30ms});
    s.pool.put(get(s.io, s.pool));
    const time_point begin = clock_type::now();
    CHECK(s.until_retired(retire_reason::idle_timeout));
    CHECK(clock_type::now() - begin >= 20ms);  // less the tick by which the coarse clock may be late
    CHECK(s.pool.stats().now == connection_counts{});
}

TEST_CASE("connection_too_old_ends_when_nobody_uses_it", "[pool]") {
    mock_stage s({.max_lifetime = 30ms, .lifetime_jitter = 0});
    SECTION("idle") {
        s.pool.put(get(s.io, s.pool));
        CHECK(s.until_retired(retire_reason::max_lifetime));
    }
    SECTION("leased, it is not cut but closed on its return") {
        auto lease = get(s.io, s.pool);
        const time_point begin = clock_type::now();
        run_until(s.io, [&] { return clock_type::now() - begin > 40ms; });
        CHECK(s.net.open_links() == 1);
        s.pool.put(std::move(lease));
        CHECK(retired(s.pool, retire_reason::max_lifetime) == 1);
    }
}

TEST_CASE("connection_ends_after_its_last_use", "[pool]") {
    mock_stage s({.max_requests = 2});
    s.pool.put(get(s.io, s.pool));
    CHECK(s.pool.stats().now.idle == 1);
    s.pool.put(get(s.io, s.pool));
    CHECK(s.pool.stats().now.idle == 0);
    CHECK(retired(s.pool, retire_reason::max_requests) == 1);
}

TEST_CASE("deadline_of_one_lease_does_not_reach_the_next", "[pool]") {
    mock_stage s;
    auto lease = get(s.io, s.pool);
    detail::access::core(s.pool)->set_lease_deadline(*detail::access::connection(lease), clock_type::now() + 5ms);
    CHECK(run_until(s.io, [&] { return detail::access::connection(lease)->expired.load(); }));
    s.pool.put(std::move(lease));  // late, but clean
    lease = get(s.io, s.pool);
    REQUIRE(lease.reused());
    char byte;
    std::error_code error = errc::request_timed_out;
    std::size_t received = 0;
    lease.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t n) {
        error = e;
        received = n;
    });
    s.net.links[0]->feed("x");
    CHECK(run_until(
        s.io, [&] { return received == 1; }, 5s));
    CHECK_FALSE(error);
}

TEST_CASE("put_beyond_max_idle_ends_the_one_idle_longest", "[pool]") {
    mock_stage s({.max_idle = 1});
    auto first = get(s.io, s.pool);
    auto second = get(s.io, s.pool);
    s.pool.put(std::move(first));
    s.pool.put(std::move(second));
    CHECK(retired(s.pool, retire_reason::surplus) == 1);
    CHECK(s.net.links[0]->closed);
    CHECK_FALSE(s.net.links[1]->closed);
}

TEST_CASE("pool_keeps_min_idle_filled", "[pool]") {
    mock_stage s({.min_idle = 2});
    CHECK(run_until(s.io, [&] { return s.pool.stats().now.idle == 2; }));
    SECTION("when one is lent") {
        auto lease = get(s.io, s.pool);
        CHECK(run_until(s.io, [&] { return s.pool.stats().now == connection_counts{.idle = 2, .leased = 1}; }));
    }
    SECTION("when the server closes them") {
        for (const auto& link : std::vector(s.net.links)) link->finish();
        CHECK(s.until_retired(retire_reason::peer_closed, 2));
        CHECK(run_until(s.io, [&] { return s.pool.stats().now.idle == 2; }));
        CHECK(s.net.open_links() == 2);
    }
}

TEST_CASE("min_idle_waits_for_a_peer_that_is_down_without_hammering_it", "[pool]") {
    mock_stage s({.min_idle = 1, .backoff_first = 60ms, .backoff_limit = 60ms});
    CHECK(run_until(s.io, [&] { return s.pool.stats().now.idle == 1; }));
    s.net.opens_at_once = false;
    s.net.links[0]->finish();
    const time_point begin = clock_type::now();
    for (std::size_t n = 2; n <= 4; ++n) {
        CHECK(run_until(s.io, [&] { return s.net.openings.size() == n; }));
        s.net.openings.back().fail();
    }
    // Two pauses, of which chance takes half and the coarse clock a tick each.
    CHECK(clock_type::now() - begin >= 40ms);
    CHECK(run_until(s.io, [&] { return s.net.pending() == 1; }));
    s.net.openings.back().succeed();
    CHECK(run_until(s.io, [&] { return s.pool.stats().now.idle == 1; }));
}

TEST_CASE("connection_that_stays_idle_gives_its_buffers_back_once", "[pool]") {
    mock_stage s({.rest_after_idle = 10ms});
    s.pool.put(get(s.io, s.pool));
    CHECK(run_until(s.io, [&] { return s.pool.stats().total.rests == 1; }));
    CHECK(s.net.links[0]->releases == 1);
    CHECK(s.pool.stats().now == connection_counts{.idle = 1});
    run_until(
        s.io, [] { return false; }, 40ms);
    CHECK(s.net.links[0]->releases == 1);
    s.net.links[0]->finish();  // still watched
    CHECK(s.until_retired(retire_reason::peer_closed));
}

TEMPLATE_TEST_CASE("rested_connection_works_like_any_other", "[pool]", tcp_transport, tls_transport) {
    site<TestType> server;
    net::io_context io;
    auto pool = server.pool(io, {.rest_after_idle = 0ms});
    auto lease = get(io, pool);
    CHECK(round_trip(io, lease, "before") == "before");
    pool.put(std::move(lease));
    if (TestType::scheme == "https") CHECK(run_until(io, [&] { return pool.stats().total.rests == 1; }));
    lease = get(io, pool);
    CHECK(lease.reused());
    CHECK(round_trip(io, lease, "after") == "after");
}

TEST_CASE("health_probe_decides_about_an_idle_connection", "[pool]") {
    mock_stage s({.health_check_interval = 15ms, .health_check_timeout = 30ms});
    int probes = 0;
    std::vector<verdict_type> open_verdicts;
    std::function<void(mock_pool::lease_type&, verdict_type)> probe;
    health_checker<mock_pool> checker(s.pool, [&](mock_pool::lease_type& lease, verdict_type verdict) {
        ++probes;
        CHECK(lease);
        probe(lease, std::move(verdict));
    });
    s.pool.put(get(s.io, s.pool));
    SECTION("healthy, it stays and is probed again") {
        probe = [](mock_pool::lease_type&, const verdict_type& verdict) { verdict(true); };
        CHECK(run_until(s.io, [&] { return probes >= 3; }));
        CHECK(s.pool.stats().now == connection_counts{.idle = 1});
        CHECK(s.pool.stats().total.probe_failures == 0);
        s.net.links[0]->finish();  // still watched
        CHECK(s.until_retired(retire_reason::peer_closed));
    }
    SECTION("unhealthy, it ends") {
        probe = [](mock_pool::lease_type&, const verdict_type& verdict) { verdict(false); };
        CHECK(s.until_retired(retire_reason::probe_failed));
        CHECK(s.pool.stats().total.probe_failures == 1);
        CHECK(probes == 1);
    }
    SECTION("a probe that reads and gets no answer is cut and fails") {
        char byte;
        probe = [&](mock_pool::lease_type& lease, const verdict_type& verdict) {
            lease.async_read_some(net::buffer(&byte, 1), [verdict](std::error_code error, std::size_t) {
                CHECK(error == errc::request_timed_out);
                verdict(!error);
            });
        };
        CHECK(run_until(s.io, [&] { return s.pool.stats().total.probe_failures == 1; }));
        CHECK(s.pool.stats().now == connection_counts{});
    }
    SECTION("while it is probed nobody gets it, and it counts") {
        probe = [&](mock_pool::lease_type&, verdict_type verdict) { open_verdicts.push_back(std::move(verdict)); };
        CHECK(run_until(s.io, [&] { return probes == 1; }));
        CHECK(s.pool.stats().now == connection_counts{.probing = 1});
        CHECK_FALSE(s.pool.try_get());
        SECTION("a verdict in time brings it back") {
            open_verdicts.front()(true);
            CHECK(s.pool.stats().now == connection_counts{.idle = 1});
        }
        SECTION("a verdict that comes too late is a failure") {
            const time_point begin = clock_type::now();
            run_until(s.io, [&] { return clock_type::now() - begin > 50ms; });
            open_verdicts.front()(true);
            CHECK(s.pool.stats().total.probe_failures == 1);
            CHECK(s.pool.stats().now == connection_counts{});
        }
        SECTION("a verdict that is never given goes with the probe") {
            s.pool.close();
            CHECK(s.pool.stats().now == connection_counts{.probing = 1});
            open_verdicts.clear();
            CHECK(s.pool.stats().now == connection_counts{});
        }
    }
}

TEST_CASE("verdict_may_come_when_the_pool_is_gone", "[pool]") {
    net::io_context io;
    mock_network net;
    net.opens_at_once = true;
    verdict_type verdict;
    {
        mock_pool pool(io.get_executor(), mock_origin, {.min_idle = 1, .health_check_interval = 1ms}, {&net});
        health_checker<mock_pool> checker(pool,
                                          [&](mock_pool::lease_type&, verdict_type v) { verdict = std::move(v); });
        CHECK(run_until(io, [&] { return static_cast<bool>(verdict); }));
    }
    verdict(GENERATE(true, false));
    verdict = {};
    CHECK(net.open_links() == 0);
    CHECK(run_dry(io));
}
