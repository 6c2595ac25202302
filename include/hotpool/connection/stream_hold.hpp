// Which reads and writes of a lease's stream are under way, and who gives its connection back.
#pragma once

#include <atomic>
#include <cstdint>

#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// One byte of a connection. There may be one read and one write; where the lease ends beside them, they have the
/// connection from then on, and the last of them to end gives it back.
/// @threads any thread
class stream_hold {
public:
    bool is_free() const noexcept { return bits_.load(std::memory_order_acquire) == 0; }
    /// A read or a write begins. False when one is under way already.
    bool enter(io_want direction) noexcept {
        return !(bits_.fetch_or(bit(direction), std::memory_order_acq_rel) & bit(direction));
    }
    /// It is over. True when the lease has ended and no other is under way: the connection is to be given back.
    bool leave(io_want direction) noexcept {
        const auto left = static_cast<std::uint8_t>(
            bits_.fetch_and(static_cast<std::uint8_t>(~bit(direction)), std::memory_order_acq_rel) & ~bit(direction));
        if (left != ended) return false;
        bits_.store(0, std::memory_order_relaxed);
        return true;
    }
    /// The lease ends. True when any is under way.
    bool end() noexcept {
        std::uint8_t seen = bits_.load(std::memory_order_acquire);
        while (seen != 0)
            if (bits_.compare_exchange_weak(seen, static_cast<std::uint8_t>(seen | ended), std::memory_order_acq_rel))
                return true;
        return false;
    }

private:
    static constexpr std::uint8_t ended = 4;
    static constexpr std::uint8_t bit(io_want direction) noexcept { return direction == io_want::write ? 2 : 1; }

    std::atomic<std::uint8_t> bits_{0};
};

}  // namespace hotpool::detail
