// A client's key that a profile cannot sign with is refused where the options are given; any other is shown.
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <atomic>
#include <string>
#include <vector>

#include "hotpool/connection_pool.hpp"
#include "hotpool/transport/tls.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/loopback_server.hpp"
#include "support/refusal.hpp"
#include "support/tls_profiles.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

struct client_key {
    std::string kind;
    identity own;
};

/// Signs for clients whatever their keys are.
struct client_key_root {
    test::x509::key_ptr key = test::x509::make_key();
    test::x509::certificate_ptr certificate = test::x509::make_certificate(
        {.common_name = "root of client keys", .names = {}}, key.get(), nullptr, nullptr, true);

    client_key issue(const std::string& kind) const {
        test::x509::key_ptr made(kind == "RSA"           ? EVP_RSA_gen(2048)
                                 : kind.starts_with("E") ? EVP_PKEY_Q_keygen(nullptr, nullptr, kind.c_str())
                                                         : EVP_EC_gen(kind.c_str()));
        REQUIRE(made != nullptr);
        const auto signed_one = test::x509::make_certificate({.common_name = kind, .names = {}}, made.get(),
                                                             certificate.get(), key.get(), false);
        return {kind, test::x509::make_identity(signed_one.get(), made.get())};
    }
    std::string pem() const { return test::x509::make_identity(certificate.get(), key.get()).certificate_pem; }
};

const client_key_root& client_keys() {
    static const client_key_root made;
    return made;
}
const std::vector<client_key>& all_client_keys() {
    static const std::vector<client_key> made = [] {
        std::vector<client_key> keys;
        for (const char* kind : {"RSA", "P-256", "P-384", "P-521", "secp256k1", "ED25519", "ED448"})
            keys.push_back(client_keys().issue(kind));
        return keys;
    }();
    return made;
}

tls_options showing_key(const client_key& key, std::vector<tls_profile> profiles) {
    tls_options options = with_profiles(std::move(profiles));
    options.certificate_pem = key.own.certificate_pem;
    options.private_key_pem = key.own.key_pem;
    return options;
}

tls_profile with_algorithms(tls_profile profile, std::vector<std::string> algorithms) {
    profile.name += " with more";
    for (std::string& algorithm : algorithms) profile.signature_algorithms.push_back(std::move(algorithm));
    return profile;
}

tls_profile with_curves(tls_profile profile) {
    profile.name += " with more curves";
    profile.groups.emplace_back("secp521r1");
    profile.groups.emplace_back("secp256k1");
    return profile;
}
const std::vector<std::string> wider_algorithms{"ed25519", "ed448", "ecdsa_secp521r1_sha512"};

/// Whether a server that speaks `version` at most, and would take any certificate, is shown one.
bool is_shown(const tls_options& options, int version) {
    std::atomic<int> shown = 0;
    std::atomic<int> met = 0;
    {
        loopback_server server({.own = test_identity(),
                                .max_version = version,
                                .prepare =
                                    [](SSL_CTX* context) {
                                        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
                                        SSL_CTX_set_cert_verify_callback(
                                            context, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
                                        SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384:P-521:secp256k1");
                                    }},
                               [&](server_connection& c) {
                                   shown += SSL_get0_peer_certificate(c.ssl()) != nullptr;
                                   ++met;
                                   c.write("!");
                                   c.stay();
                               });
        net::io_context io;
        auto opened = open(io, tls_transport({.host = "127.0.0.1", .port = server.port()}, options));
        REQUIRE_FALSE(opened.error);
        read_exactly(io, *opened.stream, 1);
    }
    REQUIRE(met == 1);
    return shown == 1;
}

}  // namespace

TEST_CASE("tls_client_key_that_no_signature_algorithm_of_the_profile_is_for_is_refused") {
    const auto refusal_by = [](const client_key& key, const tls_profile& profile) {
        const tls_options options = showing_key(key, {profile});
        const std::string refused = refusal_of([&] { tls_transport({.host = "localhost", .port = "443"}, options); });
        tls_transport transport({.host = "localhost", .port = "443"});
        CHECK(refusal_of([&] { transport.update(options); }) == refused);
        CHECK(ERR_peek_error() == 0);
        return refused;
    };
    const auto rule = [](const tls_profile& profile, const char* version) {
        return "hotpool::tls_options::private_key_pem must be of a kind that the signature_algorithms and groups of "
               "profile \"" +
               profile.name + "\" have for TLS " + version;
    };
    for (const client_key& key : all_client_keys()) {
        CAPTURE(key.kind);
        const bool good = key.kind == "RSA" || key.kind == "P-256" || key.kind == "P-384";
        for (const tls_profile& profile : given_profiles()) {
            const char* const version = profile.min_version == tls_version::tls_1_2 ? "1.2" : "1.3";
            CHECK(refusal_by(key, profile) == (good ? "accepted" : rule(profile, version)));
        }
        const tls_profile more = with_algorithms(tls_profile::modern(), wider_algorithms);
        CHECK(refusal_by(key, more) == (key.kind == "secp256k1" ? rule(more, "1.3") : "accepted"));
        const bool edwards = key.kind.starts_with("ED");
        CHECK(refusal_by(key, with_curves(only_1_2())) ==
              (edwards ? rule(with_curves(only_1_2()), "1.2") : "accepted"));
    }
    // One profile of several is enough to be refused, and a pool refuses as its transport does.
    const tls_options several = showing_key(
        all_client_keys()[5], {with_algorithms(tls_profile::intermediate(), {"ed25519"}), tls_profile::modern()});
    net::io_context io;
    CHECK(refusal_of([&] {
              tls_pool(io.get_executor(), {"localhost", "443"}, {}, several);
          }).find("\"modern\" have for TLS 1.3") != std::string::npos);
    tls_pool pool(io.get_executor(), {"localhost", "443"});
    CHECK(refusal_of([&] { pool.set_transport_options(several); }) != "accepted");
}

TEST_CASE("tls_client_key_that_is_accepted_is_shown_in_each_version") {
    for (const client_key& key : all_client_keys()) {
        CAPTURE(key.kind);
        for (const tls_profile& profile :
             {tls_profile::modern(), tls_profile::intermediate(), with_curves(only_1_2()),
              with_algorithms(with_curves(tls_profile::intermediate()), wider_algorithms)}) {
            CAPTURE(profile.name);
            const tls_options options = showing_key(key, {profile});
            if (refusal_of([&] { tls_transport({.host = "localhost", .port = "443"}, options); }) != "accepted")
                continue;
            if (profile.max_version == tls_version::tls_1_3) CHECK(is_shown(options, TLS1_3_VERSION));
            if (profile.min_version == tls_version::tls_1_2) CHECK(is_shown(options, TLS1_2_VERSION));
        }
    }
}

TEST_CASE("tls_client_key_that_is_refused_would_not_have_been_shown") {
    // What OpenSSL does by itself where it is not asked before.
    for (const char* kind : {"P-521", "ED25519", "ED448", "secp256k1"}) {
        CAPTURE(kind);
        const client_key key = client_keys().issue(kind);
        const tls_profile modern = tls_profile::modern();
        std::string algorithms;
        for (const std::string& name : modern.signature_algorithms)
            algorithms += (algorithms.empty() ? "" : ":") + name;
        const detail::ssl_ctx_ptr client(SSL_CTX_new(TLS_client_method()));
        SSL_CTX_set_min_proto_version(client.get(), TLS1_3_VERSION);
        REQUIRE(SSL_CTX_set1_sigalgs_list(client.get(), algorithms.c_str()) == 1);
        detail::tls_credentials read;
        detail::read_certificate(showing_key(key, {}), "tls_options", read);
        REQUIRE(SSL_CTX_use_certificate(client.get(), read.certificate.get()) == 1);
        REQUIRE(SSL_CTX_use_PrivateKey(client.get(), read.private_key.get()) == 1);
        std::atomic<int> shown = -1;
        loopback_server server({.own = test_identity(),
                                .prepare =
                                    [](SSL_CTX* context) {
                                        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
                                        SSL_CTX_set_cert_verify_callback(
                                            context, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
                                    }},
                               [&](server_connection& c) {
                                   shown = SSL_get0_peer_certificate(c.ssl()) != nullptr;
                                   c.write("!");
                                   c.stay();
                               });
        const std::string place = "127.0.0.1:" + server.port();
        const detail::bio_ptr socket(BIO_new_connect(place.c_str()));
        REQUIRE(BIO_do_connect(socket.get()) == 1);
        const detail::ssl_ptr session(SSL_new(client.get()));
        BIO_up_ref(socket.get());
        SSL_set_bio(session.get(), socket.get(), socket.get());
        REQUIRE(SSL_connect(session.get()) == 1);
        char byte = 0;
        REQUIRE(SSL_read(session.get(), &byte, 1) == 1);
        CHECK(shown == 0);
        ERR_clear_error();
    }
}
