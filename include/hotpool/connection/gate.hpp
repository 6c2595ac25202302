// Where one operation waits for its socket, and how exactly one waker gets hold of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace hotpool::detail {

/// Why a waiting operation goes on.
enum class wake : std::uint8_t {
    ready,      ///< the socket reported readiness, or may be ready: try again
    cancelled,  ///< the caller cancelled the operation
    expired,    ///< the lease's deadline passed
    timer,      ///< the operation's own timer fired
};

/// An operation that can wait at a gate. It is resumed once for each time it parked.
class waiting_op {
public:
    virtual void resume(wake why) = 0;

protected:
    ~waiting_op() = default;
};

/// One operation at a time may be parked at a gate, and one readiness wait of the socket armed, with or without it.
/// Whoever claims the operation resumes it, and with it owns the connection until it parks again; the others come too
/// late and change nothing. What finds no operation parked is kept for it: readiness for the next one to park,
/// an interruption for the current one.
/// @threads any thread for the claims; the owner of the connection for the rest
class gate {
public:
    /// A new operation: interruptions of earlier ones are forgotten.
    void begin(std::uint64_t serial) noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        while (!word_.compare_exchange_weak(seen, (serial << flag_bits) | (seen & (armed | fired)),
                                            std::memory_order_acq_rel)) {
        }
    }

    /// Parks `op`; or says for what it must go on at once, and then it is not parked. Once it is parked, neither the
    /// operation nor its connection may be touched any more.
    std::optional<wake> park(waiting_op& op) noexcept {
        op_ = &op;
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            const std::uint64_t reason = seen & (cancel | expiry | timer | fired);
            const std::uint64_t next = reason ? seen & ~reason : seen | parked;
            if (!word_.compare_exchange_weak(seen, next, std::memory_order_acq_rel)) continue;
            if (reason & cancel) return wake::cancelled;
            if (reason & expiry) return wake::expired;
            if (reason & fired) return wake::ready;
            if (reason & timer) return wake::timer;
            return std::nullopt;
        }
    }

    /// The owner is about to start the readiness wait. False when it is under way already.
    bool arm() noexcept { return !(word_.fetch_or(armed, std::memory_order_relaxed) & armed); }
    /// It could not be started.
    void disarm() noexcept { word_.fetch_and(~armed, std::memory_order_relaxed); }
    bool is_armed() const noexcept { return word_.load(std::memory_order_relaxed) & armed; }
    bool has_fired() const noexcept { return word_.load(std::memory_order_acquire) & fired; }
    /// Forgets a readiness that has been looked into.
    void clear_fired() noexcept { word_.fetch_and(~fired, std::memory_order_relaxed); }

    /// The readiness wait has ended: the parked operation, or null, and then the readiness is kept.
    waiting_op* claim_on_event() noexcept {
        return claim([](std::uint64_t) { return true; }, armed, fired);
    }
    /// The operation with this serial if it is parked; if it is running, it is told when it parks.
    waiting_op* claim_to_cancel(std::uint64_t serial) noexcept {
        return claim([serial](std::uint64_t seen) { return seen >> flag_bits == serial; }, 0, cancel);
    }
    /// Whichever operation is parked; if one is running, it is told when it parks.
    waiting_op* claim_to_expire() noexcept {
        return claim([](std::uint64_t) { return true; }, 0, expiry);
    }
    /// The operation with this serial, whose own timer fired; if it is running, it is told when it parks.
    waiting_op* claim_on_timer(std::uint64_t serial) noexcept {
        return claim([serial](std::uint64_t seen) { return seen >> flag_bits == serial; }, 0, timer);
    }
    /// The socket may be ready, says a wait of another gate: the parked operation, or null, and then it is kept.
    waiting_op* claim_on_hint() noexcept {
        return claim([](std::uint64_t) { return true; }, 0, fired);
    }
    /// Whichever operation is parked, to be cancelled; if one is running, it is told when it parks or looks.
    waiting_op* claim_to_end() noexcept {
        return claim([](std::uint64_t) { return true; }, 0, cancel);
    }
    /// Whether the operation that runs has been interrupted.
    bool is_cancelled() const noexcept { return word_.load(std::memory_order_acquire) & cancel; }
    /// The parked operation if no readiness wait is there to wake it, or null.
    waiting_op* claim_unarmed() noexcept {
        return claim([](std::uint64_t seen) { return !(seen & armed); }, 0, 0);
    }

private:
    static constexpr std::uint64_t parked = 1;
    static constexpr std::uint64_t armed = 2;
    static constexpr std::uint64_t fired = 4;
    static constexpr std::uint64_t cancel = 8;
    static constexpr std::uint64_t expiry = 16;
    static constexpr std::uint64_t timer = 32;
    static constexpr unsigned flag_bits = 6;

    /// If `meant` agrees: takes the parked operation, or leaves `mark` where there is none. Clears `done` either way.
    template <class Predicate>
    waiting_op* claim(Predicate meant, std::uint64_t done, std::uint64_t mark) noexcept {
        std::uint64_t seen = word_.load(std::memory_order_acquire);
        while (meant(seen)) {
            const std::uint64_t next = (seen & parked ? seen & ~parked : seen | mark) & ~done;
            if (word_.compare_exchange_weak(seen, next, std::memory_order_acq_rel))
                return seen & parked ? op_ : nullptr;
        }
        return nullptr;
    }

    std::atomic<std::uint64_t> word_{0};  // serial of the operation, then the flags
    waiting_op* op_ = nullptr;            // written by the owner before it parks, read by who claimed
};

}  // namespace hotpool::detail
