// Resumption weakens nothing: certificates, pins and names hold as they do without it; and it costs no opening.
#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include "hotpool/error.hpp"
#include "support/catch.hpp"
#include "support/resume_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

server_tls with(const identity& own, int version) {
    server_tls tls = speaking(version);
    tls.own = own;
    return tls;
}

// A server that asks for the client's certificate, and whether it may resume such sessions.
server_tls asking_clients(int version, const authority& clients, bool resumes) {
    server_tls tls = speaking(version);
    tls.client_ca_pem = clients.certificate_pem();
    if (resumes)
        tls.prepare = [](SSL_CTX* context) {
            SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("a"), 1);
        };
    return tls;
}

tls_options showing(const identity& own) {
    tls_options options = trusting();
    options.certificate_pem = own.certificate_pem;
    options.private_key_pem = own.key_pem;
    return options;
}

}  // namespace

TEST_CASE("tls_resume_a_restarted_servers_certificate_is_verified_anew") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    resume_server server(speaking(version));
    visitor v(server);
    v.visit();
    SECTION("a good one") {
        server.restart(with(test_root().issue(), version));
        CHECK_FALSE(v.visit());
        CHECK(v.visit());
    }
    SECTION("a stranger's") {
        server.restart(with(authority("stranger").issue(), version));
        CHECK(v.failed_visit() == errc::certificate_unknown_issuer);
        CHECK(v.stats().sessions_rejected == 0);
        CHECK(server.log.offered().size() == 2);
    }
    SECTION("another host's") {
        server.restart(with(test_root().issue({.names = {"elsewhere.test"}}), version));
        CHECK(v.failed_visit() == errc::certificate_host_mismatch);
    }
    SECTION("an expired one") {
        server.restart(with(test_root().issue({.not_before = -2h, .not_after = -1h}), version));
        CHECK(v.failed_visit() == errc::certificate_expired);
    }
}

TEST_CASE("tls_resume_pins_hold") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    resume_server server(speaking(version));
    tls_options pinned = trusting();
    pinned.verify = GENERATE(tls_verify::peer, tls_verify::none);
    pinned.pins = {tls_pin::public_key(test_identity().public_key_sha256)};
    visitor v(server, pinned);
    v.visit();
    CHECK(v.visit());
    server.restart(with(test_root().issue(), version));
    CHECK(v.failed_visit() == errc::certificate_pin_mismatch);
}

TEST_CASE("tls_resume_nothing_is_kept_of_a_peer_that_was_not_accepted") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    SECTION("a stranger") {
        resume_server server(with(authority("stranger").issue(), version));
        visitor v(server);
        CHECK(v.failed_visit() == errc::certificate_unknown_issuer);
        CHECK(v.stats().sessions_cached == 0);
        CHECK(v.stats().handshakes == 0);
    }
    SECTION("one that speaks another protocol") {
        server_tls tls = speaking(version);
        tls.alpn = "h2";
        tls.choose_only_offered = false;
        resume_server server(tls);
        visitor v(server);
        CHECK(v.failed_visit() == condition::open_failed);
        CHECK(v.stats().sessions_cached == 0);
    }
}

TEST_CASE("tls_resume_a_session_is_offered_only_as_long_as_its_certificate_chain_is_valid") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    resume_server server(with(test_root().issue({.not_after = 100s}), version));
    net::io_context io;
    const auto context = hotpool::detail::tls_contexts(server.target(), trusting()).pick();
    const auto connect = [&] {
        net::ip::tcp::socket socket(io);
        socket.connect({net::ip::address_v4::loopback(), port_number(server.server.port())});
        socket.non_blocking(true);
        std::error_code error;
        tls_stream<net::any_io_executor> stream(std::move(socket), context, error);
        for (io_result step = stream.try_handshake(); step.want != io_want::none; step = stream.try_handshake())
            wait(io, stream, step.want);
        CHECK_FALSE(write_all(io, stream, "x"));
        CHECK(read_exactly(io, stream, 1) == "x");
        const bool resumed = stream.resumed();
        stream.close();
        return resumed;
    };
    CHECK_FALSE(connect());
    // What is resumed inherits the limit.
    CHECK(connect());
    const std::time_t now = std::time(nullptr);
    CHECK(context->sessions().take(now + 50) != nullptr);
    CHECK(context->sessions().take(now + 101) == nullptr);
}

TEST_CASE("tls_resume_a_server_that_asks_for_the_clients_certificate_still_knows_the_client") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const authority clients("clients' root");
    const identity own = clients.issue({.common_name = "client", .names = {}});
    SECTION("it resumes") {
        resume_server server(asking_clients(version, clients, true));
        visitor v(server, showing(own));
        v.visit();
        CHECK(v.visit());
        CHECK(v.visit());
    }
    SECTION("it breaks off when a session is offered: the opening is tried once more, and others offer none") {
        resume_server server(asking_clients(version, clients, false));
        visitor v(server, showing(own));
        v.visit();
        CHECK_FALSE(v.visit());
        CHECK(server.server.accepted() == 3);
        CHECK_FALSE(v.visit());
        CHECK(server.server.accepted() == 4);
        CHECK(v.stats().sessions_rejected == 1);
        CHECK(v.stats().handshakes == 3);
        CHECK(v.pool.stats().total.openings == 3);
        CHECK(v.pool.stats().total.open_failures == 0);
    }
}

TEST_CASE("tls_resume_a_server_that_breaks_off_without_a_session_too_fails_the_opening_once") {
    resume_server server(speaking(TLS1_3_VERSION));
    visitor v(server);
    v.visit();
    server.server.change_tls({.own = test_identity(), .prepare = [](SSL_CTX* context) {
                                  const auto refuse = [](SSL*, int* alert, void*) {
                                      *alert = SSL_AD_HANDSHAKE_FAILURE;
                                      return SSL_CLIENT_HELLO_ERROR;
                                  };
                                  SSL_CTX_set_client_hello_cb(context, refuse, nullptr);
                              }});
    CHECK(v.failed_visit() == errc::handshake_failed);
    CHECK(server.server.accepted() == 3);
    CHECK(v.stats().sessions_rejected == 1);
    CHECK(v.stats().sessions_cached == 0);
    CHECK(v.pool.stats().total.open_failures == 1);
}

TEST_CASE("tls_resume_an_opening_that_times_out_or_is_cancelled_says_nothing_about_the_sessions") {
    door closed;
    resume_server server(speaking(TLS1_2_VERSION));
    const opened_at_end guard{closed};
    net::io_context io;
    const tls_transport transport(server.target(), trusting());
    open(io, transport);
    REQUIRE(transport.stats().sessions_cached == 1);
    server.server.change_tls({.own = test_identity(), .prepare = [&](SSL_CTX* context) {
                                  const auto hold = [](SSL*, int*, void* d) {
                                      static_cast<door*>(d)->wait();
                                      return SSL_CLIENT_HELLO_ERROR;
                                  };
                                  SSL_CTX_set_client_hello_cb(context, hold, &closed);
                              }});
    CHECK(open(io, transport, 50ms).error == errc::handshake_timed_out);
    outcome_of<tls_transport> outcome;
    const opening running = start_open(io, transport, outcome);
    REQUIRE(run_until(io, [&] { return transport.stats().sessions_offered == 2; }));
    running.cancel();
    io.run();
    CHECK(outcome.error == errc::cancelled);
    CHECK(transport.stats().sessions_cached == 1);
    CHECK(transport.stats().sessions_rejected == 0);
}
