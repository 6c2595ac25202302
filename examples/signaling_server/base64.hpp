// Base64 as it stands in an address.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace signaling {

/// The bytes of base64url without padding; nothing if there is any other character, or bits are left over.
/// @source RFC 4648, 5 and 3.2
inline std::optional<std::string> decode_base64url(std::string_view written) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string bytes;
    unsigned bits = 0, count = 0;
    for (const char c : written) {
        const auto digit = alphabet.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xfff;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes += static_cast<char>(bits >> count & 0xff);
    }
    if (count >= 6 || (bits & ((1u << count) - 1)) != 0) return std::nullopt;
    return bytes;
}

}  // namespace signaling
