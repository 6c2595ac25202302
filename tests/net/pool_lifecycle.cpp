// Who may end before whom: pools, leases, contexts.
#include <pthread.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include <memory>
#include <vector>

#include "support/black_hole.hpp"
#include "support/mock_transport.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Runs `function` on a thread with a stack of 256 KiB.
template <class Function>
void on_a_small_stack(Function function) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    pthread_t thread;
    const auto run = [](void* f) -> void* {
        (*static_cast<Function*>(f))();
        return nullptr;
    };
    REQUIRE(pthread_create(&thread, &small, run, &function) == 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&small);
}

}  // namespace

TEMPLATE_TEST_CASE("pool_may_end_with_everything_under_way", "[pool]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    site<TestType> server;
    {
        net::io_context io;
        using lease_type = typename site<TestType>::lease_type;
        lease_type outlives;
        std::vector<std::error_code> answers;
        {
            auto pool = server.pool(io, {.max_connections = 4});
            outlives = get(io, pool);
            auto second = get(io, pool);
            auto idle = get(io, pool);
            pool.put(std::move(idle));
            pool.put(std::move(second));
            auto taken = pool.try_get();
            auto another = pool.try_get();
            // One opening under way, and more waiters than there is room for.
            for (int i = 0; i < 3; ++i)
                pool.async_get([&](std::error_code error, lease_type) { answers.push_back(error); });
            pool.put(std::move(taken));
            CHECK(pool.stats().now.opening == 1);
            // Another ends before the pool does, and so goes to the second.
        }
        CHECK(round_trip(io, outlives, "still alive") == "still alive");
        outlives = {};
        CHECK(run_dry(io));
        REQUIRE(answers.size() == 3);
        CHECK_FALSE(answers[0]);
        CHECK_FALSE(answers[1]);
        CHECK(answers[2] == errc::pool_closed);
    }
    net::io_context waiting;
    CHECK(run_until(waiting, [&] { return server.live() == 0; }));
}

TEST_CASE("closing_aborts_an_opening_that_nobody_answers", "[pool]") {
    const descriptor_check no_leak;
    net::io_context io;
    black_hole nobody(io);
    const std::string port = std::to_string(nobody.endpoint().port());
    auto pool = std::make_unique<tcp_pool>(io.get_executor(), origin{.host = "127.0.0.1", .port = port},
                                           pool_options{.connect_timeout = 1h});
    got<tcp_pool> waiting;
    pool->async_get(waiting.handler());
    io.poll();
    CHECK(pool->stats().now == connection_counts{.opening = 1, .waiting = 1});
    SECTION("by close") {
        pool->close();
        CHECK(run_until(io, [&] { return pool->stats().now == connection_counts{}; }));
    }
    SECTION("by the destructor") { pool.reset(); }
    CHECK(run_dry(io));
    CHECK(waiting.error == errc::pool_closed);
    CHECK(waiting.completions == 1);
}

TEST_CASE("io_context_may_end_with_openings_reads_and_turns_pending", "[pool]") {
    const descriptor_check no_leak;
    auto sentinel = std::make_shared<int>();
    const std::weak_ptr<int> watch = sentinel;
    auto budget = std::make_shared<connection_budget>(8);
    site<tcp_transport> server;
    {
        net::io_context io;
        auto pool = server.pool(io, {}, budget);
        // A coroutine that owns its lease and waits for bytes that never come.
        bool reading = false;
        net::co_spawn(
            io,
            [&reading, &pool, sentinel = std::move(sentinel)]() -> net::awaitable<void> {
                auto lease = co_await pool.async_get(net::use_awaitable);
                char byte;
                reading = true;
                co_await lease.async_read_some(net::buffer(&byte, 1), net::use_awaitable);
            },
            net::detached);
        CHECK(run_until(io, [&] { return reading; }));
        // Two put back, whose turn never ends, and two openings.
        auto one = get(io, pool);
        auto two = get(io, pool);
        pool.put(std::move(one));
        pool.put(std::move(two));
        pool.async_warm(5, net::detached);
        CHECK_FALSE(watch.expired());
        pool.close();
    }
    CHECK(watch.expired());
    CHECK(budget.use_count() == 1);  // no pool is left behind
    CHECK(budget->used() == 0);
}

TEST_CASE("lease_used_raw_needs_a_put_to_be_kept", "[pool]") {
    net::io_context io;
    mock_network net;
    net.opens_at_once = true;
    mock_pool pool(io.get_executor(), mock_origin, {}, {&net});
    const auto use = [&](mock_pool::lease_type& lease) {
        bool done = false;
        lease.async_write_some(net::buffer("x", 1), [&](std::error_code, std::size_t) { done = true; });
        CHECK(run_until(io, [&] { return done; }));
    };
    SECTION("unused, it is kept without") {
        { auto lease = get(io, pool); }
        CHECK(pool.stats().now.idle == 1);
    }
    SECTION("used, it is closed without") {
        {
            auto lease = get(io, pool);
            use(lease);
        }
        CHECK(retired(pool, retire_reason::not_clean) == 1);
        CHECK(net.open_links() == 0);
    }
    SECTION("used, it is kept with") {
        auto lease = get(io, pool);
        use(lease);
        pool.put(std::move(lease));
        CHECK(pool.stats().now.idle == 1);
        // The next holder starts with a clean sheet.
        { auto next = pool.try_get(); }
        CHECK(pool.stats().now.idle == 1);
    }
    SECTION("assigned over, it ends as if destroyed") {
        auto lease = get(io, pool);
        use(lease);
        lease = get(io, pool);
        CHECK(lease);
        CHECK(retired(pool, retire_reason::not_clean) == 1);
        CHECK(pool.stats().now == connection_counts{.leased = 1});
        lease.discard();
        CHECK_FALSE(lease);
        lease.discard();  // nothing left
        CHECK(retired(pool, retire_reason::discarded) == 1);
    }
    pool.close();
    CHECK(run_dry(io));
    CHECK(is_spent(pool));
}

TEMPLATE_TEST_CASE("detached_lease_frees_its_place_once_and_still_works", "[pool]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    site<TestType> server;
    net::io_context io;
    auto budget = std::make_shared<connection_budget>(1);
    auto pool = server.pool(io, {.max_connections = 1}, budget);
    auto lease = get(io, pool);
    lease.detach();
    CHECK(pool.stats().now == connection_counts{});
    CHECK(budget->used() == 0);
    CHECK(retired(pool, retire_reason::detached) == 1);
    lease.detach();  // once
    CHECK(retired(pool, retire_reason::detached) == 1);
    auto other = get(io, pool);
    CHECK(round_trip(io, lease, "on my own") == "on my own");
    CHECK(round_trip(io, other, "in the pool") == "in the pool");
    SECTION("and outlives the pool") {
        pool.close();
        CHECK(round_trip(io, lease, "alone") == "alone");
        other = {};
    }
    SECTION("and may be put, which closes it") {
        pool.put(std::move(lease));
        CHECK(run_until(io, [&] { return server.live() == 1; }));
        pool.put(std::move(other));
        CHECK(pool.stats().now == connection_counts{.idle = 1});
    }
    SECTION("or discarded") {
        lease.discard();
        CHECK(retired(pool, retire_reason::discarded) == 0);
        CHECK(run_until(io, [&] { return server.live() == 1; }));
        other = {};
    }
    lease = {};
    pool.close();
    CHECK(run_dry(io));
    CHECK(is_spent(pool));
    CHECK(budget->used() == 0);
    CHECK(run_until(io, [&] { return server.live() == 0; }));
}

TEST_CASE("closing_many_connections_needs_no_deep_stack", "[pool]") {
    net::io_context io;
    mock_network net;
    net.opens_at_once = true;
    constexpr std::size_t many = 5000;
    mock_pool pool(io.get_executor(), mock_origin, {.max_connections = many, .rest_after_idle = 0ms}, {&net});
    bool warm = false;
    pool.async_warm(many, [&](std::error_code error) {
        CHECK_FALSE(error);
        warm = true;
    });
    CHECK(run_until(io, [&] { return warm && pool.stats().now.idle == many; }));
    CHECK(run_until(io, [&] { return pool.stats().total.rests == many; }));
    on_a_small_stack([&] { pool.close(); });
    CHECK(is_spent(pool));
    CHECK(net.open_links() == 0);
    CHECK(run_dry(io));
}

TEST_CASE("second_close_and_get_after_close_change_nothing", "[pool]") {
    net::io_context io;
    mock_network net;
    mock_pool pool(io.get_executor(), mock_origin, {.min_idle = 2}, {&net});
    pool.close();
    pool.close();
    CHECK_FALSE(pool.try_get());
    got<mock_pool> late;
    pool.async_get(late.handler());
    std::error_code warm;
    pool.async_warm(1, [&](std::error_code e) { warm = e; });
    CHECK(run_dry(io));
    CHECK(late.error == errc::pool_closed);
    CHECK(warm == errc::warm_incomplete);
    CHECK(is_spent(pool));
    CHECK(net.pending() == 0);
}
