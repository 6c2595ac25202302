// Acceptors and connections used by many threads at once: exact accounting, one answer each, nothing left behind.
#include <asio/bind_cancellation_slot.hpp>
#include <asio/strand.hpp>

#include "hotpool/base/random.hpp"
#include "support/inbound_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using inbound::close_reason;

namespace {

/// A client that does one of the things that clients do.
template <class Kind>
void visit(std::uint16_t port, base::random_source& dice) {
    const char* const from = dice.next() % 2 == 0 ? "127.0.0.1" : "127.0.0.2";
    const std::uint64_t deed = dice.next() % 8;
    if (deed == 0) {
        client_socket silent(port, "127.0.0.1", from);
        return;
    }
    client_socket client = Kind::connect(port, "127.0.0.1", from);
    if (!client.is_connected()) return;
    if (deed == 1) return client.reset();
    for (std::uint64_t i = dice.next() % 4; i != 0 && client.write("hello"); --i)
        if (client.read_exactly(5).size() != 5) return;
    if (deed == 2) return client.reset();
    if (deed == 3) {
        client.write("unanswered");
        return;
    }
    client.end_sending();
    client.read_to_end();
}

}  // namespace

TEMPLATE_TEST_CASE("many_threads_accept_and_serve", "[inbound][thread]", accept_tcp, accept_tls) {
    using services_type = typename TestType::acceptor_type::services_type;
    std::atomic<int> told{0};
    inbound::acceptor_options options = on_loopback();
    options.admission.max_connections = 12;
    options.health.errors_to_block = 0;
    options.life.idle_timeout = 30ms;
    options.life.linger_timeout = 20ms;
    net::io_context* io = nullptr;
    services_type services;
    services.listener = [&](const inbound::inbound_event&) { ++told; };
    services.connection_executor = [&] { return net::any_io_executor(net::make_strand(*io)); };
    running_loop loop(4);
    io = &loop.io;
    typename TestType::acceptor_type acceptor(loop.io.get_executor(), options, TestType::options(), services);
    const auto service = std::make_shared<echo_service<typename TestType::acceptor_type>>(acceptor);
    for (int i = 0; i < 3; ++i) service->start();

    std::vector<std::thread> clients;
    for (int t = 0; t < 4; ++t)
        clients.emplace_back([&, t] {
            base::random_source dice(static_cast<std::uint64_t>(t) + 1);
            for (int i = 0; i < 60; ++i) visit<TestType>(acceptor.port(), dice);
        });
    std::atomic<bool> stopping{false};
    std::thread meddler([&] {
        for (int i = 0; !stopping; ++i) {
            const auto s = acceptor.stats();
            CHECK(s.now.total() <= 12);
            if (i % 10 == 3) acceptor.block(*ip_address::parse("127.0.0.2"), 1h);
            if (i % 10 == 5) acceptor.unblock(*ip_address::parse("127.0.0.2"));
            if (i % 10 == 7) acceptor.set_options(options);
            std::this_thread::sleep_for(1ms);
        }
    });
    for (std::thread& t : clients) t.join();
    stopping = true;
    meddler.join();
    std::promise<std::error_code> drained;
    acceptor.async_drain(10s, [&](std::error_code e) { drained.set_value(e); });
    auto outcome = drained.get_future();
    REQUIRE(outcome.wait_for(plenty) == std::future_status::ready);
    CHECK_FALSE(outcome.get());
    loop.finish();
    const auto s = acceptor.stats();
    std::uint64_t ended = 0;
    for (const std::uint64_t n : s.total.closed) ended += n;
    CHECK(ended == s.total.accepted);
    CHECK(s.now.total() == 0);
    CHECK(service->ended == service->accepted);
    CHECK(told > 0);
}

TEMPLATE_TEST_CASE("connections_end_on_other_threads_than_they_run_on", "[inbound][thread]", accept_tcp, accept_tls) {
    // No strand: a read, a write, a cancellation, a limit and the handle's end meet on several threads.
    running_loop loop(3);
    inbound::acceptor_options options = on_loopback();
    options.life.idle_timeout = 5ms;
    options.life.linger_timeout = 5ms;
    typename TestType::acceptor_type acceptor(loop.io.get_executor(), options, TestType::options());
    for (int i = 0; i < 60; ++i) {
        std::promise<typename TestType::acceptor_type::connection_type> accepted;
        acceptor.async_accept([&](std::error_code, auto c) { accepted.set_value(std::move(c)); });
        client_socket client = TestType::connect(acceptor.port());
        auto connection = accepted.get_future().get();
        std::atomic<int> completions{0};
        const std::string large(3'000'000, 'w');
        char byte;
        connection.async_read_some(net::buffer(&byte, 1), [&](std::error_code, std::size_t) { ++completions; });
        connection.async_write_some(net::buffer(large), [&](std::error_code, std::size_t) { ++completions; });
        if (i % 3 == 0) client.write("x");
        std::thread reader([&] { client.read_to_end(); });
        std::this_thread::sleep_for(std::chrono::microseconds(200 * (i % 40)));
        switch (i % 4) {
            case 0: connection = {}; break;
            case 1: connection.close(); break;
            case 2: connection.abort(); break;
            case 3: connection.async_close([&](std::error_code) { ++completions; }); break;
        }
        REQUIRE(eventually([&] { return completions == (i % 4 == 3 ? 3 : 2); }));
        connection = {};
        reader.join();
    }
    acceptor.close();
    loop.finish();
    CHECK(acceptor.stats().now.total() == 0);
}
