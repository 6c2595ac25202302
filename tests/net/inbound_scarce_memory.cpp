// Memory that is refused, from each allocation on in turn. An acceptor neither hangs nor ends, and serves again
// afterwards; what throws has done nothing, and what has begun completes.
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>

#include <asio/bind_cancellation_slot.hpp>

#include "support/allocations.hpp"
#include "support/inbound_http.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

TEMPLATE_TEST_CASE("an_acceptor_outlives_a_time_without_memory", "[inbound]", accept_tcp, accept_tls) {
    using acceptor_type = typename TestType::acceptor_type;
    inbound::acceptor_options options = on_loopback();
    options.max_ready = 1;
    options.life.handshake_timeout = 500ms;
    options.accept_errors.first = 5ms;
    typename acceptor_type::services_type services;
    services.listener = [](const inbound::inbound_event&) {};
    for (std::uint64_t calls = 0; calls < 24; ++calls) {
        INFO("memory for " << calls << " allocations");
        net::io_context io;
        acceptor_type acceptor(io.get_executor(), options, TestType::options(), services);
        auto early = std::async(std::launch::async, [&] { return TestType::connect(acceptor.port()); });
        {
            const test::scarce_memory memory(calls);
            for (int i = 0; i < 10; ++i) {
                try {
                    io.run_one_for(2ms);
                } catch (const std::bad_alloc&) {
                }
                io.restart();
            }
        }
        REQUIRE(run_until(io, [&] { return early.wait_for(0s) == std::future_status::ready; }));
        std::vector<typename acceptor_type::connection_type> all;
        std::function<void()> accept = [&] {
            acceptor.async_accept([&](std::error_code error, auto c) {
                if (error) return;
                all.push_back(std::move(c));
                accept();
            });
        };
        accept();
        auto connecting = std::async(std::launch::async, [&] { return TestType::connect(acceptor.port()); });
        REQUIRE(run_until(io, [&] { return connecting.wait_for(0s) == std::future_status::ready; }));
        const client_socket client = connecting.get();
        sockaddr_in own{};
        socklen_t size = sizeof own;
        ::getsockname(client.fd(), reinterpret_cast<sockaddr*>(&own), &size);
        CHECK(run_until(io, [&] {
            return std::any_of(all.begin(), all.end(),
                               [&](const auto& c) { return c.peer().port == ntohs(own.sin_port); });
        }));
        all.clear();
        bool over = false;
        acceptor.async_drain(10s, [&](std::error_code) { over = true; });
        CHECK(run_until(io, [&] { return over; }));
        CHECK(acceptor.stats().now.total() == 0);
    }
}

namespace {

/// What became of an operation that was begun with memory for so many allocations.
struct attempt {
    bool threw = false;
    int completions = 0;
    std::error_code error;
};

/// Begins `operation(handler)` with memory for no, one, two ... allocations until it neither throws nor fails for want of
/// memory. `settle(attempt&)` after each. Returns how many did.
template <class Operation, class Settle>
std::size_t until_it_succeeds(Operation operation, Settle settle) {
    for (std::size_t calls = 0;; ++calls) {
        INFO("memory for " << calls << " allocations");
        const auto a = std::make_shared<attempt>();
        net::cancellation_signal signal;  // so that the operation has a slot to fill
        try {
            const test::scarce_memory memory(calls);
            operation(net::bind_cancellation_slot(signal.slot(), [a](std::error_code e, auto&&...) {
                ++a->completions;
                a->error = e;
            }));
        } catch (const std::bad_alloc&) {
            a->threw = true;
        }
        CHECK(a->completions == 0);
        settle(*a);
        CHECK(a->completions == (a->threw ? 0 : 1));
        const bool refused = a->threw || a->error == std::errc::not_enough_memory;
        if (!refused) return calls;
        REQUIRE(calls < 20);
    }
}

}  // namespace

TEMPLATE_TEST_CASE("an_operation_that_cannot_begin_has_done_nothing", "[inbound]", accept_tcp, accept_tls) {
    if (base::recycling) return;  // what ran before may have left memory: this is for builds with sanitizers
    accepted_pair<TestType> p;
    const auto run = [&](attempt& a) {
        if (!a.threw) CHECK(p.run([&] { return a.completions != 0; }));
        p.io->poll();
    };
    std::string room(100, ' ');
    CHECK(until_it_succeeds([&](auto handler) { p.connection.async_read_some(net::buffer(room), std::move(handler)); },
                            [&](attempt& a) {
                                if (!a.threw) REQUIRE(p.client->write("x"));
                                run(a);
                                if (a.error) CHECK(p.read() == "x");
                            }) != 0);
    CHECK(until_it_succeeds([&](auto handler) { p.connection.async_wait_readable(std::move(handler)); },
                            [&](attempt& a) {
                                if (!a.threw) REQUIRE(p.client->write("x"));
                                run(a);
                                if (!a.threw) CHECK(p.read() == "x");
                            }) != 0);
    CHECK(until_it_succeeds(
              [&](auto handler) { p.connection.async_write_some(net::buffer("y", 1), std::move(handler)); }, run) != 0);
    CHECK(until_it_succeeds(
              [&](auto handler) {
                  p.acceptor->async_accept(
                      [handler = std::move(handler)](std::error_code e, auto) mutable { handler.get()(e); });
              },
              [&](attempt& a) {
                  if (a.threw) return;
                  auto connecting =
                      std::async(std::launch::async, [&] { return TestType::connect(p.acceptor->port()); });
                  CHECK(p.run([&] { return a.completions != 0; }));
                  CHECK(p.run([&] { return connecting.wait_for(0s) == std::future_status::ready; }));
              }) != 0);
    CHECK(until_it_succeeds([&](auto handler) { p.connection.async_close(std::move(handler)); },
                            [&](attempt& a) {
                                if (!a.threw) p.client->end_sending();
                                run(a);
                            }) != 0);
    CHECK(until_it_succeeds([&](auto handler) { p.acceptor->async_drain(10s, std::move(handler)); }, run) != 0);
    CHECK(p.left() == 0);
}

TEMPLATE_TEST_CASE("a_server_serves_the_next_client_after_a_time_without_memory", "[inbound]", accept_tcp, accept_tls) {
    using acceptor_type = typename TestType::acceptor_type;
    int in_a_row = 0;
    for (std::uint64_t calls = 0; in_a_row < 5; ++calls) {
        INFO("memory for " << calls << " allocations");
        REQUIRE(calls < 200);
        net::io_context io;
        inbound::acceptor_options options = on_loopback();
        options.accept_errors.first = 5ms;
        options.life.handshake_timeout = 300ms;
        options.life.linger_timeout = 200ms;
        typename acceptor_type::services_type services;
        services.listener = [](const inbound::inbound_event&) {};
        acceptor_type acceptor(io.get_executor(), options, TestType::options(), services);
        std::optional<inbound::responder> late;
        inbound::http_server server(acceptor, [&](const inbound::request& r, inbound::responder answer) {
            if (r.path() == "/late") {
                late = std::move(answer);
                net::post(io, [&] { std::exchange(late, std::nullopt)->send(inbound::reply().body("late")); });
                return;
            }
            answer.send(inbound::reply().body(std::string(20'000, 'x')));
        });
        std::atomic<bool> over{false};
        std::atomic<int> served{0};
        std::thread client([&] {
            try {
                http_peer peer(TestType::connect(acceptor.port()));
                for (const char* target : {"/", "/late"}) {
                    const auto seen = peer.ask(get(target));
                    if (!seen || seen->status != 200) break;
                    ++served;
                }
            } catch (const std::exception&) {  // not connected
            }
            over = true;
        });
        // What the loop's thread may have, until the client is through; afterwards as much as it wants.
        const auto deadline = clock_type::now() + 200ms;
        {
            const test::scarce_memory memory(calls);
            while (!over && clock_type::now() < deadline) {
                try {
                    if (io.stopped()) io.restart();
                    io.run_one_for(1ms);
                } catch (const std::bad_alloc&) {
                }
            }
        }
        late.reset();
        CHECK(run_until(io, [&] { return over.load(); }));
        client.join();
        in_a_row = served == 2 ? in_a_row + 1 : 0;

        auto next = std::async(std::launch::async, [&] {
            http_peer peer(TestType::connect(acceptor.port()));
            const auto seen = peer.ask(get("/"));
            return seen && seen->status == 200 && seen->body.size() == 20'000;
        });
        REQUIRE(run_until(io, [&] { return next.wait_for(0s) == std::future_status::ready; }));
        CHECK(next.get());
        bool drained = false;
        acceptor.async_drain(10s, [&](std::error_code) { drained = true; });
        CHECK(run_until(io, [&] { return drained; }));
        const inbound::inbound_stats s = acceptor.stats();
        CHECK(s.now.total() == 0);
        CHECK(s.total.requests ==
              s.total.served + s.total.refused_requests + s.total.failed_requests + s.total.cut_requests);
        std::uint64_t closed = 0;
        for (const std::uint64_t n : s.total.closed) closed += n;
        CHECK(closed == s.total.accepted);
        CHECK(acceptor.status(*ip_address::parse("127.0.0.1")).connections == 0);
    }
}
