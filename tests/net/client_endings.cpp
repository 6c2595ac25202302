// A client's request whose client, pool or execution context ends: completed once, or destroyed with its handler; and
// signals that outlive all of them.
#include <asio/any_io_executor.hpp>
#include <asio/strand.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Where a request waits when all ends around it.
enum class place { queue, exchange, body, pause };

void play_origin(server_connection& c, place where) {
    read_request(c);
    if (where == place::body) c.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    if (where == place::pause) c.write("HTTP/1.1 503 Later\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n");
    c.stay();
}

}  // namespace

TEST_CASE("request_ends_with_its_context_and_signals_outlive_it", "[client]") {
    for (const place where : {place::queue, place::exchange, place::body, place::pause}) {
        for (const bool on_strand : {false, true}) {
            CAPTURE(static_cast<int>(where), on_strand);
            loopback_server server([where](server_connection& c) { play_origin(c, where); });
            std::array<asio::cancellation_signal, 2> stops;
            const auto handler = std::make_shared<int>(0);
            int completions = 0;
            {
                asio::io_context io;
                asio::any_io_executor executor = io.get_executor();
                if (on_strand) executor = asio::make_strand(io);
                tcp_pool pool(executor, {"127.0.0.1", server.port()}, {.max_connections = 1});
                http_client client(pool, {.max_retry_after = 10s});
                for (std::size_t i = 0; i < (where == place::queue ? 2u : 1u); ++i)
                    client.async_send(
                        get_request, asio::bind_cancellation_slot(
                                         stops[i].slot(),
                                         [handler, &completions](std::error_code, const response&) { ++completions; }));
                io.run_for(50ms);
                CHECK(completions == 0);
                CHECK(handler.use_count() > 1);
            }
            CHECK(completions == 0);
            CHECK(handler.use_count() == 1);  // destroyed with the handler
            for (asio::cancellation_signal& stop : stops) stop.emit(asio::cancellation_type::all);
            CHECK(completions == 0);
        }
    }
}

TEST_CASE("request_goes_on_when_its_client_and_pool_have_ended", "[client]") {
    std::atomic<bool> answered{false};
    fact go_on;
    loopback_server server([&](server_connection& c) {
        read_request(c);
        go_on.await();
        c.write(ok("hi"));
        answered = true;
        c.stay();
    });
    asio::io_context io;
    answer a;
    {
        tcp_pool pool(io.get_executor(), {"127.0.0.1", server.port()});
        http_client client(pool);
        client.async_send(get_request, stage<over_tcp>::into(a));
        io.run_for(30ms);
    }
    go_on.state();
    CHECK(run_until(io, [&] { return a.completions != 0; }));
    CHECK(a.completions == 1);
    CHECK(a.body() == "hi");
    io.restart();
    io.run_for(plenty);
    CHECK(io.stopped());
}
