// Memory set aside for handlers that must not fail for want of it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "hotpool/base/recycler.hpp"

namespace hotpool::detail {

/// A few blocks of one size. What does not fit, or comes while all are in use, is taken from the recycler.
/// @tparam Bytes of each block; an operation of Asio adds some 64 bytes to its handler
/// @threads any thread
/// @lifetime longer than what is allocated from it
template <std::size_t Bytes, std::size_t Blocks, std::size_t Alignment = alignof(std::max_align_t)>
class reserved_memory {
    static_assert(Blocks <= 32);

public:
    static constexpr std::size_t alignment = Alignment;

    void* take(std::size_t bytes) {
        if (bytes <= Bytes)
            for (std::size_t i = 0; i < Blocks; ++i)
                if (!(used_.fetch_or(bit(i), std::memory_order_acquire) & bit(i))) return blocks_[i].data();
        return base::recycler::allocate(bytes);
    }
    void give(void* block, std::size_t bytes) noexcept {
        for (std::size_t i = 0; i < Blocks; ++i)
            if (block == blocks_[i].data()) {
                used_.fetch_and(~bit(i), std::memory_order_release);
                return;
            }
        base::recycler::deallocate(block, bytes);
    }

private:
    static constexpr std::uint32_t bit(std::size_t i) noexcept { return std::uint32_t{1} << i; }

    struct alignas(Alignment) block_type : std::array<std::byte, Bytes> {};
    std::atomic<std::uint32_t> used_{0};
    std::array<block_type, Blocks> blocks_;
};

/// The same, of an object whose handlers hold it: a block may be in use for longer than the object lives, as when a
/// strand has taken one beside the handler's, and the memory lasts as long.
template <std::size_t Bytes, std::size_t Blocks>
class shared_reserve {
public:
    class memory {
    public:
        static constexpr std::size_t alignment = reserved_memory<Bytes, Blocks>::alignment;
        void* take(std::size_t bytes) {
            void* const block = reserved_.take(bytes);
            users_.fetch_add(1, std::memory_order_relaxed);
            return block;
        }
        void give(void* block, std::size_t bytes) noexcept {
            reserved_.give(block, bytes);
            release();
        }

    private:
        friend class shared_reserve;
        void release() noexcept {
            if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
        }
        reserved_memory<Bytes, Blocks> reserved_;
        std::atomic<std::uint32_t> users_{1};
    };

    shared_reserve() : memory_(new memory) {}
    shared_reserve(const shared_reserve&) = delete;
    shared_reserve& operator=(const shared_reserve&) = delete;
    ~shared_reserve() { memory_->release(); }

    memory& operator*() const noexcept { return *memory_; }

private:
    memory* const memory_;
};

/// A standard allocator over reserved memory.
template <class T, class Memory>
class reserved_allocator {
public:
    using value_type = T;
    template <class U>
    struct rebind {
        using other = reserved_allocator<U, Memory>;
    };

    explicit reserved_allocator(Memory& memory) noexcept : memory_(&memory) {}
    template <class U>
    reserved_allocator(const reserved_allocator<U, Memory>& other) noexcept : memory_(other.memory()) {}

    T* allocate(std::size_t n) {
        static_assert(alignof(T) <= Memory::alignment);
        return static_cast<T*>(memory_->take(n * sizeof(T)));
    }
    void deallocate(T* block, std::size_t n) noexcept { memory_->give(block, n * sizeof(T)); }
    Memory* memory() const noexcept { return memory_; }

    template <class U>
    bool operator==(const reserved_allocator<U, Memory>& other) const noexcept {
        return memory_ == other.memory();
    }

private:
    Memory* memory_;
};

}  // namespace hotpool::detail
