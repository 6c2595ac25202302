// The pool as a whole: warmed, drained, given other options.
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <chrono>
#include <deque>

#include "support/mock_stage.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// What a warm or a drain was answered.
struct verdict {
    int completions = 0;
    std::error_code error{};
    auto handler() {
        return [this](std::error_code e) {
            ++completions;
            error = e;
        };
    }
    bool done() const noexcept { return completions != 0; }
};

}  // namespace

TEMPLATE_TEST_CASE("warm_pool_lends_without_opening", "[pool]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    site<TestType> server;
    net::io_context io;
    auto pool = server.pool(io);
    verdict warm;
    pool.async_warm(3, warm.handler());
    CHECK_FALSE(warm.done());
    CHECK(run_until(io, [&] { return warm.done(); }));
    CHECK_FALSE(warm.error);
    CHECK(pool.stats().now == connection_counts{.idle = 3});
    for (int i = 0; i < 3; ++i) pool.try_get();
    CHECK(pool.stats().total.openings == 3);
    pool.close();
    CHECK(run_dry(io));
    CHECK(run_until(io, [&] { return server.live() == 0; }));
}

TEST_CASE("warm_tells_when_it_could_not_open_all", "[pool]") {
    mock_stage s({.max_connections = 4}, false);
    verdict warm;
    s.pool.async_warm(2, warm.handler());
    CHECK(s.net.pending() == 2);
    SECTION("one failed") {
        s.net.openings[0].fail();
        s.turn();
        CHECK_FALSE(warm.done());
        s.net.openings[1].succeed();
        s.turn();
        CHECK(warm.error == errc::warm_incomplete);
        CHECK(s.pool.stats().now == connection_counts{.idle = 1});
    }
    SECTION("the limit allows fewer") {
        verdict greedy;
        s.pool.async_warm(9, greedy.handler());
        CHECK(s.net.pending() == 4);
        for (auto& o : s.net.openings) o.succeed();
        s.turn();
        CHECK(greedy.error == errc::warm_incomplete);
        CHECK_FALSE(warm.error);
        CHECK(s.pool.stats().now == connection_counts{.idle = 4});
    }
    SECTION("the pool was closed meanwhile") {
        s.pool.close();
        s.turn();
        CHECK(warm.error == errc::warm_incomplete);
    }
    CHECK(warm.completions == 1);
}

TEST_CASE("warm_of_what_is_open_already_completes_without_opening", "[pool]") {
    mock_stage s;
    auto lease = get(s.io, s.pool);
    verdict none, one;
    s.pool.async_warm(0, none.handler());
    s.pool.async_warm(1, one.handler());
    CHECK_FALSE(one.done());
    s.turn();
    CHECK(none.done());
    CHECK(one.done());
    CHECK_FALSE(one.error);
    CHECK(s.net.openings.size() == 1);
}

TEST_CASE("drain_ends_idle_now_refuses_waiters_and_lets_leases_finish", "[pool]") {
    mock_stage s({.max_connections = 2});
    auto first = get(s.io, s.pool);
    auto second = get(s.io, s.pool);
    got<mock_pool> waiting, late;
    s.pool.async_get(waiting.handler());
    verdict drained;
    s.pool.async_drain(1h, drained.handler());
    s.turn();
    CHECK(waiting.error == errc::pool_draining);
    s.pool.async_get(late.handler());
    s.turn();
    CHECK(late.error == errc::pool_draining);
    CHECK_FALSE(drained.done());
    s.pool.put(std::move(first));
    s.turn();
    CHECK_FALSE(drained.done());
    CHECK(retired(s.pool, retire_reason::drained) == 1);
    s.pool.put(std::move(second));
    s.turn();
    CHECK(drained.done());
    CHECK_FALSE(drained.error);
    CHECK(run_dry(s.io, 5s));  // the deadline is not waited for
}

TEST_CASE("drain_of_an_idle_pool_completes_at_once", "[pool]") {
    mock_stage s({}, false);
    verdict drained, again;
    s.pool.async_warm(1, [](std::error_code) {});
    s.pool.async_drain(1h, drained.handler());
    CHECK_FALSE(drained.done());
    CHECK(run_dry(s.io, 5s));
    CHECK(drained.done());
    CHECK_FALSE(drained.error);
    s.pool.async_drain(1h, again.handler());
    CHECK(run_dry(s.io, 5s));
    CHECK(again.done());
}

TEST_CASE("drain_cuts_what_is_still_under_way_at_its_deadline", "[pool]") {
    mock_stage s;
    auto reading = get(s.io, s.pool);
    auto held = get(s.io, s.pool);
    std::error_code error;
    char byte;
    reading.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) { error = e; });
    verdict drained;
    const time_point begin = clock_type::now();
    s.pool.async_drain(30ms, drained.handler());
    CHECK(run_until(s.io, [&] { return drained.done(); }));
    CHECK(clock_type::now() - begin >= 30ms);
    CHECK(drained.error == errc::drain_timed_out);
    CHECK(drained.error == condition::timed_out);
    CHECK(run_until(s.io, [&] { return static_cast<bool>(error); }));
    CHECK(error == errc::request_timed_out);
    // What begins after the deadline is cut as well.
    error = {};
    held.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) { error = e; });
    CHECK(run_until(
        s.io, [&] { return static_cast<bool>(error); }, 5s));
    CHECK(error == errc::request_timed_out);
    s.pool.put(std::move(reading));
    s.pool.put(std::move(held));
    CHECK(s.pool.stats().now == connection_counts{});
}

TEST_CASE("warming_goes_on_when_its_caller_is_cancelled", "[pool][cancel]") {
    mock_stage s({.max_connections = 4}, false);
    verdict warm;
    net::cancellation_signal signal;
    s.pool.async_warm(2, net::bind_cancellation_slot(signal.slot(), warm.handler()));
    signal.emit(net::cancellation_type::terminal);
    s.turn();
    CHECK(warm.error == errc::cancelled);
    CHECK(s.net.pending() == 2);
    for (auto& o : s.net.openings) o.succeed();
    s.turn();
    CHECK(s.pool.stats().now == connection_counts{.idle = 2});
    CHECK(warm.completions == 1);
}

TEST_CASE("draining_goes_on_when_its_caller_is_cancelled", "[pool][cancel]") {
    mock_stage s;
    auto lease = get(s.io, s.pool);
    verdict drained;
    net::cancellation_signal signal;
    s.pool.async_drain(1h, net::bind_cancellation_slot(signal.slot(), drained.handler()));
    signal.emit(net::cancellation_type::terminal);
    s.turn();
    CHECK(drained.error == errc::cancelled);
    got<mock_pool> late;
    s.pool.async_get(late.handler());
    s.turn();
    CHECK(late.error == errc::pool_draining);
    s.pool.put(std::move(lease));
    s.turn();
    CHECK(retired(s.pool, retire_reason::drained) == 1);
    CHECK(s.pool.stats().now == connection_counts{});
    CHECK(drained.completions == 1);
}

TEST_CASE("lowered_limits_end_what_is_beyond_them", "[pool]") {
    mock_stage s({.max_connections = 4});
    auto a = get(s.io, s.pool);
    auto b = get(s.io, s.pool);
    auto c = get(s.io, s.pool);
    auto d = get(s.io, s.pool);
    s.pool.put(std::move(c));
    s.pool.put(std::move(d));
    s.pool.set_options({.max_connections = 1});
    CHECK(s.pool.options().max_connections == 1);
    CHECK(s.pool.stats().now == connection_counts{.leased = 2});
    s.pool.put(std::move(a));
    CHECK(s.pool.stats().now == connection_counts{.leased = 1});
    s.pool.put(std::move(b));
    CHECK(s.pool.stats().now == connection_counts{.idle = 1});
    CHECK(retired(s.pool, retire_reason::limits_lowered) == 3);
}

TEST_CASE("raised_limits_serve_who_waits", "[pool]") {
    mock_stage s({.max_connections = 1});
    auto held = get(s.io, s.pool);
    got<mock_pool> waiting;
    s.pool.async_get(waiting.handler());
    s.turn();
    CHECK_FALSE(waiting.done());
    s.pool.set_options({.max_connections = 2});
    s.turn();
    CHECK(waiting.lease);
}

TEST_CASE("shorter_idle_timeout_counts_for_those_already_idle", "[pool]") {
    mock_stage s({.idle_timeout = 1h});
    s.pool.put(get(s.io, s.pool));
    s.turn();
    s.pool.set_options({.idle_timeout = 10ms});
    CHECK(run_until(s.io, [&] { return retired(s.pool, retire_reason::idle_timeout) == 1; }));
}

TEST_CASE("invalid_options_are_refused_and_change_nothing", "[pool]") {
    mock_stage s({.max_connections = 3});
    CHECK_THROWS_WITH(s.pool.set_options({.max_connections = 0}), Catch::Matchers::Contains("max_connections"));
    CHECK_THROWS_WITH(s.pool.set_options({.connect_timeout = 0s}), Catch::Matchers::Contains("connect_timeout"));
    CHECK_THROWS_WITH(s.pool.set_options({.max_connections = 1, .min_idle = 2}), Catch::Matchers::Contains("min_idle"));
    CHECK(s.pool.options().max_connections == 3);
    CHECK(s.pool.options().min_idle == 0);
}
