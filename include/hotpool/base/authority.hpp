// Hosts and ports as they are written in URLs and in what is sent to an origin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hotpool/base/characters.hpp"

namespace hotpool::base {

/// The value of a port from 1 to 65535 in decimal digits, without zeros in front, which no origin takes either.
constexpr std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
    const auto port = parse_decimal(text);
    if (!port || text.front() == '0' || *port > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*port);
}

/// Whether `text` can be an IPv6 address without brackets and zone; whether it is one, the resolver tells.
constexpr bool is_ipv6_text(std::string_view text) noexcept {
    std::size_t colons = 0;
    for (const char c : text) {
        if (c != ':' && c != '.' && hex_digit(c) < 0) return false;
        colons += c == ':';
    }
    return colons >= 2;
}

/// Whether a name lacks a label: it is `.`, begins with a dot, or has two in a row. One dot at its end is the root's. Who
/// compares names takes a dot at the begin for every name below it, and nothing for no rule at all.
/// @source RFC 1034, 3.1 (only the root has no label)
constexpr bool lacks_label(std::string_view name) noexcept {
    return name.empty() || name.front() == '.' || name.find("..") != std::string_view::npos;
}

/// Whether `text` can be a host name or an IPv4 address. Names outside ASCII must come in their `xn--` form.
/// @source RFC 3986, 3.2.2 (reg-name), without its sub-delims, which no name that resolves has
constexpr bool is_host_name(std::string_view text) noexcept {
    if (lacks_label(text)) return false;
    for (const char c : text)
        if (!is_alnum(c) && std::string_view("-._~%").find(c) == std::string_view::npos) return false;
    for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1))
        if (at + 2 >= text.size() || hex_digit(text[at + 1]) < 0 || hex_digit(text[at + 2]) < 0) return false;
    return true;
}

/// A host and the port behind it, if any: `example.com:8080`, `[::1]`.
struct authority {
    std::string_view host;  ///< without brackets
    std::string_view port;  ///< empty if there is none
};

/// Takes a host, in brackets if it is an IPv6 address, and a port behind a colon apart.
/// @return nothing if the host or the port is none
/// @source RFC 3986, 3.2; user information is refused (RFC 9110, 4.2.4)
constexpr std::optional<authority> parse_authority(std::string_view text) noexcept {
    authority result;
    const bool bracketed = text.substr(0, 1) == "[";
    const std::size_t host_end = bracketed ? text.find(']') : text.find(':');
    if (bracketed && host_end == std::string_view::npos) return std::nullopt;
    result.host = bracketed ? text.substr(1, host_end - 1) : text.substr(0, host_end);
    if (!(bracketed ? is_ipv6_text(result.host) : is_host_name(result.host))) return std::nullopt;

    const std::size_t taken = bracketed ? host_end + 1 : result.host.size();
    const std::string_view rest = text.substr(taken);
    if (rest.empty()) return result;
    result.port = rest.substr(1);
    if (rest.front() != ':' || !parse_port(result.port)) return std::nullopt;
    return result;
}

/// The host and port of an origin as a peer is told them, such as in the Host field of HTTP.
/// @param host a name or an address; an IPv6 address with or without brackets, its zone is not sent
/// @param port decimal digits, or the service name `http` or `https`
/// @param default_port the port that is left out: "80" for http, "443" for https
/// @return nothing if the host or the port is none
/// @source RFC 9112, 3.2, RFC 6874, 3 (zones)
inline std::optional<std::string> authority_text(std::string_view host, std::string_view port,
                                                 std::string_view default_port) {
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    const std::string_view bare = bracketed ? host.substr(1, host.size() - 2) : host;
    const std::string_view address = bare.substr(0, bare.find('%'));
    const bool ipv6 = is_ipv6_text(address);
    if (!ipv6 && !is_host_name(host)) return std::nullopt;
    if (port == "http") port = "80";
    if (port == "https") port = "443";
    const auto number = parse_port(port);
    if (!number) return std::nullopt;

    std::string text = ipv6 ? '[' + std::string(address) + ']' : std::string(host);
    if (number != parse_port(default_port)) text.append(":").append(std::to_string(*number));
    return text;
}

}  // namespace hotpool::base
