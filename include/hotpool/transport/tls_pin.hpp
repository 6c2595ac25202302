// A certificate or public key known in advance, by its SHA-256.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace hotpool {

/// The SHA-256 of a peer's certificate or of its public key, in DER (SubjectPublicKeyInfo: RFC 7469, 2.4).
class tls_pin {
public:
    enum class subject : std::uint8_t { certificate, public_key };
    using digest_type = std::array<unsigned char, 32>;

    /// Both take 64 hexadecimal digits, which colons may separate, or 44 characters of base64, after
    /// "sha256//" or not: what `openssl x509 -fingerprint -sha256` and curl's --pinnedpubkey show.
    /// @errors throws `std::invalid_argument` for anything else
    static tls_pin certificate(std::string_view text) { return {subject::certificate, parse(text)}; }
    static tls_pin public_key(std::string_view text) { return {subject::public_key, parse(text)}; }

    tls_pin(subject of, const digest_type& digest) noexcept : of_(of), digest_(digest) {}

    subject of() const noexcept { return of_; }
    const digest_type& digest() const noexcept { return digest_; }

private:
    static digest_type parse(std::string_view text) {
        constexpr std::string_view prefix = "sha256//";
        if (text.substr(0, prefix.size()) == prefix) text.remove_prefix(prefix.size());
        if (const auto digest = from_hex(text)) return *digest;
        if (const auto digest = from_base64(text)) return *digest;
        throw std::invalid_argument(
            "hotpool::tls_options::pins must each be a SHA-256: 64 hexadecimal digits or 44 of base64");
    }

    static constexpr unsigned value_in(std::string_view alphabet, char c) noexcept {
        return static_cast<unsigned>(alphabet.find(c));
    }

    static std::optional<digest_type> from_hex(std::string_view text) {
        constexpr std::string_view digits = "0123456789abcdef";
        digest_type digest{};
        std::size_t count = 0;
        for (char c : text) {
            if (c == ':' && count % 2 == 0 && count != 0) continue;
            if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
            const unsigned value = value_in(digits, c);
            if (value >= digits.size() || count == 2 * digest.size()) return std::nullopt;
            digest[count / 2] = static_cast<unsigned char>(digest[count / 2] * 16u + value);
            ++count;
        }
        if (count != 2 * digest.size()) return std::nullopt;
        return digest;
    }

    // 32 bytes are ten groups of four characters, three more and one '='.
    static std::optional<digest_type> from_base64(std::string_view text) {
        constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        if (text.size() != 44 || text.back() != '=') return std::nullopt;
        text.remove_suffix(1);
        digest_type digest{};
        std::size_t count = 0;
        std::uint32_t bits = 0;
        unsigned held = 0;
        for (const char c : text) {
            const unsigned value = value_in(alphabet, c);
            if (value >= alphabet.size()) return std::nullopt;
            bits = bits << 6 | value;
            held += 6;
            if (held < 8) continue;
            held -= 8;
            digest[count++] = static_cast<unsigned char>(bits >> held);
        }
        return digest;
    }

    subject of_;
    digest_type digest_;
};

}  // namespace hotpool
