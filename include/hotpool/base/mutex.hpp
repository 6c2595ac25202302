// A lock for critical sections of a few dozen instructions.
#pragma once

#include <atomic>
#include <cstdint>

#if defined(__SSE2__)
#    include <emmintrin.h>
#endif

namespace hotpool::base {

/// Free of system calls unless threads meet, and then tried again for a moment before the thread sleeps: whoever holds
/// it is out again sooner than a sleeper could be woken. Not recursive, not fair. What is inline here and on the way of
/// a get and a put is so by attribute: in a large unit a compiler's own budget for it is spent before it comes there.
/// @threads any thread
/// @cost one atomic exchange each way, inline; `std::mutex` calls into the C library for more than that
class mutex {
public:
    mutex() = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;

    [[gnu::always_inline]] void lock() noexcept {
        if (!try_lock()) [[unlikely]]
            lock_contended();
    }
    [[gnu::always_inline]] bool try_lock() noexcept {
        std::uint32_t seen = unlocked;
        return state_.compare_exchange_strong(seen, locked, std::memory_order_acquire, std::memory_order_relaxed);
    }
    [[gnu::always_inline]] void unlock() noexcept {
        if (state_.exchange(unlocked, std::memory_order_release) == awaited) [[unlikely]]
            wake_sleeper();
    }

private:
    static constexpr std::uint32_t unlocked = 0;
    static constexpr std::uint32_t locked = 1;
    static constexpr std::uint32_t awaited = 2;  // locked, and somebody may be asleep
    static constexpr int longest_pause = 64;     // all pauses together take about as long as waking a sleeper

    static void relax() noexcept {
#if defined(__SSE2__)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("isb");
#endif
    }

    [[gnu::noinline]] void wake_sleeper() noexcept { state_.notify_one(); }
    [[gnu::noinline]] void lock_contended() noexcept {
        for (int pause = 1; pause <= longest_pause; pause *= 2) {
            for (int i = 0; i < pause; ++i) relax();
            if (state_.load(std::memory_order_relaxed) == unlocked && try_lock()) return;
        }
        while (state_.exchange(awaited, std::memory_order_acquire) != unlocked)
            state_.wait(awaited, std::memory_order_relaxed);
    }

    std::atomic<std::uint32_t> state_{unlocked};
};

/// Holds a mutex in a scope, as `std::lock_guard` does, and is inline wherever the mutex is.
class mutex_lock {
public:
    [[gnu::always_inline]] explicit mutex_lock(mutex& m) noexcept : mutex_(m) { m.lock(); }
    mutex_lock(const mutex_lock&) = delete;
    mutex_lock& operator=(const mutex_lock&) = delete;
    [[gnu::always_inline]] ~mutex_lock() { mutex_.unlock(); }

private:
    mutex& mutex_;
};

}  // namespace hotpool::base
