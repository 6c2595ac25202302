// URLs, hosts and origins: what is accepted has the form it promises, and reads the same again.
//
// Input: a URL, or host, port and method, each ended by a line feed.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "fuzz/fuzz.hpp"
#include "hotpool/base/authority.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/http/request_target.hpp"
#include "hotpool/http/uri.hpp"

using namespace hotpool;
using hotpool::fuzz::require;

namespace {

bool is_visible(std::string_view text) {
    for (const char c : text)
        if (c <= ' ' || c >= 0x7f) return false;
    return true;
}

bool is_port(std::string_view text) {
    if (text.empty() || text.size() > 5 || text.front() == '0') return false;
    if (text.find_first_not_of("0123456789") != std::string_view::npos) return false;
    return std::stoul(std::string(text)) <= 65535;
}

std::string bracketed(std::string_view host) {
    return host.find(':') == std::string_view::npos ? std::string(host) : '[' + std::string(host) + ']';
}

void check_host(std::string_view host) {
    require(!host.empty() && is_visible(host), "a host is visible");
    require(host.find_first_of("/?#@[]\\<>\"") == std::string_view::npos, "a host has nothing that ends one");
}

void check_uri(std::string_view text) {
    http::uri parts;
    const errc error = http::parse_uri(text, parts);
    if (error != errc{}) {
        require(error == errc::invalid_scheme || error == errc::invalid_host || error == errc::invalid_target,
                "a name");
        return;
    }
    check_host(parts.host);
    require(is_port(parts.port) && port_number(parts.port) != 0, "a port is one that an origin takes");
    require(parts.target.front() == '/' && is_visible(parts.target), "a target begins with a slash");
    require(parts.target.find('#') == std::string::npos, "a fragment is not sent");
    require(http::check_target("GET", parts.target) == errc{}, "a target can be sent");

    const char* const scheme = parts.scheme == http::uri_scheme::https ? "https://" : "http://";
    const std::string again = scheme + bracketed(parts.host) + ':' + parts.port + parts.target;
    http::uri same;
    require(http::parse_uri(again, same) == errc{}, "what was read can be written");
    require(same.scheme == parts.scheme && same.host == parts.host && same.port == parts.port &&
                same.target == parts.target,
            "and is the same");
}

void check_authority(std::string_view text) {
    const auto place = base::parse_authority(text);
    if (!place) return;
    check_host(place->host);
    require(place->port.empty() || is_port(place->port), "an authority's port is one");
    const std::string again = bracketed(place->host) + (place->port.empty() ? "" : ":" + std::string(place->port));
    require(again == text, "an authority is its host and its port");
}

void check_origin(const std::string& host, const std::string& port) {
    bool valid = true;
    try {
        validate(origin{host, port});
    } catch (const std::invalid_argument&) {
        valid = false;
    }
    if (valid) require(is_visible(host) && port_number(port) != 0, "an origin is a host and a port");

    const auto value = base::authority_text(host, port, "80");
    if (!value) return;
    const auto place = base::parse_authority(*value);
    require(place.has_value(), "what goes into the Host field is an authority");
    require(place->port.empty() || is_port(place->port), "with a port or none");
    require(place->port != "80", "the default port is left out");
}

void check_target(std::string_view method, std::string_view target) {
    if (http::check_target(method, target) != errc{}) return;
    require(is_visible(target) && !target.empty(), "a target is visible");
    const std::string_view named = http::target_authority(method, target);
    if (!named.empty()) check_authority(named);
    require(named.empty() || base::parse_authority(named).has_value(), "what a target names is an authority");
    require(method != "CONNECT" || named == target, "CONNECT names an authority");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    check_uri(from.rest());
    check_authority(from.rest());
    const std::string host{from.text('\n')};
    const std::string port{from.text('\n')};
    check_origin(host, port);
    check_target(from.text('\n'), host);
    check_target("CONNECT", host);
    return 0;
}
