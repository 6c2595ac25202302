// One field line, taken apart and checked.
#pragma once

#include <cstring>
#include <string_view>

#include "hotpool/error.hpp"
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

/// Takes a field line with its CRLF off the front of [`at`, `end`); looks at nothing behind the first line
/// feed.
/// @param at moved behind the line unless it is refused
/// @param out the field, set unless the line is refused
/// @return `no_error`, or why the line is refused; a line that is not complete is refused for whatever reason
/// @source RFC 9112, 5 (no space before the colon, no folding); RFC 9110, 5.5 (values)
inline errc take_field_line(const char*& at, const char* end, field& out) noexcept {
    const char* const colon = skip_token(at, end);
    if (colon == at || colon == end || *colon != ':')
        return at != end && is_space(*at) ? errc::bad_field_folding : blame(colon, end, errc::bad_field_name);

    const char* first = colon + 1;
    if (first != end && *first == ' ') ++first;
    while (first != end && is_space(*first)) ++first;
    const char* const stop = skip_field_text(first, end);
    if (!is_line_end(stop, end)) return blame(stop, end, errc::bad_field_value);
    const char* last = stop;
    while (last != first && is_space(last[-1])) --last;

    out.name = {at, colon};
    out.value = {first, last};
    at = stop + 2;
    return no_error;
}

}  // namespace hotpool::http
