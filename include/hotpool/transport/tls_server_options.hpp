// The choices of an accepted TLS connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "hotpool/transport/certificate_view.hpp"
#include "hotpool/transport/tcp_server_options.hpp"
#include "hotpool/transport/tls_bare_records.hpp"
#include "hotpool/transport/tls_pin.hpp"
#include "hotpool/transport/tls_profile.hpp"

namespace hotpool {

/// Whether clients are asked for a certificate.
enum class client_auth : std::uint8_t {
    off,       ///< they are not
    optional,  ///< they are, and may have none; one that is shown must be accepted
    required,  ///< they are, and must have one
};

/// How TLS is spoken to clients: `tls_server_options{.certificate_file = "chain.pem", .private_key_file = "key.pem"}`.
/// Of two fields for the same thing, a file's name and the text itself, at most one may be given.
///
/// A client's certificate is accepted by up to three rules, of which `client_certificates` wants at least one: a chain
/// to one of the roots, then the pins, then the verifier. Without roots nobody looks at the chain, nor at the dates.
struct tls_server_options {
    /// This side's certificate, in PEM, followed by those of its issuers, root left out. Must be given.
    std::string certificate_file{};
    std::string certificate_pem{};
    /// The key that belongs to it, in PEM. Must be given.
    std::string private_key_file{};
    std::string private_key_pem{};
    /// For a key that is encrypted.
    std::string private_key_password{};

    /// An OCSP response to this side's certificate, in DER, stapled where a client asks for one. One that has expired is
    /// not sent any more: `tls_server::update` reads the file again. Must be given for a certificate that says that it
    /// comes with one (RFC 7633); empty: nothing is stapled.
    std::string ocsp_response_file{};

    client_auth client_certificates = client_auth::off;
    /// The roots of clients, in PEM, whose names clients are told. Never those of the system, which vouch for anybody.
    std::string ca_file{};
    std::string ca_pem{};
    /// Files of CRLs, in PEM, that the chain of a client is looked up in: each of its issuers must have one here, and a
    /// current one. They go with roots. None given: nobody looks whether a certificate has been revoked.
    std::vector<std::string> crl_files{};
    /// The client's certificate or its public key must be one of these; none: no such rule.
    std::vector<tls_pin> pins{};
    /// Has the last word; empty: no such rule. Refusing is `errc::certificate_invalid`.
    certificate_verifier verifier{};

    tls_version min_version = tls_version::tls_1_2;
    /// The protocols spoken, best first. A client that offers others only is refused, one that offers none is not; none
    /// given: nothing is said about protocols.
    std::vector<std::string> alpn = std::vector<std::string>(1, "http/1.1");
    /// How many tickets a client of TLS 1.3 gets after a handshake in full, up to 16, each for one more connection; one
    /// of TLS 1.2 gets one. 0: nobody gets any. They are cheap to make, about 0.03 ms each, and nothing is kept here
    /// for them. A client that has shown a certificate shows it again each time: none of the three rules is ever
    /// skipped. `tls_server::update` changes the tickets' key, which is worth doing once a day.
    std::size_t session_tickets = 2;

    /// How many records may come on end that bring no application bytes: key updates, requests to renegotiate, empty ones. A second, or
    /// a KiB of application bytes, makes up for one. Beyond that the connection ends with `errc::tls_record_flood`. From
    /// 16 to 1024, which is about 25 ms of one peer's that no other peer of the loop is served in.
    std::size_t max_bare_records = 64;

    /// The secrets of connections are appended to this file, one line each, as SSLKEYLOGFILE has them (RFC 9850): who has
    /// it can read what is recorded of them. Made if it is not there, for its owner only; the environment is never asked.
    /// Empty: nothing is written.
    std::string key_log_file{};

    tcp_server_options tcp{};
};

/// What can be said before the files are read.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const tls_server_options& options) {
    const auto refuse = [](const char* rule) {
        throw std::invalid_argument(std::string("hotpool::tls_server_options::") + rule);
    };
    if (options.certificate_file.empty() && options.certificate_pem.empty())
        refuse("certificate_file must be given, or the text");
    if (options.private_key_file.empty() && options.private_key_pem.empty())
        refuse("private_key_file must be given, or the text");
    if (options.session_tickets > 16) refuse("session_tickets must be at most 16");
    if (!detail::may_be_most(options.max_bare_records)) refuse("max_bare_records must be from 16 to 1024");
    const bool rules = !options.ca_file.empty() || !options.ca_pem.empty() || !options.pins.empty() || options.verifier;
    if (!options.crl_files.empty() && options.ca_file.empty() && options.ca_pem.empty())
        refuse("crl_files must be empty where no roots are given");
    if (options.client_certificates == client_auth::off && rules)
        refuse("client_certificates must not be off where roots, pins or a verifier for them are given");
    if (options.client_certificates != client_auth::off && !rules)
        refuse("client_certificates must be off where neither roots nor pins nor a verifier for them are given");
}

}  // namespace hotpool
