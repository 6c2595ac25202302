// What a budget asks of one pool, where the pool reads it without the budget's lock.
#pragma once

#include <atomic>
#include <cstdint>

namespace hotpool::detail {

/// For all pools of a budget there is one token while a connection is wanted for a caller of one of them; who takes it
/// gives one up. Each pool knows what of its connections may go: `wish`, written under the budget's lock.
/// @threads any thread
/// @cost for a pool of which nothing is wanted one load
class budget_claim {
public:
    /// Bits: what may go.
    enum wish : std::uint8_t {
        nothing = 0,
        idle = 1,      ///< a connection that is idle, or becomes so
        returned = 2,  ///< one that comes back, even if somebody waits for it at home
        answer = 4,    ///< say now whether there is an idle one
    };

    /// Whether it is to be said to the budget that an idle connection is there, or is not.
    bool is_called(bool any_idle) const noexcept {
        const std::uint8_t now = wishes_.load();
        return (now & answer) != 0 || ((now & idle) != 0 && any_idle);
    }
    /// Whether the connection that has just come back is the one that goes. Then it does.
    bool take_returned() noexcept {
        if ((wishes_.load(std::memory_order_relaxed) & returned) == 0) return false;
        bool open = true;
        return token_->compare_exchange_strong(open, false);
    }

    // --- for the budget, under its lock

    void belongs_to(std::atomic<bool>& token) noexcept { token_ = &token; }
    bool has(wish w) const noexcept { return (wishes_.load(std::memory_order_relaxed) & w) != 0; }
    void set(unsigned wishes) noexcept {
        const auto next = static_cast<std::uint8_t>(wishes);
        if (wishes_.load(std::memory_order_relaxed) != next) wishes_.store(next);
    }
    void add(wish w) noexcept { set(wishes_.load(std::memory_order_relaxed) | w); }
    void drop(wish w) noexcept { set(wishes_.load(std::memory_order_relaxed) & ~unsigned{w}); }

private:
    std::atomic<std::uint8_t> wishes_{nothing};
    std::atomic<bool>* token_ = nullptr;  // there before anything is wished
};

}  // namespace hotpool::detail
