// Who waits for a connection, or for all of them to be gone.
#pragma once

#include <memory>
#include <system_error>
#include <utility>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/io/cancel_waiter.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/inbound/detail/connection.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::inbound::detail {

/// A caller of `async_accept`, as the acceptor's core sees it.
template <class Stream>
class accept_waiter : public base::list_hook<accept_waiter<Stream>> {
public:
    /// Told once, under no lock: `granted` or `error` says what.
    virtual void answered() = 0;

    /// Where a cancellation handler finds this waiter while it waits; under the acceptor's lock.
    struct link {
        accept_waiter* waiting = nullptr;
    };
    std::shared_ptr<link> link_to_me;
    connection<Stream> granted;
    std::error_code error;

protected:
    ~accept_waiter() = default;
};

template <class Core, class Handler>
class accept_op final : public Core::waiter_type {
public:
    accept_op(Handler handler, const std::shared_ptr<Core>& core) : completion_(std::move(handler), core->executor()) {
        completion_.hold_work();  // nothing else of it may be pending
        hotpool::detail::make_waiter_cancellable(core, *this, completion_.get_cancellation_slot());
    }

    void answered() override {
        auto handed_out = std::move(this->granted);
        const std::error_code outcome = this->error;
        auto completion = std::move(completion_);
        hotpool::detail::free_op(this, completion.get_allocator());
        completion.deliver(hotpool::detail::delivery::posted, outcome, std::move(handed_out));
    }

private:
    hotpool::detail::completion<Handler, typename Core::executor_type> completion_;
};

/// A caller of `async_drain`.
class drain_waiter {
public:
    /// Frees itself, then tells the caller; under no lock.
    virtual void complete(std::error_code outcome) = 0;
    virtual void destroy() noexcept = 0;

    struct deleter {
        void operator()(drain_waiter* w) const noexcept { w->destroy(); }
    };
    using pointer = std::unique_ptr<drain_waiter, deleter>;

protected:
    ~drain_waiter() = default;
};

template <class Handler, class Executor>
class drain_op final : public drain_waiter {
public:
    drain_op(Handler handler, const Executor& executor) : completion_(std::move(handler), executor) {
        completion_.hold_work();
    }
    void complete(std::error_code outcome) override {
        auto completion = std::move(completion_);
        hotpool::detail::free_op(this, completion.get_allocator());
        completion.deliver(hotpool::detail::delivery::posted, outcome);
    }
    void destroy() noexcept override {
        const auto completion = std::move(completion_);
        hotpool::detail::free_op(this, completion.get_allocator());
    }

private:
    hotpool::detail::completion<Handler, Executor> completion_;
};

}  // namespace hotpool::inbound::detail
