// The name of an accepted connection: 128 bits that nobody guesses.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hotpool::inbound {

/// 128 bits, all zero unless made from some; where they come from decides whether they can be guessed.
/// @threads distinct objects only
class connection_id {
public:
    using bytes_type = std::array<unsigned char, 16>;

    constexpr connection_id() noexcept = default;
    explicit constexpr connection_id(const bytes_type& bytes) noexcept : bytes_(bytes) {}

    /// 32 hexadecimal digits, of either case.
    static constexpr std::optional<connection_id> parse(std::string_view text) noexcept {
        if (text.size() != 2 * sizeof(bytes_type)) return std::nullopt;
        connection_id id;
        for (std::size_t i = 0; i < text.size(); ++i) {
            const int digit = value_of(text[i]);
            if (digit < 0) return std::nullopt;
            id.bytes_[i / 2] = static_cast<unsigned char>(id.bytes_[i / 2] << 4 | digit);
        }
        return id;
    }

    constexpr const bytes_type& bytes() const noexcept { return bytes_; }
    /// 32 hexadecimal digits in lower case.
    std::string to_string() const {
        constexpr char digits[] = "0123456789abcdef";
        std::string text;
        text.reserve(2 * bytes_.size());
        for (const unsigned char byte : bytes_) {
            text += digits[byte >> 4];
            text += digits[byte & 15];
        }
        return text;
    }

    friend constexpr std::strong_ordering operator<=>(const connection_id&, const connection_id&) noexcept = default;
    friend constexpr bool operator==(const connection_id&, const connection_id&) noexcept = default;

private:
    static constexpr int value_of(char c) noexcept {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    }

    bytes_type bytes_{};
};

}  // namespace hotpool::inbound

/// Any of its bytes would do as they are random.
template <>
struct std::hash<hotpool::inbound::connection_id> {
    std::size_t operator()(const hotpool::inbound::connection_id& id) const noexcept {
        std::size_t bits = 0;
        std::memcpy(&bits, id.bytes().data(), sizeof bits);
        return bits;
    }
};
