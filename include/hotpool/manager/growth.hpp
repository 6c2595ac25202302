// Whether it is time to open a connection: the pause after a failure, the pace, the breaker.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>

#include "hotpool/base/time.hpp"
#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// Failures that come together count once: those of openings begun before the last failure was known.
/// @threads distinct objects only
class growth {
public:
    explicit growth(std::size_t max_openings) noexcept : pace_(max_openings) {}

    // --- what happened

    /// True when this ends a time in which nothing worked.
    bool opening_succeeded(std::size_t max_openings) noexcept {
        failures_in_a_row_ = 0;
        not_before_ = time_point::min();
        if (pace_ < max_openings) ++pace_;
        const bool recovered = failing_.has_value();
        failing_.reset();
        return recovered;
    }
    /// A number to give to `is_news` when the opening that begins now has failed.
    std::uint64_t failures() const noexcept { return failures_; }
    bool is_news(std::uint64_t failures_before) const noexcept { return failures_before == failures_; }
    unsigned count_failure() noexcept {
        ++failures_;
        return ++failures_in_a_row_;
    }
    /// Nothing is opened before `time`.
    void pause_until(time_point time) noexcept { not_before_ = time; }
    /// The process has no descriptor or no memory left: fewer at once from now on; each success allows one more.
    void ran_short(std::size_t under_way) noexcept { pace_ = std::max<std::size_t>(1, std::min(pace_, under_way) / 2); }
    /// Nothing works, and no connection is left that might come back. False when that is known already, or not yet
    /// certain.
    bool trips(const pool_options& o, bool any_left, std::error_code cause) noexcept {
        if (o.breaker_failures == 0 || failures_in_a_row_ < o.breaker_failures || any_left) return false;
        const bool news = !failing_.has_value();
        failing_ = cause;
        return news;
    }
    /// What is known of the network is void.
    void forget() noexcept {
        failures_in_a_row_ = 0;
        not_before_ = time_point::min();
        failing_.reset();
    }
    void options_changed(std::size_t max_openings) noexcept { pace_ = max_openings; }

    // --- what follows

    /// Why callers are refused; none while there is hope.
    const std::optional<std::error_code>& failing() const noexcept { return failing_; }
    /// How many openings may be under way.
    std::size_t at_once() const noexcept { return failing_ ? 1 : pace_; }
    time_point not_before() const noexcept { return not_before_; }

private:
    std::uint64_t failures_ = 0;  // those that were news
    unsigned failures_in_a_row_ = 0;
    time_point not_before_ = time_point::min();
    std::size_t pace_;
    std::optional<std::error_code> failing_;
};

}  // namespace hotpool
