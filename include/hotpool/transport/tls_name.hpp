// As whom the peer is asked for and verified: by its name or by its address.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/origin.hpp"

namespace hotpool::detail {

/// What is left of a host where its peer is to be known. One of the two, never neither, which would be anybody.
struct tls_name {
    std::string name;                   ///< whole: no label is missing, the root's dot left out
    std::optional<ip_address> address;  ///< without its zone, which no certificate has

    /// Whether the peer can be told by it. OpenSSL takes an empty name for no rule, and one that begins with a dot for all
    /// names below it.
    bool is_whole() const noexcept { return address.has_value() != (host_fault(name) == nullptr); }
};

/// @param host without a `host_fault`. An address is one with a dot at its end too: it is no name that could be asked for
/// (RFC 6066, 3), nor one that a certificate is for.
inline tls_name tls_name_of(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    tls_name made{.name = {}, .address = ip_address::parse(host.substr(0, host.find('%')))};
    if (!made.address) made.name = host;
    return made;
}

}  // namespace hotpool::detail
