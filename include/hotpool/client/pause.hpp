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

protected:
    ~pausing_op() = default;
};

/// One pause: its timer and whoever cancels it each try to end it, and the first one does.
/// @threads any thread
class pause {
public:
    explicit pause(pausing_op& op) noexcept : op_(&op) {}
    void end(bool cancelled) {
        if (pausing_op* op = op_.exchange(nullptr, std::memory_order_acq_rel)) op->pause_over(cancelled);
    }

private:
    std::atomic<pausing_op*> op_;
};

/// Makes `op` wait. Once its timer is started, the operation may go on, or be gone.
/// @param timer the operation's, to be destroyed in `pause_over`
template <class Timer>
std::shared_ptr<pause> begin_pause(pausing_op& op, Timer& timer, time_point until) {
    class pause_handler {
    public:
        using allocator_type = base::recycling_allocator<void>;
        explicit pause_handler(std::shared_ptr<pause> p) noexcept : pause_(std::move(p)) {}
        pause_handler(pause_handler&&) noexcept = default;
        ~pause_handler() {
            if (pause_ != nullptr) pause_->end(true);  // the execution context has ended, or the pause has
        }
        allocator_type get_allocator() const noexcept { return {}; }
        void operator()(std::error_code) { std::exchange(pause_, nullptr)->end(false); }

    private:
        std::shared_ptr<pause> pause_;
    };
    auto p = std::allocate_shared<pause>(base::recycling_allocator<pause>(), op);
    timer.expires_at(until);
    timer.async_wait(pause_handler(p));
    return p;
}

}  // namespace hotpool::detail
