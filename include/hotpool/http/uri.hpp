// Absolute http and https URLs, taken apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hotpool/base/authority.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/grammar.hpp"

namespace hotpool::http {

enum class uri_scheme : std::uint8_t { http, https };

/// The parts of a URL that a client needs.
struct uri {
    uri_scheme scheme = uri_scheme::http;
    std::string host;    ///< as an origin wants it: an IPv6 address without brackets
    std::string port;    ///< decimal digits; the scheme's default if the URL has none
    std::string target;  ///< path and query, at least "/"; the fragment is dropped
};

/// @param text an absolute URL, such as `https://example.com/index.html?q=1`
/// @param out the parts, set unless the text is refused
/// @return `no_error`, `errc::invalid_scheme`, `errc::invalid_host` or `errc::invalid_target`
/// @source RFC 9110, 4.2
inline errc parse_uri(std::string_view text, uri& out) {
    const std::size_t scheme_end = text.find("://");
    const std::string_view scheme = text.substr(0, scheme_end);
    const bool is_https = equals_ignoring_case(scheme, "https");
    if (scheme_end == std::string_view::npos || !(is_https || equals_ignoring_case(scheme, "http")))
        return errc::invalid_scheme;

    const std::string_view behind = text.substr(scheme_end + 3);
    const std::size_t authority_end = behind.find_first_of("/?#");
    const auto place = base::parse_authority(behind.substr(0, authority_end));
    if (!place) return errc::invalid_host;

    std::string_view target = authority_end == std::string_view::npos ? "" : behind.substr(authority_end);
    target = target.substr(0, target.find('#'));
    if (!target.empty() && !is_target_text(target)) return errc::invalid_target;

    out.scheme = is_https ? uri_scheme::https : uri_scheme::http;
    out.host = place->host;
    out.port = !place->port.empty() ? place->port : is_https ? "443" : "80";
    out.target = target.substr(0, 1) == "/" ? "" : "/";
    out.target += target;
    return no_error;
}

}  // namespace hotpool::http
