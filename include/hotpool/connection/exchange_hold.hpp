// Which exchange a lease is at, and who gives its connection back.
#pragma once

#include <atomic>
#include <cstdint>

namespace hotpool::detail {

/// One word of a connection. It names the exchange that the lease is at: the one under way, or the last one, until the
/// lease ends. And it says whether an operation of that exchange is under way: where the lease ends beside it, the
/// operation has the connection from then on, and gives it back when it is over.
/// @threads any thread for `end` and `is_at`, the rest as operations follow one another
class exchange_hold {
public:
    /// How an operation of an exchange may begin.
    enum class entry : std::uint8_t {
        entered,   ///< it has begun
        occupied,  ///< another one is under way
        over,      ///< the lease is at another exchange, or has ended
    };
    /// What has become of the lease while an operation was under way.
    enum class departure : std::uint8_t {
        kept,       ///< it is still held
        dropped,    ///< it has ended, and the connection is to be given back
        discarded,  ///< the same, and the connection is not wanted any more
    };

    bool is_occupied() const noexcept { return word_.load(std::memory_order_acquire) & occupied; }
    /// Whether the lease is at this exchange.
    bool is_at(std::uint64_t exchange) const noexcept {
        const std::uint64_t seen = word_.load(std::memory_order_acquire);
        return seen >> flag_bits == exchange && !(seen & ended);
    }
    bool is_occupied_by(std::uint64_t exchange) const noexcept { return is_at(exchange) && is_occupied(); }

    /// A new exchange begins with its first operation, while no other operation is under way.
    void begin(std::uint64_t exchange) noexcept {
        word_.store(exchange << flag_bits | occupied, std::memory_order_relaxed);
    }
    /// Another operation of `exchange` wants to begin.
    entry enter(std::uint64_t exchange) noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            if (seen >> flag_bits != exchange || (seen & ended)) return entry::over;
            if (seen & occupied) return entry::occupied;
            if (word_.compare_exchange_weak(seen, seen | occupied, std::memory_order_acq_rel)) return entry::entered;
        }
    }
    /// The operation is over.
    departure leave() noexcept {
        const std::uint64_t seen = word_.fetch_sub(occupied, std::memory_order_acq_rel);
        if (!(seen & ended)) [[likely]]
            return departure::kept;
        word_.store(0, std::memory_order_relaxed);
        return seen & unwanted ? departure::discarded : departure::dropped;
    }

    /// The lease ends. False when an operation is, or may be, under way: `end` will tell.
    [[gnu::always_inline]] bool clear() noexcept {
        std::uint64_t seen = word_.load(std::memory_order_acquire);
        if (seen == 0) return true;  // it was at no exchange
        return !(seen & occupied) && word_.compare_exchange_strong(seen, 0, std::memory_order_acq_rel);
    }
    /// The lease ends. True when an operation is under way, which has the connection from now on.
    bool end(bool discards) noexcept {
        std::uint64_t seen = word_.load(std::memory_order_acquire);
        for (;;) {
            const std::uint64_t next = seen & occupied ? seen | ended | (discards ? unwanted : 0) : 0;
            if (word_.compare_exchange_weak(seen, next, std::memory_order_acq_rel)) return (seen & occupied) != 0;
        }
    }

private:
    static constexpr std::uint64_t occupied = 1;  // subtracted by `leave`
    static constexpr std::uint64_t ended = 2;
    static constexpr std::uint64_t unwanted = 4;
    static constexpr unsigned flag_bits = 3;

    std::atomic<std::uint64_t> word_{0};
};

}  // namespace hotpool::detail
