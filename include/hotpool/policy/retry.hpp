// May a failed request be sent again, and when?
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>

#include "hotpool/policy/pool_options.hpp"

namespace hotpool {

/// What is known of a request that failed because its connection did, or that the origin would not serve now.
struct failed_try {
    unsigned tries = 1;           ///< so far, this one included, but for those on stale connections
    bool reused = false;          ///< the connection had been used before: its age may be to blame
    bool wrote_nothing = false;   ///< no byte of the request left
    bool response_begun = false;  ///< some byte of the response came
    bool asked_back = false;      ///< the response was 503 or 429 and asked to come back, which the client may
    bool timed_out = false;       ///< the request was written, and `first_byte_timeout` passed
    bool idempotent = false;      ///< doing it twice is as good as doing it once
    bool replayable = false;      ///< the body can be read again

    /// A reused connection that was over before any byte of a response: no sign of a failing origin.
    bool was_stale() const noexcept { return reused && !response_begun && !asked_back && !timed_out; }
};

/// What to do about it.
enum class retry_verdict {
    give_up,
    again,           ///< on whichever connection comes first
    again_on_fresh,  ///< on a newly opened connection
};

/// `pause` is how long to wait before the next try, told a random number in [0, 1); where the origin has asked for a
/// longer wait, that counts. A wait that would outlast the request's deadline is not begun: the request fails then.
/// After a stale connection the next try is on a fresh one at once, and free, if the verdict is not to give up.
template <class P>
concept retry_policy = std::copyable<P> && requires(const P p, const failed_try& t, double chance) {
    { p.judge(t) }
    noexcept->std::same_as<retry_verdict>;
    { p.pause(t, chance) }
    noexcept->std::same_as<duration>;
};

/// Again, on a fresh connection, only after a reused one was lost or silent, only while no byte of the response has come,
/// and only if nothing was written or the request is idempotent; or, on any connection, where the origin asked to come
/// back, if the request is idempotent. Three tries, of which those on stale connections are none.
///
/// The first retry is at once, since it is most often the connection that was old; the next one comes after 20 ms, and
/// the pause doubles with each that a policy built on this one may allow, up to a second. Chance takes off up to half.
/// @source RFC 9110, 9.2.2; RFC 9112, 9.3.1
class retry {
public:
    static constexpr unsigned max_tries = 3;
    static constexpr duration first_pause = std::chrono::milliseconds(20);
    static constexpr duration longest_pause = std::chrono::seconds(1);

    retry_verdict judge(const failed_try& t) const noexcept {
        if (!t.replayable || (t.tries >= max_tries && !t.was_stale())) return retry_verdict::give_up;
        if (t.asked_back) return t.idempotent ? retry_verdict::again : retry_verdict::give_up;
        const bool harmless = t.wrote_nothing || t.idempotent;
        return t.reused && !t.response_begun && harmless ? retry_verdict::again_on_fresh : retry_verdict::give_up;
    }

    duration pause(const failed_try& t, double chance) const noexcept {
        if (t.tries <= 1) return duration::zero();
        duration full = first_pause;
        for (unsigned i = 2; i < t.tries && full < longest_pause; ++i) full *= 2;
        return detail::share_of(full < longest_pause ? full : longest_pause, 1.0 - 0.5 * chance);
    }
};

/// Keeps retries to 20 % of the requests, so that a failing origin is not hit harder for failing; three are free. Those
/// after stale connections are not paid for: they say nothing of the origin, and each has used up a connection that had
/// served before.
/// @threads any thread
class retry_budget {
public:
    void note_request() noexcept {
        if (credit_.load(std::memory_order_relaxed) < max_credit) credit_.fetch_add(1, std::memory_order_relaxed);
    }
    /// Pays for one retry. False when there is not enough left.
    bool withdraw() noexcept {
        int credit = credit_.load(std::memory_order_relaxed);
        while (credit >= price)
            if (credit_.compare_exchange_weak(credit, credit - price, std::memory_order_relaxed)) return true;
        return false;
    }

private:
    static constexpr int price = 5;  // requests that earn one retry
    static constexpr int max_credit = 100 * price;
    std::atomic<int> credit_{3 * price};
};

}  // namespace hotpool
