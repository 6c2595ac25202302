// A function on its way to an executor, which needs no memory but what lies beside it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "hotpool/io/executors.hpp"
#include "hotpool/io/op_memory.hpp"
#include "hotpool/io/reserved_memory.hpp"

namespace hotpool::detail {

/// Where a function runs.
enum class delivery {
    dispatched,  ///< at once if this thread may run it
    posted,      ///< never inside the call that led to it
};

/// Where a function waits for an executor. What the executor allocates to keep it lies beside the function; more than
/// that, which a strand may ask for, comes from the recycler.
class parked {
public:
    enum class step : std::uint8_t {
        call,  ///< moves the function out, and calls it
        drop,  ///< destroys the function
        free,  ///< gives the memory back, in which nothing is left
    };
    using steps_type = void (*)(parked&, step);
    static constexpr std::size_t alignment = alignof(void*);

    explicit parked(steps_type steps) noexcept : steps_(steps) {}
    parked(const parked&) = delete;
    parked& operator=(const parked&) = delete;

    /// @param how `call` or `drop`; once
    void end(step how) { steps_(*this, how); }

    void* take(std::size_t bytes) {
        void* const block = beside_.take(bytes);
        users_.fetch_add(1, std::memory_order_relaxed);
        return block;
    }
    void give(void* block, std::size_t bytes) noexcept {
        beside_.give(block, bytes);
        release();
    }

protected:
    ~parked() = default;
    void release() noexcept {
        if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1) steps_(*this, step::free);
    }

private:
    steps_type steps_;
    std::atomic<std::uint32_t> users_{1};       // the function, and each block that is taken
    reserved_memory<48, 1, alignment> beside_;  // an operation of Asio that holds a `run_parked`
};

/// What the executor is given: the same type for all functions, so that what Asio makes of it is compiled once. Dropped
/// instead of called, it destroys the function.
class run_parked {
public:
    using allocator_type = reserved_allocator<std::byte, parked>;

    explicit run_parked(parked& p) noexcept : parked_(&p), memory_(&p) {}
    run_parked(run_parked&& other) noexcept : parked_(std::exchange(other.parked_, nullptr)), memory_(other.memory_) {}
    ~run_parked() {
        if (parked_ != nullptr) parked_->end(parked::step::drop);
    }

    allocator_type get_allocator() const noexcept { return allocator_type(*memory_); }
    void operator()() { std::exchange(parked_, nullptr)->end(parked::step::call); }

private:
    parked* parked_;
    parked* memory_;  // asked for after it was moved from, too
};

/// @errors throws `std::bad_alloc` where the executor wants memory of its own; then the function has been destroyed
template <class Executor>
void run_on(const Executor& executor, delivery how, parked& function) {
    if (how == delivery::posted)
        post_to(executor, run_parked(function));
    else
        dispatch_to(executor, run_parked(function));
}

/// A function in memory that was allocated for a `Block`.
/// @tparam Allocator of the memory
/// @tparam Block void: for itself
template <class Function, class Allocator, class Block = void>
class parked_function final : public parked {
public:
    parked_function(Function&& function, const Allocator& of_memory)
        : parked(&take_step), function_(std::move(function)), of_memory_(of_memory) {}
    ~parked_function() {}

private:
    static void take_step(parked& p, step which) {
        auto& self = static_cast<parked_function&>(p);
        if (which == step::free) return self.give_back();
        Function function = std::move(self.function_);
        self.function_.~Function();
        self.release();
        if (which == step::call) function();
    }
    void give_back() noexcept {
        using block_type = std::conditional_t<std::is_void_v<Block>, parked_function, Block>;
        const Allocator memory = std::move(of_memory_);
        this->~parked_function();
        deallocate_op(static_cast<block_type*>(static_cast<void*>(this)), memory);
    }

    union {
        Function function_;  // until it is taken
    };
    Allocator of_memory_;
};

}  // namespace hotpool::detail
