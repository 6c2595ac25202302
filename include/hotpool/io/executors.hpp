// Running functions on an executor that may be any.
#pragma once

#include <type_traits>
#include <utility>

#include "hotpool/transport/asio.hpp"

#if HOTPOOL_ASIO_HAS_TYPEID
#    include <typeinfo>
#endif

namespace hotpool::detail {

/// The plain executor of a context that `executor` holds, or null if it holds another, such as a strand. Asio's own
/// `target` does not look at the type.
inline const net::io_context::executor_type* plain_target(const net::any_io_executor& executor) noexcept {
#if HOTPOOL_ASIO_HAS_TYPEID
    using plain = net::io_context::executor_type;
    return executor.target_type() == typeid(plain) ? executor.template target<plain>() : nullptr;
#else
    static_cast<void>(executor);
    return nullptr;
#endif
}

/// Whether this thread is inside the executor's context and a function dispatched to it would run at once.
template <class Executor>
bool runs_here(const Executor& executor) noexcept {
    if constexpr (std::is_same_v<Executor, net::any_io_executor>) {
        const auto* plain = plain_target(executor);
        return plain != nullptr && plain->running_in_this_thread();
    } else if constexpr (requires { executor.running_in_this_thread(); }) {
        return executor.running_in_this_thread();
    } else {
        return false;
    }
}

template <class Executor, class Function>
void execute_on(const Executor& executor, Function&& function) {
#if HOTPOOL_ASIO_HAS_EXECUTE
    executor.execute(std::move(function));
#else
    net::execution::execute(executor, std::move(function));
#endif
}

/// As `asio::post`, with fewer functions to compile for each type of function.
template <class Executor, class Function>
void post_to(const Executor& executor, Function function) {
    if constexpr (std::is_same_v<Executor, net::any_io_executor>) {
        // An `any_io_executor` would forget the function's allocator.
        if (const auto* plain = plain_target(executor)) return post_to(*plain, std::move(function));
        execute_on(net::require(executor, net::execution::blocking.never), std::move(function));
    } else if constexpr (net::execution::is_executor<Executor>::value) {
        const auto memory = net::get_associated_allocator(function);
        execute_on(
            net::prefer(net::require(executor, net::execution::blocking.never), net::execution::allocator(memory)),
            std::move(function));
    } else {
        net::post(executor, std::move(function));
    }
}

/// As `asio::dispatch`, for who has seen that `runs_here` is false.
template <class Executor, class Function>
void dispatch_to(const Executor& executor, Function function) {
    if constexpr (std::is_same_v<Executor, net::any_io_executor>) {
        if (const auto* plain = plain_target(executor)) return post_to(*plain, std::move(function));
        execute_on(net::prefer(executor, net::execution::blocking.possibly), std::move(function));
    } else {
        net::dispatch(executor, std::move(function));
    }
}

}  // namespace hotpool::detail
