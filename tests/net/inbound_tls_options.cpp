// Options of a TLS server: the bad ones are refused by field and rule, and they are exchanged while it runs.
#include <atomic>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/transport/tcp_server.hpp"
#include "hotpool/transport/tls_server.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/server_certificates.hpp"
#include "support/server_process.hpp"
#include "support/tls_meeting.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace hotpool::test;

static_assert(server_for<tcp_server, net::any_io_executor>);
static_assert(server_for<tcp_server, net::io_context::executor_type>);

namespace {

std::string refusal(const tls_server_options& options) {
    const std::string text = refusal_of([&] { tls_server server(options); });
    const std::string begin = "hotpool::tls_server_options::";
    return text.compare(0, begin.size(), begin) == 0 ? text.substr(begin.size()) : text;
}

// The name in the certificate that a client is shown; empty if it is not let in.
std::string shown_by(tls_listener& listener) {
    const client_context context = make_client_context();
    std::string name;
    meeting met(listener, context.get(), [&](tls_client& c) {
        if (!c.shake_hands()) return;
        const test::x509::certificate_ptr peer(SSL_get1_peer_certificate(c.ssl()));
        name = certificate_view(*peer).subject();
        c.see_off();
    });
    met.part();
    return name;
}

}  // namespace

TEST_CASE("inbound_tls_options_a_certificate_and_its_key_must_be_given_and_belong_together") {
    const identity own = named("own");
    const std::string missing = (std::filesystem::temp_directory_path() / "hotpool_no_such_file").string();
    CHECK(refusal({}) == "certificate_file must be given, or the text");
    CHECK(refusal({.certificate_pem = own.certificate_pem}) == "private_key_file must be given, or the text");
    CHECK(refusal({.private_key_pem = own.key_pem}) == "certificate_file must be given, or the text");
    CHECK(refusal({.certificate_file = missing, .private_key_pem = own.key_pem}) ==
          "certificate_file must be a file that can be read");
    CHECK(refusal({.certificate_pem = own.certificate_pem, .private_key_file = missing}) ==
          "private_key_file must be a file that can be read");
    CHECK(refusal(
              {.certificate_file = missing, .certificate_pem = own.certificate_pem, .private_key_pem = own.key_pem}) ==
          "certificate_file must not be given together with the text");
    CHECK(refusal({.certificate_pem = "x", .private_key_pem = own.key_pem}) ==
          "certificate_pem must hold a certificate in PEM");
    CHECK(refusal({.certificate_pem = own.certificate_pem, .private_key_pem = "x"}) ==
          "private_key_pem must hold a private key in PEM, with its password if encrypted");
    CHECK(refusal({.certificate_pem = own.certificate_pem, .private_key_pem = named("other").key_pem}) ==
          "private_key_pem must belong to the certificate");
    CHECK(refusal(showing(own)) == "accepted");
    const std::string locked = encrypt_key(own.key_pem, "secret");
    CHECK(refusal(
              {.certificate_pem = own.certificate_pem, .private_key_pem = locked, .private_key_password = "secret"}) ==
          "accepted");
    CHECK(refusal(
              {.certificate_pem = own.certificate_pem, .private_key_pem = locked, .private_key_password = "secrets"}) ==
          "private_key_pem must hold a private key in PEM, with its password if encrypted");
}

TEST_CASE("inbound_tls_options_rules_for_clients_go_with_asking_them") {
    const std::string roots = test_root().certificate_pem();
    const tls_pin pin = tls_pin::certificate(test_identity().certificate_sha256);
    const certificate_verifier verifier = [](const certificate_view&) { return certificate_verdict::accepted; };
    const std::string must_not =
        "client_certificates must not be off where roots, pins or a verifier for them are given";
    const std::string must =
        "client_certificates must be off where neither roots nor pins nor a verifier for them are given";
    CHECK(refusal(serving({.ca_pem = roots})) == must_not);
    CHECK(refusal(serving({.ca_file = "roots.pem"})) == must_not);
    CHECK(refusal(serving({.pins = {pin}})) == must_not);
    CHECK(refusal(serving({.verifier = verifier})) == must_not);
    for (const auto how : {client_auth::optional, client_auth::required}) {
        CHECK(refusal(asking(how)) == must);
        CHECK(refusal(asking(how, {.ca_pem = roots})) == "accepted");
        CHECK(refusal(asking(how, {.pins = {pin}})) == "accepted");
        CHECK(refusal(asking(how, {.verifier = verifier})) == "accepted");
        CHECK(refusal(asking(how, {.ca_pem = "x"})) == "ca_pem must hold a certificate in PEM");
        CHECK(refusal(asking(how, {.ca_file = "/"})) != "accepted");
        CHECK(refusal(asking(how, {.ca_file = "x", .ca_pem = roots})) ==
              "ca_file must not be given together with the text");
    }
}

TEST_CASE("inbound_tls_options_names_of_protocols_and_the_number_of_tickets_have_bounds") {
    CHECK(refusal(serving({.alpn = {""}})) == "alpn must be names of 1 to 255 bytes");
    CHECK(refusal(serving({.alpn = {std::string(256, 'x')}})) == "alpn must be names of 1 to 255 bytes");
    CHECK(refusal(serving({.alpn = {std::string(255, 'x')}})) == "accepted");
    CHECK(refusal(serving({.session_tickets = 17})) == "session_tickets must be at most 16");
    CHECK(refusal(serving({.session_tickets = 16})) == "accepted");
}

TEST_CASE("inbound_tls_options_an_update_holds_for_the_handshakes_from_then_on_of_copies_too") {
    tls_listener listener{tls_server(showing(named("first")))};
    tls_server copy = listener.server();
    CHECK(shown_by(listener) == "CN=first");
    copy.update(showing(named("second")));
    CHECK(shown_by(listener) == "CN=second");
}

TEST_CASE("inbound_tls_options_files_are_read_again_and_bad_ones_change_nothing") {
    const scratch_directory files;
    const auto put = [&](const identity& own) {
        files.write("chain.pem", own.certificate_pem);
        files.write("key.pem", own.key_pem);
    };
    const tls_server_options options{.certificate_file = (files / "chain.pem").string(),
                                     .private_key_file = (files / "key.pem").string()};
    put(named("first"));
    tls_listener listener{tls_server(options)};
    put(named("second"));
    CHECK(shown_by(listener) == "CN=first");
    files.write("key.pem", named("third").key_pem);
    CHECK_THROWS_AS(listener.server().update(options), std::invalid_argument);
    CHECK(shown_by(listener) == "CN=first");
    files.write("key.pem", "half a fi");
    CHECK_THROWS_AS(listener.server().update(options), std::invalid_argument);
    std::filesystem::remove(files / "chain.pem");
    CHECK_THROWS_AS(listener.server().update(options), std::invalid_argument);
    CHECK_THROWS_AS(listener.server().update({}), std::invalid_argument);
    CHECK(shown_by(listener) == "CN=first");
    put(named("third"));
    listener.server().update(options);
    CHECK(shown_by(listener) == "CN=third");
}

TEST_CASE("inbound_tls_options_a_connection_and_a_handshake_under_way_keep_what_they_began_with") {
    tls_listener listener{tls_server(showing(named("first")))};
    const client_context context = make_client_context();
    meeting met(listener, context.get(), [](tls_client& c) {
        c.shake_hands();
        for (;;) c.write(c.read_some());
    });
    REQUIRE_FALSE(met.error);

    // Begun before the update, shaken after it.
    std::string name;
    std::thread second([&, port = listener.port()] {
        tls_client c(port, context.get());
        if (!c.shake_hands()) return;
        const test::x509::certificate_ptr peer(SSL_get1_peer_certificate(c.ssl()));
        name = certificate_view(*peer).subject();
        try {
            c.see_off();
        } catch (const connection_over&) {
        }
    });
    std::error_code error;
    auto early = listener.accept_unshaken(error);
    REQUIRE_FALSE(error);
    listener.server().update(showing(named("second")));
    CHECK_FALSE(listener.shake_hands(early));
    CHECK_FALSE(write_all(met.io, *met.stream, "still here"));
    CHECK(read_exactly(met.io, *met.stream, 10) == "still here");
    early.close();
    second.join();
    CHECK(name == "CN=first");
    CHECK(shown_by(listener) == "CN=second");
}

TEST_CASE("inbound_tls_options_updates_while_others_shake_hands", "[thread]") {
    const identity first = named("first");
    const identity second = named("second");
    tls_listener listener{tls_server(showing(first))};
    std::atomic<bool> over = false;
    std::atomic<int> updates = 0, refusals = 0;
    std::thread updater([&, server = listener.server()]() mutable {
        while (!over) {
            server.update(showing(++updates % 2 != 0 ? second : first));
            try {
                server.update({});
            } catch (const std::invalid_argument&) {
                ++refusals;
            }
        }
    });
    for (int i = 0; i < 60; ++i) {
        const std::string name = shown_by(listener);
        const bool known = name == "CN=first" || name == "CN=second";
        CHECK(known);
    }
    over = true;
    updater.join();
    CHECK(updates > 0);
    CHECK(refusals == updates);
}

TEST_CASE("inbound_tcp_a_stream_of_an_accepted_socket_does_not_block_and_sends_at_once") {
    const bool on = GENERATE(false, true);
    const tcp_server server({.no_delay = on, .keep_alive = on});
    net::io_context io;
    net::ip::tcp::acceptor acceptor(io, {net::ip::address_v4::loopback(), 0});
    net::ip::tcp::socket client(io);
    client.connect(acceptor.local_endpoint());
    std::error_code error;
    auto stream = server.make(acceptor.accept(), error);
    REQUIRE_FALSE(error);
    net::ip::tcp::no_delay no_delay;
    net::socket_base::keep_alive keep_alive;
    stream.socket().get_option(no_delay);
    stream.socket().get_option(keep_alive);
    CHECK(no_delay.value() == on);
    CHECK(keep_alive.value() == on);
    char room[8];
    CHECK(stream.try_read(net::buffer(room)).want == io_want::read);
    CHECK_FALSE(write_all(io, stream, "hello"));
    stream.end_writing();
    client.send(net::buffer("bye", 3));
    CHECK(read_exactly(io, stream, 3) == "bye");
    std::string got;
    for (std::size_t n = 1; n != 0; got.append(room, n)) n = client.receive(net::buffer(room), 0, error);
    CHECK(got == "hello");
    CHECK(error == net::error::eof);

    net::ip::tcp::socket closed(io);
    server.make(std::move(closed), error);
    CHECK(error == errc::connection_reset);
}
