// Openings on several threads, cancelled from others: each completes once and nothing is left.
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/transport/tcp.hpp"
#include "hotpool/transport/tls.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/loopback_server.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

struct ways_opened {
    std::atomic<int> completions = 0;
    std::atomic<int> opened = 0;
    std::atomic<int> cancelled = 0;
    std::atomic<int> timed_out = 0;
    std::atomic<int> others = 0;

    void count(const std::error_code& error) {
        ++completions;
        if (!error)
            ++opened;
        else if (error == condition::cancelled)
            ++cancelled;
        else if (error == condition::timed_out)
            ++timed_out;
        else
            ++others;
    }
};

constexpr int openings_begun = 200;

// Starts openings on four threads' io_context; this thread cancels some, chance decides when and which.
template <class Transport>
void open_many(const Transport& transport, ways_opened& outcomes) {
    net::io_context io;
    auto work = net::make_work_guard(io);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&io] { io.run(); });

    std::minstd_rand chance(7);
    for (int i = 0; i < openings_begun; ++i) {
        const auto timeout = chance() % 4 == 0 ? std::chrono::microseconds(chance() % 2000) : 20s;
        const opening running = transport.async_open(io.get_executor(), request_to(transport, timeout),
                                                     [&outcomes](const std::error_code& error, auto stream) {
                                                         outcomes.count(error);
                                                         std::move(stream).close();
                                                     });
        if (chance() % 2 == 0) continue;
        std::this_thread::sleep_for(std::chrono::microseconds(chance() % 1000));
        running.cancel();
    }
    work.reset();
    for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("threads_tcp_openings_complete_once_cancelled_or_not", "[thread]") {
    const std::size_t before = open_descriptors();
    ways_opened outcomes;
    {
        loopback_server server([](server_connection& c) { c.stay(); });
        open_many(tcp_transport({.host = "127.0.0.1", .port = server.port()}), outcomes);
    }
    REQUIRE(outcomes.completions == openings_begun);
    REQUIRE(outcomes.opened > 0);
    REQUIRE(outcomes.others == 0);
    REQUIRE(open_descriptors() == before);
}

TEST_CASE("threads_tls_openings_complete_once_cancelled_or_not", "[thread]") {
    const std::size_t before = open_descriptors();
    ways_opened outcomes;
    {
        const authority root;
        loopback_server server({.own = root.issue()}, [](server_connection& c) { c.stay(); });
        open_many(tls_transport({.host = "127.0.0.1", .port = server.port()}, {.ca_pem = root.certificate_pem()}),
                  outcomes);
    }
    REQUIRE(outcomes.completions == openings_begun);
    REQUIRE(outcomes.opened > 0);
    REQUIRE(outcomes.cancelled > 0);
    REQUIRE(outcomes.others == 0);
    REQUIRE(open_descriptors() == before);
}
