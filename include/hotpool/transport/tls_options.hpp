// The choices of a TLS connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "hotpool/transport/tcp_options.hpp"
#include "hotpool/transport/tls_pin.hpp"
#include "hotpool/transport/tls_profile.hpp"
#include "hotpool/transport/tls_stapling.hpp"

namespace hotpool {

/// What a peer's certificate must show.
enum class tls_verify : std::uint8_t {
    peer,  ///< a chain to a trusted root, and the name of the host
    none,  ///< nothing: anyone on the way can read and change everything, unless pins decide
};

/// How TLS is spoken: `tls_options{.ca_file = "ca.pem", .min_version = tls_version::tls_1_3}`.
/// Of two fields for the same thing, a file's name and the text itself, at most one may be given.
struct tls_options {
    tls_verify verify = tls_verify::peer;
    tls_version min_version = tls_version::tls_1_2;

    /// The trusted roots, in PEM. None given: those of the system.
    std::string ca_file{};
    std::string ca_pem{};

    /// This side's certificate, in PEM, followed by those of its issuers. None given: it shows none.
    std::string certificate_file{};
    std::string certificate_pem{};
    /// The key that belongs to it, in PEM.
    std::string private_key_file{};
    std::string private_key_pem{};
    /// For a key that is encrypted.
    std::string private_key_password{};

    /// The protocols offered, best first; none: nothing is said about protocols.
    std::vector<std::string> alpn = std::vector<std::string>(1, "http/1.1");
    /// The name asked for (SNI) and verified, where it is not the origin's host.
    std::string server_name{};
    /// The peer's certificate or its public key must be one of these, on top of `verify`; none: no such rule.
    std::vector<tls_pin> pins{};

    /// Files of CRLs, in PEM, that the whole chain is looked up in: each of its issuers must have one here, and a current
    /// one. Read as the roots are, never fetched. None given: nobody looks whether a certificate has been revoked, but
    /// for `ocsp_stapling`.
    std::vector<std::string> crl_files{};
    /// Whether the server's own certificate must be vouched for by a stapled OCSP response. Nothing is fetched.
    tls_stapling ocsp_stapling = tls_stapling::off;

    /// Sessions kept for later openings to go on with, which saves them the key exchange's dear half and the
    /// certificate; 0: none, up to 4096. TLS 1.3 uses each for one opening, and servers give one or two a
    /// connection: this many openings at once are cheap. Each takes 4 to 7 KB, most of it the certificate.
    std::size_t session_cache_size = 16;

    /// How many records may come on end that bring no application bytes: tickets, key updates, empty ones. A second, or
    /// a KiB of application bytes, makes up for one. Beyond that the connection ends with `errc::tls_record_flood`. From
    /// 16 to 1024, which is about 25 ms of one peer's that no other peer of the loop is served in.
    std::size_t max_bare_records = 64;

    /// The client hellos to choose from for each connection; none: OpenSSL's, with the fields above. A profile brings
    /// its own versions and `alpn`: `min_version` may not ask for more than it, and `alpn` above is left alone or the
    /// same. Each keeps its own sessions, `session_cache_size` of them, and is never offered another's.
    std::vector<tls_profile> profiles{};
    profile_choice choose_profile = profile_choice::fixed;
    std::uint64_t profile_seed = 0;  ///< for `profile_choice::random`; any will do

    /// The secrets of connections are appended to this file, one line each, as SSLKEYLOGFILE has them (RFC 9850): who has
    /// it can read what is recorded of them. Made if it is not there, for its owner only; the environment is never asked.
    /// Empty: nothing is written.
    std::string key_log_file{};

    tcp_options tcp{};
};

}  // namespace hotpool
