// Operations of acceptors and their connections whose surroundings end first: the context, the slot's owner, a handler
// that throws.
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include "support/inbound_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// What is destroyed with a coroutine.
struct watched {
    std::shared_ptr<int> alive = std::make_shared<int>();
    std::weak_ptr<int> gone = alive;
};

enum class how { plain, strand };
net::any_io_executor executor_of(net::io_context& io, how executor) {
    if (executor == how::strand) return net::make_strand(io);
    return io.get_executor();
}

/// Runs until `begun`, then ends the context. Whether the coroutine was destroyed.
template <class Body>
bool is_destroyed_with_its_context(how executor, Body body) {
    watched w;
    auto io = std::make_unique<net::io_context>();
    auto begun = std::make_shared<bool>(false);
    net::co_spawn(executor_of(*io, executor), body(std::move(w.alive), begun),
                  [](std::exception_ptr) { FAIL("the coroutine came to its end"); });
    REQUIRE(run_until(*io, [&] { return *begun; }));
    io->poll();
    CHECK_FALSE(w.gone.expired());
    io.reset();
    return w.gone.expired();
}

net::awaitable<void> waits_in_accept(std::shared_ptr<int> alive, std::shared_ptr<bool> begun) {
    inbound::tcp_acceptor acceptor(co_await net::this_coro::executor, on_loopback());
    *begun = true;
    co_await acceptor.async_accept(net::use_awaitable);
    *alive = 1;
}
/// With a connection that stays.
net::awaitable<void> waits_in_drain(std::shared_ptr<int> alive, std::shared_ptr<bool> begun) {
    inbound::tcp_acceptor acceptor(co_await net::this_coro::executor, on_loopback());
    client_socket client(acceptor.port());
    auto c = co_await acceptor.async_accept(net::use_awaitable);
    *begun = true;
    co_await acceptor.async_drain(1h, net::use_awaitable);
    *alive = 1;
}
net::awaitable<void> waits_in_read(std::shared_ptr<int> alive, std::shared_ptr<bool> begun) {
    inbound::tcp_acceptor acceptor(co_await net::this_coro::executor, on_loopback());
    client_socket client(acceptor.port());
    auto c = co_await acceptor.async_accept(net::use_awaitable);
    *begun = true;
    char byte = 0;
    co_await c.async_read_some(net::buffer(&byte, 1), net::use_awaitable);
    *alive = 1;
}
net::awaitable<void> waits_in_write(std::shared_ptr<int> alive, std::shared_ptr<bool> begun) {
    inbound::tcp_acceptor acceptor(co_await net::this_coro::executor, on_loopback());
    client_socket client(acceptor.port());
    auto c = co_await acceptor.async_accept(net::use_awaitable);
    const std::string much(1'000'000, 'x');
    *begun = true;
    for (;;) co_await c.async_write_some(net::buffer(much), net::use_awaitable);
    *alive = 1;
}
net::awaitable<void> waits_in_close(std::shared_ptr<int> alive, std::shared_ptr<bool> begun) {
    inbound::tcp_acceptor acceptor(co_await net::this_coro::executor, on_loopback());
    client_socket client(acceptor.port());
    auto c = co_await acceptor.async_accept(net::use_awaitable);
    *begun = true;
    co_await c.async_close(net::use_awaitable);
    *alive = 1;
}

}  // namespace

TEST_CASE("a_coroutine_that_owns_its_acceptor_goes_with_its_context", "[inbound]") {
    for (const how executor : {how::plain, how::strand}) {
        CAPTURE(executor == how::strand);
        CHECK(is_destroyed_with_its_context(executor, waits_in_accept));
        CHECK(is_destroyed_with_its_context(executor, waits_in_drain));
        CHECK(is_destroyed_with_its_context(executor, waits_in_read));
        CHECK(is_destroyed_with_its_context(executor, waits_in_write));
        CHECK(is_destroyed_with_its_context(executor, waits_in_close));
    }
}

TEST_CASE("a_signal_may_outlive_the_context_of_what_it_would_cancel", "[inbound]") {
    for (const how executor : {how::plain, how::strand}) {
        CAPTURE(executor == how::strand);
        std::vector<std::unique_ptr<net::cancellation_signal>> signals;
        const auto slot = [&] { return signals.emplace_back(std::make_unique<net::cancellation_signal>())->slot(); };
        {
            net::io_context io;
            const net::any_io_executor where = executor_of(io, executor);
            inbound::tcp_acceptor acceptor(where, on_loopback());
            client_socket client(acceptor.port());
            inbound::tcp_connection c;
            acceptor.async_accept([&](std::error_code, auto given) { c = std::move(given); });
            REQUIRE(run_until(io, [&] { return static_cast<bool>(c); }));
            char byte = 0;
            c.async_read_some(net::buffer(&byte, 1), net::bind_cancellation_slot(
                                                         slot(), [](std::error_code, std::size_t) { FAIL("called"); }));
            acceptor.async_accept(net::bind_cancellation_slot(slot(), [](std::error_code, auto) { FAIL("called"); }));
            acceptor.async_drain(1h, net::bind_cancellation_slot(slot(), [](std::error_code) { FAIL("called"); }));
        }
        for (const auto& s : signals) s->emit(net::cancellation_type::all);
        CHECK(signals.size() == 3);
    }
}

TEST_CASE("who_waits_for_a_drain_may_stop_waiting", "[inbound][drain]") {
    accepted_pair<accept_tcp> p;
    for (const auto type :
         {net::cancellation_type::terminal, net::cancellation_type::partial, net::cancellation_type::total}) {
        net::cancellation_signal signal;
        std::optional<std::error_code> cancelled;
        p.acceptor->async_drain(1h,
                                net::bind_cancellation_slot(signal.slot(), [&](std::error_code e) { cancelled = e; }));
        p.io->poll();
        CHECK_FALSE(cancelled);
        signal.emit(net::cancellation_type::none);
        p.io->poll();
        CHECK_FALSE(cancelled);
        signal.emit(type);
        CHECK_FALSE(cancelled);  // never inside the call
        REQUIRE(p.run([&] { return cancelled.has_value(); }));
        CHECK(*cancelled == errc::cancelled);
        signal.emit(type);
    }
    CHECK(p.connection.draining());  // what was told stands
    std::optional<std::error_code> other;
    p.acceptor->async_drain(1h, [&](std::error_code e) { other = e; });
    p.connection.close();
    REQUIRE(p.run([&] { return other.has_value(); }));
    CHECK_FALSE(*other);
}

TEST_CASE("a_handler_that_throws_takes_no_other_completion_along", "[inbound]") {
    net::io_context io;
    inbound::tcp_acceptor acceptor(io.get_executor(), on_loopback());
    std::vector<client_socket> clients;
    std::vector<inbound::tcp_connection> connections;
    for (int i = 0; i < 3; ++i) {
        clients.emplace_back(acceptor.port());
        acceptor.async_accept([&](std::error_code, auto c) { connections.push_back(std::move(c)); });
        REQUIRE(run_until(io, [&] { return connections.size() == clients.size(); }));
    }
    int threw = 0, reads = 0, hooks = 0;
    char bytes[3];
    for (int i = 0; i < 3; ++i) {
        connections[static_cast<std::size_t>(i)].async_read_some(net::buffer(&bytes[i], 1),
                                                                 [&](std::error_code, std::size_t) {
                                                                     ++reads;
                                                                     throw std::runtime_error("as it must");
                                                                 });
        connections[static_cast<std::size_t>(i)].on_drain([&] {
            ++hooks;
            throw std::runtime_error("as it must");
        });
    }
    bool drained = false;
    SECTION("what comes") {
        for (auto& c : clients) REQUIRE(c.write("x"));
        drained = true;
    }
    SECTION("what ends") {
        acceptor.close();
        acceptor.async_drain(1h, [&](std::error_code) { drained = true; });
    }
    SECTION("what is told") {
        acceptor.async_drain(100ms, [&](std::error_code) { drained = true; });
    }
    const auto deadline = clock_type::now() + 5s;
    while ((reads < 3 || !drained) && clock_type::now() < deadline) {
        try {
            io.restart();
            io.run_for(10ms);
        } catch (const std::runtime_error&) {
            ++threw;
        }
    }
    CHECK(reads == 3);
    CHECK((hooks == 0 || hooks == 3));
    CHECK(threw == reads + hooks);
    CHECK(drained);
}

TEST_CASE("a_listener_that_throws_does_not_end_the_acceptor", "[inbound]") {
    net::io_context io;
    inbound::tcp_acceptor::services_type services;
    services.listener = [](const inbound::inbound_event& e) {
        if (e.kind == inbound::inbound_event_kind::connection_opened) throw std::runtime_error("as it must not");
    };
    inbound::tcp_acceptor acceptor(io.get_executor(), on_loopback(), tcp_server_options{}, services);
    std::vector<client_socket> clients;
    std::vector<inbound::tcp_connection> connections;
    for (std::size_t i = 1; i <= 3; ++i) {
        clients.emplace_back(acceptor.port());
        acceptor.async_accept([&](std::error_code, auto c) { connections.push_back(std::move(c)); });
        const auto deadline = clock_type::now() + 5s;
        while (connections.size() < i && clock_type::now() < deadline) {
            try {
                io.restart();
                io.run_for(10ms);
            } catch (const std::runtime_error&) {
            }
        }
        CHECK(connections.size() == i);
    }
}
