// How an operation keeps its caller's handler, and calls it once.
#pragma once

#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include "hotpool/base/recycler.hpp"
#include "hotpool/io/executors.hpp"
#include "hotpool/io/op_memory.hpp"
#include "hotpool/io/parked.hpp"
#include "hotpool/transport/asio.hpp"

// Tests see with it which operation ends with which error; it must not throw. Otherwise it is nothing.
#ifndef HOTPOOL_OBSERVE_COMPLETION
#    define HOTPOOL_OBSERVE_COMPLETION(operation, first) static_cast<void>(0)
#endif

namespace hotpool::detail {

/// A handler with its arguments.
template <class Handler, class... Args>
struct bound_completion {
    void operator()() { std::apply(std::move(handler), std::move(arguments)); }

    Handler handler;
    std::tuple<Args...> arguments;
};

/// The handler of an operation with its executor, which is told that work is outstanding until the handler is called.
/// @tparam IoExecutor where completions run whose handler names no executor
template <class Handler, class IoExecutor>
class completion {
public:
    using executor_type = net::associated_executor_t<Handler, IoExecutor>;
    using allocator_type = handler_allocator<Handler>;

    completion(Handler handler, const IoExecutor& io)
        : handler_(std::move(handler)), executor_(net::associated_executor<Handler, IoExecutor>::get(handler_, io)) {
        if constexpr (std::is_same_v<executor_type, IoExecutor>) {
            if (executor_ == io) return;  // the waits and timers of the operation are work enough
        }
        hold_work();
    }

    executor_type get_executor() const noexcept { return executor_; }
    allocator_type get_allocator() const noexcept { return allocator_of(handler_); }
    auto get_cancellation_slot() const noexcept { return net::get_associated_cancellation_slot(handler_); }

    /// Counts as work of its own, for operations that wait without the help of Asio.
    void hold_work() {
        if (!work_) work_.emplace(net::prefer(executor_, net::execution::outstanding_work.tracked));
    }

    /// Calls the handler of an operation that has no memory of its own. The completion is spent afterwards.
    /// @errors throws `std::bad_alloc` if there is no memory to post with; then the handler is not called
    template <class... Args>
    void deliver(delivery how, Args... args) {
        if (how == delivery::dispatched && runs_here(executor_))
            return std::apply(std::move(handler_), std::tuple<Args...>(std::move(args)...));
        const allocator_type memory = get_allocator();
        park(executor_, how, bound_completion<Handler, Args...>{std::move(handler_), {std::move(args)...}}, memory);
    }

    /// Ends `op`, of which this is a member, and calls the handler, which may use the memory of `op` again. A handler
    /// that cannot be called at once waits for that in the memory of `op`: there is always enough for it, where an
    /// executor takes the memory it is offered. Strands and executors of others may ask for more.
    /// @param args rvalues that lie outside of `op`
    template <class Op, class... Args>
    requires(!std::is_lvalue_reference_v<Args> && ...) void end(Op* op, delivery how, Args&&... args) {
        HOTPOOL_OBSERVE_COMPLETION(Op, std::get<0>(std::tie(args...)));
        Handler handler = std::move(handler_);
        const work_type work = std::move(work_);
        const allocator_type memory = allocator_of(handler);
        if (how == delivery::dispatched && runs_here(executor_)) {
            free_op(op, memory);
            return std::move(handler)(std::move(args)...);
        }
        const executor_type executor = std::move(executor_);
        using function_type = bound_completion<Handler, Args...>;
        using parked_type = parked_function<function_type, allocator_type, Op>;
        function_type function{std::move(handler), {std::move(args)...}};
        if constexpr (sizeof(parked_type) <= sizeof(Op) && alignof(parked_type) <= alignof(Op)) {
            op->~Op();
            run_on(executor, how, *::new (static_cast<void*>(op)) parked_type(std::move(function), memory));
        } else {
            free_op(op, memory);
            park(executor, how, std::move(function), memory);
        }
    }

    /// Ends `op`, of which this is a member, and destroys the handler without calling it: its context has ended.
    template <class Op>
    void abandon(Op* op) noexcept {
        const completion own = std::move(*this);
        free_op(op, own.get_allocator());
    }

private:
    template <class Function>
    static void park(const executor_type& executor, delivery how, Function function, const allocator_type& memory) {
        using parked_type = parked_function<Function, allocator_type>;
        using allocator = typename std::allocator_traits<allocator_type>::template rebind_alloc<parked_type>;
        allocator of_block(memory);
        run_on(executor, how,
               *::new (static_cast<void*>(std::allocator_traits<allocator>::allocate(of_block, 1)))
                   parked_type(std::move(function), memory));
    }

    using tracked_executor =
        std::decay_t<decltype(net::prefer(std::declval<executor_type>(), net::execution::outstanding_work.tracked))>;
    using work_type = std::optional<tracked_executor>;

    Handler handler_;
    executor_type executor_;
    work_type work_;
};

/// Calls the handler of an operation that is over before it begins, on the handler's executor, or on `of_pool`.
/// @param of_pool null where nobody knows: in a lease that never had a connection
/// @errors throws `std::system_error` of `error` if neither names an executor: there is no thread that may run it
template <class Executor, class Handler, class... Args>
void post_outcome(const Executor* of_pool, Handler handler, std::error_code error, Args... args) {
    if (of_pool != nullptr)
        return completion<Handler, Executor>(std::move(handler), *of_pool)
            .deliver(delivery::posted, error, std::move(args)...);
    if constexpr (std::is_same_v<net::associated_executor_t<Handler, net::system_executor>, net::system_executor>)
        throw std::system_error(error);
    else
        completion<Handler, net::system_executor>(std::move(handler), net::system_executor())
            .deliver(delivery::posted, error, std::move(args)...);
}
/// The same where nobody knows an executor but the handler.
template <class Handler, class... Args>
void post_outcome(Handler handler, std::error_code error, Args... args) {
    post_outcome(static_cast<const net::any_io_executor*>(nullptr), std::move(handler), error, std::move(args)...);
}

}  // namespace hotpool::detail
