// Is the response likely there already when a turn of the loop is over?
#pragma once

#include <atomic>

namespace hotpool::detail {

/// Learns from what became of postponed reads. A read that came too early costs a system call more than waiting for
/// readiness, one that came right saves one; so it is done while most come right, and tried now and then otherwise.
/// @threads any thread; a lost update only makes it learn a little later
class speculation {
public:
    bool is_worth_it() noexcept {
        if (score_.load(std::memory_order_relaxed) >= 0) return true;
        const unsigned skipped = skipped_.load(std::memory_order_relaxed) + 1;
        skipped_.store(skipped, std::memory_order_relaxed);
        return skipped % retry_every == 0;
    }
    void note(bool came_true) noexcept {
        const int score = score_.load(std::memory_order_relaxed) + (came_true ? 1 : -1);
        if (score >= -range && score <= range) score_.store(score, std::memory_order_relaxed);
    }

private:
    static constexpr int range = 16;
    static constexpr unsigned retry_every = 64;
    std::atomic<int> score_{0};
    std::atomic<unsigned> skipped_{0};
};

}  // namespace hotpool::detail
