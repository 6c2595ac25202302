// How many requests a group may make in a time: three ways to count them.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <numeric>
#include <type_traits>

#include "hotpool/base/time.hpp"

namespace hotpool::inbound {

/// What every quota is made from.
struct quota_options {
    std::uint32_t max_requests = 1000;        ///< in a window; 1 or more
    duration window = std::chrono::hours(1);  ///< more than 0
    time_point window_begins{};               ///< a point at which one began, where windows are fixed
};

/// Counts the requests of a group. Its `state` is what it remembers of one, nothing used as it is made; the quota
/// itself is the same for all groups. `wait` is how long until a request may come, zero if one may now; `count` notes
/// one that was admitted. A state that a quota with other options has left is taken over.
template <class Q>
concept request_quota = std::copyable<Q> && std::constructible_from<Q, const quota_options&> &&
    std::is_trivially_copyable_v<typename Q::state> && std::default_initializable<typename Q::state> &&
    requires(const Q q, const typename Q::state& seen, typename Q::state& changed, time_point now) {
    { q.wait(seen, now) }
    noexcept->std::same_as<duration>;
    { q.count(changed, now) }
    noexcept->std::same_as<void>;
};

/// The point at which the present hour of the wall clock began, for `quota_options::window_begins`.
/// @param wall the wall clock, and `now` the steady clock, both read at the same moment
constexpr time_point hour_begun(std::chrono::system_clock::time_point wall, time_point now) noexcept {
    return now - std::chrono::duration_cast<duration>(wall - std::chrono::floor<std::chrono::hours>(wall));
}

/// So many in each window, and all windows end at the same moments: those from one full hour to the next, say. Easy to
/// explain, and a group that knows them has twice as many around such a moment. A window that began with another length
/// ends as if it had begun with the present one.
/// @cost one division for each request that is counted
class fixed_window {
public:
    struct state {
        time_point began = time_point::min();
        std::uint32_t used = 0;
    };

    explicit fixed_window(const quota_options& o) noexcept
        : limit_(o.max_requests), window_(o.window), begins_(o.window_begins) {}

    duration wait(const state& s, time_point now) const noexcept {
        if (s.used < limit_ || has_ended(s, now)) return duration::zero();
        return s.began + window_ - now;
    }
    void count(state& s, time_point now) const noexcept {
        if (has_ended(s, now)) s = {window_of(now), 0};
        ++s.used;
    }

private:
    bool has_ended(const state& s, time_point now) const noexcept { return now >= s.began + window_; }
    time_point window_of(time_point now) const noexcept {
        const duration since = (now - begins_) % window_;
        return now - (since < duration::zero() ? since + window_ : since);
    }

    std::uint32_t limit_;
    duration window_;
    time_point begins_;
};

/// At most so many in any span of a window's length, wherever it begins. A window is counted in twelve parts, and a
/// request is forgotten with its part: after a window at the earliest, a twelfth of one later at the latest. Parts that
/// were counted with another length pass as if they had the present one.
class sliding_window {
public:
    static constexpr int parts = 12;  // signed: an unsigned one would make durations unsigned that it multiplies

    struct state {
        time_point part_began = time_point::min();
        std::array<std::uint32_t, parts + 1> used{};  ///< by part, the present one first
    };

    explicit sliding_window(const quota_options& o) noexcept
        : limit_(o.max_requests), part_(o.window / parts + duration{o.window % parts != duration::zero()}) {}

    duration wait(const state& s, time_point now) const noexcept {
        const state present = moved(s, now);
        std::uint64_t left = std::accumulate(present.used.begin(), present.used.end(), std::uint64_t{0});
        if (left < limit_) return duration::zero();
        time_point until = present.part_began;
        for (auto oldest = present.used.rbegin(); left >= limit_; ++oldest) {
            left -= *oldest;
            until += part_;
        }
        return until - now;
    }
    void count(state& s, time_point now) const noexcept {
        s = moved(s, now);
        ++s.used[0];
    }

private:
    /// `s` with the part first that `now` is in; never an earlier one.
    state moved(const state& s, time_point now) const noexcept {
        if (now >= s.part_began + part_ * (parts + 1)) return {now, {}};
        const auto gone = (now - s.part_began) / part_;
        if (gone <= 0) return s;
        state later{s.part_began + gone * part_, {}};
        std::copy(s.used.begin(), s.used.end() - gone, later.used.begin() + gone);
        return later;
    }

    std::uint32_t limit_;
    duration part_;
};

/// So many at once, and again as many spread evenly over each window: one every 3.6 s at 1,000 per hour. In the window
/// after a pause there may thus be twice as many. Of a quota with another limit the share that was used stays used, of
/// one with another window the time that refilling it takes, at most the new window.
///
/// What is used is counted as the time that refilling it takes, in nanoseconds and an exact fraction of one: each
/// request adds a window divided by the limit, and nothing is lost to rounding however many come.
/// @cost no division
class token_bucket {
public:
    struct state {
        time_point at = time_point::min();
        duration to_full{};          ///< how long after `at` the bucket will be full again
        std::uint32_t fraction = 0;  ///< and this of a nanosecond more, in parts of which the limit is one
    };

    explicit token_bucket(const quota_options& o) noexcept
        : limit_(o.max_requests),
          window_(o.window),
          step_(o.window / o.max_requests),
          step_fraction_(static_cast<std::uint32_t>((o.window % o.max_requests).count())) {}

    duration wait(const state& s, time_point now) const noexcept {
        const state then = after_request(s, now);
        const duration rounded_up = then.to_full + duration{then.fraction != 0};
        return rounded_up > window_ ? rounded_up - window_ : duration::zero();
    }
    void count(state& s, time_point now) const noexcept { s = after_request(s, now); }

private:
    state after_request(const state& s, time_point now) const noexcept {
        const duration used = std::min(s.to_full, window_);
        state then{std::max(now, s.at), duration::zero(), 0};
        if (s.at + used >= then.at) then = {then.at, s.at + used - then.at, s.fraction < limit_ ? s.fraction : 0};
        // In 64 bits, for both may be close to 32.
        const std::uint64_t fraction = std::uint64_t{then.fraction} + step_fraction_;
        const bool carry = fraction >= limit_;
        then.to_full += step_ + duration{carry};
        then.fraction = static_cast<std::uint32_t>(carry ? fraction - limit_ : fraction);
        return then;
    }

    std::uint32_t limit_;
    duration window_;
    duration step_;
    std::uint32_t step_fraction_;
};

/// The quota that a bundle of policies names as its `request_quota`, or `fixed_window`.
template <class Policies>
struct quota_of {
    using type = fixed_window;
};
template <class Policies>
requires requires { typename Policies::request_quota; }
struct quota_of<Policies> {
    using type = typename Policies::request_quota;
};

}  // namespace hotpool::inbound
