// The loop that drives machines: tell them something under a lock, then do what they ask for under none.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "hotpool/base/mutex.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/io/executors.hpp"
#include "hotpool/io/reserved_memory.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

/// The base of a driver. The driver derives from it, and from `std::enable_shared_from_this`, and gives:
///
/// - `static time_point now()`: the clock that the machines are told. It is read under the lock, so that nobody tells
///   a time from before he waited for it; a coarse clock may be a tick behind what the timer has told
/// - under the lock: `bool settles(time_point due)`, called after each input: whether nothing is to be done before the
///   timer fires, which is at `due`; `bool take_order(order_type&, time_point)`, the first thing to do, without
///   exceptions; `time_point next_due()`, when the machines are to be told the time; `void time_passed(time_point)`;
///   `bool is_over()`, whether they will never be told anything again
/// - under no lock: `void perform(order_type&)`
///
/// Whatever is told while a thread performs something for the same loop is carried out by that thread when it has done
/// that: ending thousands of connections takes no thousand stack frames, and nothing is done in the middle of another.
/// When user code throws out of `perform`, what is left to do is carried out by a handler of its own.
/// @threads any thread
/// @lifetime the driver is held by a shared pointer
template <class Driver, class Executor>
class machine_loop {
public:
    machine_loop(const machine_loop&) = delete;
    machine_loop& operator=(const machine_loop&) = delete;

protected:
    explicit machine_loop(const Executor& executor) : executor_(executor), timer_(executor) {}
    ~machine_loop() = default;

    const Executor& loop_executor() const noexcept { return executor_; }

    /// Runs `input(now)` on the machines, then performs what they ask for until they ask for nothing.
    template <class Input>
    [[gnu::always_inline]] void tell(const Input& input) {
        {
            const base::mutex_lock lock(mutex_);
            input(Driver::now());
            if (driver().settles(timer_due_)) [[likely]]
                return;
        }
        carry_out();
    }
    /// Performs what the machines ask for, unless this thread is about to.
    [[gnu::noinline]] void carry_out() {
        for (const frame* f = performing_; f != nullptr; f = f->outer)
            if (f->loop == this) return;
        const auto keep = driver().shared_from_this();  // who is told may let go of the driver
        const frame here(*this);
        while (perform_next()) continue;
    }
    /// Has the loop's executor carry out what is to be done, for somebody who must not perform anything himself. The
    /// executor is still there.
    void post_rest() noexcept {
        if (rest_posted_.exchange(true, std::memory_order_acq_rel)) return;
        try {
            post_to(executor_, rest_handler(driver().shared_from_this()));
        } catch (...) {  // of memory, on an executor that wants its own: whoever tells something next carries it out
            rest_posted_.store(false, std::memory_order_release);
        }
    }

    /// The timer will not fire any more, and nothing waits for it. Under no lock.
    void stop_timer() noexcept {
        const std::lock_guard timer_lock(timer_mutex_);
        timer_.cancel();
    }

    mutable base::mutex mutex_;

private:
    using timer_type = net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, Executor>;
    using reserve_type = shared_reserve<256, 3>;
    using memory_type = typename reserve_type::memory;

    /// That this thread performs for a loop.
    struct frame {
        explicit frame(machine_loop& l) noexcept
            : loop(&l), outer(std::exchange(performing_, this)), exceptions(std::uncaught_exceptions()) {}
        frame(const frame&) = delete;
        frame& operator=(const frame&) = delete;
        ~frame() {
            performing_ = outer;
            if (std::uncaught_exceptions() > exceptions) loop->post_rest();
        }
        machine_loop* const loop;
        const frame* const outer;
        const int exceptions;
    };

    /// The timer's handler, and that of a rest; their memory is set aside.
    class loop_handler {
    public:
        using allocator_type = reserved_allocator<std::byte, memory_type>;
        explicit loop_handler(std::shared_ptr<Driver> driver) noexcept
            : driver_(std::move(driver)), memory_(&*static_cast<machine_loop&>(*driver_).memory_) {}
        /// Of one that was moved from, too: Asio asks it where a wait could not begin.
        allocator_type get_allocator() const noexcept { return allocator_type(*memory_); }

    protected:
        std::shared_ptr<Driver> driver_;

    private:
        memory_type* memory_;
    };
    struct rest_handler : loop_handler {
        using loop_handler::loop_handler;
        void operator()() {
            static_cast<machine_loop&>(*this->driver_).rest_posted_.store(false, std::memory_order_release);
            static_cast<machine_loop&>(*this->driver_).carry_out();
        }
    };
    struct timer_handler : loop_handler {
        using loop_handler::loop_handler;
        void operator()(std::error_code error) {
            static_cast<machine_loop&>(*this->driver_).timer_ended(static_cast<bool>(error));
        }
    };

    [[gnu::always_inline]] Driver& driver() noexcept { return static_cast<Driver&>(*this); }

    /// False when there was nothing to do.
    bool perform_next() {
        typename Driver::order_type next;
        bool found = false;
        bool rearm = false;
        {
            const std::lock_guard lock(mutex_);
            found = driver().take_order(next, std::max(Driver::now(), timer_told_));
            if (!found) rearm = is_due_sooner();
        }
        if (found) driver().perform(next);
        if (rearm) arm_timer();
        return found;
    }

    /// Whether the timer must fire sooner than it would, or not any more. A timer that fires too early does no harm.
    bool is_due_sooner() noexcept {
        const time_point due = driver().next_due();
        if (due >= timer_due_ && !(due == never && timer_due_ != never && driver().is_over())) return false;
        timer_due_ = due;
        return true;
    }
    void arm_timer() {
        const std::lock_guard timer_lock(timer_mutex_);
        time_point due;
        {
            const std::lock_guard lock(mutex_);
            due = timer_due_;
        }
        if (due == never) {
            timer_.cancel();
            return;
        }
        try {
            timer_.expires_at(due);
            timer_.async_wait(timer_handler(driver().shared_from_this()));
        } catch (...) {  // of memory: it is tried again until there is some
            {
                const std::lock_guard lock(mutex_);
                timer_due_ = never;
            }
            post_rest();
        }
    }
    void timer_ended(bool cut) {
        if (cut) return;
        {
            const std::lock_guard lock(mutex_);
            timer_due_ = never;
            timer_told_ = clock_type::now();
            driver().time_passed(timer_told_);
        }
        carry_out();
    }

    static inline thread_local const frame* performing_ = nullptr;

    const Executor executor_;
    reserve_type memory_;
    std::atomic<bool> rest_posted_{false};
    std::mutex timer_mutex_;  // taken before `mutex_`
    timer_type timer_;
    // Under `mutex_`.
    time_point timer_due_ = never;
    time_point timer_told_ = time_point::min();  // what the timer has brought about is due for the coarse clock, too
};

}  // namespace hotpool::detail
