// TLS handshakes that do not come about: each has its name, within the timeout, and leaves no descriptor.
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/loopback_server.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

tls_transport to(const loopback_server& server, tls_options options = {}) {
    if (options.ca_pem.empty()) options.ca_pem = test_root().certificate_pem();
    return tls_transport({.host = "127.0.0.1", .port = server.port()}, std::move(options));
}

// The outcome of an opening to a server without TLS that runs `script`; checks that nothing is left of it.
std::error_code open_to(loopback_server::script script, std::chrono::nanoseconds timeout = plenty) {
    loopback_server server(std::move(script));
    net::io_context io;
    open(io, to(server), 1ns);  // opens what the io_context keeps
    const auto opened = open(io, to(server), timeout);
    REQUIRE(opened.completions == 1);
    return opened.error;
}

}  // namespace

TEST_CASE("tls_handshake_a_peer_without_tls_is_told_by_name") {
    const std::size_t before = open_descriptors();
    SECTION("it says nothing") { REQUIRE(open_to(stay, 100ms) == errc::handshake_timed_out); }
    SECTION("it closes at once") {
        const std::error_code error = open_to([](server_connection&) {});
        REQUIRE(error == errc::handshake_closed);
    }
    SECTION("it closes after the first message") {
        REQUIRE(open_to([](server_connection& c) { c.read_some(); }) == errc::handshake_closed);
    }
    SECTION("it resets") {
        const std::error_code error = open_to([](server_connection& c) {
            c.read_some();
            c.reset();
        });
        REQUIRE(error == errc::handshake_closed);
    }
    SECTION("it speaks plain HTTP") {
        const std::error_code error = open_to([](server_connection& c) {
            c.read_some();
            c.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            c.stay();
        });
        REQUIRE(error == errc::handshake_failed);
    }
    SECTION("it sends an alert") {
        const std::error_code error = open_to([](server_connection& c) {
            c.read_some();
            c.write(std::string("\x15\x03\x03\x00\x02\x02\x28", 7));
            c.stay();
        });
        REQUIRE(error == errc::handshake_failed);
    }
    REQUIRE(open_descriptors() == before);
}

TEST_CASE("tls_handshake_a_peer_that_falls_silent_in_its_middle_is_given_up_at_the_timeout") {
    // A TLS server's first flight, cut off in the middle.
    loopback_server real({.own = test_identity()}, stay);
    const std::error_code error = open_to(
        [&](server_connection& c) {
            const std::string hello = c.read_some();
            net::io_context io;
            net::ip::tcp::socket upstream(io);
            upstream.connect({net::ip::address_v4::loopback(), port_number(real.port())});
            upstream.send(net::buffer(hello));
            std::string flight(4096, '\0');
            flight.resize(upstream.receive(net::buffer(flight)));
            c.write(flight.substr(0, flight.size() / 2));
            c.stay();
        },
        200ms);
    REQUIRE(error == errc::handshake_timed_out);
}

TEST_CASE("tls_handshake_cancelled_at_any_step_an_opening_completes_once_and_leaves_no_descriptor") {
    const std::size_t before = open_descriptors();
    for (int steps = 0; steps < 12; ++steps) {
        loopback_server silent(stay);
        net::io_context io;
        outcome_of<tls_transport> outcome;
        const opening running = start_open(io, to(silent), outcome);
        for (int i = 0; i < steps; ++i) io.run_one_for(10ms);
        running.cancel();
        io.restart();
        io.run();
        REQUIRE(outcome.error == errc::cancelled);
        REQUIRE(outcome.completions == 1);
    }
    REQUIRE(open_descriptors() == before);
}

TEST_CASE("tls_handshake_the_oldest_version_accepted_is_the_options") {
    loopback_server old({.own = test_identity(), .max_version = TLS1_2_VERSION}, stay);
    loopback_server older({.own = test_identity(), .min_version = TLS1_1_VERSION, .max_version = TLS1_1_VERSION}, stay);
    net::io_context io;
    REQUIRE_FALSE(open(io, to(old)).error);
    REQUIRE(open(io, to(old, {.min_version = tls_version::tls_1_3})).error == errc::handshake_failed);
    REQUIRE(open(io, to(older)).error == errc::handshake_failed);
}

TEST_CASE("tls_handshake_the_protocol_is_the_peers_choice_among_those_offered") {
    net::io_context io;
    SECTION("it chooses one") {
        loopback_server server({.own = test_identity(), .alpn = "http/1.1"}, stay);
        const auto opened = open(io, to(server));
        REQUIRE_FALSE(opened.error);
        REQUIRE(opened.stream->alpn() == "http/1.1");
    }
    SECTION("it knows no ALPN") {
        loopback_server server({.own = test_identity()}, stay);
        const auto opened = open(io, to(server));
        REQUIRE_FALSE(opened.error);
        REQUIRE(opened.stream->alpn().empty());
    }
    SECTION("it accepts none") {
        loopback_server server({.own = test_identity(), .alpn = "h2"}, stay);
        REQUIRE(open(io, to(server)).error == errc::alpn_mismatch);
        REQUIRE_FALSE(open(io, to(server, {.alpn = {"http/1.1", "h2"}})).error);
    }
    SECTION("it chooses another") {
        loopback_server server({.own = test_identity(), .alpn = "h2", .choose_only_offered = false}, stay);
        // Newer releases of OpenSSL see it themselves and give no reason of its own.
        const std::error_code error = open(io, to(server)).error;
        const bool known = error == errc::alpn_mismatch || error == errc::handshake_failed;
        REQUIRE(known);
    }
    SECTION("none is offered") {
        loopback_server server({.own = test_identity(), .alpn = "h2"}, stay);
        REQUIRE_FALSE(open(io, to(server, {.alpn = {}})).error);
    }
}

TEST_CASE("tls_handshake_a_peer_that_asks_for_a_certificate_gets_the_options") {
    const authority clients("clients' root");
    const identity own = clients.issue({.common_name = "client", .names = {}});
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    loopback_server server({.own = test_identity(),
                            .client_ca_pem = clients.certificate_pem(),
                            .min_version = version,
                            .max_version = version},
                           echo);
    net::io_context io;
    SECTION("the right one") {
        auto opened = open(io, to(server, {.certificate_pem = own.certificate_pem, .private_key_pem = own.key_pem}));
        REQUIRE_FALSE(opened.error);
        REQUIRE_FALSE(write_all(io, *opened.stream, "x"));
        REQUIRE(read_exactly(io, *opened.stream, 1) == "x");
    }
    SECTION("none, or a stranger's") {
        const identity stranger = self_signed();
        const bool shown = GENERATE(false, true);
        tls_options options;
        if (shown) options = {.certificate_pem = stranger.certificate_pem, .private_key_pem = stranger.key_pem};
        auto opened = open(io, to(server, options));
        // In TLS 1.3 the client is through before the server has looked at its certificate.
        if (version == TLS1_2_VERSION) {
            REQUIRE(opened.error == errc::client_certificate_refused);
        } else {
            REQUIRE_FALSE(opened.error);
            REQUIRE(read_to_end(io, *opened.stream) == errc::client_certificate_refused);
        }
    }
}
