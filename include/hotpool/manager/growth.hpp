// Whether it is time to open a connection: the pause after a failure, the pace, the breaker.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>

#include "hotpool/base/time.hpp"
#include "hotpool/manager/early_end.hpp"
#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// Failures that come together count once: those of openings begun before the last failure was known. A row of them ends
/// when a connection has served somebody, or has lasted for `proving_time`; that it was opened proves nothing.
/// @threads distinct objects only
class growth {
public:
    explicit growth(std::size_t max_openings) noexcept : pace_(max_openings) {}

    // --- what happened

    /// True when this ends a time in which nothing worked: callers may try.
    bool opening_succeeded(time_point now, std::size_t max_openings) noexcept {
        good_since_ = std::min(good_since_, now);
        not_before_ = time_point::min();
        if (pace_ < max_openings) ++pace_;
        const bool recovered = failing_.has_value();
        failing_.reset();
        return recovered;
    }
    /// A number to give to `is_news` when the opening that begins now has failed.
    std::uint64_t failures() const noexcept { return failures_; }
    bool is_news(std::uint64_t failures_before) const noexcept { return failures_before == failures_; }
    /// @return how many in a row
    unsigned count_failure(time_point now) noexcept {
        end_row_if_proven(now);
        ++failures_;
        return ++failures_in_a_row_;
    }
    /// A connection ended early by this side's own doing: that delays others which nobody asks for, and is no failure.
    /// @return how many in a row
    unsigned count_waste(time_point now) noexcept {
        end_row_if_proven(now);
        ++failures_;
        return ++wasted_in_a_row_;
    }
    /// The connection that has lasted was no good all the time.
    void disproved() noexcept { good_since_ = never; }
    /// A connection has served somebody for the first time.
    void served() noexcept {
        failures_in_a_row_ = wasted_in_a_row_ = 0;
        unasked_from_ = time_point::min();
        good_since_ = never;
    }
    /// Nothing is opened before `time`.
    void pause_until(time_point time) noexcept { not_before_ = unasked_from_ = time; }
    /// Nothing is opened before `time` that nobody asks for.
    void pause_unasked_until(time_point time) noexcept { unasked_from_ = time; }
    /// That pause is for callers as well.
    void pause_for_all() noexcept { not_before_ = unasked_from_; }
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
        served();
        not_before_ = time_point::min();
        failing_.reset();
    }
    void options_changed(std::size_t max_openings) noexcept { pace_ = max_openings; }

    // --- what follows

    /// Why callers are refused; none while there is hope.
    const std::optional<std::error_code>& failing() const noexcept { return failing_; }
    /// How many openings may be under way.
    std::size_t at_once() const noexcept { return failing_ ? 1 : pace_; }
    /// The last ones came to nothing: those that nobody asks for are tried one by one.
    bool in_doubt() const noexcept { return failures_in_a_row_ + wasted_in_a_row_ != 0; }
    time_point not_before() const noexcept { return not_before_; }
    /// The same for those that nobody asks for.
    time_point unasked_not_before() const noexcept { return std::max(not_before_, unasked_from_); }

private:
    void end_row_if_proven(time_point now) noexcept {
        if (detail::is_proven(good_since_, now)) failures_in_a_row_ = wasted_in_a_row_ = 0;
        good_since_ = never;
    }

    std::uint64_t failures_ = 0;  // those that were news
    unsigned failures_in_a_row_ = 0;
    unsigned wasted_in_a_row_ = 0;
    time_point good_since_ = never;  // the first connection opened since the last failure
    time_point not_before_ = time_point::min();
    time_point unasked_from_ = time_point::min();
    std::size_t pace_;
    std::optional<std::error_code> failing_;
};

}  // namespace hotpool
