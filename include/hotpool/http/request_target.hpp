// The four forms of a request target.
#pragma once

#include <cstddef>
#include <string_view>

#include "hotpool/base/authority.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/grammar.hpp"

namespace hotpool::http {

/// The host and port that a target names: all of an authority-form one, a part of an absolute-form one, empty
/// for the others.
/// @param target as `check_target` accepts it
/// @source RFC 9112, 3.2
constexpr std::string_view target_authority(std::string_view method, std::string_view target) noexcept {
    if (target.front() == '/' || target == "*") return {};
    if (method == "CONNECT") return target;
    const std::string_view behind_scheme = target.substr(target.find("://") + 3);
    return behind_scheme.substr(0, behind_scheme.find_first_of("/?"));
}

/// Whether `text` begins with a scheme and `://`.
/// @source RFC 3986, 3.1
constexpr bool has_scheme(std::string_view text) noexcept {
    const std::string_view scheme = text.substr(0, text.find("://"));
    if (scheme.empty() || scheme.size() == text.size() || !base::is_alnum(scheme.front())) return false;
    for (const char c : scheme)
        if (!base::is_alnum(c) && c != '+' && c != '-' && c != '.') return false;
    return !is_digit(scheme.front());
}

/// Whether the target has a form that the method allows: authority-form for CONNECT; origin-form or
/// absolute-form for the others; `*` for OPTIONS.
/// @return `no_error` or `errc::invalid_target`
/// @source RFC 9112, 3.2
constexpr errc check_target(std::string_view method, std::string_view target) noexcept {
    if (!is_target_text(target)) return errc::invalid_target;
    if (method == "CONNECT") {
        const auto place = base::parse_authority(target);
        return place && !place->port.empty() ? no_error : errc::invalid_target;
    }
    if (target.front() == '/') return no_error;
    if (target == "*") return method == "OPTIONS" ? no_error : errc::invalid_target;
    if (!has_scheme(target)) return errc::invalid_target;
    return base::parse_authority(target_authority(method, target)) ? no_error : errc::invalid_target;
}

}  // namespace hotpool::http
