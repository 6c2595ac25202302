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
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool recycling = false;
#    else
inline constexpr bool recycling = true;
#    endif
#else
inline constexpr bool recycling = true;
#endif

/// The sizes of recycled blocks: four to each power of two, so that a block is at most a quarter larger than the wish.
struct block_sizes {
    static constexpr std::size_t least = 64;

    static constexpr std::size_t round_up(std::size_t bytes) noexcept {
        return bytes <= least ? least : (steps(bytes) + 1) << shift(bytes);
    }
    /// Consecutive numbers from 0 for the sizes.
    static constexpr std::size_t class_of(std::size_t bytes) noexcept {
        return bytes <= least ? 0 : place(bytes) - place(least + 1) + 1;
    }

private:
    static constexpr int shift(std::size_t bytes) noexcept { return static_cast<int>(std::bit_width(bytes - 1)) - 3; }
    static constexpr std::size_t steps(std::size_t bytes) noexcept { return (bytes - 1) >> shift(bytes); }
    static constexpr std::size_t place(std::size_t bytes) noexcept {
        return 4 * static_cast<std::size_t>(shift(bytes)) + steps(bytes);
    }
};

/// A per-thread store of freed blocks in classes of sizes, four to each power of two, so that a thread that repeats the
/// same work stops calling the global allocator. A block may be freed by another thread than the one that took it.
/// @threads any thread
/// @cost a few nanoseconds; keeps at most `max_kept_bytes` per thread and size class
class recycler {
public:
    static constexpr std::size_t max_block_bytes = 64 * 1024;  // larger blocks are too dear to keep
    static constexpr std::size_t max_kept_bytes = 512 * 1024;

    /// The size of the block that `allocate` hands out for a wish of `bytes`.
    static constexpr std::size_t block_bytes(std::size_t bytes) noexcept {
        return bytes > max_block_bytes ? bytes : block_sizes::round_up(bytes);
    }

    /// @errors throws `std::bad_alloc`
    static void* allocate(std::size_t bytes) {
        if (recycling && bytes <= max_block_bytes) {
            free_list& list = lists[block_sizes::class_of(bytes)];
            if (node* first = list.first) {
                list.first = first->next;
                ++list.room;
                return first;
            }
        }
        return ::operator new(block_bytes(bytes));
    }

    /// @param bytes the same wish that `allocate` was given
    static void deallocate(void* block, std::size_t bytes) noexcept {
        if (recycling && bytes <= max_block_bytes) {
            free_list& list = lists[block_sizes::class_of(bytes)];
            if (list.room != 0) return keep(list, block);
            return keep_first(list, block);
        }
        ::operator delete(block);
    }

private:
    struct node {
        node* next;
    };
    struct free_list {
        node* first;
        std::size_t room;  // for so many more; none before the keeper has begun and after it has ended
    };
    static constexpr std::size_t classes = block_sizes::class_of(max_block_bytes) + 1;
    using store = std::array<free_list, classes>;

    static void keep(free_list& list, void* block) noexcept {
        list.first = ::new (block) node{list.first};
        --list.room;
    }
    /// In a list without room, which may be for want of a keeper.
    static void keep_first(free_list& list, void* block) noexcept {
        if (keeper::begin(list)) return keep(list, block);
        ::operator delete(block);
    }

    /// Gives the blocks back when the thread ends. Objects with static or thread storage may free theirs later still.
    class keeper {
    public:
        keeper() noexcept {
            for (std::size_t bytes = block_sizes::least; bytes <= max_block_bytes; bytes = block_bytes(bytes + 1))
                lists[block_sizes::class_of(bytes)].room = max_kept_bytes / bytes;
        }
        ~keeper() {
            ended = true;
            for (free_list& list : lists) {
                while (node* first = list.first) {
                    list.first = first->next;
                    ::operator delete(first);
                }
                list.room = 0;
            }
        }
        /// Whether there is room in a list that had none.
        static bool begin(const free_list& list) noexcept {
            if (ended) return false;
            static thread_local keeper of_this_thread;
            return list.room != 0;
        }
    };

    // Trivial to make and to end, so that reaching them costs nothing.
    static inline constinit thread_local store lists{};
    static inline constinit thread_local bool ended = false;
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
