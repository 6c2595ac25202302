// The memory of operations, and of what is left of them when they are over.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include "hotpool/base/recycler.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

template <class Handler>
using handler_allocator = net::associated_allocator_t<Handler, base::recycling_allocator<void>>;

template <class Handler>
handler_allocator<Handler> allocator_of(const Handler& handler) noexcept {
    return net::associated_allocator<Handler, base::recycling_allocator<void>>::get(handler);
}

/// Makes an `Op` in memory from the handler's allocator; `Op` is given the handler and then `args`.
template <class Op, class Handler, class... Args>
Op* allocate_op(Handler&& handler, Args&&... args) {
    using allocator =
        typename std::allocator_traits<handler_allocator<std::decay_t<Handler>>>::template rebind_alloc<Op>;
    allocator memory(allocator_of(std::as_const(handler)));
    Op* op = std::allocator_traits<allocator>::allocate(memory, 1);
    try {
        return ::new (static_cast<void*>(op)) Op(std::forward<Handler>(handler), std::forward<Args>(args)...);
    } catch (...) {
        std::allocator_traits<allocator>::deallocate(memory, op, 1);
        throw;
    }
}

template <class Op, class Allocator>
void deallocate_op(Op* op, const Allocator& of_handler) noexcept {
    using allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<Op>;
    allocator memory(of_handler);
    std::allocator_traits<allocator>::deallocate(memory, op, 1);
}

/// Ends `op` and gives its memory back, so that its handler, moved out before, may use it again.
template <class Op, class Allocator>
void free_op(Op* op, const Allocator& of_handler) noexcept {
    op->~Op();
    deallocate_op(op, of_handler);
}

/// The memory of an operation that has been destroyed: given back at the end, unless an `op_memory_allocator` has
/// handed it out, which then gives it back.
template <class Op, class Allocator>
class op_memory {
public:
    op_memory(Op* destroyed, const Allocator& of_handler) noexcept : block_(destroyed), of_handler_(of_handler) {}
    op_memory(const op_memory&) = delete;
    op_memory& operator=(const op_memory&) = delete;
    ~op_memory() {
        if (!taken_) deallocate_op(block_, of_handler_);
    }

private:
    template <class, class, class>
    friend class op_memory_allocator;

    Op* const block_;
    const Allocator of_handler_;
    bool taken_ = false;
};

/// An allocator whose first block is the memory of an operation that is over. What else is asked for comes from the
/// allocator of the operation's handler.
/// @lifetime it allocates while the `op_memory` lives, and deallocates later too
template <class T, class Op, class Allocator>
class op_memory_allocator {
public:
    using value_type = T;
    template <class U>
    struct rebind {
        using other = op_memory_allocator<U, Op, Allocator>;
    };

    explicit op_memory_allocator(op_memory<Op, Allocator>& from) noexcept
        : from_(&from), block_(from.block_), of_handler_(from.of_handler_) {}
    template <class U>
    op_memory_allocator(const op_memory_allocator<U, Op, Allocator>& other) noexcept
        : from_(other.from_), block_(other.block_), of_handler_(other.of_handler_) {}

    T* allocate(std::size_t n) {
        if constexpr (sizeof(T) <= sizeof(Op) && alignof(T) <= alignof(Op))
            if (n == 1 && !std::exchange(from_->taken_, true)) return static_cast<T*>(static_cast<void*>(block_));
        other_type other(of_handler_);
        return std::allocator_traits<other_type>::allocate(other, n);
    }
    void deallocate(T* block, std::size_t n) noexcept {
        if (static_cast<void*>(block) == block_) return deallocate_op(static_cast<Op*>(block_), of_handler_);
        other_type other(of_handler_);
        std::allocator_traits<other_type>::deallocate(other, block, n);
    }

    template <class U>
    bool operator==(const op_memory_allocator<U, Op, Allocator>& other) const noexcept {
        return block_ == other.block_;
    }

private:
    template <class, class, class>
    friend class op_memory_allocator;
    using other_type = typename std::allocator_traits<Allocator>::template rebind_alloc<T>;

    op_memory<Op, Allocator>* from_;
    void* block_;
    Allocator of_handler_;
};

}  // namespace hotpool::detail
