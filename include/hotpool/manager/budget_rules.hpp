// Who of the pools under one budget has a right to whose connection: numbers and times in, yes or no out.
#pragma once

#include <cstddef>

#include "hotpool/base/time.hpp"

namespace hotpool::detail {

/// What a pool has.
struct budget_holding {
    std::size_t held = 0;                         ///< connections in whatever state, and grants
    time_point longest_idle = never;              ///< since when its longest idle one is idle; `never`: none is
    time_point opened = time_point::min();        ///< when it last got a connection
    time_point giving_since = time_point::min();  ///< when the turn began in which it gave up one for another pool
    std::size_t had = 0;                          ///< connections then
    std::size_t given = 0;                        ///< of them, those it gave up within that turn
};

/// A pool with a caller for whom there is no room.
struct budget_need {
    std::size_t held = 0;
    time_point since{};  ///< nobody has been lent a connection there since then
};

/// A connection that nobody wants at home goes at once. One that comes back to where somebody waits goes if the two pools
/// have more equal numbers then: that ends by itself, since the two numbers can only meet. Or if the other pool *starves*,
/// which is not lent anything for a *turn*, and this one has had its last connection for a turn. So as not to open one
/// for each request, a pool gives up no more within a turn than it had when that began; what has been idle for a turn may
/// always go.
/// @threads any thread
class budget_rules {
public:
    /// @param turn how long a pool keeps what others have no better right to
    constexpr explicit budget_rules(duration turn) noexcept : turn_(turn) {}

    constexpr bool starves(const budget_need& need, time_point now) const noexcept { return is_over(need.since, now); }
    /// Whether it has not given up as many already as it must.
    constexpr bool may_give(const budget_holding& from, time_point now) const noexcept {
        return from.held != 0 && (from.given < from.had || is_over(from.giving_since, now));
    }
    constexpr bool has_had_its_turn(const budget_holding& from, time_point now) const noexcept {
        return may_give(from, now) && is_over(from.opened, now);
    }
    /// Whether the two are more equal after an exchange.
    static constexpr bool evens_out(std::size_t from, const budget_need& need) noexcept {
        return base::excess(from, need.held) >= 2;
    }

    /// Whether a connection that comes back goes, though somebody waits for it at home.
    constexpr bool gives_returned(const budget_holding& from, const budget_need& need, time_point now) const noexcept {
        return (may_give(from, now) && evens_out(from.held, need)) ||
               (starves(need, now) && has_had_its_turn(from, now));
    }
    /// Whether the longest idle one goes.
    constexpr bool gives_idle(const budget_holding& from, time_point now) const noexcept {
        return from.longest_idle != never && (is_over(from.longest_idle, now) || may_give(from, now));
    }

    /// One has been given up, and is no longer held.
    constexpr void count_gift(budget_holding& from, time_point now) const noexcept {
        if (is_over(from.giving_since, now)) {
            from.giving_since = now;
            from.had = from.held + 1;
            from.given = 0;
        }
        ++from.given;
    }

private:
    constexpr bool is_over(time_point since, time_point now) const noexcept { return now >= base::after(since, turn_); }

    duration turn_;
};

}  // namespace hotpool::detail
