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

/// As `asio::post`. An `any_io_executor` would forget the function's allocator.
template <class Executor, class Function>
void post_to(const Executor& executor, Function function) {
    if constexpr (std::is_same_v<Executor, net::any_io_executor>)
        if (const auto* plain = plain_target(executor)) return net::post(*plain, std::move(function));
    net::post(executor, std::move(function));
}

}  // namespace hotpool::detail
