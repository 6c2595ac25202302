// Memory that an object keeps for one small thing at a time, so that handing it on cannot fail.
#pragma once

#include <atomic>
#include <cstddef>

#include "hotpool/base/recycler.hpp"

namespace hotpool::inbound::detail {

/// Room for one block, which whoever asks first has; others get theirs elsewhere.
/// @threads any thread
template <std::size_t Bytes>
class kept_memory {
public:
    kept_memory() = default;
    kept_memory(const kept_memory&) = delete;
    kept_memory& operator=(const kept_memory&) = delete;

    /// @errors throws `std::bad_alloc` if the room is too small or taken, and memory is out
    void* allocate(std::size_t bytes) {
        if (bytes <= Bytes && !taken_.exchange(true, std::memory_order_acquire)) return room_;
        return base::recycler::allocate(bytes);
    }
    void deallocate(void* block, std::size_t bytes) noexcept {
        if (block != room_) return base::recycler::deallocate(block, bytes);
        taken_.store(false, std::memory_order_release);
    }

private:
    alignas(std::max_align_t) std::byte room_[Bytes];
    std::atomic<bool> taken_{false};
};

/// A standard allocator over it.
/// @lifetime the memory outlives what is allocated
template <class T, std::size_t Bytes>
class kept_allocator {
public:
    using value_type = T;
    template <class U>
    struct rebind {
        using other = kept_allocator<U, Bytes>;
    };

    explicit kept_allocator(kept_memory<Bytes>& memory) noexcept : memory_(&memory) {}
    template <class U>
    kept_allocator(const kept_allocator<U, Bytes>& other) noexcept : memory_(other.memory_) {}

    T* allocate(std::size_t n) {
        static_assert(alignof(T) <= alignof(std::max_align_t));
        return static_cast<T*>(memory_->allocate(n * sizeof(T)));
    }
    void deallocate(T* block, std::size_t n) noexcept { memory_->deallocate(block, n * sizeof(T)); }

    template <class U>
    bool operator==(const kept_allocator<U, Bytes>& other) const noexcept {
        return memory_ == other.memory_;
    }

private:
    template <class U, std::size_t B>
    friend class kept_allocator;

    kept_memory<Bytes>* memory_;
};

}  // namespace hotpool::inbound::detail
