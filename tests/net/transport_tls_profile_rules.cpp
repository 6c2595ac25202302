// Profiles that cannot be are refused where the transport is made, with the field, the rule and the profile.
#include <cstddef>
#include <stdexcept>
#include <string>

#include "hotpool/transport/tls.hpp"
#include "support/catch.hpp"
#include "support/tls_profiles.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

std::string profile_refusal(const tls_options& options) {
    try {
        tls_transport({.host = "localhost", .port = "443"}, options);
    } catch (const std::invalid_argument& refused) {
        REQUIRE(ERR_peek_error() == 0);
        return refused.what();
    }
    return "accepted";
}
template <class Change>
std::string profile_refusal(Change change) {
    tls_profile profile = tls_profile::intermediate();
    change(profile);
    return profile_refusal(with_profiles({profile}));
}

}  // namespace

TEST_CASE("tls_profile_bad_values_are_refused_by_field_rule_and_profile") {
    for (const tls_profile& profile : given_profiles()) CHECK(profile_refusal(with_profiles({profile})) == "accepted");
    CHECK(profile_refusal(with_profiles({unusual(), only_1_2()})) == "accepted");
    const std::string p = "hotpool::tls_profile::";
    const std::string whose = " (profile \"intermediate\")";
    const std::string known =
        " must be names that OpenSSL knows and may offer with these versions and signature algorithms: ";
    const std::string plain = " must be plain names that OpenSSL knows: ";

    CHECK(profile_refusal([](tls_profile& x) { x.name = ""; }) == p + "name must not be empty (profile \"\")");
    CHECK(profile_refusal([](tls_profile& x) {
              x.min_version = tls_version::tls_1_3;
              x.max_version = tls_version::tls_1_2;
          }) == p + "min_version must not be above max_version" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.ciphers.clear(); }) ==
          p + "ciphers must not be empty where TLS 1.2 is spoken" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.min_version = tls_version::tls_1_3; }) ==
          p + "ciphers must be empty where TLS 1.2 is not spoken" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.cipher_suites.clear(); }) ==
          p + "cipher_suites must not be empty where TLS 1.3 is spoken" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.max_version = tls_version::tls_1_2; }) ==
          p + "cipher_suites must be empty where TLS 1.3 is not spoken" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.groups.clear(); }) ==
          p + "groups must not be empty where TLS is spoken" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.signature_algorithms.clear(); }) ==
          p + "signature_algorithms must not be empty where TLS is spoken" + whose);

    // At its place in the list, wherever that is; also where OpenSSL would understand it, but not as a name.
    for (const std::string cipher :
         {"NOPE", "HIGH", "@SECLEVEL=0", "", " ", "RC4-MD5", "DES-CBC3-SHA", "TLS_AES_128_GCM_SHA256",
          "AES128-SHA:AES256-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256 ", "!AES128-SHA", "ecdhe-rsa-aes128-gcm-sha256"}) {
        for (const std::ptrdiff_t place : {0, 3, 6}) {
            CAPTURE(cipher, place);
            const std::string refused =
                profile_refusal([&](tls_profile& x) { x.ciphers.insert(x.ciphers.begin() + place, cipher); });
            CHECK(refused == p + "ciphers" + known + '"' + cipher + '"' + whose);
        }
    }
    CHECK(profile_refusal([](tls_profile& x) { x.ciphers = {"NOPE"}; }) == p + "ciphers" + known + "\"NOPE\"" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.cipher_suites = {"NOPE"}; }) ==
          p + "cipher_suites" + known + "\"NOPE\"" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.cipher_suites.push_back("AES128-SHA"); }) ==
          p + "cipher_suites" + known + "\"AES128-SHA\"" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.signature_algorithms = {"rsa_pss_rsae_sha256"}; }) ==
          p + "ciphers" + known + "\"ECDHE-ECDSA-AES128-GCM-SHA256\"" + whose);

    for (const std::string group : {"NOPE", "?X25519", "X25519:secp384r1", "-X25519", "DEFAULT", "*X25519", "P 256"})
        CHECK(profile_refusal([&](tls_profile& x) { x.groups.push_back(group); }) ==
              p + "groups" + plain + '"' + group + '"' + whose);
    for (const std::string name : {"NOPE", "RSA+SHA256", "?rsa_pss_rsae_sha256", "sha256"})
        CHECK(profile_refusal([&](tls_profile& x) { x.signature_algorithms.push_back(name); }) ==
              p + "signature_algorithms" + plain + '"' + name + '"' + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.signature_algorithms.push_back("rsa_pkcs1_sha1"); }) ==
          p + "signature_algorithms must be without SHA-1 (RFC 9155): \"rsa_pkcs1_sha1\"" + whose);
    CHECK(profile_refusal([](tls_profile& x) {
              x.alpn = {"http/1.1", ""};
          }) == p + "alpn must be names of 1 to 255 bytes" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.alpn = {std::string(256, 'x')}; }) ==
          p + "alpn must be names of 1 to 255 bytes" + whose);

    CHECK(profile_refusal([](tls_profile& x) { x.ciphers.push_back(x.ciphers.front()); }) ==
          p + "ciphers must each be named once: \"ECDHE-ECDSA-AES128-GCM-SHA256\"" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.groups.push_back("X25519"); }) ==
          p + "groups must each be named once: \"X25519\"" + whose);
    CHECK(profile_refusal([](tls_profile& x) { x.signature_algorithms.push_back("rsa_pkcs1_sha256"); }) ==
          p + "signature_algorithms must each be named once: \"rsa_pkcs1_sha256\"" + whose);
    CHECK(profile_refusal([](tls_profile& x) {
              x.alpn = {"a", "b", "a"};
          }) == p + "alpn must each be named once: \"a\"" + whose);
}

TEST_CASE("tls_profile_options_that_say_otherwise_are_refused") {
    const std::string o = "hotpool::tls_options::";
    CHECK(profile_refusal(with_profiles({tls_profile::modern(), tls_profile::modern()})) ==
          o + "profiles must each have a name of its own");
    tls_options strict = with_profiles({tls_profile::modern(), tls_profile::intermediate()});
    strict.min_version = tls_version::tls_1_3;
    CHECK(profile_refusal(strict) == o + "min_version must not be above that of profile \"intermediate\"");
    strict.profiles.pop_back();
    CHECK(profile_refusal(strict) == "accepted");

    tls_options named = with_profiles({tls_profile::modern()});
    named.alpn = {"h2"};
    CHECK(profile_refusal(named) == o + "alpn must be left alone or equal to that of profile \"modern\"");
    named.alpn.clear();
    CHECK(profile_refusal(named) == o + "alpn must be left alone or equal to that of profile \"modern\"");
    named.profiles.front().alpn.clear();
    CHECK(profile_refusal(named) == "accepted");
    CHECK(profile_refusal(with_profiles({unusual()})) == "accepted");
}
