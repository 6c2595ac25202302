// Digits and letters of ASCII, whatever the locale.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace hotpool::base {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char to_lower(char c) noexcept {
    const bool upper = c >= 'A' && c <= 'Z';
    return static_cast<char>(c | (upper << 5));
}
constexpr bool is_alnum(char c) noexcept { return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'z'); }

/// The value of 1*DIGIT; no sign, no space, nothing behind it.
/// @return nothing if it is something else or exceeds 64 bits
constexpr std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    if (text.empty()) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (!is_digit(c)) return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (value >= most / 10 && (value > most / 10 || digit > most % 10)) return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

/// The value of one hexadecimal digit, or -1.
constexpr int hex_digit(char c) noexcept {
    if (is_digit(c)) return c - '0';
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace hotpool::base
