// The characters and small parts that HTTP/1.1 messages are made of.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include "hotpool/base/characters.hpp"
#include "hotpool/base/error.hpp"

namespace hotpool::http {

/// The `errc` of a step that went well.
inline constexpr errc no_error{};

namespace detail {

enum char_class : std::uint8_t { token_char = 1, field_char = 2, target_char = 4 };

constexpr bool is_one_of(int c, std::string_view set) noexcept {
    return c < 0x80 && set.find(static_cast<char>(c)) != std::string_view::npos;
}

constexpr std::array<std::uint8_t, 256> make_char_classes() noexcept {
    std::array<std::uint8_t, 256> classes{};
    for (int c = 0; c < 256; ++c) {
        const bool visible = c > 0x20 && c < 0x7f;
        unsigned bits = 0;
        if (base::is_alnum(static_cast<char>(c)) || is_one_of(c, "!#$%&'*+-.^_`|~")) bits |= token_char;
        if (visible || c == ' ' || c == '\t' || c >= 0x80) bits |= field_char;
        if (visible && c != '#') bits |= target_char;
        classes[static_cast<std::size_t>(c)] = static_cast<std::uint8_t>(bits);
    }
    return classes;
}

inline constexpr std::array<std::uint8_t, 256> char_classes = make_char_classes();

constexpr bool is_in(char c, char_class wanted) noexcept {
    return (char_classes[static_cast<unsigned char>(c)] & wanted) != 0;
}

constexpr bool all_in(std::string_view text, char_class wanted) noexcept {
    for (const char c : text)
        if (!is_in(c, wanted)) return false;
    return true;
}

}  // namespace detail

/// A character of methods and field names.
/// @source RFC 9110, 5.6.2 (tchar)
constexpr bool is_token_char(char c) noexcept { return detail::is_in(c, detail::token_char); }

/// A character of field values and reason phrases: no control character but HTAB.
/// @source RFC 9110, 5.5 (field-content)
constexpr bool is_field_char(char c) noexcept { return detail::is_in(c, detail::field_char); }

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t'; }
using base::is_digit;

constexpr bool is_token(std::string_view text) noexcept {
    return !text.empty() && detail::all_in(text, detail::token_char);
}
constexpr bool is_field_value(std::string_view text) noexcept { return detail::all_in(text, detail::field_char); }

/// Visible ASCII other than `#`, which would begin a fragment. Wider than RFC 3986: servers take the
/// characters that it leaves out (`|`, `{`, `"` and the like), and browsers send them as they are.
constexpr bool is_target_text(std::string_view text) noexcept {
    return !text.empty() && detail::all_in(text, detail::target_char);
}

using base::hex_digit;
using base::parse_decimal;
using base::to_lower;

/// Equal but for the case of ASCII letters, as field names and most tokens compare.
constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    int difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) difference |= to_lower(a[i]) ^ to_lower(b[i]);
    return difference == 0;
}

namespace detail {

/// Whether [`text`, `text` + sizeof(Word)) is the word at `lower`, both shifted to small letters.
template <class Word>
bool is_part(const char* text, const char* lower) noexcept {
    constexpr auto every_byte = static_cast<Word>(~Word{} / 0xff * 0x20);
    Word a, b;
    std::memcpy(&a, text, sizeof a);
    std::memcpy(&b, lower, sizeof b);
    return (a | every_byte) == b;
}

}  // namespace detail

/// Whether `text`, which has no control characters, is the word `lower` in any case.
/// @param lower small letters and hyphens
/// @cost less than `equals_ignoring_case`: of other characters only CR would become a hyphen
template <std::size_t Size>
constexpr bool is_word(std::string_view text, const char (&lower)[Size]) noexcept {
    constexpr std::size_t size = Size - 1;
    if (text.size() != size) return false;
    if (!std::is_constant_evaluated()) {
        // Two parts that may overlap, each compared at once.
        constexpr auto same = [](auto word, const char* a, const char* b) {
            using part = decltype(word);
            return detail::is_part<part>(a, b) && detail::is_part<part>(a + size - sizeof word, b + size - sizeof word);
        };
        if constexpr (size >= 8 && size <= 16) return same(std::uint64_t{}, text.data(), lower);
        if constexpr (size >= 4 && size < 8) return same(std::uint32_t{}, text.data(), lower);
    }
    int difference = 0;
    for (std::size_t i = 0; i < size; ++i) difference |= (text[i] | 0x20) ^ lower[i];
    return difference == 0;
}

/// Whether `text` begins with the characters of a literal.
/// @cost a comparison of known size, where `starts_with` calls a function
template <std::size_t Size>
bool begins_with(std::string_view text, const char (&literal)[Size]) noexcept {
    return text.size() >= Size - 1 && std::memcmp(text.data(), literal, Size - 1) == 0;
}

/// `text` without the spaces and tabs around it.
constexpr std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// Takes the first element off a comma-separated list.
/// @param rest the list; what follows the comma afterwards, with null data once nothing follows
/// @return the element, trimmed; may be empty
/// @source RFC 9110, 5.6.1
constexpr std::string_view take_list_element(std::string_view& rest) noexcept {
    const std::size_t comma = rest.find(',');
    const std::string_view element = trim(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    return element;
}

/// Whether a list such as `close, Upgrade` has the element `token`, ignoring case.
constexpr bool list_has_token(std::string_view list, std::string_view token) noexcept {
    while (list.data() != nullptr)
        if (equals_ignoring_case(take_list_element(list), token)) return true;
    return false;
}

/// Takes 1*HEXDIG off the front of `rest`.
/// @return nothing if there is no digit or the value exceeds 64 bits
constexpr std::optional<std::uint64_t> take_hex(std::string_view& rest) noexcept {
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (; digits < rest.size(); ++digits) {
        const int digit = hex_digit(rest[digits]);
        if (digit < 0) break;
        if ((value >> 60) != 0) return std::nullopt;
        value = (value << 4) | static_cast<std::uint64_t>(digit);
    }
    if (digits == 0) return std::nullopt;
    rest.remove_prefix(digits);
    return value;
}

}  // namespace hotpool::http
