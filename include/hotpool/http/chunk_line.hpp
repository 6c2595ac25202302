// The line in front of a chunk.
#pragma once

#include <cstdint>
#include <string_view>

#include "hotpool/base/error.hpp"
#include "hotpool/http/field_line.hpp"
#include "hotpool/http/grammar.hpp"

namespace hotpool::http {

namespace detail {

constexpr void skip_spaces(std::string_view& rest) noexcept {
    while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
}

constexpr bool take_token(std::string_view& rest) noexcept {
    std::size_t size = 0;
    while (size < rest.size() && is_token_char(rest[size])) ++size;
    rest.remove_prefix(size);
    return size != 0;
}

/// Takes a quoted string off the front of `rest`, which begins with its opening quote.
/// @source RFC 9110, 5.6.4
constexpr bool take_quoted_string(std::string_view& rest) noexcept {
    for (std::size_t at = 1; at < rest.size(); ++at) {
        if (rest[at] == '"') {
            rest.remove_prefix(at + 1);
            return true;
        }
        if (rest[at] == '\\') ++at;
        if (at == rest.size() || !is_field_char(rest[at])) return false;
    }
    return false;
}

}  // namespace detail

/// Whether `rest` is a list of chunk extensions, which may be empty. Their meaning is nobody's business here.
/// @source RFC 9112, 7.1.1
constexpr bool is_chunk_extensions(std::string_view rest) noexcept {
    while (!rest.empty()) {
        detail::skip_spaces(rest);
        if (rest.empty() || rest.front() != ';') return false;
        rest.remove_prefix(1);
        detail::skip_spaces(rest);
        if (!detail::take_token(rest)) return false;

        std::string_view value = rest;
        detail::skip_spaces(value);
        if (value.empty() || value.front() != '=') continue;
        value.remove_prefix(1);
        detail::skip_spaces(value);
        const bool quoted = !value.empty() && value.front() == '"';
        if (!(quoted ? detail::take_quoted_string(value) : detail::take_token(value))) return false;
        rest = value;
    }
    return true;
}

/// @param line a chunk's first line without its CRLF
/// @param size the size of the chunk's data, set unless the line is refused; 0 is the last chunk
/// @return `no_error`, or why the line is refused
/// @source RFC 9112, 7.1
constexpr errc parse_chunk_line(std::string_view line, std::uint64_t& size) noexcept {
    if (line.find('\r') != std::string_view::npos) return errc::bad_line_ending;
    const auto given = take_hex(line);
    if (!given) return errc::bad_chunk_size;
    if (!is_chunk_extensions(line))
        return line.front() == ';' || is_space(line.front()) ? errc::bad_chunk_extension : errc::bad_chunk_size;
    size = *given;
    return no_error;
}

}  // namespace hotpool::http
