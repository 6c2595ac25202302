// Handshakes of a TLS server: those that come about, and a name for each that does not.
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls.hpp"
#include "hotpool/transport/tls_server.hpp"
#include "support/catch.hpp"
#include "support/server_certificates.hpp"
#include "support/tls_meeting.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

static_assert(server_for<tls_server, net::any_io_executor>);
static_assert(server_for<tls_server, net::io_context::executor_type>);
static_assert(updatable_transport<tls_server>);

namespace {

// How a handshake with a client ends that runs `script` on a socket without TLS.
template <class Script>
std::error_code met_by(Script script, const tls_server_options& options = serving()) {
    tls_listener listener{tls_server(options)};
    meeting met(listener, nullptr, std::move(script));
    CHECK(met.stream.has_value() == !met.error);
    return met.error;
}
std::error_code sent(std::string_view bytes) {
    return met_by([bytes = std::string(bytes)](tls_client& c) {
        c.write(bytes);
        c.see_off();
    });
}

// A client of TLS whose bytes pass through memory, so that they can be cut anywhere.
class memory_client {
public:
    explicit memory_client(SSL_CTX* context) : ssl_(SSL_new(context)) {
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl_.get());
    }
    /// What it sends next, after `received` has come.
    std::string answer(std::string_view received) {
        BIO_write(SSL_get_rbio(ssl_.get()), received.data(), static_cast<int>(received.size()));
        SSL_do_handshake(ssl_.get());
        ERR_clear_error();
        std::string sent(64 * 1024, '\0');
        const int size = BIO_read(SSL_get_wbio(ssl_.get()), sent.data(), static_cast<int>(sent.size()));
        sent.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return sent;
    }
    bool done() const { return SSL_is_init_finished(ssl_.get()) == 1; }

private:
    hotpool::detail::ssl_ptr ssl_;
};

enum class ending { close, reset };

// A client that sends `flights` whole and the part `eighths` / 8 of the next, and then ends. False: it has no next.
bool break_off(tls_client& c, SSL_CTX* context, int flights, std::size_t eighths, ending how) {
    memory_client client(context);
    std::string flight = client.answer("");
    for (int i = 0; i < flights; ++i) {
        c.write(flight);
        for (flight.clear(); flight.empty() && !client.done();) flight = client.answer(c.read_some());
    }
    if (flight.empty()) return false;
    if (const std::size_t part = flight.size() * eighths / 8; part != 0) c.write(flight.substr(0, part));
    // Without a byte there may be none to reset on; both ends are then the same.
    if (how == ending::reset) c.reset();
    return true;
}

}  // namespace

TEST_CASE("inbound_tls_a_client_without_tls_is_told_by_name") {
    CHECK(sent("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == errc::handshake_failed);
    CHECK(sent("POST / HTTP/1.1\r\n") == errc::handshake_failed);
    CHECK(sent("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == errc::handshake_failed);
    CHECK(sent("CONNECT a:1 HTTP/1.1\r\n\r\n") == errc::handshake_failed);
    CHECK(sent("SSH-2.0-OpenSSH_9.2\r\n") == errc::handshake_failed);
    CHECK(sent(std::string(64, '\0')) == errc::handshake_failed);
    CHECK(sent(std::string(20'000, '\xff')) == errc::handshake_failed);
    CHECK(sent(std::string("\x16\x03\x01\xff\xff\x01", 6)) == errc::handshake_failed);      // a record too long
    CHECK(sent(std::string("\x15\x03\x03\x00\x02\x02\x28", 7)) == errc::handshake_failed);  // an alert
    CHECK(sent(std::string("\x17\x03\x03\x00\x05hello", 10)) == errc::handshake_failed);    // data
    CHECK(met_by([](tls_client&) {}) == errc::handshake_closed);
    CHECK(met_by([](tls_client& c) { c.end_sending(), c.see_off(); }) == errc::handshake_closed);
    CHECK(met_by([](tls_client& c) { c.reset(); }) == errc::handshake_closed);
    CHECK(met_by([](tls_client& c) { c.write("\x16"); }) == errc::handshake_closed);
}

TEST_CASE("inbound_tls_a_client_that_ends_at_any_step_of_its_handshake_is_told_by_name_and_leaves_no_descriptor") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto how = GENERATE(ending::close, ending::reset);
    const identity own = client_root().issue({.names = {}});
    const client_context context = make_client_context({.own = own, .min_version = version, .max_version = version});
    const auto options = asking(client_auth::required, {.ca_pem = client_root().certificate_pem()});
    met_by([](tls_client&) {}, options);  // opens what stays
    const std::size_t before = open_descriptors();
    for (int flights = 0; flights < 2; ++flights) {
        for (std::size_t eighths = 0; eighths < 8; ++eighths) {
            CAPTURE(version, flights, eighths);
            bool broken = false;
            const std::error_code error =
                met_by([&](tls_client& c) { broken = break_off(c, context.get(), flights, eighths, how); }, options);
            CHECK(broken);
            CHECK(error == errc::handshake_closed);
        }
    }
    // Both whole: it is through, whatever comes then.
    bool more = true;
    const std::error_code error = met_by(
        [&](tls_client& c) {
            more = break_off(c, context.get(), 2, 0, ending::close);
            c.see_off();
        },
        options);
    CHECK_FALSE(more);
    CHECK(error == std::error_code{});
    CHECK(open_descriptors() == before);
}

TEST_CASE("inbound_tls_what_comes_in_single_bytes_comes_about") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const client_context context = make_client_context({.min_version = version, .max_version = version});
    const std::error_code error = met_by([&](tls_client& c) {
        memory_client client(context.get());
        std::string flight = client.answer("");
        while (true) {
            for (const char byte : flight) c.write({&byte, 1});
            if (client.done()) break;
            flight = client.answer(c.read_some());
        }
        c.see_off();
    });
    CHECK(error == std::error_code{});
}

TEST_CASE("inbound_tls_a_first_flight_that_is_damaged_in_any_place_comes_to_no_good_end") {
    const client_context context = make_client_context();
    memory_client client(context.get());
    const std::string hello = client.answer("");
    std::size_t failed = 0;
    for (std::size_t at = 0; at < hello.size(); at += 3) {
        std::string damaged = hello;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
        const std::error_code error = met_by([&](tls_client& c) {
            c.write(damaged);
            c.end_sending();
            c.see_off();
        });
        CHECK(error);
        const bool named =
            error == errc::handshake_failed || error == errc::handshake_closed || error == errc::alpn_mismatch;
        CHECK(named);
        if (error == errc::handshake_failed) ++failed;
    }
    CHECK(failed > 10);  // most damage is seen at once, the rest waits for the end
}

TEST_CASE("inbound_tls_the_oldest_version_accepted_is_the_options_and_never_below_1_2") {
    const auto with = [](int version, tls_version least) {
        tls_listener listener{tls_server(serving({.min_version = least}))};
        const client_context context =
            make_client_context({.min_version = version, .max_version = version, .ciphers = "DEFAULT@SECLEVEL=0"});
        return meeting(listener, context.get(), &come_and_stay).error;
    };
    CHECK(with(TLS1_1_VERSION, tls_version::tls_1_2) == errc::handshake_failed);
    CHECK(with(TLS1_2_VERSION, tls_version::tls_1_2) == std::error_code{});
    CHECK(with(TLS1_2_VERSION, tls_version::tls_1_3) == errc::handshake_failed);
    CHECK(with(TLS1_3_VERSION, tls_version::tls_1_3) == std::error_code{});
}

TEST_CASE("inbound_tls_the_protocol_is_this_sides_choice_among_those_offered") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto with = [version](const std::string& offered, std::vector<std::string> spoken) {
        tls_listener listener{tls_server(serving({.alpn = std::move(spoken)}))};
        const client_context context =
            make_client_context({.min_version = version, .max_version = version, .alpn = offered});
        meeting met(listener, context.get(), &come_and_stay);
        return met.error ? met.error.message() : std::string(met.stream->alpn());
    };
    const std::string mismatch = make_error_code(errc::alpn_mismatch).message();
    CHECK(with("\x02h2\x08http/1.1", {"http/1.1"}) == "http/1.1");
    CHECK(with("\x02h2\x08http/1.1", {"http/1.1", "h2"}) == "http/1.1");
    CHECK(with("\x02h2\x08http/1.1", {"h2", "http/1.1"}) == "h2");
    CHECK(with("\x02h2", {"http/1.1"}) == mismatch);
    CHECK(with("\x02h2", {}) == "");
    CHECK(with("", {"http/1.1"}) == "");
}

TEST_CASE("inbound_tls_a_client_that_does_not_believe_the_server_breaks_off") {
    const identity own = self_signed();
    tls_listener listener{tls_server({.certificate_pem = own.certificate_pem, .private_key_pem = own.key_pem})};
    const client_context context = make_client_context();
    meeting met(listener, context.get(), [](tls_client& c) { c.shake_hands(); });
    CHECK(met.error == errc::handshake_failed);
}

TEST_CASE("inbound_tls_issuers_are_shown_as_they_were_given_and_none_is_found_among_the_roots_of_clients") {
    const authority between("in between", &test_root());
    const identity leaf = between.issue();
    const auto shown = [&](const tls_server_options& options) {
        tls_listener listener{tls_server(options)};
        const client_context context = make_client_context();
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
        int count = 0;
        meeting met(listener, context.get(), [&](tls_client& c) {
            if (!c.shake_hands()) return;
            count = sk_X509_num(SSL_get_peer_cert_chain(c.ssl()));
            c.see_off();
        });
        met.part();
        return count;
    };
    CHECK(shown({.certificate_pem = leaf.certificate_pem + between.certificate_pem(),
                 .private_key_pem = leaf.key_pem}) == 2);
    CHECK(shown({.certificate_pem = leaf.certificate_pem,
                 .private_key_pem = leaf.key_pem,
                 .client_certificates = client_auth::optional,
                 .ca_pem = between.certificate_pem()}) == 1);
}

TEST_CASE("inbound_tls_handshakes_with_our_own_client_in_one_thread") {
    tls_listener listener{tls_server(serving())};
    net::io_context& io = listener.io();
    const tls_transport transport({.host = "127.0.0.1", .port = std::to_string(listener.port())},
                                  {.ca_pem = test_root().certificate_pem()});
    outcome_of<tls_transport> outcome;
    start_open(io, transport, outcome);
    std::error_code error;
    auto stream = listener.accept(error);
    REQUIRE_FALSE(error);
    REQUIRE(run_until(io, [&] { return outcome.completions == 1; }));
    REQUIRE_FALSE(outcome.error);
    CHECK(stream->version() == "TLSv1.3");
    CHECK(stream->alpn() == "http/1.1");
    CHECK(outcome.stream->alpn() == "http/1.1");
    CHECK(stream->profile().empty());
    CHECK_FALSE(stream->deserves_another_try());
}
