// The library's time: one clock, and a cheap way to read it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#if __has_include(<time.h>)
#    include <time.h>
#endif

namespace hotpool {

/// Every duration of the library counts on the steady clock; machines are told a point of it and never ask.
using clock_type = std::chrono::steady_clock;
using time_point = clock_type::time_point;
using duration = clock_type::duration;

/// No deadline.
inline constexpr time_point never = time_point::max();

namespace base {

/// The steady clock, up to one kernel tick (1 to 10 ms) late where that is cheaper to read.
/// @cost about 5 ns with CLOCK_MONOTONIC_COARSE (Linux), one reading of the steady clock elsewhere
/// @source clock_gettime(2): the coarse clock is the monotonic one at its last tick
[[gnu::always_inline]] inline time_point coarse_now() noexcept {
#if defined(CLOCK_MONOTONIC_COARSE) && defined(__GLIBCXX__)
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return time_point{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
#else
    return clock_type::now();
#endif
}

/// How much the coarse clock may be late.
inline constexpr duration longest_tick = std::chrono::milliseconds(10);

// --- sums: whatever the options say, no sum overflows. Nothing adds, multiplies or subtracts times but these.

/// `from` plus `span`; at the ends of time where that lies beyond them.
[[gnu::always_inline]] constexpr time_point after(time_point from, duration span) noexcept {
    if (span > duration::zero()) return from > never - span ? never : from + span;
    return from < time_point::min() - span ? time_point::min() : from + span;
}

/// `span` as many times; the longest duration where that is longer still.
/// @param span 0 or more
constexpr duration times(duration span, std::uint64_t count) noexcept {
    if (count == 0 || span <= duration::zero()) return duration::zero();
    const auto most = static_cast<std::uint64_t>(duration::max().count() / span.count());
    return count > most ? duration::max() : span * static_cast<duration::rep>(count);
}

/// From `since` until `now`, points of a clock that counts from its start: neither is before 0.
constexpr duration elapsed(time_point since, time_point now) noexcept { return now - since; }

/// The sum of two counts, either of which may be without a bound.
constexpr std::size_t sum(std::size_t a, std::size_t b) noexcept {
    return a > std::numeric_limits<std::size_t>::max() - b ? std::numeric_limits<std::size_t>::max() : a + b;
}
/// What `a` has more than `b`, or 0.
constexpr std::size_t excess(std::size_t a, std::size_t b) noexcept { return a > b ? a - b : 0; }

/// When `span` from now is over; never early, and up to 10 ms late where it is a second or more.
/// @cost that of `coarse_now` for a second or more
inline time_point end_of(duration span) noexcept {
    if (span < std::chrono::seconds(1)) return after(clock_type::now(), span);
    return after(after(coarse_now(), span), longest_tick);
}

}  // namespace base
}  // namespace hotpool
