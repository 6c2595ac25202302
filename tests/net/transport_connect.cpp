// Several addresses: tried in order, each for its share of the time.
#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "hotpool/error.hpp"
#include "hotpool/transport/connect.hpp"
#include "support/black_hole.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/loopback_server.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace hotpool::detail;
using namespace std::chrono_literals;

namespace {

struct connect_outcome {
    int completions = 0;
    std::error_code error;
    bool open = false;
    net::ip::tcp::endpoint peer;
};

connect_outcome connect(net::io_context& io, endpoint_list endpoints, std::chrono::nanoseconds timeout) {
    connect_outcome outcome;
    const auto handler = [&outcome](const std::error_code& error, net::ip::tcp::socket socket) {
        ++outcome.completions;
        outcome.error = error;
        outcome.open = socket.is_open();
        std::error_code ignored;
        outcome.peer = socket.remote_endpoint(ignored);
    };
    const net::strand<net::any_io_executor> strand(io.get_executor());
    const auto operation = std::make_shared<connect_operation<net::any_io_executor, decltype(handler)>>(
        strand, std::move(endpoints), tcp_options{}, clock_type::now() + timeout, handler);
    net::post(strand, [operation] { operation->start(); });
    io.restart();
    io.run();
    return outcome;
}

net::ip::tcp::endpoint endpoint_of(const loopback_server& server) {
    return {net::ip::address_v4::loopback(), port_number(server.port())};
}
net::ip::tcp::endpoint closed_endpoint() {
    return endpoint_of(loopback_server([](server_connection&) {}));
}

}  // namespace

TEST_CASE(
    "connect: an address gets an equal share of the time, not less than the minimum, not beyond the "
    "deadline") {
    constexpr time_point now{};
    const auto share = [now](duration remaining, std::size_t addresses_left) {
        return attempt_deadline(now, now + remaining, addresses_left) - now;
    };
    REQUIRE(share(10s, 1) == 10s);
    REQUIRE(share(10s, 2) == 5s);
    REQUIRE(share(10s, 10) == 1s);
    REQUIRE(share(1s, 10) == min_attempt);
    REQUIRE(share(100ms, 10) == 100ms);
    REQUIRE(share(0s, 3) == 0s);
    REQUIRE(share(-1s, 3) == -1s);
    REQUIRE(attempt_deadline(now, never, 2) > now + std::chrono::hours(24));
}

TEST_CASE("connect: the first address that accepts is taken") {
    net::io_context io;
    loopback_server server([](server_connection& c) { c.stay(); });
    connect(io, {closed_endpoint()}, plenty);  // opens what the io_context keeps
    const std::size_t before = open_descriptors();
    const connect_outcome outcome =
        connect(io, {closed_endpoint(), endpoint_of(server), closed_endpoint()}, plenty);
    REQUIRE(outcome.completions == 1);
    REQUIRE_FALSE(outcome.error);
    REQUIRE(outcome.open);
    REQUIRE(outcome.peer == endpoint_of(server));
    REQUIRE(open_descriptors() <= before + 1);
}

TEST_CASE("connect: a dead address does not use up the time of those behind it") {
    net::io_context io;
    black_hole hole(io);
    loopback_server server([](server_connection& c) { c.stay(); });
    const auto started = clock_type::now();
    const connect_outcome outcome = connect(io, {hole.endpoint(), endpoint_of(server)}, 600ms);
    REQUIRE_FALSE(outcome.error);
    REQUIRE(outcome.peer == endpoint_of(server));
    REQUIRE(clock_type::now() - started >= 290ms);
}

TEST_CASE("connect: the error of the last address is told") {
    net::io_context io;
    black_hole hole(io);
    const std::size_t before = open_descriptors();
    const connect_outcome refused = connect(io, {hole.endpoint(), closed_endpoint()}, 500ms);
    REQUIRE(refused.error == errc::connect_refused);
    REQUIRE(refused.completions == 1);
    REQUIRE_FALSE(refused.open);
    REQUIRE(open_descriptors() == before);
}

TEST_CASE("connect: errors of the system get the library's names") {
    const auto named = [](const std::error_code& error) { return connect_error(error); };
    REQUIRE(named({}) == std::error_code{});
    REQUIRE(named(net::error::connection_refused) == errc::connect_refused);
    REQUIRE(named(net::error::host_unreachable) == errc::connect_unreachable);
    REQUIRE(named(net::error::network_unreachable) == errc::connect_unreachable);
    REQUIRE(named(net::error::no_descriptors) == errc::descriptors_exhausted);
    REQUIRE(named({ENFILE, net::error::get_system_category()}) == errc::descriptors_exhausted);
    REQUIRE(named(net::error::timed_out) == errc::connect_timed_out);
    REQUIRE(named(net::error::access_denied) == errc::connect_failed);
    REQUIRE(named(errc::connect_timed_out) == errc::connect_timed_out);
}

TEST_CASE("resolve: errors of the resolver get the library's names") {
    REQUIRE(resolve_error({}, false) == std::error_code{});
    REQUIRE(resolve_error({}, true) == errc::resolve_empty);
    REQUIRE(resolve_error(net::error::no_data, true) == errc::resolve_empty);
    REQUIRE(resolve_error(net::error::host_not_found, true) == errc::resolve_failed);
    REQUIRE(resolve_error(net::error::host_not_found_try_again, true) == errc::resolve_failed);
}

TEST_CASE("resolve: an address needs no resolver") {
    REQUIRE(numeric_endpoint({.host = "127.0.0.1", .port = "80"}).value().port() == 80);
    REQUIRE(numeric_endpoint({.host = "::1", .port = "https"}).value().address().is_v6());
    REQUIRE_FALSE(numeric_endpoint({.host = "localhost", .port = "80"}).has_value());
}
