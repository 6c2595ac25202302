// Which clients a TLS server believes: chains, times, pins and a user's verifier, each refusal by its name.
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls.hpp"
#include "hotpool/transport/tls_server.hpp"
#include "support/catch.hpp"
#include "support/server_certificates.hpp"
#include "support/tls_meeting.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

identity client(const certificate_spec& spec = {.common_name = "device", .names = {}}) {
    return client_root().issue(spec);
}

tls_server_options by_root(client_auth how = client_auth::required) {
    return asking(how, {.ca_pem = client_root().certificate_pem()});
}

// How the server sees a client that shows `shown`, which is empty for none.
std::error_code verdict(const tls_server_options& options, const identity& shown, int version) {
    tls_listener listener{tls_server(options)};
    const client_context context = make_client_context({.own = shown, .min_version = version, .max_version = version});
    meeting met(listener, context.get(), &come_and_stay);
    if (!met.error) {
        REQUIRE((met.stream->peer_certificate() != nullptr) == !shown.certificate_pem.empty());
        REQUIRE_FALSE(write_all(met.io, *met.stream, "welcome"));
    }
    return met.error;
}

const identity none{};
const std::error_code accepted{};

}  // namespace

TEST_CASE("inbound_tls_certificates_by_root_each_fault_has_its_name") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto how = GENERATE(client_auth::required, client_auth::optional);
    const auto seen = [&](const identity& shown) { return verdict(by_root(how), shown, version); };
    CAPTURE(version, static_cast<int>(how));

    CHECK(seen(client()) == accepted);
    CHECK(seen(client({.names = {}, .purpose = "clientAuth"})) == accepted);
    CHECK(seen(none) == (how == client_auth::required ? make_error_code(errc::certificate_missing) : accepted));
    CHECK(seen(client({.names = {}, .not_before = -2h, .not_after = -1h})) == errc::certificate_expired);
    CHECK(seen(client({.names = {}, .not_before = 1h, .not_after = 2h})) == errc::certificate_not_yet_valid);
    CHECK(seen(authority("another root").issue()) == errc::certificate_unknown_issuer);
    CHECK(seen(self_signed()) == errc::certificate_self_signed);
    CHECK(seen(authority("clients' root").issue()) == errc::certificate_invalid);  // the root's name, not its key
    CHECK(seen(client({.names = {}, .purpose = "serverAuth"})) == errc::certificate_invalid);
    CHECK(seen(self_signed()) == condition::certificate);
}

TEST_CASE("inbound_tls_certificates_nobody_is_asked_by_default_whatever_they_have") {
    tls_listener listener{tls_server(serving())};
    const client_context context = make_client_context({.own = client()});
    meeting met(listener, context.get(), &come_and_stay);
    REQUIRE_FALSE(met.error);
    CHECK(met.stream->peer_certificate() == nullptr);
}

TEST_CASE("inbound_tls_certificates_an_issuer_in_between_must_be_shown") {
    const authority between("in between", &client_root());
    identity leaf = between.issue({.names = {}});
    CHECK(verdict(by_root(), leaf, TLS1_3_VERSION) == errc::certificate_unknown_issuer);
    leaf.issuers_pem = between.certificate_pem();
    CHECK(verdict(by_root(), leaf, TLS1_3_VERSION) == accepted);
}

TEST_CASE("inbound_tls_certificates_pins_come_on_top_of_the_chain_and_decide_alone_without_roots") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const identity pinned = client();
    const identity lonely = self_signed({.names = {}, .not_before = -2h, .not_after = -1h});
    const auto with = [](tls_pin pin, const std::string& roots) {
        return asking(client_auth::required, {.ca_pem = roots, .pins = {pin}});
    };
    const std::string roots = client_root().certificate_pem();
    const tls_pin certificate = tls_pin::certificate(pinned.certificate_sha256);
    const tls_pin key = tls_pin::public_key(pinned.public_key_sha256);
    const tls_pin of_lonely = tls_pin::certificate(lonely.certificate_sha256);
    CHECK(verdict(with(certificate, roots), pinned, version) == accepted);
    CHECK(verdict(with(key, roots), pinned, version) == accepted);
    CHECK(verdict(with(certificate, roots), client(), version) == errc::certificate_pin_mismatch);
    CHECK(verdict(with(key, roots), client(), version) == errc::certificate_pin_mismatch);
    CHECK(verdict(with(of_lonely, roots), lonely, version) == errc::certificate_self_signed);
    CHECK(verdict(with(of_lonely, ""), lonely, version) == accepted);
    CHECK(verdict(with(of_lonely, ""), pinned, version) == errc::certificate_pin_mismatch);
    CHECK(verdict(with(of_lonely, ""), none, version) == errc::certificate_missing);
}

TEST_CASE("inbound_tls_certificates_the_verifier_has_the_last_word_and_is_asked_last") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const identity right = client();
    std::atomic<int> asked = 0;
    std::string seen;
    auto answer = certificate_verdict::accepted;
    tls_server_options options = by_root(client_auth::optional);
    options.pins = {tls_pin::certificate(right.certificate_sha256)};
    options.verifier = [&](const certificate_view& shown) {
        ++asked;
        seen = shown.subject();
        return answer;
    };

    CHECK(verdict(options, right, version) == accepted);
    CHECK(asked == 1);
    CHECK(seen == "CN=device");
    answer = certificate_verdict::refused;
    CHECK(verdict(options, right, version) == errc::certificate_invalid);
    CHECK(asked == 2);
    CHECK(verdict(options, client(), version) == errc::certificate_pin_mismatch);
    CHECK(verdict(options, self_signed(), version) == errc::certificate_self_signed);
    CHECK(verdict(options, none, version) == accepted);
    CHECK(asked == 2);
}

TEST_CASE("inbound_tls_certificates_a_verifier_alone_sees_everybody_and_one_that_throws_refuses") {
    const bool throws = GENERATE(false, true);
    const auto options =
        asking(client_auth::required, {.verifier = [&](const certificate_view& shown) {
                   if (throws) throw std::runtime_error("no directory today");
                   ERR_raise(ERR_LIB_USER, 1);  // what it leaves behind is nobody's error
                   return shown.subject() == "CN=lonely" ? certificate_verdict::accepted : certificate_verdict::refused;
               }});
    const identity lonely = self_signed({.common_name = "lonely", .names = {}});
    CHECK(verdict(options, lonely, TLS1_3_VERSION) == (throws ? make_error_code(errc::certificate_invalid) : accepted));
    CHECK(verdict(options, self_signed(), TLS1_3_VERSION) == errc::certificate_invalid);
    CHECK(verdict(options, none, TLS1_3_VERSION) == errc::certificate_missing);
}

TEST_CASE("inbound_tls_certificates_a_view_shows_what_the_certificate_says") {
    const identity shown = client({.common_name = "evil\r\nname", .names = {"a.test", "10.0.0.1", "2001:db8::1"}});
    std::vector<certificate_name> names;
    std::string subject;
    std::size_t size = 0;
    auto options = asking(client_auth::required, {.verifier = [&](const certificate_view& c) {
                              names = c.names();
                              subject = c.subject();
                              size = c.der().size();
                              const bool same = tls_pin(tls_pin::subject::certificate, c.sha256()).digest() ==
                                                tls_pin::certificate(shown.certificate_sha256).digest();
                              return same ? certificate_verdict::accepted : certificate_verdict::refused;
                          }});
    REQUIRE(verdict(options, shown, TLS1_3_VERSION) == accepted);
    using kind = certificate_name::kind;
    REQUIRE(names.size() == 3);
    CHECK((names[0].of == kind::dns && names[0].text == "a.test"));
    CHECK((names[1].of == kind::address && names[1].text == "10.0.0.1"));
    CHECK((names[2].of == kind::address && names[2].text == "2001:db8::1"));
    CHECK(subject == "CN=evil\\0D\\0Aname");
    CHECK(size > 200);
    REQUIRE(verdict(options, client(), TLS1_3_VERSION) == errc::certificate_invalid);
    CHECK(names.empty());
}

TEST_CASE("inbound_tls_certificates_a_client_is_told_the_roots_names_and_why_it_is_refused") {
    const authority other("another root");
    tls_listener listener{tls_server(
        asking(client_auth::required, {.ca_pem = client_root().certificate_pem() + other.certificate_pem()}))};
    const client_context context = make_client_context({.max_version = TLS1_2_VERSION});
    int told = 0;
    std::string alert;
    meeting met(listener, context.get(), [&](tls_client& c) {
        if (SSL_connect(c.ssl()) == 1) return;
        char text[256]{};
        ERR_error_string_n(ERR_peek_error(), text, sizeof text);
        alert = text;
        told = sk_X509_NAME_num(SSL_get_client_CA_list(c.ssl()));
        ERR_clear_error();
    });
    met.part();
    CHECK(met.error == errc::certificate_missing);
    CHECK(told == 2);
    CHECK(alert.find("alert handshake failure") != std::string::npos);
}

TEST_CASE("inbound_tls_certificates_our_own_client_shows_its_certificate_and_both_ends_see_the_others") {
    const identity own = client();
    tls_listener listener{tls_server(by_root())};
    std::thread visitor([&] {
        const tls_transport transport({.host = "127.0.0.1", .port = std::to_string(listener.port())},
                                      {.ca_pem = test_root().certificate_pem(),
                                       .certificate_pem = own.certificate_pem,
                                       .private_key_pem = own.key_pem});
        net::io_context io;
        auto opened = open(io, transport);
        if (opened.error) return;
        write_all(io, *opened.stream, "hello");
        read_to_end(io, *opened.stream);
    });
    std::error_code error;
    auto stream = listener.accept(error);
    std::string got;
    if (!error) got = read_exactly(listener.io(), *stream, 5);
    CHECK(error == accepted);
    CHECK(got == "hello");
    if (stream) CHECK(certificate_view(*stream->peer_certificate()).subject() == "CN=device");
    stream.reset();
    visitor.join();
}
