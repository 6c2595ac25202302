// Profiles for tests: the given ones, and some unlike them.
#pragma once

#include <utility>
#include <vector>

#include "hotpool/transport/tls_options.hpp"
#include "hotpool/transport/tls_profile.hpp"
#include "support/pool_test.hpp"

namespace hotpool::test {

inline std::vector<tls_profile> given_profiles() {
    return {tls_profile::modern(), tls_profile::intermediate(), tls_profile::compatible()};
}

/// Nothing in it as in the others.
inline tls_profile unusual() {
    return {.name = "unusual",
            .ciphers = {"ECDHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
            .cipher_suites = {"TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384"},
            .groups = {"secp384r1", "X25519", "prime256v1"},
            .signature_algorithms = {"rsa_pss_rsae_sha512", "ecdsa_secp256r1_sha256", "rsa_pkcs1_sha256"},
            .alpn = {"acme", "http/1.1"},
            .session_tickets = false};
}

inline tls_profile only_1_2() {
    tls_profile old = tls_profile::intermediate();
    old.name = "only 1.2";
    old.max_version = tls_version::tls_1_2;
    old.cipher_suites.clear();
    return old;
}

/// Options of a client that trusts the test's root.
inline tls_options with_profiles(std::vector<tls_profile> profiles, profile_choice choice = profile_choice::fixed) {
    return {.ca_pem = test_root().certificate_pem(), .profiles = std::move(profiles), .choose_profile = choice};
}

}  // namespace hotpool::test
