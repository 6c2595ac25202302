// The execution context ends while callers of a pool wait: nobody is told, and everything is destroyed.
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <functional>
#include <memory>
#include <string>

#include "support/black_hole.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

using token = std::shared_ptr<int>;

net::any_io_executor executor_of(net::io_context& io, bool strand) {
    if (strand) return net::make_strand(io);
    return io.get_executor();
}

/// What a coroutine that owns its pool waits for.
enum class place { opening, queue, suspended, warm, drain };

net::awaitable<void> wait_in(place where, net::any_io_executor executor, origin target, token alive) {
    const token held = std::move(alive);
    tcp_pool pool{executor, target, pool_options{.max_connections = 1}};
    if (where == place::suspended) pool.suspend();
    if (where == place::warm) co_await pool.async_warm(1, net::use_awaitable);
    auto first = co_await pool.async_get(net::use_awaitable);
    if (where == place::drain) co_await pool.async_drain(1h, net::use_awaitable);
    auto second = co_await pool.async_get(net::use_awaitable);
}

}  // namespace

TEST_CASE("coroutine_that_owns_its_pool_is_destroyed_with_its_context", "[pool][endings]") {
    const site<tcp_transport> s;
    for (const bool strand : {false, true})
        for (const place where : {place::opening, place::queue, place::suspended, place::warm, place::drain}) {
            INFO("place " << static_cast<int>(where) << ", strand " << strand);
            net::io_context of_hole;
            const black_hole hole(of_hole);
            const bool opens = where == place::opening || where == place::warm;
            const origin target =
                opens ? origin{.host = "127.0.0.1", .port = std::to_string(hole.endpoint().port())} : s.target();
            auto alive = std::make_shared<int>(1);
            {
                net::io_context io;
                net::co_spawn(io, wait_in(where, executor_of(io, strand), target, alive), net::detached);
                io.run_for(30ms);
                CHECK(alive.use_count() == 2);
            }
            CHECK(alive.use_count() == 1);
        }
}

TEST_CASE("pool_that_its_context_leaves_behind_has_destroyed_its_waiters", "[pool][endings]") {
    const site<tcp_transport> s;
    auto alive = std::make_shared<int>(1);
    int calls = 0;
    {
        net::io_context io;
        tcp_pool pool{io.get_executor(), s.target(), pool_options{.max_connections = 1}};
        auto held = get(io, pool);
        for (int i = 0; i < 3; ++i) pool.async_get([alive, &calls](std::error_code, tcp_pool::lease_type) { ++calls; });
        pool.async_warm(7, [alive, &calls](std::error_code) { ++calls; });
        io.poll();
        CHECK(alive.use_count() == 4);  // a warm-up that the limits allow no further has been told so
        held.discard();
    }
    CHECK(alive.use_count() == 1);
    CHECK(calls == 1);
}

TEST_CASE("cancellation_signal_may_outlive_the_pool_and_its_context", "[pool][endings]") {
    const site<tcp_transport> s([](server_connection& c) { c.stay(); });
    for (const bool strand : {false, true}) {
        INFO("strand " << strand);
        net::cancellation_signal waiting, reading, draining;
        int calls = 0;
        {
            net::io_context io;
            tcp_pool pool{executor_of(io, strand), s.target(), pool_options{.max_connections = 1}};
            auto held = get(io, pool);
            char byte = 0;
            const auto count = [&](auto&&...) { ++calls; };
            held.async_read_some(net::buffer(&byte, 1), net::bind_cancellation_slot(reading.slot(), count));
            pool.async_get(net::bind_cancellation_slot(waiting.slot(), count));
            pool.async_drain(1h, net::bind_cancellation_slot(draining.slot(), count));
            io.poll();
        }
        for (net::cancellation_signal* signal : {&waiting, &reading, &draining})
            signal->emit(net::cancellation_type::all);
        CHECK(calls == 1);  // who waited was told that the pool drains
    }
}

TEST_CASE("warm_and_drain_are_cancelled_by_every_type", "[pool][endings]") {
    const site<tcp_transport> s;
    net::io_context of_hole;
    const black_hole hole(of_hole);
    for (const auto type : {net::cancellation_type::terminal, net::cancellation_type::partial,
                            net::cancellation_type::total, net::cancellation_type::all}) {
        net::io_context io;
        tcp_pool slow{io.get_executor(), {.host = "127.0.0.1", .port = std::to_string(hole.endpoint().port())}};
        tcp_pool draining{io.get_executor(), s.target()};
        auto held = get(io, draining);
        net::cancellation_signal of_warm, of_drain;
        std::error_code warm_error, drain_error;
        int calls = 0;
        slow.async_warm(1, net::bind_cancellation_slot(of_warm.slot(), [&](std::error_code e) {
                            ++calls;
                            warm_error = e;
                        }));
        draining.async_drain(1h, net::bind_cancellation_slot(of_drain.slot(), [&](std::error_code e) {
                                 ++calls;
                                 drain_error = e;
                             }));
        io.restart();
        io.run_for(5ms);
        CHECK(calls == 0);
        of_warm.emit(net::cancellation_type::none);
        of_warm.emit(type);
        of_drain.emit(type);
        CHECK(calls == 0);
        REQUIRE(run_until(io, [&] { return calls == 2; }));
        CHECK(warm_error == errc::cancelled);
        CHECK(drain_error == errc::cancelled);
        // The pool itself goes on.
        CHECK(slow.stats().now.opening == 1);
        CHECK_FALSE(draining.try_get());
        draining.put(std::move(held));
        CHECK(draining.stats().now.idle == 0);
        slow.close();
    }
}

TEST_CASE("operations_on_an_empty_lease_complete_on_its_pools_executor", "[pool][endings]") {
    const site<tcp_transport> s;
    net::io_context io;
    tcp_pool pool{io.get_executor(), s.target()};
    auto never_lent = pool.try_get();
    auto put_back = get(io, pool);
    pool.put(std::move(put_back));
    auto moved_from = get(io, pool);
    const auto holder = std::move(moved_from);
    auto discarded = get(io, pool);
    discarded.discard();
    for (auto* empty : {&never_lent, &put_back, &moved_from, &discarded}) {
        char byte = 0;
        bool inside = false;
        std::error_code error;
        empty->async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) {
            inside = io.get_executor().running_in_this_thread();
            error = e;
        });
        CHECK_FALSE(error);
        REQUIRE(run_until(io, [&] { return static_cast<bool>(error); }));
        CHECK(error == errc::lease_empty);
        CHECK(inside);
    }
    // Nobody knows an executor.
    tcp_pool::lease_type nobodys;
    char byte = 0;
    CHECK_THROWS_AS(nobodys.async_read_some(net::buffer(&byte, 1), [](std::error_code, std::size_t) {}),
                    std::system_error);
    std::error_code error;
    nobodys.async_read_some(net::buffer(&byte, 1),
                            net::bind_executor(io, [&](std::error_code e, std::size_t) { error = e; }));
    REQUIRE(run_until(io, [&] { return static_cast<bool>(error); }));
    CHECK(error == errc::lease_empty);
}

TEST_CASE("empty_lease_whose_pool_is_gone_says_so_by_the_handlers_executor", "[pool][endings]") {
    const site<tcp_transport> s;
    net::io_context io;
    tcp_pool::lease_type spent;
    {
        tcp_pool pool{io.get_executor(), s.target()};
        spent = get(io, pool);
        pool.put(std::move(spent));
    }
    CHECK(run_dry(io));
    char byte = 0;
    CHECK_THROWS_AS(spent.async_read_some(net::buffer(&byte, 1), [](std::error_code, std::size_t) {}),
                    std::system_error);
}

TEST_CASE("context_and_pool_may_end_while_pools_elsewhere_press_their_budget", "[pool][endings][thread]") {
    const site<tcp_transport> s;
    for (const bool strand : {false, true}) {
        const auto budget = std::make_shared<connection_budget>(1);
        std::atomic<bool> over{false};
        std::atomic<int> gets{0};
        std::thread elsewhere([&] {
            net::io_context io;
            tcp_pool pool = s.pool(io, {.get_timeout = 5ms}, budget);
            while (!over) {
                bool done = false;
                pool.async_get([&](std::error_code, tcp_pool::lease_type lease) {
                    done = true;
                    if (lease) lease.discard();
                    ++gets;
                });
                while (!done) {
                    io.restart();
                    io.run_for(1ms);
                }
            }
            pool.close();
            io.restart();
            io.run_for(20ms);
        });
        for (int round = 0; round < 300; ++round) {
            net::io_context io;
            {
                tcp_pool pool{executor_of(io, strand), s.target(), {.get_timeout = 5ms}, tcp_options{}, budget};
                pool.async_get([](std::error_code, tcp_pool::lease_type) {});
                io.run_for(1ms);
            }
            io.restart();
            io.poll();
        }
        over = true;
        elsewhere.join();
        CHECK(gets > 0);
        CHECK(budget->used() == 0);
    }
}
