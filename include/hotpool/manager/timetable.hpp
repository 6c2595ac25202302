// When something is due for a slot, and what it is.
#pragma once

#include <algorithm>

#include "hotpool/base/time.hpp"
#include "hotpool/manager/retire_reason.hpp"
#include "hotpool/manager/slot.hpp"
#include "hotpool/policy/pool_options.hpp"

namespace hotpool::detail {

/// What is to be done for a slot that has come up.
enum class due_matter : std::uint8_t {
    nothing,   ///< it came up too early
    opening,   ///< the dialler decides how the opening goes on
    deadline,  ///< of a lease or a probe
    leak,      ///< the lease is held too long
    end,       ///< it has been idle too long, or is too old
    probe,
    rest,
};

/// A pure function of a slot and the options. Which of a slot's times count is said by its state:
///
///     opening            decide_at of its dial
///     leased, or probing
///     and with the peer  its lease_deadline if it has one, else leak_at; neither while it has a task
///     idle               the earliest of dies_at, idle_since + idle_limit, the next probe, the next rest
///     tended, closing    none
///
/// @threads distinct objects only
class timetable {
public:
    /// @param rests whether idle connections have buffers to give back
    timetable(const pool_options& o, bool rests) noexcept
        : probe_interval_(o.health_check_interval == duration::zero() ? duration::max() : o.health_check_interval),
          rest_after_(o.rest_after_idle),
          left_alone_for_(rests ? std::min(probe_interval_, rest_after_) : probe_interval_) {}

    template <class Resource>
    time_point due(const slot<Resource>& s) const noexcept {
        if (s.is_out()) return out_due(s);
        if (s.state == slot_state::opening) return s.dialling == nullptr ? never : s.dialling->decide_at;
        return s.state == slot_state::idle ? idle_due(s) : never;
    }
    /// The same for one in somebody's hands. What has a deadline is not leaked before that: an exchange may be under way,
    /// and must be cut in time.
    template <class Resource>
    static time_point out_due(const slot<Resource>& s) noexcept {
        return s.task != slot_task::none ? never : s.lease_deadline != never ? s.lease_deadline : s.leak_at;
    }
    /// The same for an idle one.
    template <class Resource>
    time_point idle_due(const slot<Resource>& s) const noexcept {
        const time_point rest_at = s.rested ? never : base::after(s.idle_since, rest_after_);
        return std::min({s.dies_at, base::after(s.idle_since, s.idle_limit), probe_at(s), rest_at});
    }
    /// The same for one that is put back at `now`, with less to look up.
    template <class Resource>
    time_point put_back_due(const slot<Resource>& s, time_point now) const noexcept {
        return std::min(s.dies_at, base::after(now, std::min(s.idle_limit, left_alone_for_)));
    }

    /// Why an idle connection must not be used any more.
    template <class Resource>
    static retire_reason expired(const slot<Resource>& s, time_point now) noexcept {
        if (now >= s.dies_at) return s.dies_for;
        if (base::elapsed(s.idle_since, now) >= s.idle_limit) return retire_reason::idle_timeout;
        return retire_reason::none;
    }

    template <class Resource>
    due_matter examine(const slot<Resource>& s, time_point now) const noexcept {
        if (due(s) > now) return due_matter::nothing;
        if (s.state == slot_state::opening) return due_matter::opening;
        if (s.is_out()) return s.lease_deadline <= now ? due_matter::deadline : due_matter::leak;
        if (expired(s, now) != retire_reason::none) return due_matter::end;
        return probe_at(s) <= now ? due_matter::probe : due_matter::rest;
    }

private:
    template <class Resource>
    time_point probe_at(const slot<Resource>& s) const noexcept {
        return base::after(s.proven_at, probe_interval_);
    }

    duration probe_interval_;
    duration rest_after_;
    duration left_alone_for_;  // once put back, unless its end is due sooner
};

}  // namespace hotpool::detail
