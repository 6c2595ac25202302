// IP addresses and endpoints as values, without a socket library.
#pragma once

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hotpool {

enum class ip_family : std::uint8_t { v4, v6 };

/// An IPv4 or IPv6 address; 0.0.0.0 unless made from something. Ordered by family, then bytes, then scope.
/// @threads distinct objects only
class ip_address {
public:
    using v4_bytes_type = std::array<unsigned char, 4>;
    using v6_bytes_type = std::array<unsigned char, 16>;

    constexpr ip_address() noexcept = default;
    /// @param bytes in network order
    explicit constexpr ip_address(const v4_bytes_type& bytes) noexcept {
        std::copy(bytes.begin(), bytes.end(), bytes_.begin());
    }
    /// @param bytes in network order
    /// @param scope_id the interface that a link-local address belongs to; 0 for none
    explicit constexpr ip_address(const v6_bytes_type& bytes, std::uint32_t scope_id = 0) noexcept
        : family_(ip_family::v6), bytes_(bytes), scope_id_(scope_id) {}

    /// Dotted decimal without leading zeros, or any form of RFC 4291, 2.2, which may have a zone behind `%` in
    /// decimal digits. Names of interfaces are refused: what they mean changes with the machine's state.
    static std::optional<ip_address> parse(std::string_view text) noexcept {
        const std::size_t zone_mark = text.find('%');
        const std::string_view digits = text.substr(0, zone_mark);
        char terminated[INET6_ADDRSTRLEN] = {};
        if (digits.size() >= sizeof terminated || digits.find('\0') != std::string_view::npos) return std::nullopt;
        digits.copy(terminated, digits.size());

        ip_address result;
        const bool has_colon = digits.find(':') != std::string_view::npos;
        result.family_ = has_colon ? ip_family::v6 : ip_family::v4;
        if (::inet_pton(has_colon ? AF_INET6 : AF_INET, terminated, result.bytes_.data()) != 1) return std::nullopt;
        if (zone_mark == std::string_view::npos) return result;
        if (!has_colon || !parse_zone(text.substr(zone_mark + 1), result.scope_id_)) return std::nullopt;
        return result;
    }

    constexpr ip_family family() const noexcept { return family_; }
    constexpr bool is_v4() const noexcept { return family_ == ip_family::v4; }
    constexpr bool is_v6() const noexcept { return family_ == ip_family::v6; }
    /// How many bits an address of this family has: 32 or 128.
    constexpr unsigned bits() const noexcept { return is_v4() ? 32 : 128; }

    /// In network order. Only if `is_v4`.
    constexpr v4_bytes_type v4_bytes() const noexcept { return {bytes_[0], bytes_[1], bytes_[2], bytes_[3]}; }
    /// In network order. Only if `is_v6`.
    constexpr const v6_bytes_type& v6_bytes() const noexcept { return bytes_; }
    constexpr std::uint32_t scope_id() const noexcept { return scope_id_; }

    /// Whether it is an IPv4 address in an IPv6 one, such as `::ffff:192.0.2.1`.
    /// @source RFC 4291, 2.5.5.2
    constexpr bool is_v4_mapped() const noexcept {
        return is_v6() && std::all_of(bytes_.begin(), bytes_.begin() + 10, [](auto b) { return b == 0; }) &&
               bytes_[10] == 0xff && bytes_[11] == 0xff;
    }
    /// The IPv4 address in an IPv4-mapped one, any other address as it is: an IPv6 socket that takes IPv4
    /// connections too shows their peers as mapped ones.
    constexpr ip_address unmapped() const noexcept {
        if (!is_v4_mapped()) return *this;
        return ip_address{v4_bytes_type{bytes_[12], bytes_[13], bytes_[14], bytes_[15]}};
    }

    /// As `parse` takes it back: RFC 5952, with the scope behind `%` if there is one.
    std::string to_string() const {
        char text[INET6_ADDRSTRLEN] = {};
        ::inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
        std::string result = text;
        if (scope_id_ != 0) result.append("%").append(std::to_string(scope_id_));
        return result;
    }

    std::size_t hash() const noexcept {
        std::uint64_t high, low;
        std::memcpy(&high, bytes_.data(), sizeof high);
        std::memcpy(&low, bytes_.data() + sizeof high, sizeof low);
        low ^= (std::uint64_t{scope_id_} << 1) | static_cast<std::uint64_t>(family_);
        return static_cast<std::size_t>(mix(mix(high) ^ low));
    }

    friend constexpr std::strong_ordering operator<=>(const ip_address&, const ip_address&) noexcept = default;
    friend constexpr bool operator==(const ip_address&, const ip_address&) noexcept = default;

private:
    /// 1 to 4294967295: zone 0 is no zone, and nothing else is to have two spellings.
    static bool parse_zone(std::string_view text, std::uint32_t& scope_id) noexcept {
        if (text.empty() || text.front() == '0') return false;
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, scope_id);
        return error == std::errc{} && stop == end;
    }

    /// @source the finaliser of SplitMix64, which `base::random_source` names
    static constexpr std::uint64_t mix(std::uint64_t z) noexcept {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    ip_family family_ = ip_family::v4;
    v6_bytes_type bytes_{};  // an IPv4 address in the first four, zeros behind it
    std::uint32_t scope_id_ = 0;
};

/// How many leading bits two addresses of one family have in common.
constexpr unsigned common_prefix_bits(const ip_address& a, const ip_address& b) noexcept {
    const auto count = [](const auto& left, const auto& right) {
        const auto differing = std::mismatch(left.begin(), left.end(), right.begin());
        const auto whole_bytes = static_cast<unsigned>(differing.first - left.begin());
        if (differing.first == left.end()) return whole_bytes * 8;
        const auto difference = static_cast<unsigned char>(*differing.first ^ *differing.second);
        return whole_bytes * 8 + static_cast<unsigned>(std::countl_zero(difference));
    };
    return a.is_v4() ? count(a.v4_bytes(), b.v4_bytes()) : count(a.v6_bytes(), b.v6_bytes());
}

/// An address and a port.
struct ip_endpoint {
    ip_address address;
    std::uint16_t port = 0;  ///< in host order

    /// `192.0.2.1:80`, `[::1]:80`
    std::string to_string() const {
        const std::string text = address.is_v6() ? '[' + address.to_string() + ']' : address.to_string();
        return text + ':' + std::to_string(port);
    }

    friend constexpr std::strong_ordering operator<=>(const ip_endpoint&, const ip_endpoint&) noexcept = default;
    friend constexpr bool operator==(const ip_endpoint&, const ip_endpoint&) noexcept = default;
};

}  // namespace hotpool

template <>
struct std::hash<hotpool::ip_address> {
    std::size_t operator()(const hotpool::ip_address& address) const noexcept { return address.hash(); }
};

template <>
struct std::hash<hotpool::ip_endpoint> {
    std::size_t operator()(const hotpool::ip_endpoint& endpoint) const noexcept {
        return endpoint.address.hash() * 31 + endpoint.port;
    }
};
