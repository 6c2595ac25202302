// The elements of `X-Forwarded-For` and `Forwarded`, one for each hop, from the last to the first.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/http/grammar.hpp"

namespace hotpool::inbound::detail {

/// Where the quoted string begins that ends at the end of `text`: the last quotation mark in front of it that an even
/// number of backslashes precedes. Nothing if there is none.
constexpr std::optional<std::size_t> opening_quote(std::string_view text) noexcept {
    std::size_t end = text.size() - 1;
    while (end > 0) {
        const std::size_t quote = text.rfind('"', end - 1);
        if (quote == std::string_view::npos) break;
        std::size_t backslashes = 0;
        while (backslashes < quote && text[quote - 1 - backslashes] == '\\') ++backslashes;
        if (backslashes % 2 == 0) return quote;
        end = quote - backslashes;
    }
    return std::nullopt;
}

/// Takes the last element off a list whose elements are separated by commas. It is looked for from the end, where what
/// the nearest proxy wrote stands: a quotation mark that somebody farther away left open cannot swallow it.
/// @param rest what stands in front of the comma afterwards, with null data once nothing does
/// @param quotes whether commas in quoted strings separate nothing
/// @return the element without the spaces around it; may be empty
constexpr std::string_view take_last_element(std::string_view& rest, bool quotes) noexcept {
    std::size_t begin = rest.size();
    while (begin > 0 && rest[begin - 1] != ',') {
        const bool quoted = quotes && rest[begin - 1] == '"';
        begin = quoted ? opening_quote(rest.substr(0, begin)).value_or(0) : begin - 1;
    }
    const std::string_view element = http::trim(rest.substr(begin));
    rest = begin == 0 ? std::string_view{} : rest.substr(0, begin - 1);
    return element;
}

/// An address as text, taken apart.
struct node_parts {
    std::string_view host;
    std::optional<std::string_view> port;
    bool bracketed = false;
};

/// Nothing if a bracket is not closed or something other than a port follows it.
constexpr std::optional<node_parts> split_node(std::string_view text) noexcept {
    if (!text.empty() && text.front() == '[') {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        node_parts parts{text.substr(1, end - 1), std::nullopt, true};
        const std::string_view behind = text.substr(end + 1);
        if (behind.empty()) return parts;
        if (behind.front() != ':') return std::nullopt;
        parts.port = behind.substr(1);
        return parts;
    }
    const std::size_t colon = text.find(':');
    // More than one colon, and it is an IPv6 address without a port.
    if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos)
        return node_parts{text, std::nullopt, false};
    return node_parts{text.substr(0, colon), text.substr(colon + 1), false};
}

constexpr bool is_port(std::string_view text) noexcept {
    return text.size() <= 5 && http::parse_decimal(text).value_or(65536) <= 65535;
}
/// @source RFC 7239, 6.3 (obfport)
constexpr bool is_obfuscated_port(std::string_view text) noexcept {
    if (text.size() < 2 || text.front() != '_') return false;
    for (const char c : text.substr(1))
        if (!base::is_alnum(c) && c != '.' && c != '_' && c != '-') return false;
    return true;
}

/// Addresses without a zone only: what a zone means is known where the proxy is, not here.
inline std::optional<ip_address> read_host(const node_parts& parts) noexcept {
    if (parts.host.find('%') != std::string_view::npos) return std::nullopt;
    const auto address = ip_address::parse(parts.host);
    return address && parts.bracketed && address->is_v4() ? std::nullopt : address;
}

/// An element of `X-Forwarded-For`: `192.0.2.1`, `2001:db8::1`, and with a port `192.0.2.1:80` or `[2001:db8::1]:80`,
/// since some proxies write one; the brackets may stand without it.
inline std::optional<ip_address> read_address(std::string_view element) noexcept {
    const auto parts = split_node(element);
    if (!parts || (parts->port && !is_port(*parts->port))) return std::nullopt;
    return read_host(*parts);
}

/// The value of a `for` parameter: as above, but IPv6 has brackets, and a port may be a made-up name. `unknown` and
/// made-up names of hosts are no addresses.
/// @source RFC 7239, 6
inline std::optional<ip_address> read_node(std::string_view node) noexcept {
    const auto parts = split_node(node);
    if (!parts || (parts->port && !is_port(*parts->port) && !is_obfuscated_port(*parts->port))) return std::nullopt;
    const auto address = read_host(*parts);
    return address && address->is_v6() && !parts->bracketed ? std::nullopt : address;
}

/// Takes a token or a quoted string, its quotation marks left out, off the front of `rest`. Nothing if there is none,
/// or the string is not closed. Escaped characters stay as they are: no address needs one.
constexpr std::optional<std::string_view> take_value(std::string_view& rest) noexcept {
    std::size_t end = 0;
    if (rest.empty() || rest.front() != '"') {
        while (end < rest.size() && http::is_token_char(rest[end])) ++end;
        if (end == 0) return std::nullopt;
        const std::string_view token = rest.substr(0, end);
        rest.remove_prefix(end);
        return token;
    }
    for (end = 1; end < rest.size() && rest[end] != '"'; ++end)
        if (!http::is_field_char(rest[end]) || (rest[end] == '\\' && ++end == rest.size())) return std::nullopt;
    if (end >= rest.size()) return std::nullopt;
    const std::string_view text = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    return text;
}

/// The address in the `for` parameter of an element of `Forwarded`: `for=192.0.2.1;proto=https`. Nothing if it has none
/// or more than one, or breaks the grammar anywhere, a space around `;` or `=` included.
/// @source RFC 7239, 4
inline std::optional<ip_address> read_forwarded(std::string_view element) noexcept {
    std::optional<std::string_view> node;
    for (std::string_view rest = element; !rest.empty();) {
        if (rest.front() != ';') {
            const std::size_t equals = rest.find('=');
            const std::string_view name = rest.substr(0, equals);
            if (equals == std::string_view::npos || !http::is_token(name)) return std::nullopt;
            rest.remove_prefix(equals + 1);
            const auto value = take_value(rest);
            if (!value) return std::nullopt;
            if (http::equals_ignoring_case(name, "for")) {
                if (node) return std::nullopt;
                node = value;
            }
        }
        if (rest.empty()) break;
        if (rest.front() != ';') return std::nullopt;
        rest.remove_prefix(1);
    }
    return node ? read_node(*node) : std::nullopt;
}

}  // namespace hotpool::inbound::detail
