// Names: a resolver that is slow cannot hold an opening beyond its timeout, and its late answer does no harm.
#include <dlfcn.h>
#include <netdb.h>

#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "hotpool/error.hpp"
#include "hotpool/transport/tcp.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/loopback_server.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* slow_name = "slow.hotpool.test";
constexpr auto slowness = 300ms;

}  // namespace

// Stands before the system's resolver: one name is slow, and is loopback.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** results) {
    using resolver = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto system = reinterpret_cast<resolver>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    const bool slow = node != nullptr && std::strcmp(node, slow_name) == 0;
    if (slow) std::this_thread::sleep_for(slowness);
    return system(slow ? "127.0.0.1" : node, service, hints, results);
}

TEST_CASE("resolve: a slow answer in time is used") {
    loopback_server server([](server_connection& c) { c.stay(); });
    net::io_context io;
    const auto opened = open(io, tcp_transport({.host = slow_name, .port = server.port()}));
    REQUIRE_FALSE(opened.error);
    REQUIRE(opened.stream->remote_endpoint().address().is_loopback());
}

TEST_CASE("resolve: an answer that is late comes to nothing") {
    loopback_server server([](server_connection& c) { c.stay(); });
    net::io_context io;
    const tcp_transport transport({.host = slow_name, .port = server.port()});
    outcome_of<tcp_transport> outcome;
    const auto started = clock_type::now();
    SECTION("at the timeout") {
        start_open(io, transport, outcome, 50ms);
        while (outcome.completions == 0) io.run_one();
        REQUIRE(outcome.error == errc::connect_timed_out);
        REQUIRE(clock_type::now() - started >= 50ms);
    }
    SECTION("when cancelled") {
        const opening running = start_open(io, transport, outcome);
        io.poll();
        running.cancel();
        while (outcome.completions == 0) io.run_one();
        REQUIRE(outcome.error == errc::cancelled);
    }
    REQUIRE(clock_type::now() - started < slowness);
    io.run();
    REQUIRE(outcome.completions == 1);
    REQUIRE(server.accepted() == 0);
}

TEST_CASE("resolve: an io_context may end while a name is looked up") {
    outcome_of<tcp_transport> outcome;
    {
        net::io_context io;
        start_open(io, tcp_transport({.host = slow_name, .port = "80"}), outcome);
        io.poll();
    }
    REQUIRE(outcome.completions == 0);
}
