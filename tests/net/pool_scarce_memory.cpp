// A pool that is out of memory for a while, from each allocation on in turn: every operation either throws from its
// start, and has done nothing, or completes once; and the pool serves afterwards.
#include <asio/io_context.hpp>

#include <memory>
#include <new>
#include <string>

#include "hotpool/access_controller.hpp"
#include "hotpool/exchange.hpp"
#include "hotpool/http_client.hpp"
#include "support/allocations.hpp"
#include "support/http_test.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t most_allocations = 90;  // of a first request, with some to spare

/// Counts how operations end.
struct endings_count {
    int started = 0;
    int completed = 0;

    template <class Start>
    void start(Start begin) {
        try {
            begin();
            ++started;
        } catch (const std::bad_alloc&) {
        }
    }
};

/// Runs the loop without memory, as a program would that catches what comes out of it.
void run_without(net::io_context& io, std::uint64_t calls, const std::function<void()>& begin) {
    const test::scarce_memory memory(calls);
    begin();
    for (int i = 0; i < 12; ++i) {
        try {
            io.run_one_for(1ms);
        } catch (const std::bad_alloc&) {
        }
        io.restart();
    }
}

void echo_requests(server_connection& c) {
    for (;;) {
        const std::string head = c.read_until("\r\n\r\n");
        const bool large = head.find("/large") != std::string::npos;
        c.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::string(large ? "20000" : "2") + "\r\n\r\n" +
                std::string(large ? 20000 : 2, 'x'));
    }
}

template <class Pool>
void serves_again(net::io_context& io, Pool& pool) {
    for (int i = 0; i < 2; ++i) {
        auto lease = get(io, pool);
        const request_builder request{"GET", "/"};
        int calls = 0;
        std::error_code error;
        async_exchange(lease, request, [&](std::error_code e, const response&) {
            ++calls;
            error = e;
        });
        REQUIRE(run_until(io, [&] { return calls == 1; }));
        CHECK_FALSE(error);
        pool.put(std::move(lease));
    }
    int drained = 0;
    std::error_code outcome;
    pool.async_drain(5s, [&](std::error_code e) {
        ++drained;
        outcome = e;
    });
    REQUIRE(run_until(io, [&] { return drained == 1; }));
    CHECK_FALSE(outcome);
    CHECK(is_spent(pool));
}

/// Does `use` with memory for no, one, two ... allocations.
template <class Transport, class Use>
void at_each_allocation(const pool_options& options, bool named, Use use) {
    for (std::uint64_t calls = 0; calls < most_allocations; ++calls) {
        INFO("memory for " << calls << " allocations");
        const site<Transport> s(echo_requests);
        net::io_context io;
        const auto budget = std::make_shared<connection_budget>(4);
        {
            origin target = s.target();
            if (named) target.host = "localhost";
            pool_services services{.budget = budget, .listener = [](const pool_event&) {}};
            connection_pool<Transport> pool{io.get_executor(), target, options, trusting_options<Transport>(),
                                            services};
            endings_count t;
            use(io, pool, calls, t);
            CHECK(run_until(io, [&] { return t.completed == t.started; }));
            io.restart();
            io.run_for(1ms);
            CHECK(t.completed == t.started);
            serves_again(io, pool);
        }
        CHECK(run_dry(io));
        CHECK(budget->used() == 0);
    }
}

}  // namespace

TEMPLATE_TEST_CASE("get_without_memory_throws_or_completes", "[pool][memory]", tcp_transport, tls_transport) {
    const pool_options options{
        .max_connections = 2, .get_timeout = 2s, .connect_timeout = 2s, .breaker_failures = 0, .backoff_first = 1ms};
    at_each_allocation<TestType>(options, false, [](auto& io, auto& pool, std::uint64_t calls, endings_count& t) {
        run_without(io, calls, [&] {
            for (int i = 0; i < 3; ++i)
                t.start([&] { pool.async_get([&t](std::error_code, auto) { ++t.completed; }); });
        });
    });
}

TEST_CASE("resolving_without_memory_fails_no_more_than_it_must", "[pool][memory]") {
    const pool_options options{.get_timeout = 2s, .connect_timeout = 2s, .breaker_failures = 0, .backoff_first = 1ms};
    at_each_allocation<tcp_transport>(options, true, [](auto& io, auto& pool, std::uint64_t calls, endings_count& t) {
        run_without(io, calls,
                    [&] { t.start([&] { pool.async_get([&t](std::error_code, auto) { ++t.completed; }); }); });
    });
}

TEST_CASE("warm_and_drain_without_memory_throw_or_complete", "[pool][memory]") {
    const pool_options options{.connect_timeout = 2s, .breaker_failures = 0, .backoff_first = 1ms};
    at_each_allocation<tcp_transport>(options, false, [](auto& io, auto& pool, std::uint64_t calls, endings_count& t) {
        run_without(io, calls, [&] { t.start([&] { pool.async_warm(2, [&t](std::error_code) { ++t.completed; }); }); });
    });
    for (std::uint64_t calls = 0; calls < 8; ++calls) {
        const site<tcp_transport> s(echo_requests);
        net::io_context io;
        auto pool = s.pool(io);
        auto held = get(io, pool);
        endings_count t;
        run_without(io, calls,
                    [&] { t.start([&] { pool.async_drain(1ms, [&t](std::error_code) { ++t.completed; }); }); });
        held.discard();
        CHECK(run_until(io, [&] { return t.completed == t.started; }));
        pool.close();
        CHECK(run_dry(io));
    }
}

TEMPLATE_TEST_CASE("exchange_without_memory_throws_or_completes", "[pool][memory]", tcp_transport, tls_transport) {
    const pool_options options{.max_connections = 2, .get_timeout = 2s, .connect_timeout = 2s};
    at_each_allocation<TestType>(options, false, [](auto& io, auto& pool, std::uint64_t calls, endings_count& t) {
        auto lease = get(io, pool);
        const request_builder request{"GET", "/large"};
        run_without(io, calls, [&] {
            t.start([&] { async_exchange(lease, request, [&t](std::error_code, const response&) { ++t.completed; }); });
        });
        CHECK(run_until(io, [&] { return t.completed == t.started; }));
        {
            const test::scarce_memory none(0);
            pool.put(std::move(lease));
        }
    });
}

TEST_CASE("request_of_a_client_without_memory_throws_or_completes", "[pool][memory]") {
    const pool_options options{
        .max_connections = 2, .get_timeout = 2s, .connect_timeout = 2s, .breaker_failures = 0, .backoff_first = 1ms};
    at_each_allocation<tcp_transport>(options, false, [](auto& io, auto& pool, std::uint64_t calls, endings_count& t) {
        http_client client{pool};
        const request_builder request{"GET", "/large"};
        run_without(io, calls, [&] {
            t.start([&] { client.async_send(request, [&t](std::error_code, const response&) { ++t.completed; }); });
        });
        CHECK(run_until(io, [&] { return t.completed == t.started; }));
    });
}

TEST_CASE("cancelling_without_memory_completes", "[pool][memory]") {
    const site<tcp_transport> s;
    net::io_context io;
    auto pool = s.pool(io, {.max_connections = 1});
    auto held = get(io, pool);
    net::cancellation_signal signal;
    int calls = 0;
    pool.async_get(net::bind_cancellation_slot(signal.slot(), [&](std::error_code e, tcp_pool::lease_type) {
        ++calls;
        CHECK(e == errc::cancelled);
    }));
    {
        const test::scarce_memory none(0);
        signal.emit(net::cancellation_type::terminal);
    }
    CHECK(run_until(io, [&] { return calls == 1; }));
    {
        const test::scarce_memory none(0);
        pool.close();
        held.discard();
    }
    CHECK(run_dry(io));
}
