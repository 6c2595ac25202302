// Who waits for a connection, or for all of them to be gone.
#pragma once

#include <memory>
#include <system_error>
#include <utility>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/inbound/detail/connection.hpp"
#include "hotpool/io/cancel_waiter.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::inbound::detail {

/// A caller of `async_accept`: `granted` or `error` says what it is told.
template <class Stream>
class accept_waiter : public base::list_hook<accept_waiter<Stream>>,
                      public hotpool::detail::queued_caller<accept_waiter<Stream>> {
public:
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
        hotpool::detail::make_waiter_cancellable(core, static_cast<typename Core::waiter_type&>(*this),
                                                 completion_.get_cancellation_slot());
    }

    void answered() override {
        auto handed_out = std::move(this->granted);
        completion_.end(this, hotpool::detail::delivery::posted, std::error_code(this->error), std::move(handed_out));
    }
    void abandoned() noexcept override { completion_.abandon(this); }

private:
    hotpool::detail::completion<Handler, typename Core::executor_type> completion_;
};

/// A caller of `async_drain`: `error` says how it ended.
class drain_waiter : public base::list_hook<drain_waiter>, public hotpool::detail::queued_caller<drain_waiter> {
public:
    std::error_code error;

protected:
    ~drain_waiter() = default;
};

template <class Core, class Handler>
class drain_op final : public drain_waiter {
public:
    drain_op(Handler handler, const std::shared_ptr<Core>& core) : completion_(std::move(handler), core->executor()) {
        completion_.hold_work();
        hotpool::detail::make_waiter_cancellable(core, static_cast<drain_waiter&>(*this),
                                                 completion_.get_cancellation_slot());
    }

    void answered() override { completion_.end(this, hotpool::detail::delivery::posted, std::error_code(this->error)); }
    void abandoned() noexcept override { completion_.abandon(this); }

private:
    hotpool::detail::completion<Handler, typename Core::executor_type> completion_;
};

}  // namespace hotpool::inbound::detail
