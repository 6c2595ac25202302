// A block of IP addresses: all that begin with the same bits.
#pragma once

#include <array>
#include <charconv>
#include <compare>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "hotpool/base/ip_address.hpp"

namespace hotpool {

/// An address and how many of its leading bits count: `ip_block("10.0.0.0/8")`. 0.0.0.0/0, all of IPv4, unless made
/// from something. Ordered by family, address and prefix length.
/// @threads distinct objects only
class ip_block {
public:
    constexpr ip_block() noexcept = default;
    /// The block of that address alone; its scope is left out, since a block has none.
    constexpr ip_block(const ip_address& address) noexcept
        : ip_block(leading_bits(address, address.bits()), address.bits(), checked{}) {}
    /// @param prefix_length in bits: 0 to 32, or to 128 for IPv6
    /// @errors throws `std::invalid_argument` naming the rule, as for bits set behind the prefix
    ip_block(const ip_address& address, unsigned prefix_length) : ip_block(address, prefix_length, checked{}) {
        if (const char* const rule = fault(address, prefix_length)) refuse(to_string(), rule);
    }
    /// @param text an address with or without `/` and a prefix length
    /// @errors throws `std::invalid_argument` naming the text and the rule
    explicit ip_block(std::string_view text) {
        if (const char* const rule = read(text, *this)) refuse(text, rule);
    }

    /// As the constructor from text.
    static std::optional<ip_block> parse(std::string_view text) noexcept {
        ip_block result;
        if (read(text, result) != nullptr) return std::nullopt;
        return result;
    }

    /// The block of that many leading bits that `address` lies in.
    /// @param prefix_length at most `ip_address::bits`
    static constexpr ip_block around(const ip_address& address, unsigned prefix_length) noexcept {
        return {leading_bits(address, prefix_length), prefix_length, checked{}};
    }

    /// The block's first address.
    constexpr const ip_address& address() const noexcept { return address_; }
    constexpr unsigned prefix_length() const noexcept { return prefix_length_; }

    /// Whether `address` is in the block, whatever its scope. An IPv4-mapped address is an IPv6 one here, until
    /// `ip_address::unmapped` says otherwise.
    constexpr bool contains(const ip_address& address) const noexcept {
        return address.family() == address_.family() && leading_bits(address, prefix_length_) == address_;
    }

    /// A block of nothing but IPv4-mapped addresses as the IPv4 block that they mean, any other as it is.
    constexpr ip_block unmapped() const noexcept {
        constexpr unsigned mapped_bits = 96;
        if (prefix_length_ < mapped_bits || !address_.is_v4_mapped()) return *this;
        return {address_.unmapped(), prefix_length_ - mapped_bits, checked{}};
    }

    /// `10.0.0.0/8`; an address alone has its full length too.
    std::string to_string() const { return address_.to_string() + '/' + std::to_string(prefix_length_); }

    friend constexpr std::strong_ordering operator<=>(const ip_block&, const ip_block&) noexcept = default;
    friend constexpr bool operator==(const ip_block&, const ip_block&) noexcept = default;

private:
    struct checked {};
    constexpr ip_block(const ip_address& address, unsigned prefix_length, checked) noexcept
        : address_(address), prefix_length_(prefix_length) {}

    template <std::size_t Size>
    static constexpr std::array<unsigned char, Size> cut(std::array<unsigned char, Size> bytes,
                                                         unsigned bits) noexcept {
        for (std::size_t i = bits / 8; i < Size; ++i) {
            const unsigned kept = i == bits / 8 ? bits % 8 : 0;
            bytes[i] = static_cast<unsigned char>(bytes[i] & ~(0xffu >> kept));
        }
        return bytes;
    }
    /// `address` with its first `bits` bits only, and without its scope.
    static constexpr ip_address leading_bits(const ip_address& address, unsigned bits) noexcept {
        return address.is_v4() ? ip_address{cut(address.v4_bytes(), bits)} : ip_address{cut(address.v6_bytes(), bits)};
    }

    /// The rule that they break; null if none.
    static constexpr const char* fault(const ip_address& address, unsigned prefix_length) noexcept {
        if (address.scope_id() != 0) return "must have no zone";
        if (prefix_length > address.bits())
            return address.is_v4() ? "must have a prefix of at most 32 bits" : "must have a prefix of at most 128 bits";
        if (leading_bits(address, prefix_length) != address) return "must have no bits set behind its prefix";
        return nullptr;
    }

    /// @return the rule that `text` breaks; null if none, and `out` is set then
    static const char* read(std::string_view text, ip_block& out) noexcept {
        const std::size_t slash = text.find('/');
        const auto address = ip_address::parse(text.substr(0, slash));
        if (!address) return "must begin with an IP address";
        unsigned prefix_length = address->bits();
        if (slash != std::string_view::npos && !read_length(text.substr(slash + 1), prefix_length))
            return "must have a prefix length of one to three decimal digits behind its slash, no zero in "
                   "front";
        if (const char* const rule = fault(*address, prefix_length)) return rule;
        out = {*address, prefix_length, checked{}};
        return nullptr;
    }
    static bool read_length(std::string_view text, unsigned& length) noexcept {
        if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) return false;
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, length);
        return error == std::errc{} && stop == end;
    }

    [[noreturn]] static void refuse(std::string_view text, const char* rule) {
        throw std::invalid_argument("hotpool::ip_block \"" + std::string(text) + "\" " + rule);
    }

    ip_address address_;
    unsigned prefix_length_ = 0;
};

}  // namespace hotpool
