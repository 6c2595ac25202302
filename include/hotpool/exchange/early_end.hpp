// Ending an operation that cannot begin.
#pragma once

#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/connection/lease_end.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

/// Stands for the executor of a handler that names none.
struct no_executor {};

/// Calls the handler of an operation that has no connection: on its own executor, or on the pool's.
/// @param of_pool null where nobody knows a pool
/// @errors throws `std::system_error` of `errc::lease_empty` where nobody knows an executor
template <class Executor, class Handler, class... Args>
void end_early(const Executor* of_pool, Handler handler, Args... args) {
    if constexpr (!std::is_same_v<net::associated_executor_t<Handler, no_executor>, no_executor>) {
        const auto executor = net::associated_executor<Handler, no_executor>::get(handler, no_executor{});
        post_to(executor, bound_completion<Handler, Args...>{std::move(handler), {std::move(args)...}});
    } else {
        if (of_pool == nullptr) throw std::system_error(make_error_code(errc::lease_empty));
        post_to(*of_pool, bound_completion<Handler, Args...>{std::move(handler), {std::move(args)...}});
    }
}

/// Makes an operation and starts it; it owns itself from then on. Where this throws, it has done nothing.
template <class Op, class Handler, class... Args>
void launch(Handler handler, Args&&... args) {
    Op* const op = allocate_op<Op>(std::move(handler), std::forward<Args>(args)...);
    const auto memory = op->memory();
    try {
        op->start();
    } catch (...) {
        free_op(op, memory);
        throw;
    }
}

/// The same for an operation of an exchange that `c` has been entered for; where this throws, `c` is left again.
template <class Op, class Connection, class Handler, class... Args>
void launch_in(Connection& c, Handler handler, Args&&... args) {
    try {
        launch<Op>(std::move(handler), std::forward<Args>(args)...);
    } catch (...) {
        leave_exchange(c);
        throw;
    }
}

}  // namespace hotpool::detail
