// May a failed request be sent again?
#pragma once

#include <atomic>
#include <concepts>

namespace hotpool {

/// What is known of a request that failed because its connection did.
struct failed_try {
    unsigned tries = 1;           ///< so far, this one included
    bool reused = false;          ///< the connection had been used before: its age may be to blame
    bool wrote_nothing = false;   ///< no byte of the request left
    bool response_begun = false;  ///< some byte of the response came
    bool idempotent = false;      ///< doing it twice is as good as doing it once
    bool replayable = false;      ///< the body can be read again
};

/// What to do about it.
enum class retry_verdict {
    give_up,
    again,           ///< on whichever connection comes first
    again_on_fresh,  ///< on a newly opened connection
};

template <class P>
concept retry_policy = std::copyable<P> && requires(const P p, const failed_try& t) {
    { p.judge(t) } noexcept -> std::same_as<retry_verdict>;
};

/// Again only on a reused connection, only while no byte of the response has come, and only if nothing was written or
/// the request is idempotent. Three tries, the last on a fresh connection.
/// @source RFC 9110, 9.2.2; RFC 9112, 9.3.1
class retry {
public:
    static constexpr unsigned max_tries = 3;

    retry_verdict judge(const failed_try& t) const noexcept {
        const bool harmless = t.wrote_nothing || t.idempotent;
        if (t.tries >= max_tries || !t.reused || t.response_begun || !harmless || !t.replayable)
            return retry_verdict::give_up;
        return t.tries + 1 == max_tries ? retry_verdict::again_on_fresh : retry_verdict::again;
    }
};

/// Keeps retries to 20 % of the requests, so that a failing origin is not hit harder for failing; three are free.
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
