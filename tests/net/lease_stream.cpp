// A lease as a stream: composed operations, cancellation, a read and a write together.
#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>

#include <array>
#include <string>

#include "hotpool/exchange.hpp"
#include "support/mock_stage.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

struct transfer {
    int completions = 0;
    std::error_code error{};
    std::size_t bytes = 0;
    auto handler() {
        return [this](std::error_code e, std::size_t n) {
            ++completions;
            error = e;
            bytes = n;
        };
    }
    bool done() const noexcept { return completions != 0; }
};

struct lending_stage : mock_stage {
    lending_stage() { lease = get(io, pool); }
    mock_link& link() { return *net.links.at(0); }

    mock_pool::lease_type lease;
};

}  // namespace

TEMPLATE_TEST_CASE("asios_composed_operations_run_over_a_lease", "[lease]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    site<TestType> server;
    net::io_context io;
    auto pool = server.pool(io);
    bool done = false;
    net::co_spawn(
        io,
        [&]() -> net::awaitable<void> {
            auto lease = co_await pool.async_get(net::use_awaitable);
            std::string sent(512 * 1024, 'x');
            sent.back() = '\n';
            std::string received;
            // More than both sockets hold: the write goes on only as what comes back is read.
            net::co_spawn(
                io,
                [&]() -> net::awaitable<void> {
                    co_await net::async_write(lease, net::buffer(sent), net::use_awaitable);
                },
                net::detached);
            const std::size_t line =
                co_await net::async_read_until(lease, net::dynamic_buffer(received), '\n', net::use_awaitable);
            CHECK(line == sent.size());
            CHECK(received == sent);
            co_await net::async_write(lease, std::array{net::buffer("a", 1), net::buffer("bc", 2)}, net::use_awaitable);
            std::array<char, 3> reply{};
            co_await net::async_read(lease, net::buffer(reply), net::use_awaitable);
            CHECK(std::string(reply.data(), 3) == "abc");
            pool.put(std::move(lease));
            done = true;
        },
        [](std::exception_ptr failed) { CHECK_FALSE(failed); });
    CHECK(run_until(io, [&] { return done; }));
    CHECK(pool.stats().now == connection_counts{.idle = 1});
    pool.close();
    CHECK(run_dry(io));
}

TEST_CASE("stream_operations_complete_outside_the_initiating_call", "[lease]") {
    lending_stage s;
    s.link().feed("hello");
    std::array<char, 8> room{};
    transfer read, write;
    s.lease.async_read_some(net::buffer(room), read.handler());
    s.lease.async_write_some(net::buffer("abc", 3), write.handler());
    CHECK_FALSE(read.done());
    CHECK_FALSE(write.done());
    s.turn();
    CHECK(read.bytes == 5);
    CHECK(write.bytes == 3);
    CHECK(s.link().written == "abc");
    SECTION("nothing to read into or to write is done at once") {
        transfer none;
        s.lease.async_read_some(net::mutable_buffer(), none.handler());
        s.turn();
        CHECK(none.done());
        CHECK_FALSE(none.error);
        s.lease.async_write_some(net::const_buffer(), none.handler());
        s.turn();
        CHECK(none.completions == 2);
        CHECK(none.bytes == 0);
    }
}

TEST_CASE("end_of_the_stream_is_told_and_the_connection_is_not_kept", "[lease]") {
    lending_stage s;
    s.link().feed("last");
    s.link().finish();
    std::array<char, 8> room{};
    transfer first, second;
    s.lease.async_read_some(net::buffer(room), first.handler());
    s.turn();
    CHECK(first.bytes == 4);
    s.lease.async_read_some(net::buffer(room), second.handler());
    s.turn();
    CHECK(second.error == errc::connection_closed);
    CHECK(second.error == condition::connection_lost);
    s.pool.put(std::move(s.lease));  // whatever the caller says
    CHECK(s.pool.stats().now == connection_counts{});
    CHECK(retired(s.pool, retire_reason::peer_closed) == 1);
}

TEST_CASE("cancelled_read_loses_nothing_and_the_lease_goes_on", "[lease]") {
    lending_stage s;
    std::array<char, 8> room{};
    net::cancellation_signal signal;
    transfer cancelled, next;
    s.lease.async_read_some(net::buffer(room), net::bind_cancellation_slot(signal.slot(), cancelled.handler()));
    s.turn();
    CHECK_FALSE(cancelled.done());
    signal.emit(net::cancellation_type::total);
    CHECK_FALSE(cancelled.done());
    s.turn();
    CHECK(cancelled.error == errc::cancelled);
    s.link().feed("later");
    s.turn();
    signal.emit(net::cancellation_type::total);  // of an operation that is over
    s.lease.async_read_some(net::buffer(room), next.handler());
    s.turn();
    CHECK(next.bytes == 5);
    CHECK(cancelled.completions == 1);
    SECTION("but what it waited for may still come: nobody else is to read that") {
        s.pool.put(std::move(s.lease));
        CHECK(retired(s.pool, retire_reason::cancelled) == 1);
    }
    SECTION("unless its holder knows better") {
        s.lease.vouch();
        s.pool.put(std::move(s.lease));
        CHECK(s.pool.stats().now.idle == 1);
    }
    SECTION("which it has to say in as many words") {
        s.lease.vouch();
        s.lease = {};
        CHECK(retired(s.pool, retire_reason::not_clean) == 1);
    }
}

TEST_CASE("cancelled_write_ends_the_connection", "[lease]") {
    lending_stage s;
    s.link().takes_writes = false;
    net::cancellation_signal signal;
    transfer write;
    s.lease.async_write_some(net::buffer("abc", 3), net::bind_cancellation_slot(signal.slot(), write.handler()));
    s.turn();
    CHECK_FALSE(write.done());
    signal.emit(net::cancellation_type::terminal);
    s.turn();
    CHECK(write.error == errc::cancelled);
    s.lease.vouch();  // in vain
    s.pool.put(std::move(s.lease));
    CHECK(retired(s.pool, retire_reason::cancelled) == 1);
}

TEST_CASE("read_and_write_wait_together_and_each_is_woken_for_its_own", "[lease]") {
    lending_stage s;
    s.link().takes_writes = false;
    std::array<char, 8> room{};
    transfer read, write;
    s.lease.async_read_some(net::buffer(room), read.handler());
    s.lease.async_write_some(net::buffer("abc", 3), write.handler());
    s.turn();
    SECTION("the reader first") {
        s.link().feed("x");
        s.turn();
        CHECK(read.bytes == 1);
        CHECK_FALSE(write.done());
        s.link().accept_writes();
        s.turn();
    }
    SECTION("the writer first") {
        s.link().accept_writes();
        s.turn();
        CHECK(write.bytes == 3);
        CHECK_FALSE(read.done());
        s.link().feed("x");
        s.turn();
    }
    SECTION("both at once") {
        s.link().feed("x");
        s.link().accept_writes();
        s.turn();
    }
    CHECK(read.completions == 1);
    CHECK(write.completions == 1);
    CHECK(read.bytes == 1);
    CHECK(write.bytes == 3);
}

TEST_CASE("lease_moves_while_an_operation_waits_on_it", "[lease]") {
    lending_stage s;
    std::array<char, 8> room{};
    transfer read;
    s.lease.async_read_some(net::buffer(room), read.handler());
    s.turn();
    mock_pool::lease_type elsewhere = std::move(s.lease);
    CHECK_FALSE(s.lease);
    s.link().feed("abc");
    s.turn();
    CHECK(read.bytes == 3);
    elsewhere.swap(s.lease);
    CHECK(s.lease);
    CHECK_FALSE(elsewhere);
}

TEST_CASE("lease_dropped_under_a_pending_read_ends_both", "[lease]") {
    lending_stage s;
    std::array<char, 8> room{};
    transfer read;
    s.lease.async_read_some(net::buffer(room), read.handler());
    s.turn();
    s.lease = {};
    s.turn();
    CHECK(read.completions == 1);
    CHECK(read.error);
    CHECK(s.pool.stats().now == connection_counts{});
    s.pool.close();
    CHECK(run_dry(s.io));
}

TEST_CASE("empty_lease_says_so_and_touches_nothing") {
    net::io_context io;
    mock_pool::lease_type none;
    std::array<char, 8> room{};
    transfer t;
    none.async_read_some(net::buffer(room), net::bind_executor(io.get_executor(), t.handler()));
    none.async_write_some(net::buffer(room), net::bind_executor(io.get_executor(), t.handler()));
    CHECK(t.completions == 0);
    io.run();
    CHECK(t.completions == 2);
    CHECK(t.error == errc::lease_empty);

    std::error_code of_exchange;
    const request_builder request("GET", "/");
    async_exchange(none, request,
                   net::bind_executor(io.get_executor(), [&](std::error_code e, const response&) { of_exchange = e; }));
    io.restart();
    io.run();
    CHECK(of_exchange == errc::lease_empty);
}

TEST_CASE("reads_writes_and_exchanges_of_one_lease_exclude_one_another", "[lease]") {
    const site<tcp_transport> s([](server_connection& c) { c.stay(); });
    net::io_context io;
    auto pool = s.pool(io);
    auto lease = get(io, pool);
    const request_builder request{"GET", "/"};
    char byte = 0;
    std::error_code pending, second, exchanged;
    lease.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) { pending = e; });
    lease.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) { second = e; });
    async_exchange(lease, request, [&](std::error_code e, const response&) { exchanged = e; });
    REQUIRE(run_until(io, [&] { return second && exchanged; }));
    CHECK(second == errc::exchange_in_progress);
    CHECK(exchanged == errc::exchange_in_progress);
    CHECK_FALSE(pending);
    pool.put(std::move(lease));
    REQUIRE(run_until(io, [&] { return static_cast<bool>(pending); }));
    CHECK(pending == errc::cancelled);
    CHECK(retired(pool, retire_reason::not_clean) == 1);

    lease = get(io, pool);
    exchanged.clear();
    second.clear();
    async_exchange(lease, request, [&](std::error_code e, const response&) { exchanged = e; });
    lease.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) { second = e; });
    REQUIRE(run_until(io, [&] { return static_cast<bool>(second); }));
    CHECK(second == errc::exchange_in_progress);
    CHECK_FALSE(exchanged);
    lease.discard();
    REQUIRE(run_until(io, [&] { return static_cast<bool>(exchanged); }));
    CHECK(exchanged == errc::cancelled);
}

TEST_CASE("read_on_its_way_to_another_executor_never_reads_for_the_next_caller", "[lease]") {
    const site<tcp_transport> s([](server_connection& c) {
        c.write(c.read_exactly(1));
        c.stay();
    });
    net::io_context io, elsewhere;
    auto pool = s.pool(io);
    auto lease = get(io, pool);
    char byte = 0;
    std::error_code error;
    bool written = false;
    bool done = false;
    lease.async_read_some(net::buffer(&byte, 1), net::bind_executor(elsewhere, [&](std::error_code e, std::size_t) {
                              done = true;
                              error = e;
                          }));
    lease.async_write_some(net::buffer("y", 1), [&](std::error_code, std::size_t) { written = true; });
    REQUIRE(run_until(io, [&] { return written; }));
    io.restart();
    io.run_for(50ms);  // the read has been woken, and waits for the other executor
    pool.put(std::move(lease));
    CHECK(pool.stats().now.idle == 0);
    REQUIRE(run_until(elsewhere, [&] { return done; }));
    CHECK(error == errc::cancelled);
    CHECK(retired(pool, retire_reason::not_clean) == 1);
}
