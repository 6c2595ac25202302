// Small, repeatable randomness for jitter; not for secrets.
#pragma once

#include <cstdint>

namespace hotpool::base {

/// SplitMix64: one addition and three mixes per number, every seed is good.
/// @source Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (2014)
/// @threads distinct objects only
class random_source {
public:
    explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}
    std::uint64_t next() noexcept {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// Uniform in [0, 1).
    double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

private:
    std::uint64_t state_;
};

}  // namespace hotpool::base
