// The memory of operations.
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

}  // namespace hotpool::detail
