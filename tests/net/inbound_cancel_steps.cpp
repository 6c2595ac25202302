// Every operation of an acceptor and its connections is cancelled after the 1st, 2nd, 3rd ... handler: one completion,
// no place lost, no descriptor left.
#include <asio/bind_cancellation_slot.hpp>

#include <filesystem>

#include "support/cancel_after.hpp"
#include "support/inbound_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

std::size_t descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// One run of an operation, on a loop and an acceptor of its own.
template <class Kind>
struct cancel_bench {
    using acceptor_type = typename Kind::acceptor_type;
    using connection_type = typename acceptor_type::connection_type;

    explicit cancel_bench(const inbound::acceptor_options& options = {})
        : acceptor(io.get_executor(), on_loopback(options), Kind::options()) {}

    auto handler() {
        return net::bind_cancellation_slot(signal.slot(), [this](std::error_code e, auto&&... results) {
            ++completions;
            error = e;
            (keep(results), ...);
        });
    }
    /// Connects and accepts; not cancelled.
    void establish() {
        bool over = false;
        acceptor.async_accept([&](std::error_code, connection_type c) {
            connection = std::move(c);
            over = true;
        });
        auto connecting = std::async(std::launch::async, [this] { return Kind::connect(acceptor.port()); });
        REQUIRE(run_until(io, [&] { return over && connecting.wait_for(0s) == std::future_status::ready; }));
        client.emplace(connecting.get());
    }

    net::io_context io;
    acceptor_type acceptor;
    net::cancellation_signal signal;
    int completions = 0;
    std::error_code error;
    connection_type connection;
    std::optional<client_socket> client;
    std::string room = std::string(4'000'000, 'r');
    std::future<void> peer;  // what the client does meanwhile

private:
    void keep(connection_type& c) { connection = std::move(c); }
    template <class Other>
    void keep(const Other&) {}
};

/// @return how many of the runs ended because they were cancelled
template <class Kind, class Start>
int cancel_at_every_step(Start start, const inbound::acceptor_options& options = {}, int most = 60) {
    int cancelled = 0;
    bool over_before = false;
    for (int steps = 0; steps < most && !over_before; ++steps) {
        CAPTURE(steps);
        const std::size_t before = descriptors();
        {
            auto run = std::make_unique<cancel_bench<Kind>>(options);
            start(*run);
            over_before = cancel_after(*run, steps, 20ms);
            INFO(run->error.message());
            CHECK((!run->error || run->error == errc::cancelled));
            cancelled += run->error == errc::cancelled;
            run->connection = {};
            run->acceptor.close();
            run->io.restart();
            run->io.run_for(plenty);
            CHECK(run->io.stopped());
            const auto s = run->acceptor.stats();
            std::uint64_t ended = 0;
            for (const std::uint64_t n : s.total.closed) ended += n;
            CHECK(s.now.total() == 0);
            CHECK(ended == s.total.accepted);
            if (run->peer.valid()) run->peer.get();
        }
        CHECK(descriptors() == before);
    }
    return cancelled;
}

}  // namespace

TEMPLATE_TEST_CASE("accepting_is_cancelled_at_every_step", "[inbound][cancel]", accept_tcp, accept_tls) {
    CHECK(cancel_at_every_step<TestType>([](auto& run) {
              run.peer = std::async(std::launch::async, [port = run.acceptor.port()] { TestType::connect(port); });
              run.acceptor.async_accept(run.handler());
          }) > 0);
}

TEMPLATE_TEST_CASE("reading_is_cancelled_at_every_step", "[inbound][cancel]", accept_tcp, accept_tls) {
    CHECK(cancel_at_every_step<TestType>([](auto& run) {
              run.establish();
              run.connection.async_read_some(net::buffer(run.room), run.handler());
              run.peer = std::async(std::launch::async, [&run] { run.client->write("hello"); });
          }) > 0);
}

TEMPLATE_TEST_CASE("writing_is_cancelled_at_every_step", "[inbound][cancel]", accept_tcp, accept_tls) {
    CHECK(cancel_at_every_step<TestType>([](auto& run) {
              run.establish();
              // The sockets are full when less is written than could be.
              std::size_t written = run.room.size();
              while (written == run.room.size()) {
                  written = 0;
                  run.connection.async_write_some(net::buffer(run.room),
                                                  [&](std::error_code, std::size_t n) { written = n; });
                  REQUIRE(run_until(run.io, [&] { return written != 0; }));
              }
              run.connection.async_write_some(net::buffer(run.room), run.handler());
              run.peer = std::async(std::launch::async, [&run] { run.client->read_to_end(); });
          }) > 0);
}

TEMPLATE_TEST_CASE("closing_is_cancelled_at_every_step", "[inbound][cancel]", accept_tcp, accept_tls) {
    inbound::acceptor_options options;
    options.life.linger_timeout = 1h;
    CHECK(cancel_at_every_step<TestType>(
              [](auto& run) {
                  run.establish();
                  run.connection.async_close(run.handler());
                  run.peer = std::async(std::launch::async, [&run] {
                      run.client->read_to_end();
                      run.client->close();
                  });
              },
              options) > 0);
}

TEMPLATE_TEST_CASE("handles_are_dropped_at_every_step", "[inbound][cancel]", accept_tcp, accept_tls) {
    // The same, but the whole context ends after so many handlers.
    for (int steps = 0; steps < 25; ++steps) {
        CAPTURE(steps);
        const std::size_t before = descriptors();
        {
            auto run = std::make_unique<cancel_bench<TestType>>();
            run->peer = std::async(std::launch::async, [port = run->acceptor.port()] {
                client_socket client = TestType::connect(port);
                client.write("hello");
                client.read_to_end();
            });
            const auto service = std::make_shared<echo_service<typename TestType::acceptor_type>>(run->acceptor);
            service->start();
            for (int step = 0; step < steps; ++step) {
                run->io.restart();
                run->io.run_one_for(5ms);
            }
            run->acceptor.close();
            CHECK(run->acceptor.stats().now.total() == 0);
            auto peer = std::move(run->peer);
            run.reset();
            peer.get();
        }
        CHECK(descriptors() == before);
    }
}
