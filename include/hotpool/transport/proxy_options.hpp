// The HTTP proxy that connections are made through.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>

#include "hotpool/base/origin.hpp"

namespace hotpool {

/// An HTTP proxy, asked for a tunnel to the origin: `proxy_options{.host = "proxy.example", .port = "3128"}`.
/// The origin never sees the credentials. The proxy sees the origin's name, and over plain TCP everything else too.
/// @source RFC 9110, 9.3.6 (CONNECT)
struct proxy_options {
    /// A name or an IP address; IPv6 without brackets. Empty: no proxy, and then the other fields must be empty too.
    std::string host{};
    /// A number from 1 to 65535, or http (80) or https (443).
    std::string port{};
    /// For a proxy that wants credentials; empty: it gets none. They reach it unencrypted (the Basic scheme).
    std::string username{};
    std::string password{};

    bool enabled() const noexcept { return !host.empty(); }
};

namespace detail {

[[noreturn]] inline void refuse_proxy(const char* field, const char* rule) {
    throw std::invalid_argument(std::string("hotpool::proxy_options::") + field + " " + rule);
}

inline bool has_control_character(std::string_view text) noexcept {
    return std::any_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f;
    });
}

}  // namespace detail

/// Refuses what is no proxy; corrects nothing. Says nothing about whether it exists.
/// @errors throws `std::invalid_argument` naming the field and the rule, never the value
/// @source RFC 7617, 2 (the characters of credentials)
inline void validate(const proxy_options& proxy) {
    if (!proxy.enabled()) {
        if (!proxy.port.empty() || !proxy.username.empty() || !proxy.password.empty())
            detail::refuse_proxy("host", "must not be empty where another field is given");
        return;
    }
    if (const char* rule = detail::host_fault(proxy.host)) detail::refuse_proxy("host", rule);
    if (port_number(proxy.port) == 0) detail::refuse_proxy("port", "must be a number from 1 to 65535, http or https");
    if (proxy.username.find(':') != std::string::npos || detail::has_control_character(proxy.username))
        detail::refuse_proxy("username", "must contain neither a colon nor a control character");
    if (detail::has_control_character(proxy.password))
        detail::refuse_proxy("password", "must not contain a control character");
    if (proxy.username.empty() && !proxy.password.empty())
        detail::refuse_proxy("password", "must be empty where no username is given");
}

}  // namespace hotpool
