// The request fields in which the library has a say.
#pragma once

#include <cstdint>
#include <string_view>

#include "hotpool/base/authority.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/field_block.hpp"
#include "hotpool/http/grammar.hpp"

namespace hotpool::http {

/// The `name_bit`s of the fields that `is_managed_field` names.
inline constexpr std::uint64_t managed_name_bits = name_bit("host") | name_bit("connection") | name_bit("expect") |
                                                   name_bit("content-length") | name_bit("transfer-encoding");

/// Whether the library writes that field itself or checks it against the request, so that it is no default.
constexpr bool is_managed_field(std::string_view name) noexcept {
    for (const std::string_view managed : {"host", "connection", "expect", "content-length", "transfer-encoding"})
        if (equals_ignoring_case(name, managed)) return true;
    return false;
}

/// Whether a request has at most one field of that name.
constexpr bool is_single_field(std::string_view name) noexcept {
    return equals_ignoring_case(name, "host") || equals_ignoring_case(name, "content-length");
}

/// Whether a request may say that itself, its syntax aside.
/// @return `no_error`, or the reason against it
constexpr errc check_request_field(std::string_view name, std::string_view value) noexcept {
    if (equals_ignoring_case(name, "transfer-encoding") || equals_ignoring_case(name, "expect"))
        return errc::reserved_field;
    const std::string_view text = trim(value);
    if (equals_ignoring_case(name, "host") && !base::parse_authority(text)) return errc::invalid_host;
    if (equals_ignoring_case(name, "content-length") && !parse_decimal(text)) return errc::invalid_field_value;
    return no_error;
}

}  // namespace hotpool::http
