// A profile is what goes over the wire, the same each time and in its order; a connection keeps to its own.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/client_hello.hpp"
#include "support/resume_test.hpp"
#include "support/tls_profiles.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

client_hello hello_of(const tls_profile& profile, const std::string& host = "127.0.0.1") {
    hello_listener listener;
    net::io_context io;
    CHECK(open(io, tls_transport(listener.target(host), with_profiles({profile}))).error == errc::handshake_closed);
    REQUIRE(listener.hellos().size() == 1);
    return listener.hellos().front();
}

identity with_rsa_key() {
    const test::x509::key_ptr key(EVP_RSA_gen(2048));
    const auto certificate = test::x509::make_certificate({}, key.get(), nullptr, nullptr, false);
    return test::x509::make_identity(certificate.get(), key.get());
}

}  // namespace

TEST_CASE("client_hello_summed_up_as_the_specifications_examples_are") {
    const codes ciphers{0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9,
                        0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
    const codes extensions{0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d,
                           0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015};
    const codes signatures{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601};
    CHECK(client_hello::cipher_hash(ciphers) == "8daaf6152771");
    CHECK(client_hello::extension_hash(extensions, signatures) == "e5627efa2ab1");
    CHECK(client_hello::extension_hash(extensions, {}) == "6d807ffa2a79");
    CHECK(client_hello::cipher_hash({}) == "000000000000");
    CHECK((is_grease(0x0a0a) && is_grease(0xfafa) && !is_grease(0x0a1a) && !is_grease(0x1301)));
}

TEST_CASE("tls_profile_each_has_its_own_hello_the_same_on_every_connection_without_grease") {
    constexpr int connections = 40;
    std::vector<tls_profile> profiles = given_profiles();
    profiles.push_back(unusual());
    profiles.push_back(only_1_2());
    std::set<std::string> all;
    for (const tls_profile& profile : profiles) {
        hello_listener listener;
        net::io_context io;
        const tls_transport transport(listener.target(), with_profiles({profile}));
        for (int i = 0; i < connections; ++i) REQUIRE(open(io, transport).error == errc::handshake_closed);
        std::set<std::string> summaries;
        for (const client_hello& hello : listener.hellos()) {
            CHECK_FALSE(hello.has_grease());
            summaries.insert(hello.summary());
        }
        CHECK(listener.hellos().size() == connections);
        CHECK(summaries.size() == 1);
        all.merge(summaries);
    }
    CHECK(all.size() == profiles.size());
}

TEST_CASE("tls_profile_a_summarys_first_part_says_version_name_and_protocol") {
    const std::string summary = hello_of(tls_profile::modern(), "localhost").summary();
    CHECK(summary.substr(0, 4) == "t13d");
    CHECK(summary.substr(8, 3) == "h1_");
    CHECK(hello_of(tls_profile::modern()).summary().substr(0, 4) == "t13i");
    CHECK(hello_of(only_1_2()).summary().substr(0, 4) == "t12i");
    tls_profile silent = tls_profile::modern();
    silent.alpn.clear();
    const client_hello hello = hello_of(silent);
    CHECK_FALSE(hello.has(client_hello::alpn));
    CHECK(hello.summary().substr(8, 3) == "00_");
}

TEST_CASE("tls_profile_what_is_sent_is_in_the_profiles_order") {
    const codes suites{0x1301, 0x1302, 0x1303};
    const codes medium{0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8};
    codes large = medium;
    const codes behind{0x009e, 0x009f, 0xccaa, 0xc023, 0xc027, 0xc009, 0xc013, 0xc024, 0xc028, 0xc00a,
                       0xc014, 0x0067, 0x006b, 0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035};
    large.insert(large.end(), behind.begin(), behind.end());
    const codes groups{0x001d, 0x0017, 0x0018};
    const codes signatures{0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601};
    const std::vector<std::string> http{"http/1.1"};

    struct row {
        tls_profile profile;
        codes versions, ciphers, groups, signatures;
        std::vector<std::string> alpn;
        bool tickets;
    };
    const row rows[] = {
        {tls_profile::modern(), {0x0304}, suites, groups, signatures, http, true},
        {tls_profile::intermediate(), {0x0304, 0x0303}, medium, groups, signatures, http, true},
        {tls_profile::compatible(), {0x0304, 0x0303}, large, groups, signatures, http, true},
        {unusual(),
         {0x0304, 0x0303},
         {0x1303, 0x1302, 0xc030, 0x009e, 0xc02b},
         {0x0018, 0x001d, 0x0017},
         {0x0806, 0x0403, 0x0401},
         {"acme", "http/1.1"},
         false},
        {only_1_2(), {}, {medium.begin() + 3, medium.end()}, groups, signatures, http, true},
    };
    for (const row& r : rows) {
        CAPTURE(r.profile.name);
        const client_hello hello = hello_of(r.profile);
        CHECK(hello.legacy_version == 0x0303);
        CHECK(hello.versions() == r.versions);
        CHECK(hello.true_ciphers() == r.ciphers);
        CHECK(hello.list(client_hello::supported_groups) == r.groups);
        CHECK(hello.list(client_hello::signature_algorithms) == r.signatures);
        CHECK(hello.protocols() == r.alpn);
        // In TLS 1.3 alone it says nothing, and releases of OpenSSL differ.
        if (r.profile.min_version == tls_version::tls_1_2) CHECK(hello.has(client_hello::session_ticket) == r.tickets);
    }
}

TEST_CASE("tls_profile_without_one_the_hello_is_openssls") {
    hello_listener listener;
    net::io_context io;
    CHECK(open(io, tls_transport(listener.target(), trusting())).error == errc::handshake_closed);

    const hotpool::detail::ssl_ctx_ptr plain(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(plain.get(), TLS1_2_VERSION);
    SSL_CTX_set_alpn_protos(plain.get(), reinterpret_cast<const unsigned char*>("\x08http/1.1"), 9);
    net::ip::tcp::socket socket(io);
    socket.connect({net::ip::address_v4::loopback(), port_number(listener.target().port)});
    const hotpool::detail::ssl_ptr ssl(SSL_new(plain.get()));
    SSL_set_fd(ssl.get(), static_cast<int>(socket.native_handle()));
    socket.native_non_blocking(false);
    CHECK(SSL_connect(ssl.get()) != 1);
    ERR_clear_error();

    REQUIRE(listener.hellos().size() == 2);
    CHECK(listener.hellos()[0].summary() == listener.hellos()[1].summary());
    CHECK(listener.hellos()[0].ciphers == listener.hellos()[1].ciphers);
}

TEST_CASE("tls_profile_a_server_of_one_version_is_reached_or_not_and_it_has_a_name") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const bool rsa = GENERATE(false, true);
    server_tls tls = speaking(version);
    if (rsa) tls.own = with_rsa_key();
    loopback_server server(tls, [](server_connection& c) { echo(c); });
    std::vector<tls_profile> profiles = given_profiles();
    profiles.push_back(unusual());
    profiles.push_back(only_1_2());
    for (const tls_profile& profile : profiles) {
        CAPTURE(profile.name, version, rsa);
        tls_options options = with_profiles({profile});
        if (rsa) options.ca_pem = tls.own.certificate_pem;
        net::io_context io;
        auto opened = open(io, tls_transport({.host = "127.0.0.1", .port = server.port()}, options));
        const bool speaks_it = version == TLS1_2_VERSION ? profile.min_version == tls_version::tls_1_2
                                                         : profile.max_version == tls_version::tls_1_3;
        if (!speaks_it) {
            CHECK(opened.error == errc::handshake_failed);
            continue;
        }
        REQUIRE_FALSE(opened.error);
        CHECK(opened.stream->version() == (version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3"));
        CHECK(opened.stream->profile() == profile.name);
        REQUIRE_FALSE(write_all(io, *opened.stream, "hello"));
        CHECK(read_exactly(io, *opened.stream, 5) == "hello");
    }
}

TEST_CASE("tls_profile_in_tls_1_2_the_groups_are_those_of_certificates_too") {
    tls_profile profile = tls_profile::intermediate();
    profile.groups = {"X25519", "secp384r1"};
    net::io_context io;
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        loopback_server server(speaking(version), [](server_connection& c) { c.stay(); });
        const origin target{.host = "127.0.0.1", .port = server.port()};
        const auto opened = open(io, tls_transport(target, with_profiles({profile})));
        if (version == TLS1_2_VERSION)
            CHECK(opened.error == errc::handshake_failed);
        else
            CHECK_FALSE(opened.error);
    }
}

TEST_CASE("tls_profile_a_server_that_is_behind_is_reached_by_the_compatible_one_alone") {
    server_tls tls = speaking(TLS1_2_VERSION, [](SSL_CTX* context) { SSL_CTX_set_cipher_list(context, "AES128-SHA"); });
    tls.own = with_rsa_key();
    loopback_server server(tls, [](server_connection& c) { c.stay(); });
    for (const tls_profile& profile : given_profiles()) {
        CAPTURE(profile.name);
        tls_options options = with_profiles({profile});
        options.ca_pem = tls.own.certificate_pem;
        net::io_context io;
        const auto opened = open(io, tls_transport({.host = "127.0.0.1", .port = server.port()}, options));
        if (profile.name == "compatible")
            CHECK_FALSE(opened.error);
        else
            CHECK(opened.error == errc::handshake_failed);
    }
}

TEST_CASE("tls_profile_the_protocols_are_the_profiles") {
    loopback_server server({.own = test_identity(), .alpn = "acme"}, [](server_connection& c) { c.stay(); });
    net::io_context io;
    const origin target{.host = "127.0.0.1", .port = server.port()};
    auto opened = open(io, tls_transport(target, with_profiles({unusual()})));
    REQUIRE_FALSE(opened.error);
    CHECK(opened.stream->alpn() == "acme");
    CHECK(open(io, tls_transport(target, with_profiles({tls_profile::modern()}))).error == errc::alpn_mismatch);
}

TEST_CASE("tls_profile_fixed_is_the_first_round_robin_takes_turns_random_is_as_its_seed_says") {
    const origin nowhere{.host = "127.0.0.1", .port = "1"};
    const auto picks = [&](profile_choice choice, std::uint64_t seed, int count) {
        tls_options options = with_profiles(given_profiles(), choice);
        options.profile_seed = seed;
        hotpool::detail::tls_contexts contexts(nowhere, options);
        std::vector<std::string> names;
        for (int i = 0; i < count; ++i) names.emplace_back(contexts.pick()->profile());
        return names;
    };
    CHECK(picks(profile_choice::fixed, 1, 3) == std::vector<std::string>(3, "modern"));
    CHECK(picks(profile_choice::round_robin, 1, 5) ==
          std::vector<std::string>{"modern", "intermediate", "compatible", "modern", "intermediate"});

    const std::vector<std::string> drawn = picks(profile_choice::random, 7, 3000);
    CHECK(drawn == picks(profile_choice::random, 7, 3000));
    CHECK(drawn != picks(profile_choice::random, 8, 3000));
    for (const tls_profile& profile : given_profiles()) {
        const auto count = std::count(drawn.begin(), drawn.end(), profile.name);
        CHECK(count > 850);
        CHECK(count < 1150);
    }
}

TEST_CASE("tls_profile_a_transports_copies_take_turns_together_and_the_stream_knows") {
    resume_server server({.own = test_identity()});
    net::io_context io;
    const tls_transport one(server.target(), with_profiles(given_profiles(), profile_choice::round_robin));
    const tls_transport other = one;
    std::vector<std::string> seen;
    for (int i = 0; i < 3; ++i)
        for (const tls_transport* transport : {&one, &other}) {
            auto opened = open(io, *transport);
            REQUIRE_FALSE(opened.error);
            seen.emplace_back(opened.stream->profile());
        }
    CHECK(seen ==
          std::vector<std::string>{"modern", "intermediate", "compatible", "modern", "intermediate", "compatible"});
    CHECK(one.stats().handshakes == 6);

    auto plain = open(io, tls_transport(server.target(), trusting()));
    REQUIRE_FALSE(plain.error);
    CHECK(plain.stream->profile().empty());
    CHECK(tls_transport::stream<net::any_io_executor>(io.get_executor()).profile().empty());
}

TEST_CASE("tls_profile_a_session_is_gone_on_with_under_its_own_profile_only") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    resume_server server(speaking(version, [](SSL_CTX* context) { SSL_CTX_set_num_tickets(context, 1); }));
    tls_options options = with_profiles({tls_profile::intermediate(), tls_profile::compatible()});
    options.choose_profile = profile_choice::random;
    options.profile_seed = 42;
    visitor v(server, options);
    std::vector<std::string> users;
    std::map<std::string, std::string> owners;
    int resumed = 0;
    constexpr int visits = 24;
    for (int i = 0; i < visits; ++i) {
        auto lease = get(v.io, v.pool);
        users.emplace_back(lease.stream().profile());
        resumed += lease.stream().resumed() ? 1 : 0;
        CHECK(round_trip(v.io, lease, "hello") == "hello");
        const unsigned char* ticket = nullptr;
        std::size_t size = 0;
        SSL_SESSION_get0_ticket(SSL_get_session(lease.stream().ssl()), &ticket, &size);
        owners.emplace(std::string(reinterpret_cast<const char*>(ticket), size), users.back());
        v.pool.put(std::move(lease));
        CHECK(run_until(v.io, [&] { return v.pool.stats().now.total() == 0; }));
    }
    const std::vector<std::string> offered = server.log.offered();
    REQUIRE(offered.size() == visits);
    for (std::size_t i = 0; i < offered.size(); ++i)
        if (!offered[i].empty()) CHECK(owners.at(offered[i]) == users[i]);
    CHECK(std::set<std::string>(users.begin(), users.end()).size() == 2);
    CHECK(resumed == visits - 2);
    CHECK(v.stats().resumed == visits - 2);
    CHECK(v.stats().sessions_cached == 2);
}

TEST_CASE("tls_profile_without_tickets_sessions_are_gone_on_with_in_tls_1_2_only") {
    tls_profile profile = tls_profile::intermediate();
    profile.session_tickets = false;
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    resume_server server(speaking(version));
    visitor v(server, with_profiles({profile}));
    CHECK_FALSE(v.visit());
    CHECK(v.visit() == (version == TLS1_2_VERSION));
    CHECK(v.visit() == (version == TLS1_2_VERSION));
    CHECK(v.stats().sessions_offered == (version == TLS1_2_VERSION ? 2u : 0u));
}
