// What a client says in its first message, under a name.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace hotpool {

enum class tls_version : std::uint8_t { tls_1_2, tls_1_3 };

/// A client hello that is the same each time but for what is random in it, and a session that it goes on with. All
/// lists are in order of preference, which is the order they are sent in. Nothing is left to OpenSSL's defaults or
/// the system's, and nothing is left out silently: a name that this OpenSSL does not know, or that its security level
/// forbids, is refused where the transport is made.
///
/// The given profiles follow Mozilla's recommendations for servers; ALPN is "http/1.1", and tickets are accepted.
/// They depart from them in two points. Which certificate a server has is its own choice, so that all of them accept
/// ECDSA and RSA. And X25519MLKEM768 is left out, because only OpenSSL 3.5 knows it: who has that, may put it in front
/// of `groups`.
/// @source https://ssl-config.mozilla.org/guidelines/6.0.json, and 5.8.json, the last to name what is old
struct tls_profile {
    std::string name{};  ///< not empty, and another for each profile of a transport
    tls_version min_version = tls_version::tls_1_2;
    tls_version max_version = tls_version::tls_1_3;

    /// The ciphers of TLS 1.2, by OpenSSL's names; none where TLS 1.2 is not spoken.
    std::vector<std::string> ciphers{};
    /// Those of TLS 1.3; none where it is not spoken.
    std::vector<std::string> cipher_suites{};
    /// For the key exchange, "X25519" or "prime256v1"; in TLS 1.2 also the curves that an ECDSA certificate may have
    /// (RFC 8422, 5.3).
    std::vector<std::string> groups{};
    /// For handshakes and certificates: "ecdsa_secp256r1_sha256". None with SHA-1.
    /// @source RFC 9155 for SHA-1; RFC 8446, 9.1 for what every peer knows
    std::vector<std::string> signature_algorithms{};
    /// The protocols offered; none: nothing is said about protocols.
    std::vector<std::string> alpn = std::vector<std::string>(1, "http/1.1");
    /// Whether the server may send tickets. Without, sessions are gone on with in TLS 1.2 only, by their ID.
    bool session_tickets = true;

    /// TLS 1.3 alone.
    static tls_profile modern() {
        tls_profile made = base("modern");
        made.min_version = tls_version::tls_1_3;
        return made;
    }

    /// TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3.
    static tls_profile intermediate() {
        tls_profile made = base("intermediate");
        made.ciphers = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
                        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
                        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"};
        return made;
    }

    /// For servers that are behind: what Mozilla calls old, from TLS 1.2 on, and without 3DES, which OpenSSL 3 does
    /// not offer. Only with the last ones is there no forward secrecy.
    static tls_profile compatible() {
        tls_profile made = intermediate();
        made.name = "compatible";
        for (const char* cipher :
             {"DHE-RSA-AES128-GCM-SHA256", "DHE-RSA-AES256-GCM-SHA384", "DHE-RSA-CHACHA20-POLY1305",
              "ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA",
              "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA",
              "DHE-RSA-AES128-SHA256", "DHE-RSA-AES256-SHA256", "AES128-GCM-SHA256", "AES256-GCM-SHA384",
              "AES128-SHA256", "AES256-SHA256", "AES128-SHA", "AES256-SHA"})
            made.ciphers.emplace_back(cipher);
        return made;
    }

private:
    static tls_profile base(std::string name) {
        tls_profile made;
        made.name = std::move(name);
        made.cipher_suites = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"};
        made.groups = {"X25519", "prime256v1", "secp384r1"};
        made.signature_algorithms = {"ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "rsa_pss_rsae_sha256",
                                     "rsa_pss_rsae_sha384",    "rsa_pss_rsae_sha512",    "rsa_pkcs1_sha256",
                                     "rsa_pkcs1_sha384",       "rsa_pkcs1_sha512"};
        return made;
    }
};

/// Which of several profiles a new connection uses.
enum class profile_choice : std::uint8_t {
    fixed,        ///< the first
    round_robin,  ///< one after the other, from the first on
    random,       ///< any, all as likely; the same sequence for the same seed
};

}  // namespace hotpool
