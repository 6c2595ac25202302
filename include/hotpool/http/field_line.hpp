// Field lines, taken apart and checked.
#pragma once

#include <cstring>
#include <string_view>

#include "hotpool/base/error.hpp"
#include "hotpool/http/grammar.hpp"
#include "hotpool/http/scan.hpp"

namespace hotpool::http {

/// One field of a head; both are views into its text, the value without the spaces around it.
struct field {
    std::string_view name;
    std::string_view value;

    friend bool operator==(const field&, const field&) noexcept = default;
};

/// Whether [`at`, `end`) begins with CRLF.
inline bool is_line_end(const char* at, const char* end) noexcept {
    return end - at >= 2 && std::memcmp(at, "\r\n", 2) == 0;
}

/// Why a line is refused for the character at `at`: a CR or LF on its own says more than where it stands.
inline errc blame(const char* at, const char* end, errc otherwise) noexcept {
    const bool alone = at != end && (*at == '\n' || (*at == '\r' && !is_line_end(at, end)));
    return alone ? errc::bad_line_ending : otherwise;
}

/// Takes field lines with their CRLF off the front of [`at`, `end`), up to an empty line or `end`; looks at nothing
/// behind the last line feed but that.
/// @param at moved behind the last line taken
/// @param take is given the name and the value of each field, without the spaces around it; `no_error`, or the refusal
/// @return `no_error`, or why the line at `at` is refused; one that is not complete is refused for whatever reason
/// @source RFC 9112, 5 (no space before the colon, no folding); RFC 9110, 5.5 (values)
template <class Take>
errc take_field_lines(const char*& at, const char* end, Take take) noexcept {
    while (at != end && !is_line_end(at, end)) {
        const char* const name = at;
        const char* const colon = skip_token(name, end);
        if (colon == name || colon == end || *colon != ':')
            return is_space(*name) ? errc::bad_field_folding : blame(colon, end, errc::bad_field_name);

        const char* const stop = skip_field_text(colon + 1, end);
        if (!is_line_end(stop, end)) return blame(stop, end, errc::bad_field_value);

        const errc e = take(std::string_view(name, colon), trim({colon + 1, stop}));
        if (e != no_error) return e;
        at = stop + 2;
    }
    return no_error;
}

/// The name that a line begins with: a token, which may have spaces around it, and a colon; empty if it does not.
inline std::string_view name_like(std::string_view line) noexcept {
    const std::size_t colon = line.find(':');
    const std::string_view name = trim(line.substr(0, colon));
    return colon != line.npos && is_token(name) ? name : std::string_view{};
}

/// What is wrong with a line that begins with a space as the rest of the field before it, if anything. One of spaces
/// alone is refused: others take it for the empty line at the end.
/// @param line with its line feed
/// @source RFC 9112, 5.2
[[gnu::noinline, gnu::cold]] inline errc check_folded_line(std::string_view line) noexcept {
    const char* const end = line.data() + line.size();
    const char* const stop = skip_field_text(line.data(), end);
    if (!is_line_end(stop, end)) return blame(stop, end, errc::bad_field_value);
    return trim({line.data(), stop}).empty() ? errc::bad_field_folding : no_error;
}

/// Makes one line of each field: a space takes the place of a line end with all spaces around it, and what that leaves
/// over becomes spaces at the end of the value, so that nothing else moves.
/// @param at field lines with their CRLF, checked, of which the first is none that goes on
inline void unfold(char* at, char* const end) noexcept {
    for (char* to = at; at != end;) {
        if (*at != '\r') {
            *to++ = *at++;
            continue;
        }
        char* next = at + 2;
        if (next != end && is_space(*next)) {
            while (is_space(to[-1])) --to;
            *to++ = ' ';
            while (is_space(*next)) ++next;
        } else {
            while (to != at) *to++ = ' ';
            *to++ = '\r';
            *to++ = '\n';
        }
        at = next;
    }
}

}  // namespace hotpool::http
