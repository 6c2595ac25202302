// Whether a profile can sign with a client's key: OpenSSL shows no certificate where it cannot, and says nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "hotpool/base/characters.hpp"
#include "hotpool/transport/openssl.hpp"
#include "hotpool/transport/tls_credentials.hpp"
#include "hotpool/transport/tls_profile.hpp"

namespace hotpool::detail {

inline std::string in_small_letters(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), base::to_lower);
    return text;
}

/// One name for each curve, the one that signature algorithms have.
inline std::string curve_name(std::string name) {
    name = in_small_letters(std::move(name));
    if (name == "prime256v1" || name == "p-256") return "secp256r1";
    if (name == "p-384") return "secp384r1";
    if (name == "p-521") return "secp521r1";
    return name;
}
/// The curve of an elliptic key; empty if there is none.
inline std::string curve_of(EVP_PKEY& key) {
    std::array<char, 80> name{};
    std::size_t size = 0;
    if (EVP_PKEY_get_group_name(&key, name.data(), name.size(), &size) != 1) return {};
    return curve_name({name.data(), size});
}

/// Whether `key` can sign a handshake of that version by that algorithm of the profile's.
/// @param algorithm by OpenSSL's name, small letters: `ecdsa_secp256r1_sha256`
/// @source RFC 8446, 4.2.3: TLS 1.3 has no PKCS 1, and ties an algorithm of ECDSA to its curve; RFC 8422, 5.1: in TLS 1.2
/// the curve is one of the groups
inline bool signs_by(EVP_PKEY& key, const std::string& algorithm, const tls_profile& profile, tls_version version) {
    const bool is_1_2 = version == tls_version::tls_1_2;
    const auto is = [&](const char* kind) { return EVP_PKEY_is_a(&key, kind) == 1; };
    if (algorithm.starts_with("rsa_pss_pss_")) return is("RSA-PSS");
    if (algorithm.starts_with("rsa_pss_rsae_")) return is("RSA");
    if (algorithm.starts_with("rsa_pkcs1_")) return is_1_2 && is("RSA");
    if (algorithm.starts_with("dsa_")) return is_1_2 && is("DSA");
    if (!algorithm.starts_with("ecdsa_")) return is(algorithm.c_str());  // ed25519 and the like
    if (!is("EC")) return false;
    const std::string curve = curve_of(key);
    if (!is_1_2) return algorithm.starts_with("ecdsa_" + curve + "_");
    const auto is_its = [&](const std::string& group) { return curve_name(group) == curve; };
    return algorithm.find("brainpool") == algorithm.npos &&
           std::any_of(profile.groups.begin(), profile.groups.end(), is_its);
}

/// Refuses a key that the profile cannot sign with in each version that it speaks: which of them it will be, the server
/// decides.
/// @errors throws `std::invalid_argument` naming the field, the rule and the profile
inline void require_usable_key(const tls_profile& profile, EVP_PKEY& key, const option_name& field) {
    for (const tls_version version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
        if (version < profile.min_version || version > profile.max_version) continue;
        const auto fits = [&](const std::string& algorithm) {
            return signs_by(key, in_small_letters(algorithm), profile, version);
        };
        const auto& all = profile.signature_algorithms;
        if (std::any_of(all.begin(), all.end(), fits)) continue;
        const std::string spoken = version == tls_version::tls_1_2 ? "TLS 1.2" : "TLS 1.3";
        field.refuse("must be of a kind that the signature_algorithms and groups of profile \"" + profile.name +
                     "\" have for " + spoken);
    }
    ERR_clear_error();
}

}  // namespace hotpool::detail
