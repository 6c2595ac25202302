// A group of peers as a table keeps it: small, quickly made, and hashed with a key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hotpool/base/random.hpp"
#include "hotpool/inbound/peer_group.hpp"
#include "hotpool/inbound/sip_hash.hpp"

namespace hotpool::inbound {

/// A `peer_group` in 18 bytes instead of 28.
/// @threads distinct objects only
class group_key {
public:
    group_key() noexcept = default;

    peer_group group() const noexcept {
        const ip_address address =
            family_ == ip_family::v4 ? ip_address{ip_address::v4_bytes_type{bytes_[0], bytes_[1], bytes_[2], bytes_[3]}}
                                     : ip_address{bytes_};
        return peer_group::around(address, prefix_length_);
    }

    friend bool operator==(const group_key&, const group_key&) noexcept = default;

private:
    friend class group_key_maker;
    friend class group_hash;

    ip_address::v6_bytes_type bytes_{};  // an IPv4 address in the first four, zeros behind it
    std::uint8_t prefix_length_ = 0;
    ip_family family_ = ip_family::v4;
};

/// Makes the keys of the groups that addresses are in.
/// @threads distinct objects only
/// @cost about 8 ns for a key, half of what `group_of` takes
class group_key_maker {
public:
    /// @param by valid lengths
    explicit group_key_maker(const grouping& by) noexcept : v4_(by.v4_prefix_length), v6_(by.v6_prefix_length) {}

    /// The key of `group_of` the address.
    group_key operator()(const ip_address& address) const noexcept {
        const ip_address grouped = address.unmapped();
        group_key key;
        key.family_ = grouped.family();
        if (grouped.is_v4()) {
            const auto bytes = grouped.v4_bytes();
            std::memcpy(key.bytes_.data(), bytes.data(), bytes.size());
            v4_.apply(key);
        } else {
            key.bytes_ = grouped.v6_bytes();
            v6_.apply(key);
        }
        return key;
    }

private:
    struct mask {
        explicit mask(unsigned length) noexcept : prefix_length(static_cast<std::uint8_t>(length)) {
            unsigned char bytes[sizeof words] = {};
            for (unsigned bit = 0; bit < length; ++bit)
                bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] | (0x80u >> bit % 8));
            std::memcpy(words, bytes, sizeof words);
        }
        void apply(group_key& key) const noexcept {
            std::uint64_t masked[2];
            std::memcpy(masked, key.bytes_.data(), sizeof masked);
            masked[0] &= words[0];
            masked[1] &= words[1];
            std::memcpy(key.bytes_.data(), masked, sizeof masked);
            key.prefix_length_ = prefix_length;
        }

        std::uint64_t words[2];
        std::uint8_t prefix_length;
    };

    mask v4_;
    mask v6_;
};

/// Peers choose their addresses, so this hash has a key that they do not know.
/// @threads distinct objects only
class group_hash {
public:
    /// @param seed any number that peers do not know
    explicit group_hash(std::uint64_t seed) noexcept : group_hash(base::random_source{seed}) {}

    std::uint64_t operator()(const group_key& key) const noexcept {
        std::uint64_t words[3];
        std::memcpy(words, key.bytes_.data(), key.bytes_.size());
        words[2] = std::uint64_t{key.prefix_length_} << 8 | static_cast<std::uint64_t>(key.family_);
        return hash_(words);
    }

private:
    explicit group_hash(base::random_source keys) noexcept : hash_(make(keys)) {}
    static sip_hash<1, 3> make(base::random_source& keys) noexcept {
        const std::uint64_t low = keys.next();
        return {low, keys.next()};
    }

    sip_hash<1, 3> hash_;
};

}  // namespace hotpool::inbound
