// How often which values occurred, within an eighth of each value, in a fixed size.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace hotpool::metrics {

/// Counts values in buckets that are an eighth of their value wide: each power of two is split into eight; values below
/// eight have a bucket each. Values from 2^32 on count in the last bucket; `sum` and `max` are exact all the same.
/// The unit is the user's: microseconds reach to 71 minutes.
/// @threads distinct objects only
/// @cost `record` is constant and allocates nothing; an object is 2 KB
class histogram {
public:
    static constexpr std::size_t bucket_count = 8 + 29 * 8;

    void record(std::uint64_t value) noexcept {
        ++buckets_[bucket_of(value)];
        ++count_;
        sum_ += value;
        max_ = std::max(max_, value);
    }
    /// Adds what another one has seen.
    void merge(const histogram& other) noexcept {
        for (std::size_t i = 0; i < bucket_count; ++i) buckets_[i] += other.buckets_[i];
        count_ += other.count_;
        sum_ += other.sum_;
        max_ = std::max(max_, other.max_);
    }

    std::uint64_t count() const noexcept { return count_; }
    std::uint64_t sum() const noexcept { return sum_; }
    /// 0 when there is no value.
    std::uint64_t max() const noexcept { return max_; }

    /// A value that the `share` of all values does not exceed: the last one of its bucket, but at most `max`.
    /// @param share 0 to 1
    /// @return 0 when there is no value
    std::uint64_t quantile(double share) const noexcept {
        const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i + 1 < bucket_count; ++i) {
            seen += buckets_[i];
            if (seen >= rank && seen != 0) return std::min(start_of(i + 1) - 1, max_);
        }
        return max_;
    }

    /// How many values are less than `bound`.
    /// @param bound a power of two of at most 2^31, where buckets meet
    std::uint64_t count_below(std::uint64_t bound) const noexcept {
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < bucket_count && start_of(i + 1) <= bound; ++i) seen += buckets_[i];
        return seen;
    }

    friend bool operator==(const histogram&, const histogram&) = default;

private:
    static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
        if (value < 8) return static_cast<std::size_t>(value);
        const auto power = static_cast<std::size_t>(std::bit_width(value)) - 1;
        return std::min(8 * (power - 2) + static_cast<std::size_t>(value >> (power - 3) & 7), bucket_count - 1);
    }
    static constexpr std::uint64_t start_of(std::size_t bucket) noexcept {
        if (bucket < 8) return bucket;
        return std::uint64_t{8 | (bucket & 7)} << (bucket / 8 - 1);
    }

    std::array<std::uint64_t, bucket_count> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace hotpool::metrics
