// An operation that waits for nothing but time.
#pragma once

#include <atomic>
#include <memory>
#include <system_error>
#include <utility>

#include "hotpool/base/recycler.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

/// Told once that its pause is over.
class pausing_op {
public:
    virtual void pause_over(bool cancelled) = 0;
    /// Instead: the execution context has ended. Frees itself and its handler.
    virtual void abandoned() noexcept = 0;

protected:
    ~pausing_op() = default;
};

/// One pause: its timer, whoever cancels it and the end of the execution context each try to end it, and the first one
/// does.
/// @threads any thread
class pause {
public:
    explicit pause(pausing_op& op) noexcept : op_(&op) {}
    void end(bool cancelled) {
        if (pausing_op* op = take()) op->pause_over(cancelled);
    }
    void abandon() noexcept {
        if (!begun_.load(std::memory_order_acquire)) return;
        if (pausing_op* op = take()) op->abandoned();
    }
    void begin() noexcept { begun_.store(true, std::memory_order_release); }

private:
    pausing_op* take() noexcept { return op_.exchange(nullptr, std::memory_order_acq_rel); }

    std::atomic<pausing_op*> op_;
    std::atomic<bool> begun_{false};  // until then, a handler that is dropped says nothing of the context
};

/// Makes `op` wait. Once its timer is started, the operation may go on, or be gone.
/// @param timer the operation's, to be destroyed in `pause_over`
/// @errors throws when there is no memory to wait with; nothing has begun then
template <class Timer>
std::shared_ptr<pause> begin_pause(pausing_op& op, Timer& timer, time_point until) {
    class pause_handler {
    public:
        using allocator_type = base::recycling_allocator<void>;
        explicit pause_handler(std::shared_ptr<pause> p) noexcept : pause_(std::move(p)) {}
        pause_handler(pause_handler&&) noexcept = default;
        ~pause_handler() {
            if (pause_ != nullptr) pause_->abandon();  // the execution context has ended, or the pause has
        }
        allocator_type get_allocator() const noexcept { return {}; }
        void operator()(std::error_code) { std::exchange(pause_, nullptr)->end(false); }

    private:
        std::shared_ptr<pause> pause_;
    };
    auto p = std::allocate_shared<pause>(base::recycling_allocator<pause>(), op);
    timer.expires_at(until);
    timer.async_wait(pause_handler(p));
    p->begin();
    return p;
}

}  // namespace hotpool::detail
