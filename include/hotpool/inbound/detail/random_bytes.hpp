// Bits that nobody guesses, from OpenSSL's generator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>

#include "hotpool/inbound/connection_id.hpp"
#include "hotpool/transport/openssl.hpp"

namespace hotpool::inbound {

/// @errors throws `std::runtime_error` if the generator has no bits to give: what needs them must not go on without
/// @threads any thread
inline void fill_random(std::span<unsigned char> bytes) {
    // Its length is an int; what is asked for here is a few bytes.
    for (; !bytes.empty();) {
        const auto part = bytes.first(bytes.size() < 4096 ? bytes.size() : 4096);
        if (RAND_bytes(part.data(), static_cast<int>(part.size())) != 1)
            throw std::runtime_error("hotpool: OpenSSL's generator has no random bytes");
        bytes = bytes.subspan(part.size());
    }
}

/// The name of one more connection.
/// @errors as `fill_random`
/// @threads any thread
inline connection_id random_connection_id() {
    connection_id::bytes_type bytes;
    fill_random(bytes);
    return connection_id(bytes);
}

/// For a machine that takes a seed, such as the key of a hash.
/// @errors as `fill_random`
/// @threads any thread
inline std::uint64_t random_seed() {
    unsigned char bytes[sizeof(std::uint64_t)];
    fill_random(bytes);
    std::uint64_t seed = 0;
    std::memcpy(&seed, bytes, sizeof seed);
    return seed;
}

}  // namespace hotpool::inbound
