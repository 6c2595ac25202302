// Connections through an HTTP proxy: the tunnel, its errors, and that the origin's own stay what they are.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "hotpool/error.hpp"
#include "hotpool/transport/tcp.hpp"
#include "hotpool/transport/tls.hpp"
#include "support/black_hole.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/connect_proxy.hpp"
#include "support/loopback_server.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

struct tunnel_tcp {
    using transport = tcp_transport;
    static loopback_server serve(loopback_server::script each) { return loopback_server(std::move(each)); }
    static tcp_options options(const proxy_options& proxy) { return {.proxy = proxy}; }
};
struct tunnel_tls {
    using transport = tls_transport;
    static loopback_server serve(loopback_server::script each) {
        return loopback_server({.own = test_root().issue()}, std::move(each));
    }
    static tls_options options(const proxy_options& proxy) {
        return {.ca_pem = test_root().certificate_pem(), .tcp = {.proxy = proxy}};
    }
};

/// An io_context that has opened all it keeps for itself.
struct settled_context : net::io_context {
    net::ip::tcp::socket first{*this};
};

/// Waits until this process has no more descriptors than `count`: a server on a thread takes its time to close.
bool descriptors_fall_to(std::size_t count) {
    const auto limit = clock_type::now() + plenty;
    while (open_descriptors() > count) {
        if (clock_type::now() > limit) return false;
        std::this_thread::yield();
    }
    return true;
}

/// How an opening ends that never comes as far as an origin.
template <class Side>
std::error_code verdict(const proxy_options& proxy, std::chrono::nanoseconds timeout = plenty) {
    settled_context io;
    const typename Side::transport transport({.host = "127.0.0.1", .port = "443"}, Side::options(proxy));
    const std::size_t before = open_descriptors();
    const auto opened = open(io, transport, timeout);
    REQUIRE(opened.completions == 1);
    CHECK(opened.error == condition::open_failed);
    CHECK(descriptors_fall_to(before));
    return opened.error;
}
template <class Side>
std::error_code verdict(const proxy_manner& manner, std::chrono::nanoseconds timeout = plenty) {
    const connect_proxy proxy(manner);
    return verdict<Side>(proxy.options(), timeout);
}

proxy_options with_credentials(proxy_options options, std::string username, std::string password) {
    options.username = std::move(username);
    options.password = std::move(password);
    return options;
}

const std::string established = "HTTP/1.1 200 Connection established\r\n\r\n";

}  // namespace

TEMPLATE_TEST_CASE("proxy_the_origin_is_reached_through_it_and_hears_nothing_of_it", "", tunnel_tcp, tunnel_tls) {
    loopback_server origin_server = TestType::serve(echo);
    const bool split = GENERATE(false, true);
    const connect_proxy proxy({.answer = "HTTP/1.1 100 Continue\r\n\r\n" + established, .byte_by_byte = split});
    net::io_context io;
    auto opened =
        open(io, typename TestType::transport({"127.0.0.1", origin_server.port()}, TestType::options(proxy.options())));
    REQUIRE_FALSE(opened.error);
    CHECK(opened.stream->remote_endpoint().port() == port_number(proxy.port()));
    const std::string large(200'000, 'x');
    REQUIRE_FALSE(write_all(io, *opened.stream, "first ", "words"));
    CHECK(read_exactly(io, *opened.stream, 11) == "first words");
    REQUIRE_FALSE(write_all(io, *opened.stream, large));
    CHECK((read_exactly(io, *opened.stream, large.size()) == large));
    const std::string authority = "127.0.0.1:" + origin_server.port();
    REQUIRE(proxy.heads().size() == 1);
    CHECK(proxy.heads()[0] == "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n");
}

TEMPLATE_TEST_CASE("proxy_one_that_wants_credentials_gets_them_and_only_it", "", tunnel_tcp, tunnel_tls) {
    std::atomic<int> served = 0;
    loopback_server origin_server = TestType::serve([&served](server_connection& c) {
        ++served;
        echo(c);
    });
    const connect_proxy proxy({.credentials = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="});
    const auto outcome = [&](const proxy_options& options) {
        net::io_context io;
        auto opened =
            open(io, typename TestType::transport({"127.0.0.1", origin_server.port()}, TestType::options(options)));
        if (!opened.error) {
            // The first that the origin hears is what is written here.
            REQUIRE_FALSE(write_all(io, *opened.stream, "mine"));
            CHECK(read_exactly(io, *opened.stream, 4) == "mine");
        }
        return opened.error;
    };
    CHECK(outcome(proxy.options()) == errc::proxy_unauthorized);
    const std::error_code wrong = outcome(with_credentials(proxy.options(), "Aladdin", "close sesame"));
    CHECK(wrong == errc::proxy_unauthorized);
    CHECK(wrong.message().find("sesame") == std::string::npos);
    CHECK(served == 0);
    CHECK_FALSE(outcome(with_credentials(proxy.options(), "Aladdin", "open sesame")));
    CHECK(proxy.heads().size() == 3);
}

TEMPLATE_TEST_CASE("proxy_every_answer_but_a_2xx_alone_has_its_error", "", tunnel_tcp, tunnel_tls) {
    const auto answer = [](std::string text, bool split = false) {
        return verdict<TestType>(
            proxy_manner{.answer = std::move(text), .ending = proxy_ending::stall, .byte_by_byte = split});
    };
    const std::string forbidden = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    const std::string unauthorized = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\n\r\n";
    for (const bool split : {false, true}) {
        CHECK(answer(forbidden, split) == errc::proxy_refused);
        CHECK(answer("HTTP/1.0 502 Bad Gateway\r\n\r\n", split) == errc::proxy_refused);
        CHECK(answer(unauthorized, split) == errc::proxy_unauthorized);
        CHECK(answer("220 mail.example ESMTP\r\n", split) == errc::proxy_bad_response);
        CHECK(answer("HTTP/1.1 200 OK\nX: y\n\n", split) == errc::proxy_bad_response);
    }
    CHECK(answer(established + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == errc::proxy_bad_response);
    CHECK(answer("HTTP/1.1 200 OK\r\nX: " + std::string(50'000, 'x')) == errc::proxy_bad_response);
}

TEMPLATE_TEST_CASE("proxy_one_that_hangs_up_before_its_answer_is_complete_has_closed", "", tunnel_tcp, tunnel_tls) {
    const auto after = [](std::string text, proxy_ending ending) {
        return verdict<TestType>(proxy_manner{.answer = std::move(text), .ending = ending});
    };
    // The reset may come before connecting is over.
    const std::error_code at_once = verdict<TestType>(proxy_manner{.deaf = true});
    CHECK((at_once == errc::proxy_closed || at_once == errc::proxy_unreachable));
    for (const auto ending : {proxy_ending::close, proxy_ending::reset}) {
        CHECK(after("", ending) == errc::proxy_closed);
        CHECK(after("HTTP/1.1 2", ending) == errc::proxy_closed);
        CHECK(after("HTTP/1.1 100 Continue\r\n\r\n", ending) == errc::proxy_closed);
    }
    CHECK(after("HTTP/1.1 403 No\r\n\r\n", proxy_ending::close) == errc::proxy_refused);
}

TEMPLATE_TEST_CASE("proxy_the_openings_deadline_holds_while_it_is_silent_or_slow", "", tunnel_tcp, tunnel_tls) {
    const auto answer = [](std::string text, proxy_ending ending) {
        const auto started = clock_type::now();
        const std::error_code error =
            verdict<TestType>(proxy_manner{.answer = std::move(text), .ending = ending}, 50ms);
        CHECK(clock_type::now() - started >= 50ms);
        CHECK(error == condition::timed_out);
        return error;
    };
    CHECK(answer("", proxy_ending::stall) == errc::proxy_timed_out);
    CHECK(answer("HTTP/1.1 200 OK\r\n", proxy_ending::stall) == errc::proxy_timed_out);
    CHECK(answer("HTTP/1.1 200 OK\r\n", proxy_ending::drip) == errc::proxy_timed_out);
}

TEMPLATE_TEST_CASE("proxy_one_that_cannot_be_reached_is_not_taken_for_the_origin", "", tunnel_tcp, tunnel_tls) {
    CHECK(verdict<TestType>(proxy_options{.host = "127.0.0.1", .port = closed_port()}) == errc::proxy_unreachable);
    net::io_context io;
    const black_hole hole(io);
    const proxy_options silent{.host = "127.0.0.1", .port = std::to_string(hole.endpoint().port())};
    CHECK(verdict<TestType>(silent, 50ms) == errc::proxy_unreachable);
}

TEMPLATE_TEST_CASE("proxy_cancelled_while_it_is_silent_an_opening_completes_once_and_leaves_no_descriptor", "",
                   tunnel_tcp, tunnel_tls) {
    const connect_proxy proxy({.answer = "HTTP/1.1 200", .ending = proxy_ending::stall});
    settled_context io;
    const typename TestType::transport transport({"127.0.0.1", "443"}, TestType::options(proxy.options()));
    const std::size_t before = open_descriptors();
    for (int steps = 0; steps < 8; ++steps) {
        outcome_of<typename TestType::transport> outcome;
        const opening running = start_open(io, transport, outcome);
        io.restart();
        for (int i = 0; i < steps; ++i) io.run_one_for(5ms);
        CHECK(outcome.completions == 0);
        running.cancel();
        running.cancel();
        io.run();
        CHECK(outcome.completions == 1);
        CHECK(outcome.error == errc::cancelled);
        CHECK(descriptors_fall_to(before));
    }
    CHECK(proxy.heads().size() >= 4);  // the later ones had come as far as the proxy
}

TEST_CASE("proxy_the_origins_name_is_its_own_to_resolve_tls_asks_for_it_and_verifies_it") {
    std::string asked_for;
    loopback_server named({.own = test_root().issue({.names = {"origin.invalid"}})}, [&](server_connection& c) {
        asked_for = SSL_get_servername(c.ssl(), TLSEXT_NAMETYPE_host_name);
        c.write("!");
        c.stay();
    });
    const connect_proxy proxy;
    net::io_context io;
    auto opened = open(io, tls_transport({"origin.invalid", named.port()}, tunnel_tls::options(proxy.options())));
    REQUIRE_FALSE(opened.error);
    CHECK(read_exactly(io, *opened.stream, 1) == "!");
    CHECK(asked_for == "origin.invalid");
    CHECK(proxy.heads().at(0).starts_with("CONNECT origin.invalid:" + named.port() + " HTTP/1.1\r\n"));

    // The proxy's own name is no excuse for an origin's certificate.
    opened = open(io, tls_transport({"127.0.0.1", named.port()}, tunnel_tls::options(proxy.options())));
    CHECK(opened.error == errc::certificate_host_mismatch);
}

TEST_CASE("proxy_an_origin_that_closes_behind_the_tunnel_has_its_own_error") {
    loopback_server rude([](server_connection&) {});
    const connect_proxy proxy;
    net::io_context io;
    const auto opened = open(io, tls_transport({"127.0.0.1", rude.port()}, tunnel_tls::options(proxy.options())));
    CHECK(opened.error == errc::handshake_closed);
    loopback_server silent([](server_connection& c) { c.stay(); });
    const auto late = open(io, tls_transport({"127.0.0.1", silent.port()}, tunnel_tls::options(proxy.options())), 50ms);
    CHECK(late.error == errc::handshake_timed_out);
}

TEMPLATE_TEST_CASE("proxy_an_ipv6_origin_is_named_in_brackets_an_ipv6_proxy_is_reached", "", tunnel_tcp, tunnel_tls) {
    loopback_server origin_server = TestType::serve(echo);
    const connect_proxy proxy({}, "::1");
    net::io_context io;
    const auto opened =
        open(io, typename TestType::transport({"::1", origin_server.port()},
                                              TestType::options({.host = "::1", .port = proxy.port()})));
    REQUIRE_FALSE(opened.error);
    const std::string authority = "[::1]:" + origin_server.port();
    CHECK(proxy.heads().at(0) == "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n");
}

TEMPLATE_TEST_CASE("proxy_bad_options_are_refused_where_the_transport_is_made", "", tunnel_tcp, tunnel_tls) {
    using transport = typename TestType::transport;
    const auto make = [](const proxy_options& proxy) { transport({"127.0.0.1", "80"}, TestType::options(proxy)); };
    make({});
    CHECK_THROWS_WITH(make({.host = "proxy"}),
                      "hotpool::proxy_options::port must be a number from 1 to 65535, http or https");
    CHECK_THROWS_WITH(make({.host = "proxy", .port = "1", .username = "a:b"}),
                      "hotpool::proxy_options::username must contain neither a colon nor a control character");
}
