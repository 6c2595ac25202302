// Servers whose certificates have been revoked, by a list or by their own staple, and what is asked for and not there.
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/loopback_server.hpp"
#include "support/refusal.hpp"
#include "support/revocation.hpp"
#include "support/server_process.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

tls_options stapling(tls_stapling how, tls_options more = {}) {
    more.ca_pem = test_root().certificate_pem();
    more.ocsp_stapling = how;
    return more;
}
tls_options looking_up(std::vector<std::string> files) {
    return {.ca_pem = test_root().certificate_pem(), .crl_files = std::move(files)};
}

// How an opening to a server with this certificate and staple ends.
std::error_code end_of_opening(const identity& own, const std::string& response, const tls_options& options,
                               int version = TLS1_3_VERSION) {
    loopback_server server({.own = own,
                            .min_version = version,
                            .max_version = version,
                            .prepare = [&](SSL_CTX* context) { staple(context, response); }},
                           stay);
    net::io_context io;
    return open(io, tls_transport({.host = "127.0.0.1", .port = server.port()}, options)).error;
}

std::string refusal_by_name(const tls_options& options) {
    const std::string text = refusal_of([&] { tls_transport({.host = "a", .port = "1"}, options); });
    const std::string begin = "hotpool::tls_options::";
    return text.starts_with(begin) ? text.substr(begin.size()) : text;
}

}  // namespace

TEST_CASE("tls_revoked_by_a_list_of_its_issuer_a_server_is_refused") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const scratch_directory files;
    const identity good = test_root().issue();
    const identity bad = test_root().issue();
    files.write("root.crl", crl_of(test_root(), {bad}));
    const tls_options options = looking_up({(files / "root.crl").string()});
    CHECK_FALSE(end_of_opening(good, "", options, version));
    CHECK(end_of_opening(bad, "", options, version) == errc::certificate_revoked);
    CHECK(make_error_code(errc::certificate_revoked) == condition::certificate);
}

TEST_CASE("tls_each_issuer_of_the_chain_needs_a_current_list") {
    const scratch_directory files;
    const authority middle("in between", &test_root());
    identity own = middle.issue();
    own.issuers_pem = middle.certificate_pem();
    const auto file = [&](const std::string& name, const std::string& text) {
        files.write(name, text);
        return (files / name).string();
    };
    const std::string root = file("root.crl", crl_of(test_root()));
    const std::string of_middle = file("middle.crl", crl_of(middle));
    CHECK_FALSE(end_of_opening(own, "", looking_up({root, of_middle})));
    const std::string both = file("both.crl", crl_of(test_root()) + crl_of(middle));
    CHECK_FALSE(end_of_opening(own, "", looking_up({both})));
    CHECK(end_of_opening(own, "", looking_up({root})) == errc::crl_missing);
    CHECK(end_of_opening(own, "", looking_up({of_middle})) == errc::crl_missing);
    const std::string old = file("old.crl", crl_of(middle, {}, -1h));
    CHECK(end_of_opening(own, "", looking_up({root, old})) == errc::crl_expired);
    const std::string strangers = file("strangers.crl", crl_of(authority("a stranger")));
    CHECK(end_of_opening(own, "", looking_up({root, strangers})) == errc::crl_missing);
    // It has the name of the issuer, and not its key.
    const std::string forged = file("forged.crl", crl_of(authority("in between")));
    CHECK(end_of_opening(own, "", looking_up({root, forged})) == errc::certificate_invalid);
    const identity issuer{
        .certificate_pem = middle.certificate_pem(), .key_pem = {}, .certificate_sha256 = {}, .public_key_sha256 = {}};
    const std::string cut = file("cut.crl", crl_of(test_root(), {issuer}));
    CHECK(end_of_opening(own, "", looking_up({cut, of_middle})) == errc::certificate_revoked);
}

TEST_CASE("tls_lists_that_cannot_be_read_are_refused_by_field_and_name") {
    const scratch_directory files;
    files.write("no.crl", "no list");
    files.write("half.crl", crl_of(test_root()).substr(0, 100));
    files.write("empty.crl", "");
    files.write("tail.crl", crl_of(test_root()) + "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    const auto name = [&](const char* file) { return (files / file).string(); };
    CHECK(refusal_by_name(looking_up({name("missing.crl")})) ==
          "crl_files must be files that can be read: \"" + name("missing.crl") + '"');
    for (const char* bad : {"no.crl", "half.crl", "empty.crl", "tail.crl"})
        CHECK(refusal_by_name(looking_up({name(bad)})) ==
              "crl_files must be files of CRLs in PEM: \"" + name(bad) + '"');
    files.write("good.crl", crl_of(test_root()));
    CHECK(refusal_by_name(looking_up({name("good.crl")})) == "accepted");
    CHECK(refusal_by_name({.verify = tls_verify::none, .crl_files = {name("good.crl")}}) ==
          "crl_files must be empty where the chain is not verified");
    CHECK(refusal_by_name({.verify = tls_verify::none, .ocsp_stapling = tls_stapling::request}) ==
          "ocsp_stapling must be off where the chain is not verified");
}

TEST_CASE("tls_lists_are_exchanged_with_the_options_and_end_what_could_be_resumed") {
    const scratch_directory files;
    const identity own = test_root().issue();
    files.write("root.crl", crl_of(test_root()));
    const tls_options options = looking_up({(files / "root.crl").string()});
    loopback_server server({.own = own}, [](server_connection& c) { c.write("hello"), c.stay(); });
    net::io_context io;
    tls_transport transport({.host = "127.0.0.1", .port = server.port()}, options);
    const auto meet = [&] {
        auto opened = open(io, transport);
        if (!opened.error) read_exactly(io, *opened.stream, 5);
        return std::pair(opened.error, !opened.error && opened.stream->resumed());
    };
    CHECK(meet() == std::pair(std::error_code{}, false));
    CHECK(meet() == std::pair(std::error_code{}, true));
    files.write("root.crl", crl_of(test_root(), {own}));
    CHECK(meet() == std::pair(std::error_code{}, true));
    transport.update(options);
    CHECK(meet().first == errc::certificate_revoked);
}

TEST_CASE("tls_no_session_outlives_the_list_that_its_certificate_was_looked_up_in") {
    const scratch_directory files;
    const identity own = test_root().issue();
    files.write("root.crl", crl_of(test_root(), {}, 3s));
    loopback_server server({.own = own}, [](server_connection& c) { c.write("hello"), c.stay(); });
    net::io_context io;
    tls_transport transport({.host = "127.0.0.1", .port = server.port()}, looking_up({(files / "root.crl").string()}));
    {
        auto opened = open(io, transport);
        REQUIRE_FALSE(opened.error);
        read_exactly(io, *opened.stream, 5);
    }
    std::this_thread::sleep_for(4s);
    CHECK(open(io, transport).error == errc::crl_expired);
}

TEST_CASE("tls_a_staple_that_is_asked_for_must_be_good") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const identity own = test_root().issue();
    const identity other = test_root().issue();
    const identity delegate = test_root().issue({.common_name = "OCSP", .purpose = "OCSPSigning"});
    const identity upstart = test_root().issue({.common_name = "no OCSP", .purpose = "serverAuth"});
    const authority stranger;
    const auto ends = [&](tls_stapling how, const std::string& response) {
        return end_of_opening(own, response, stapling(how), version);
    };
    for (const auto how : {tls_stapling::request, tls_stapling::require}) {
        CHECK_FALSE(ends(how, ocsp_of(test_root(), own)));
        CHECK_FALSE(ends(how, ocsp_of(test_root(), own, {.sha256 = true})));
        CHECK_FALSE(ends(how, ocsp_of(test_root(), own, {.signer = delegate})));
        CHECK_FALSE(ends(how, ocsp_of(test_root(), own, {.next = {}})));
        CHECK_FALSE(ends(how, ocsp_of(test_root(), own, {.made = 100s})));  // clocks differ
        CHECK(ends(how, ocsp_of(test_root(), own, {.status = V_OCSP_CERTSTATUS_REVOKED})) == errc::certificate_revoked);
        CHECK(ends(how, ocsp_of(test_root(), own, {.status = V_OCSP_CERTSTATUS_UNKNOWN})) ==
              errc::ocsp_response_invalid);
        CHECK(ends(how, ocsp_of(test_root(), own, {.signer = upstart})) == errc::ocsp_response_invalid);
        CHECK(ends(how, ocsp_of(test_root(), own, {.made = -48h, .next = -1h})) == errc::ocsp_response_invalid);
        CHECK(ends(how, ocsp_of(test_root(), own, {.made = -48h, .next = {}})) == errc::ocsp_response_invalid);
        CHECK(ends(how, ocsp_of(test_root(), own, {.made = 1h})) == errc::ocsp_response_invalid);
        CHECK(ends(how, ocsp_of(test_root(), other)) == errc::ocsp_response_invalid);
        CHECK(ends(how, ocsp_of(stranger, own)) == errc::ocsp_response_invalid);
        CHECK(ends(how, "rubbish") == errc::ocsp_response_invalid);
    }
    CHECK_FALSE(ends(tls_stapling::request, ""));
    CHECK(ends(tls_stapling::require, "") == errc::ocsp_response_missing);
    for (const char* response : {"", "rubbish"}) CHECK_FALSE(ends(tls_stapling::off, response));
    CHECK_FALSE(ends(tls_stapling::off, ocsp_of(test_root(), own, {.status = V_OCSP_CERTSTATUS_REVOKED})));
}

TEST_CASE("tls_a_certificate_that_must_come_with_a_staple_is_refused_without_one_where_stapling_is_asked_for") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const identity own = test_root().issue({.must_staple = true});
    CHECK(end_of_opening(own, "", stapling(tls_stapling::request), version) == errc::ocsp_response_missing);
    CHECK(end_of_opening(own, "", stapling(tls_stapling::require), version) == errc::ocsp_response_missing);
    CHECK_FALSE(end_of_opening(own, ocsp_of(test_root(), own), stapling(tls_stapling::request), version));
    CHECK_FALSE(end_of_opening(own, "", stapling(tls_stapling::off), version));
}

TEST_CASE("tls_a_staple_by_an_issuer_in_between_and_one_by_its_issuer") {
    const authority middle("in between", &test_root());
    identity own = middle.issue();
    own.issuers_pem = middle.certificate_pem();
    const identity delegate = middle.issue({.common_name = "OCSP", .purpose = "OCSPSigning"});
    const identity of_root = test_root().issue({.common_name = "OCSP", .purpose = "OCSPSigning"});
    const tls_options options = stapling(tls_stapling::require);
    CHECK_FALSE(end_of_opening(own, ocsp_of(middle, own), options));
    CHECK_FALSE(end_of_opening(own, ocsp_of(middle, own, {.signer = delegate}), options));
    CHECK(end_of_opening(own, ocsp_of(middle, own, {.signer = of_root}), options) == errc::ocsp_response_invalid);
}

TEST_CASE("tls_a_resumed_session_needs_no_staple_and_none_outlives_its_staple") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const identity own = test_root().issue();
    const auto next = GENERATE(std::chrono::seconds(24h), std::chrono::seconds(-10s));  // past, but for the clocks
    const std::string response = ocsp_of(test_root(), own, {.next = next});
    loopback_server server({.own = own,
                            .min_version = version,
                            .max_version = version,
                            .prepare = [&](SSL_CTX* context) { staple(context, response); }},
                           [](server_connection& c) { c.write("hello"), c.stay(); });
    net::io_context io;
    const tls_transport transport({.host = "127.0.0.1", .port = server.port()}, stapling(tls_stapling::require));
    for (int i = 0; i < 3; ++i) {
        auto opened = open(io, transport);
        REQUIRE_FALSE(opened.error);
        read_exactly(io, *opened.stream, 5);
        CHECK(opened.stream->resumed() == (i != 0 && next > 0s));
    }
}
