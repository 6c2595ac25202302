// The nonce cache whose random bytes are OpenSSL's.
#pragma once

#include <span>

#include "hotpool/inbound/detail/random_bytes.hpp"
#include "hotpool/inbound/nonces.hpp"

namespace hotpool::inbound {

namespace detail {

struct openssl_random {
    /// @errors throws `std::runtime_error` as `fill_random`
    void operator()(std::span<unsigned char> bytes) const { fill_random(bytes); }
};

}  // namespace detail

/// What programs use: `basic_nonce_cache` says what it does.
using nonce_cache = basic_nonce_cache<detail::openssl_random>;

}  // namespace hotpool::inbound
