// How many connections are to be opened: numbers in, a number out.
#pragma once

#include <algorithm>
#include <cstddef>

#include "hotpool/base/time.hpp"

namespace hotpool::detail {

/// What the machine knows of itself when it asks whether to open a connection.
struct demand {
    std::size_t waiting = 0;    ///< callers in the queue
    std::size_t tending = 0;    ///< connections that are back in a moment: each will serve one of them
    std::size_t kept = 0;       ///< connections in nobody's hands but the pool's
    std::size_t min_idle = 0;   ///< how many of those there ought to be
    std::size_t warm_left = 0;  ///< openings asked for by a warm-up
    std::size_t opening = 0;    ///< openings under way
    std::size_t promising = 0;  ///< of them, those that a caller may count on
    std::size_t at_once = 0;    ///< how many may be under way
    std::size_t room = 0;       ///< how many more connections there may be
    bool suspended = false;     ///< nothing is to be opened for the time being
    bool failing = false;  ///< nothing could be opened for some time: one opening after the other, asked for or not

    /// Callers for whom nothing comes back in a moment.
    constexpr std::size_t unserved() const noexcept { return base::excess(waiting, tending); }
    constexpr std::size_t lacking_idle() const noexcept { return base::excess(min_idle, kept); }
    /// Openings that callers and `min_idle` ask for, those under way included.
    constexpr std::size_t wanted() const noexcept { return base::sum(unserved(), lacking_idle()); }
};

/// Openings to begin, and for whose sake.
struct openings {
    std::size_t total = 0;
    std::size_t for_warm_up = 0;  ///< of them, those that nobody else asks for

    friend bool operator==(const openings&, const openings&) = default;
};

/// Late binding: as many openings as callers have none, never one for each request; what `min_idle` lacks and a warm-up
/// asks for comes on top. The limits have the last word.
constexpr openings num_openings(const demand& d) noexcept {
    const std::size_t most = d.suspended ? 0 : std::min(base::excess(d.at_once, d.opening), d.room);
    const std::size_t needed = base::excess(d.wanted(), d.promising);
    const std::size_t total = d.failing ? most : std::min(most, base::sum(needed, d.warm_left));
    return {total, std::min(base::excess(total, needed), d.warm_left)};
}

/// Whether not every one of so many callers can have a new connection.
/// @param room how many more there may be once all that is closing is gone
constexpr bool lacks_room(std::size_t callers, std::size_t opening, std::size_t room) noexcept {
    return callers > base::sum(opening, room);
}

}  // namespace hotpool::detail
