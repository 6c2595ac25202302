// The library's time: one clock, and a cheap way to read it.
#pragma once

#include <chrono>

#if __has_include(<time.h>)
#include <time.h>
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
inline time_point coarse_now() noexcept {
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

/// `from` plus `span` that stays at `never` instead of overflowing.
constexpr time_point after(time_point from, duration span) noexcept {
    return span > duration::zero() && from > never - span ? never : from + span;
}

/// When `span` from now is over; never early, and up to 10 ms late where it is a second or more.
/// @cost that of `coarse_now` for a second or more
inline time_point end_of(duration span) noexcept {
    if (span < std::chrono::seconds(1)) return after(clock_type::now(), span);
    return after(after(coarse_now(), span), longest_tick);
}

}  // namespace base
}  // namespace hotpool
