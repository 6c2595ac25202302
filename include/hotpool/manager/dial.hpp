// A connection on its way to one of several addresses.
#pragma once

#include <cstdint>
#include <system_error>
#include <vector>

#include "hotpool/base/time.hpp"
#include "hotpool/manager/endpoint_pool.hpp"

namespace hotpool::detail {

/// What a slot knows while it is being opened to an endpoint: where it may still go, and how long it may take. One
/// deadline covers all addresses; where none is tried beside it, each has an equal share of what remains.
template <class Slot>
struct dial {
    std::vector<endpoint_ptr> rest{};   ///< the addresses still to be tried, next first
    time_point deadline = never;        ///< for all of them
    duration fair_share{};              ///< of the time for all, what each of them ought to have
    time_point began{};                 ///< the present attempt
    time_point decide_at = never;       ///< when something is to be decided if it is not connected by then
    std::uint64_t failures_before = 0;  ///< of the present address when the attempt began
    std::error_code hopeless{};         ///< why there is no address to try
    Slot* overtakes = nullptr;          ///< the slot whose addresses it has taken over
    bool alone = false;                 ///< no other address can be tried beside this one
    bool awaits_answer = false;         ///< the addresses are not known yet
    bool overtaken = false;             ///< slow: another slot tries the rest
    bool trial = false;                 ///< of an ejected address, for no caller
    bool cut = false;                   ///< being aborted for the sake of the rest

    /// Whether a caller had better not count on it.
    bool doubtful() const noexcept { return overtaken || trial; }
    /// Whether a timeout says something against the present address: it had as much time as its share.
    bool had_fair_time() const noexcept { return base::elapsed(began, deadline) >= fair_share; }
    /// How long to try the present address where no other is tried beside it.
    time_point share_end() const noexcept {
        return base::after(began, base::elapsed(began, deadline) / static_cast<duration::rep>(rest.size() + 1));
    }
};

}  // namespace hotpool::detail
