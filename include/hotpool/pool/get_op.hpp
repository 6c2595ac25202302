// Getting a lease: at once, or in the queue.
#pragma once

#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/source_location.hpp"
#include "hotpool/io/cancel_waiter.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/pool/pool_core.hpp"
#include "hotpool/pool/pool_stats.hpp"

namespace hotpool::detail {

/// A caller of `async_get` in the queue.
template <class Core, class Handler>
class get_op final : public Core::waiter_type {
public:
    get_op(Handler handler, const std::shared_ptr<Core>& core, source_location caller)
        : completion_(std::move(handler), core->executor()), ticket_(core->own_ticket()) {
        this->where = caller;
        completion_.hold_work();  // nothing else of it may be pending
        make_waiter_cancellable(core, static_cast<typename Core::waiter_type&>(*this),
                                completion_.get_cancellation_slot());
    }

    void answered() override {
        typename Core::lease_type lease = this->lent != nullptr ? access::make<typename Core::lease_type>(this->lent)
                                                                : access::make<typename Core::lease_type>(ticket_);
        completion_.end(this, delivery::posted, std::error_code(this->error), std::move(lease));
    }
    void abandoned() noexcept override { completion_.abandon(this); }

private:
    completion<Handler, typename Core::executor_type> completion_;
    const context_guest::ticket ticket_;
};

template <class Core, class Handler>
void start_get(const std::shared_ptr<Core>& core, std::optional<duration> timeout, source_location where,
               Handler handler) {
    if (auto hot = access::make<typename Core::lease_type>(core->take(never, where))) {
        completion<Handler, typename Core::executor_type>(std::move(handler), core->executor())
            .deliver(delivery::posted, std::error_code(), std::move(hot));
        return;
    }
    auto* op = allocate_op<get_op<Core, Handler>>(std::move(handler), core, where);
    if (!core->queue(*op, timeout)) op->answered();
}

template <class Core, class Token>
auto initiate_get(const std::shared_ptr<Core>& core, std::optional<duration> timeout, source_location where,
                  Token&& token) {
    return net::async_initiate<Token, void(std::error_code, typename Core::lease_type)>(
        [](auto handler, std::shared_ptr<Core> pool, std::optional<duration> limit, source_location caller) {
            start_get(pool, limit, caller, std::move(handler));
        },
        token, core, timeout, where);
}

template <class Token>
inline constexpr bool is_use_awaitable = false;
template <class Executor>
inline constexpr bool is_use_awaitable<net::use_awaitable_t<Executor>> = true;

template <class Token>
struct awaiting_executor;
template <class Executor>
struct awaiting_executor<net::use_awaitable_t<Executor>> {
    using type = Executor;
};

/// A coroutine that gets a hot connection goes on without a trip through the scheduler.
template <class Token, class Core>
net::awaitable<typename Core::lease_type, typename awaiting_executor<Token>::type> await_get(
    std::shared_ptr<Core> core, std::optional<duration> timeout, source_location where) {
    if (auto hot = access::make<typename Core::lease_type>(core->take(never, where))) co_return hot;
    std::error_code error;
    auto lease = co_await initiate_get(core, timeout, where, net::redirect_error(Token{}, error));
    if (error == errc::get_timed_out) throw std::system_error(error, describe(core->stats()));
    if (error) throw std::system_error(error);
    co_return lease;
}

}  // namespace hotpool::detail
