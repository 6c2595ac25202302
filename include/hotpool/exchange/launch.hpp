// Starting operations of exchange and client, and ending those that cannot begin.
#pragma once

#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/connection/lease_end.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/io/op_memory.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

/// Calls the handler of an operation that has no connection: on its own executor, or on the pool's.
/// @param of_pool null where nobody knows a pool
/// @errors throws `std::system_error` of `errc::lease_empty` where nobody knows an executor
template <class Executor, class Handler, class... Args>
void end_unbegun(const Executor* of_pool, Handler handler, std::error_code error, Args... args) {
    constexpr bool has_own =
        !std::is_same_v<net::associated_executor_t<Handler, net::system_executor>, net::system_executor>;
    if (!has_own && of_pool == nullptr) throw std::system_error(make_error_code(errc::lease_empty));
    post_outcome(of_pool, std::move(handler), error, std::move(args)...);
}

/// Makes an operation and starts it; it owns itself from then on. Where its `prepare` throws, nothing has happened; where
/// that says yes, `go` is what follows.
template <class Op, class Handler, class... Args>
[[gnu::always_inline]] inline void launch(Handler handler, Args&&... args) {
    Op* const op = allocate_op<Op>(std::move(handler), std::forward<Args>(args)...);
    bool goes = false;
    try {
        goes = op->prepare();
    } catch (...) {
        free_op(op, op->memory());
        throw;
    }
    if (goes) op->go();
}

/// The same for an operation of an exchange that `c` has been entered for; where this throws, `c` is left again.
template <class Op, class Connection, class Handler, class... Args>
void launch_entered(Connection& c, Handler handler, Args&&... args) {
    Op* op = nullptr;
    try {
        op = allocate_op<Op>(std::move(handler), c, std::forward<Args>(args)...);
        op->prepare();
    } catch (...) {
        if (op != nullptr) free_op(op, op->memory());
        leave_exchange(c);
        throw;
    }
    op->go();
}

}  // namespace hotpool::detail
