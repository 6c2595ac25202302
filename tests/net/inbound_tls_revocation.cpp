// A TLS server's lists of revoked clients, and the OCSP response that it staples.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls.hpp"
#include "hotpool/transport/tls_server.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/revocation.hpp"
#include "support/server_certificates.hpp"
#include "support/server_process.hpp"
#include "support/tls_meeting.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

std::string refusal_of_server(const tls_server_options& options) {
    const std::string text = refusal_of([&] { tls_server server(options); });
    const std::string begin = "hotpool::tls_server_options::";
    return text.starts_with(begin) ? text.substr(begin.size()) : text;
}

// What a client that asks for a staple gets; empty if nothing.
std::string stapled_by(tls_listener& listener, int version, bool asks = true) {
    const client_context context =
        make_client_context({.min_version = version, .max_version = version, .prepare = [asks](SSL_CTX* c) {
                                 if (asks) SSL_CTX_set_tlsext_status_type(c, TLSEXT_STATUSTYPE_ocsp);
                             }});
    std::string got;
    meeting met(listener, context.get(), [&](tls_client& c) {
        if (!c.shake_hands()) return;
        unsigned char* bytes = nullptr;
        const long size = SSL_get_tlsext_status_ocsp_resp(c.ssl(), &bytes);
        if (size > 0) got.assign(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
        c.see_off();
    });
    CHECK_FALSE(met.error);
    met.part();
    return got;
}

std::error_code end_for(tls_listener& listener, const identity& own) {
    const client_context context = make_client_context({.own = own});
    meeting met(listener, context.get(), &come_and_stay);
    return met.error;
}

}  // namespace

TEST_CASE("inbound_tls_revoked_clients_are_refused_and_lists_are_exchanged_with_the_options") {
    const scratch_directory files;
    const identity good = client_root().issue({.names = {}});
    const identity bad = client_root().issue({.names = {}});
    files.write("clients.crl", crl_of(client_root(), {bad}));
    const tls_server_options options = asking(client_auth::required, {.ca_pem = client_root().certificate_pem(),
                                                                      .crl_files = {(files / "clients.crl").string()}});
    tls_listener listener{tls_server(options)};
    CHECK_FALSE(end_for(listener, good));
    CHECK(end_for(listener, bad) == errc::certificate_revoked);
    files.write("clients.crl", crl_of(client_root(), {good, bad}));
    CHECK_FALSE(end_for(listener, good));
    listener.server().update(options);
    CHECK(end_for(listener, good) == errc::certificate_revoked);
    files.write("clients.crl", crl_of(client_root(), {}, -1h));
    listener.server().update(options);
    CHECK(end_for(listener, good) == errc::crl_expired);
    files.write("clients.crl", crl_of(test_root()));
    listener.server().update(options);
    CHECK(end_for(listener, good) == errc::crl_missing);
    files.write("clients.crl", "half a fi");
    CHECK_THROWS_AS(listener.server().update(options), std::invalid_argument);
    CHECK(end_for(listener, good) == errc::crl_missing);
}

TEST_CASE("inbound_tls_a_response_is_stapled_where_a_client_asks_and_read_again_with_the_options") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const scratch_directory files;
    const identity own = test_root().issue({.must_staple = true});
    const std::string first = ocsp_of(test_root(), own, {.next = 2h});
    files.write("own.ocsp", first);
    tls_server_options options = showing(own);
    options.ocsp_response_file = (files / "own.ocsp").string();
    tls_listener listener{tls_server(options)};
    CHECK(stapled_by(listener, version) == first);
    CHECK(stapled_by(listener, version, false).empty());
    const std::string second = ocsp_of(test_root(), own, {.next = 3h, .sha256 = true});
    files.write("own.ocsp", second);
    CHECK(stapled_by(listener, version) == first);
    listener.server().update(options);
    CHECK(stapled_by(listener, version) == second);
    files.write("own.ocsp", "half a fi");
    CHECK_THROWS_AS(listener.server().update(options), std::invalid_argument);
    CHECK(stapled_by(listener, version) == second);
}

TEST_CASE("inbound_tls_a_response_that_has_expired_is_not_stapled_any_more") {
    const scratch_directory files;
    const identity own = test_root().issue();
    files.write("own.ocsp", ocsp_of(test_root(), own, {.next = -10s}));  // good, but for the clocks
    tls_server_options options = showing(own);
    options.ocsp_response_file = (files / "own.ocsp").string();
    tls_listener listener{tls_server(options)};
    CHECK(stapled_by(listener, TLS1_3_VERSION).empty());
}

TEST_CASE("inbound_tls_options_of_revocation_are_refused_by_field_and_rule") {
    const scratch_directory files;
    const identity own = test_root().issue();
    const auto refused = [&](const std::string& response) {
        files.write("own.ocsp", response);
        tls_server_options options = showing(own);
        options.ocsp_response_file = (files / "own.ocsp").string();
        return refusal_of_server(options);
    };
    const std::string must_fit = "ocsp_response_file must be to the certificate, say that it is good, and be current";
    CHECK(refused(ocsp_of(test_root(), own)) == "accepted");
    CHECK(refused("") == "ocsp_response_file must hold an OCSP response in DER");
    CHECK(refused("rubbish") == "ocsp_response_file must hold an OCSP response in DER");
    CHECK(refused(ocsp_of(test_root(), test_root().issue())) == must_fit);
    CHECK(refused(ocsp_of(test_root(), own, {.status = V_OCSP_CERTSTATUS_REVOKED})) == must_fit);
    CHECK(refused(ocsp_of(test_root(), own, {.made = -48h, .next = -1h})) == must_fit);
    // By another key of the issuer's name, where the issuer's certificate is there to tell.
    const authority middle("in between", &test_root());
    identity below = middle.issue();
    const auto refused_below = [&](const authority& signer) {
        files.write("below.ocsp", ocsp_of(signer, below));
        tls_server_options options = showing(below);
        options.certificate_pem += middle.certificate_pem();
        options.ocsp_response_file = (files / "below.ocsp").string();
        return refusal_of_server(options);
    };
    CHECK(refused_below(middle) == "accepted");
    CHECK(refused_below(client_root()) == must_fit);
    tls_server_options missing = showing(own);
    missing.ocsp_response_file = (files / "missing.ocsp").string();
    CHECK(refusal_of_server(missing) == "ocsp_response_file must be a file that can be read");
    CHECK(refusal_of_server(showing(test_root().issue({.must_staple = true}))) ==
          "ocsp_response_file must be given for a certificate that must come with a response");
    CHECK(refusal_of_server(serving({.crl_files = {"x.crl"}})) == "crl_files must be empty where no roots are given");
    CHECK(refusal_of_server(asking(client_auth::required,
                                   {.ca_pem = client_root().certificate_pem(), .crl_files = {"/no/such.crl"}})) ==
          "crl_files must be files that can be read: \"/no/such.crl\"");
}

TEST_CASE("inbound_tls_a_client_of_ours_takes_the_staple_of_a_server_of_ours") {
    const scratch_directory files;
    const identity own = test_root().issue({.must_staple = true});
    files.write("own.ocsp", ocsp_of(test_root(), own));
    tls_server_options options = showing(own);
    options.ocsp_response_file = (files / "own.ocsp").string();
    tls_listener listener{tls_server(options)};
    std::error_code outcome = errc::cancelled;
    std::thread client([&, port = listener.port()] {
        net::io_context io;
        const tls_transport transport(
            {.host = "127.0.0.1", .port = std::to_string(port)},
            {.ca_pem = test_root().certificate_pem(), .ocsp_stapling = tls_stapling::require});
        outcome = open(io, transport).error;
    });
    std::error_code error;
    const auto stream = listener.accept(error);
    client.join();
    CHECK_FALSE(error);
    CHECK_FALSE(outcome);
}
