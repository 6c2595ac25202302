// Whom a TLS connection trusts: chains, names, times and pins, each refusal by its name.
#include <chrono>
#include <string>
#include <utility>

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

// How an opening to `host` at a server that shows `shown` ends.
std::error_code verdict(const identity& shown, tls_options options, const std::string& host = "127.0.0.1") {
    loopback_server server(
        {.own = shown}, [](server_connection& c) { c.stay(); }, host == "::1" ? "::1" : "127.0.0.1");
    net::io_context io;
    const auto opened = open(io, tls_transport({.host = host, .port = server.port()}, std::move(options)));
    REQUIRE(opened.completions == 1);
    return opened.error;
}
std::error_code verdict_by_root(const identity& shown, const std::string& server_name = "localhost") {
    return verdict(shown, {.ca_pem = test_root().certificate_pem(), .server_name = server_name});
}

const std::error_code accepted{};

}  // namespace

TEST_CASE("tls_verify_the_hosts_name_must_be_in_a_certificate_of_a_trusted_root") {
    REQUIRE(verdict_by_root(test_root().issue()) == accepted);
    REQUIRE(verdict_by_root(test_root().issue({.names = {"other.test"}})) == errc::certificate_host_mismatch);
    REQUIRE(verdict_by_root(test_root().issue({.names = {}})) == errc::certificate_host_mismatch);
    REQUIRE(verdict_by_root(authority("another root").issue()) == errc::certificate_unknown_issuer);
    REQUIRE(verdict_by_root(self_signed()) == errc::certificate_self_signed);
    REQUIRE(verdict_by_root(self_signed()) == condition::certificate);
    REQUIRE(verdict_by_root(test_root().issue({.not_before = -2h, .not_after = -1h})) == errc::certificate_expired);
    REQUIRE(verdict_by_root(test_root().issue({.not_before = 1h, .not_after = 2h})) == errc::certificate_not_yet_valid);
}

TEST_CASE("tls_verify_the_systems_roots_are_trusted_by_default_and_ours_is_not_among_them") {
    REQUIRE(verdict(test_root().issue(), {}) == errc::certificate_unknown_issuer);
}

TEST_CASE("tls_verify_a_certificate_that_vouches_for_itself_is_accepted_where_it_is_a_root_of_the_options") {
    const identity lonely = self_signed();
    REQUIRE(verdict(lonely, {.ca_pem = lonely.certificate_pem}) == accepted);
    REQUIRE(verdict(self_signed(), {.ca_pem = lonely.certificate_pem}) == errc::certificate_self_signed);
}

TEST_CASE("tls_verify_a_certificate_in_between_must_be_shown") {
    const authority between("in between", &test_root());
    identity leaf = between.issue();
    REQUIRE(verdict_by_root(leaf) == errc::certificate_unknown_issuer);
    leaf.issuers_pem = between.certificate_pem();
    REQUIRE(verdict_by_root(leaf) == accepted);
}

TEST_CASE("tls_verify_a_wildcard_stands_for_one_whole_label_and_the_common_name_for_nothing") {
    REQUIRE(verdict_by_root(test_root().issue({.names = {"*.example.test"}}), "www.example.test") == accepted);
    REQUIRE(verdict_by_root(test_root().issue({.names = {"*.example.test"}}), "a.b.example.test") ==
            errc::certificate_host_mismatch);
    REQUIRE(verdict_by_root(test_root().issue({.names = {"w*.example.test"}}), "www.example.test") ==
            errc::certificate_host_mismatch);
    REQUIRE(verdict_by_root(test_root().issue({.common_name = "www.example.test", .names = {}}), "www.example.test") ==
            errc::certificate_host_mismatch);
    REQUIRE(verdict_by_root(test_root().issue({.names = {"www.example.test"}}), "WWW.example.test.") == accepted);
}

TEST_CASE("tls_verify_an_address_is_verified_as_an_address") {
    const tls_options by_root{.ca_pem = test_root().certificate_pem()};
    REQUIRE(verdict(test_root().issue({.names = {"127.0.0.1"}}), by_root) == accepted);
    REQUIRE(verdict(test_root().issue({.names = {"127.0.0.2"}}), by_root) == errc::certificate_host_mismatch);
    REQUIRE(verdict(test_root().issue({.names = {"localhost"}}), by_root) == errc::certificate_host_mismatch);
    REQUIRE(verdict(test_root().issue({.names = {"::1"}}), by_root, "::1") == accepted);
    REQUIRE(verdict(test_root().issue({.names = {"127.0.0.1"}}), by_root, "::1") == errc::certificate_host_mismatch);
}

TEST_CASE("tls_verify_names_are_asked_for_sni_addresses_are_not") {
    std::string asked = "not called";
    const auto ask = [&](const std::string& server_name) {
        loopback_server server({.own = test_root().issue()}, [&](server_connection& c) {
            const char* name = SSL_get_servername(c.ssl(), TLSEXT_NAMETYPE_host_name);
            asked = name != nullptr ? name : "";
            c.write("!");
            c.stay();
        });
        net::io_context io;
        auto opened = open(io, tls_transport({.host = "127.0.0.1", .port = server.port()},
                                             {.ca_pem = test_root().certificate_pem(), .server_name = server_name}));
        REQUIRE_FALSE(opened.error);
        read_exactly(io, *opened.stream, 1);
        return asked;
    };
    REQUIRE(ask("localhost") == "localhost");
    REQUIRE(ask("localhost.") == "localhost");
    REQUIRE(ask("") == "");
}

TEST_CASE("tls_verify_with_verification_off_everything_is_accepted") {
    const tls_options off{.verify = tls_verify::none};
    REQUIRE(verdict(self_signed(), off) == accepted);
    REQUIRE(verdict(test_root().issue({.names = {"other.test"}, .not_before = -2h, .not_after = -1h}), off) ==
            accepted);
}

TEST_CASE("tls_verify_pins_come_on_top_of_the_chain_and_decide_alone_with_verification_off") {
    const identity pinned = test_root().issue();
    const identity other = test_root().issue();
    const identity lonely = self_signed();
    const auto with = [](tls_pin pin, tls_verify verify = tls_verify::peer) {
        return tls_options{.verify = verify, .ca_pem = test_root().certificate_pem(), .pins = {pin}};
    };
    const tls_pin certificate = tls_pin::certificate(pinned.certificate_sha256);
    const tls_pin key = tls_pin::public_key(pinned.public_key_sha256);
    REQUIRE(verdict(pinned, with(certificate)) == accepted);
    REQUIRE(verdict(pinned, with(key)) == accepted);
    REQUIRE(verdict(other, with(certificate)) == errc::certificate_pin_mismatch);
    REQUIRE(verdict(other, with(key)) == errc::certificate_pin_mismatch);
    REQUIRE(verdict(other, {.ca_pem = test_root().certificate_pem(),
                            .pins = {key, tls_pin::public_key(other.public_key_sha256)}}) == accepted);

    const tls_pin of_lonely = tls_pin::certificate(lonely.certificate_sha256);
    REQUIRE(verdict(lonely, with(of_lonely)) == errc::certificate_self_signed);
    REQUIRE(verdict(lonely, with(of_lonely, tls_verify::none)) == accepted);
    REQUIRE(verdict(other, with(of_lonely, tls_verify::none)) == errc::certificate_pin_mismatch);
    REQUIRE(verdict(pinned, with(tls_pin::certificate(pinned.certificate_sha256), tls_verify::none)) == accepted);
}
