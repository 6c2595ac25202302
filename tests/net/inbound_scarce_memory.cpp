// An acceptor whose loop is out of memory for a while, from each allocation on in turn: it neither hangs nor ends, and
// serves again afterwards.
#include <algorithm>
#include <new>

#include "support/allocations.hpp"
#include "support/inbound_test.hpp"

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
            const testing::scarce_memory memory(calls);
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
