// How an operation keeps its caller's handler, and calls it once.
#pragma once

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "hotpool/base/recycler.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

/// Where the completion runs.
enum class delivery {
    dispatched,  ///< at once if this thread may run it
    posted,      ///< never inside the call that led to it
};

/// The plain executor of a context that `executor` holds, or null if it holds another, such as a strand. Asio's own
/// `target` does not look at the type.
inline const net::io_context::executor_type* plain_target(const net::any_io_executor& executor) noexcept {
    using plain = net::io_context::executor_type;
#if defined(ASIO_NO_TYPEID)
    return nullptr;
#else
    return executor.target_type() == typeid(plain) ? executor.template target<plain>() : nullptr;
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
        if (const auto* plain = plain_target(executor))
            return net::post(*plain, std::move(function));
    net::post(executor, std::move(function));
}

/// A handler with its arguments, to be run by an executor.
template <class Handler, class... Args>
struct bound_completion {
    using allocator_type = net::associated_allocator_t<Handler, base::recycling_allocator<void>>;
    allocator_type get_allocator() const noexcept {
        return net::associated_allocator<Handler, base::recycling_allocator<void>>::get(handler);
    }
    void operator()() { std::apply(std::move(handler), std::move(arguments)); }

    Handler handler;
    std::tuple<Args...> arguments;
};

/// Ends `op` and gives its memory back, so that its handler, moved out before, may use it again.
template <class Op, class Allocator>
void free_op(Op* op, const Allocator& of_handler) noexcept {
    using allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<Op>;
    allocator memory(of_handler);
    op->~Op();
    std::allocator_traits<allocator>::deallocate(memory, op, 1);
}

/// The handler of an operation with its executor, which is told that work is outstanding until the handler is called.
/// @tparam IoExecutor where completions run whose handler names no executor
template <class Handler, class IoExecutor>
class completion {
public:
    using executor_type = net::associated_executor_t<Handler, IoExecutor>;
    using allocator_type = net::associated_allocator_t<Handler, base::recycling_allocator<void>>;

    completion(Handler handler, const IoExecutor& io)
        : handler_(std::move(handler)), executor_(net::associated_executor<Handler, IoExecutor>::get(handler_, io)) {
        if constexpr (std::is_same_v<executor_type, IoExecutor>) {
            if (executor_ == io) return;  // the waits and timers of the operation are work enough
        }
        work_.emplace(net::prefer(executor_, net::execution::outstanding_work.tracked));
    }

    executor_type get_executor() const noexcept { return executor_; }
    allocator_type get_allocator() const noexcept {
        return net::associated_allocator<Handler, base::recycling_allocator<void>>::get(handler_);
    }
    auto get_cancellation_slot() const noexcept { return net::get_associated_cancellation_slot(handler_); }

    /// Counts as work of its own, for operations that wait without the help of Asio.
    void hold_work() {
        if (!work_) work_.emplace(net::prefer(executor_, net::execution::outstanding_work.tracked));
    }

    /// Calls the handler, which must not end the completion. The completion is spent afterwards.
    template <class... Args>
    void deliver(delivery how, Args... args) {
        bound_completion<Handler, Args...> bound{std::move(handler_), {std::move(args)...}};
        if (how == delivery::dispatched && runs_here(executor_)) return bound();
        hand_over(executor_, how, std::move(bound));
    }

    /// Frees `op`, of which this is a member, and calls the handler, which may use that memory again.
    /// @param args rvalues that lie outside of `op`
    template <class Op, class... Args>
        requires(!std::is_lvalue_reference_v<Args> && ...)
    void end(Op* op, delivery how, Args&&... args) {
        Handler handler = std::move(handler_);
        const work_type work = std::move(work_);
        const auto memory = net::associated_allocator<Handler, base::recycling_allocator<void>>::get(handler);
        if (how == delivery::dispatched && runs_here(executor_)) {
            free_op(op, memory);
            return std::move(handler)(std::move(args)...);
        }
        const executor_type executor = std::move(executor_);
        free_op(op, memory);
        hand_over(executor, how, bound_completion<Handler, Args...>{std::move(handler), {std::move(args)...}});
    }

private:
    template <class Function>
    static void hand_over(const executor_type& executor, delivery how, Function function) {
        if (how == delivery::posted)
            post_to(executor, std::move(function));
        else
            net::dispatch(executor, std::move(function));
    }

    using tracked_executor =
        std::decay_t<decltype(net::prefer(std::declval<executor_type>(), net::execution::outstanding_work.tracked))>;
    using work_type = std::optional<tracked_executor>;

    Handler handler_;
    executor_type executor_;
    work_type work_;
};

/// Calls the handler of an operation that is over before it begins, since it has no connection.
template <class Handler, class... Args>
void post_outcome(Handler handler, Args... args) {
    const auto executor = net::get_associated_executor(handler);
    post_to(executor, bound_completion<Handler, Args...>{std::move(handler), {std::move(args)...}});
}

/// Makes an `Op` in memory from the handler's allocator; `Op` is given the handler and then `args`.
template <class Op, class Handler, class... Args>
Op* allocate_op(Handler&& handler, Args&&... args) {
    using allocator =
        typename std::allocator_traits<net::associated_allocator_t<std::decay_t<Handler>, base::recycling_allocator<void>>>::
            template rebind_alloc<Op>;
    allocator memory(net::associated_allocator<std::decay_t<Handler>, base::recycling_allocator<void>>::get(handler));
    Op* op = std::allocator_traits<allocator>::allocate(memory, 1);
    try {
        return ::new (static_cast<void*>(op)) Op(std::forward<Handler>(handler), std::forward<Args>(args)...);
    } catch (...) {
        std::allocator_traits<allocator>::deallocate(memory, op, 1);
        throw;
    }
}

}  // namespace hotpool::detail
