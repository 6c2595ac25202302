// The host and port that a pool connects to.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "hotpool/base/authority.hpp"
#include "hotpool/base/ip_address.hpp"

namespace hotpool {

/// An origin whose text belongs to the caller.
///
/// The pool's constructor takes one, so that `{.host = …, .port = …}` may stand beside a `co_await` in the same
/// expression: g++ 12 copies a temporary aggregate of strings there bit by bit, and destroys it twice. Without members to
/// destroy there is nothing it could do wrong.
struct origin_view {
    std::string_view host;
    std::string_view port;
};

/// One target host: `origin{.host = "example.com", .port = "443"}`.
struct origin {
    /// A name or an IP address; IPv6 without brackets, international names in their xn-- form.
    std::string host;
    /// A number from 1 to 65535, or http (80) or https (443).
    std::string port;

    operator origin_view() const noexcept { return {.host = host, .port = port}; }

    friend bool operator==(const origin&, const origin&) = default;
};

namespace detail {

[[noreturn]] inline void refuse_origin(const char* field, const char* rule) {
    throw std::invalid_argument(std::string("hotpool::origin::") + field + " " + rule);
}

constexpr bool is_host_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '%';
}

}  // namespace detail

/// The longest host: a domain name in text form (RFC 1035, 2.3.4, less the length octets).
inline constexpr std::size_t max_host_bytes = 253;

/// `port` as a number; 0 when it is neither a number from 1 to 65535 nor http nor https.
constexpr std::uint16_t port_number(std::string_view port) noexcept {
    if (port == "http") return 80;
    if (port == "https") return 443;
    if (port.empty() || port.size() > 5 || port.front() == '0') return 0;
    std::uint32_t number = 0;
    for (const char digit : port) {
        if (digit < '0' || digit > '9') return 0;
        number = number * 10 + static_cast<std::uint32_t>(digit - '0');
    }
    return number <= 65535 ? static_cast<std::uint16_t>(number) : std::uint16_t{0};
}

namespace detail {

inline bool is_ipv6(std::string_view text) noexcept {
    const auto address = ip_address::parse(text);
    return address && address->is_v6();
}

/// The rule that `host` breaks; null if none. What has no fault is a whole name or an address.
inline const char* host_fault(std::string_view host) noexcept {
    if (host.empty()) return "must not be empty";
    if (host.size() > max_host_bytes) return "must be at most 253 characters";
    if (!std::all_of(host.begin(), host.end(), is_host_character))
        return "must be a name or an IP address: only letters, digits and the characters - . _ : %";
    if (std::count(host.begin(), host.end(), ':') == 1) return "must not contain a port: that is a field of its own";
    const std::string_view address = host.substr(0, host.find('%'));
    if (address.size() != host.size() || address.find(':') != std::string_view::npos)
        return is_ipv6(address) ? nullptr : "must be a name or an IP address: only IPv6 addresses have : and a zone";
    if (base::lacks_label(host)) return "must be a name or an IP address: no dot at its begin, no two in a row";
    return nullptr;
}

}  // namespace detail

/// Refuses what is not a host and a port; corrects nothing. Says nothing about whether the host exists.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const origin& target) {
    if (const char* rule = detail::host_fault(target.host)) detail::refuse_origin("host", rule);
    if (port_number(target.port) == 0) detail::refuse_origin("port", "must be a number from 1 to 65535, http or https");
}

}  // namespace hotpool
