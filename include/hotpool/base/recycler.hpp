// Memory that is used, given back and used again by the same thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <new>

namespace hotpool::base {

// Sanitizers must see every allocation, or they miss a use after free.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool recycling = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool recycling = false;
#else
inline constexpr bool recycling = true;
#endif
#else
inline constexpr bool recycling = true;
#endif

/// A per-thread store of freed blocks in classes of powers of two, so that a thread that repeats the same work
/// stops calling the global allocator. A block may be freed by another thread than the one that took it.
/// @threads any thread
/// @cost a few nanoseconds; keeps at most `max_kept_bytes` per thread and size class
class recycler {
public:
    static constexpr std::size_t min_block_bytes = 64;
    static constexpr std::size_t max_block_bytes = 64 * 1024;  // larger blocks are too dear to keep
    static constexpr std::size_t max_kept_bytes = 1024 * 1024;

    /// The size of the block that `allocate` hands out for a wish of `bytes`.
    static constexpr std::size_t block_bytes(std::size_t bytes) noexcept {
        if (bytes > max_block_bytes) return bytes;
        return std::bit_ceil(bytes < min_block_bytes ? min_block_bytes : bytes);
    }

    /// @errors throws `std::bad_alloc`
    static void* allocate(std::size_t bytes) {
        const std::size_t size = block_bytes(bytes);
        if (recycling && size <= max_block_bytes) {
            if (store* s = local()) {
                free_list& list = s->lists[class_of(size)];
                if (node* first = list.first) {
                    list.first = first->next;
                    --list.count;
                    return first;
                }
            }
        }
        return ::operator new(size);
    }

    /// @param bytes the same wish that `allocate` was given
    static void deallocate(void* block, std::size_t bytes) noexcept {
        const std::size_t size = block_bytes(bytes);
        if (recycling && size <= max_block_bytes) {
            if (store* s = local()) {
                free_list& list = s->lists[class_of(size)];
                if ((list.count + 1) * size <= max_kept_bytes) {
                    list.first = ::new (block) node{list.first};
                    ++list.count;
                    return;
                }
            }
        }
        ::operator delete(block);
    }

private:
    struct node {
        node* next;
    };
    struct free_list {
        node* first = nullptr;
        std::size_t count = 0;
    };
    static constexpr std::size_t class_of(std::size_t size) noexcept {
        return static_cast<std::size_t>(std::countr_zero(size) - std::countr_zero(min_block_bytes));
    }
    static constexpr std::size_t classes = std::bit_width(max_block_bytes / min_block_bytes);

    struct store {
        std::array<free_list, classes> lists{};
        ~store() {
            gone() = true;
            for (free_list& list : lists)
                while (node* first = list.first) {
                    list.first = first->next;
                    ::operator delete(first);
                }
        }
    };
    // Objects with static or thread storage may still free blocks after this thread's store has ended.
    static bool& gone() noexcept {
        static thread_local bool value = false;
        return value;
    }
    static store* local() noexcept {
        if (gone()) return nullptr;
        static thread_local store value;
        return &value;
    }
};

/// A standard allocator over `recycler`, for the memory of operations whose handler names no allocator of its own.
template <class T>
struct recycling_allocator {
    using value_type = T;
    recycling_allocator() = default;
    template <class U>
    recycling_allocator(const recycling_allocator<U>&) noexcept {}
    T* allocate(std::size_t n) {
        static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
        return static_cast<T*>(recycler::allocate(n * sizeof(T)));
    }
    void deallocate(T* block, std::size_t n) noexcept { recycler::deallocate(block, n * sizeof(T)); }
};
template <class T, class U>
bool operator==(const recycling_allocator<T>&, const recycling_allocator<U>&) noexcept {
    return true;
}

}  // namespace hotpool::base
