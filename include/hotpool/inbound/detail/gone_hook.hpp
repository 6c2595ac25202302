// What is to be run when a client is gone before it has its answer.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>

#include "hotpool/base/mutex.hpp"

namespace hotpool::inbound::detail {

/// A hook that runs once, or is dropped. It is never run or destroyed under a lock: it may keep what keeps this.
/// @threads any thread
class gone_hook {
public:
    using hook_type = std::function<void()>;

    /// In place of an earlier one; at once where the client is gone already.
    void set(hook_type hook) {
        {
            const std::lock_guard lock(mutex_);
            if (!gone_) hook_.swap(hook);
            has_one_.store(static_cast<bool>(hook_), std::memory_order_relaxed);
            if (!gone_) return;
        }
        if (hook) hook();
    }
    bool is_gone() const noexcept {
        const std::lock_guard lock(mutex_);
        return gone_;
    }
    /// The client is gone.
    void run() noexcept {
        hook_type hook;
        {
            const std::lock_guard lock(mutex_);
            gone_ = true;
            hook = take_out();
        }
        if (hook) hook();
    }
    /// The same, and nothing is run: there is nobody to run it.
    void over() noexcept {
        hook_type hook;
        const std::lock_guard lock(mutex_);
        gone_ = true;
        hook = take_out();
    }
    /// What is to be run no more.
    /// @cost a relaxed load where there is none
    hook_type take() noexcept {
        if (!has_one_.load(std::memory_order_relaxed)) return nullptr;
        const std::lock_guard lock(mutex_);
        return take_out();
    }

private:
    hook_type take_out() noexcept {
        has_one_.store(false, std::memory_order_relaxed);
        return std::exchange(hook_, nullptr);
    }

    mutable base::mutex mutex_;
    hook_type hook_;
    bool gone_ = false;
    std::atomic<bool> has_one_{false};
};

}  // namespace hotpool::inbound::detail
