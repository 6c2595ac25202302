// One endpoint: bound to a local address where one is named, and every failure by its name.
#include <chrono>
#include <string>
#include <system_error>

#include "hotpool/error.hpp"
#include "hotpool/transport/resolve.hpp"
#include "hotpool/transport/tcp.hpp"
#include "support/black_hole.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/loopback_server.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace hotpool::detail;
using namespace std::chrono_literals;

namespace {

ip_address address(const char* text) { return ip_address::parse(text).value(); }

outcome_of<tcp_transport> connect(net::io_context& io, const open_request& request) {
    outcome_of<tcp_transport> outcome;
    const tcp_transport transport({.host = "elsewhere.invalid", .port = "1"});
    transport.async_open(net::any_io_executor(io.get_executor()), request,
                         [&outcome](const std::error_code& error, auto stream) {
                             ++outcome.completions;
                             outcome.error = error;
                             if (!error) outcome.stream.emplace(std::move(stream));
                         });
    io.restart();
    io.run();
    return outcome;
}

}  // namespace

TEST_CASE("connect_leads_to_the_endpoint_of_the_request_whatever_the_origins_name") {
    net::io_context io;
    loopback_server server([](server_connection& c) { c.stay(); });
    const ip_endpoint to{address("127.0.0.1"), port_number(server.port())};
    const auto opened = connect(io, {.to = to});
    REQUIRE(opened.completions == 1);
    REQUIRE_FALSE(opened.error);
    REQUIRE(from_asio(opened.stream->remote_endpoint()) == to);
}

TEST_CASE("connect_comes_from_the_local_address_of_the_request") {
    net::io_context io;
    std::string peer;
    loopback_server server([](server_connection& c) { c.stay(); });
    const ip_endpoint to{address("127.0.0.1"), port_number(server.port())};
    const auto opened = connect(io, {.to = to, .from = address("127.0.0.7")});
    REQUIRE_FALSE(opened.error);
    REQUIRE(from_asio(opened.stream->local_endpoint()).address == address("127.0.0.7"));
}

TEST_CASE("connect_a_local_address_that_this_machine_does_not_have_is_a_failure_of_its_own") {
    net::io_context io;
    const std::size_t before = open_descriptors();
    const auto refused = connect(io, {.to = {address("127.0.0.1"), 1}, .from = address("192.0.2.1")});
    REQUIRE(refused.error == errc::connect_failed);
    REQUIRE(refused.completions == 1);
    REQUIRE(open_descriptors() <= before + 3);  // what the io_context keeps
}

TEST_CASE("connect_nobody_answers_within_the_time_of_the_request") {
    net::io_context io;
    black_hole hole(io);
    const auto started = clock_type::now();
    const auto outcome = connect(io, {.to = from_asio(hole.endpoint()), .timeout = 100ms});
    REQUIRE(outcome.error == errc::connect_timed_out);
    REQUIRE(clock_type::now() - started >= 100ms);
}

TEST_CASE("connect_errors_of_the_system_get_the_librarys_names") {
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

TEST_CASE("connect_addresses_are_the_same_in_asio_and_here") {
    for (const char* text : {"127.0.0.1", "192.0.2.255", "::1", "2001:db8::7", "fe80::1%3"}) {
        const ip_endpoint endpoint{address(text), 443};
        REQUIRE(from_asio(to_asio(endpoint)) == endpoint);
        if (endpoint.address.scope_id() == 0) REQUIRE(to_asio(endpoint).address().to_string() == text);
    }
}

TEST_CASE("resolve_errors_of_the_resolver_get_the_librarys_names") {
    REQUIRE(resolve_error(0, false) == std::error_code{});
    REQUIRE(resolve_error(0, true) == errc::resolve_empty);
#if defined(EAI_NODATA)
    REQUIRE(resolve_error(EAI_NODATA, true) == errc::resolve_empty);
    REQUIRE(is_definite(EAI_NODATA));
#endif
    REQUIRE(resolve_error(EAI_NONAME, true) == errc::resolve_failed);
    REQUIRE(is_definite(EAI_NONAME));
    REQUIRE(resolve_error(EAI_AGAIN, true) == errc::resolve_failed);
    REQUIRE_FALSE(is_definite(EAI_AGAIN));
    REQUIRE_FALSE(is_definite(EAI_FAIL));
    REQUIRE(resolve_error(EAI_MEMORY, true) == std::errc::not_enough_memory);
    errno = EMFILE;
    REQUIRE(resolve_error(EAI_SYSTEM, true) == errc::descriptors_exhausted);
    errno = EIO;
    REQUIRE(resolve_error(EAI_SYSTEM, true) == errc::resolve_failed);
}
