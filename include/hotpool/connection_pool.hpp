// The pool: hot connections to one origin.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/origin.hpp"
#include "hotpool/connection_budget.hpp"
#include "hotpool/detail/get_op.hpp"
#include "hotpool/detail/pool_core.hpp"
#include "hotpool/detail/watch_op.hpp"
#include "hotpool/error.hpp"
#include "hotpool/http/origin_text.hpp"
#include "hotpool/lease.hpp"
#include "hotpool/pool_stats.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/tcp.hpp"
#include "hotpool/transport/tls.hpp"

namespace hotpool {

/// Connections to one origin, kept open between uses.
///
/// @tparam Transport how connections are made: `tcp_transport`, `tls_transport`, or a class of the same concept
/// @tparam Policies decisions that are not numbers: `default_policies` or a struct derived from it
/// @tparam Executor where sockets live and handlers run that name no executor of their own
/// @threads any thread
/// @lifetime the execution context outlives the pool and its leases. An idle connection and the pool's timer are
/// outstanding work: close or destroy the pool to let `run` return
template <class Transport, policy_bundle Policies = default_policies, class Executor = net::any_io_executor>
class connection_pool {
public:
    using transport_type = Transport;
    using executor_type = Executor;
    using lease_type = hotpool::lease<Transport, Executor>;
    using core_type = detail::pool_core<Transport, Policies, Executor>;

    /// Opens nothing yet, except to fill `min_idle`.
    /// @errors throws `std::invalid_argument` naming the field and the rule
    connection_pool(const Executor& executor, origin target, const pool_options& options = {},
                    typename Transport::options transport_options = {},
                    std::shared_ptr<connection_budget> budget = nullptr)
        : target_(target) {
        static_assert(transport_for<Transport, Executor>);
        validate(options);
        Transport transport(std::move(target), std::move(transport_options));
        std::optional<std::string> host =
            http::host_value(target_.host, target_.port, http_default_port());
        if (!host) throw std::invalid_argument("hotpool::origin::host must be a name or an IP address");
        core_ = std::make_shared<core_type>(executor, std::move(transport), std::move(*host), options,
                                            std::move(budget));
        core_->start();
    }
    connection_pool(connection_pool&&) = delete;
    ~connection_pool() { close(); }

    executor_type get_executor() const noexcept { return core_->executor(); }
    const origin& target() const noexcept { return target_; }

    /// Lends a connection: a hot one if there is one, else the first that is put back or newly opened. Callers are
    /// served in order.
    /// @completes `void(std::error_code, lease_type)`; awaited with `use_awaitable`, a hot connection does not suspend
    /// @errors `errc::get_timed_out` after `get_timeout` (`describe` says why), `errc::waiters_full`,
    /// `errc::pool_draining`, `errc::pool_closed`, `errc::cancelled`, or why the connection could not be opened
    /// @cancels any type; what was given too late goes to the next caller
    /// @cost with a hot connection: no system call, no allocation but what a posted completion needs
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_get(Token&& token = {}) {
        return get(std::nullopt, std::forward<Token>(token));
    }
    /// @param timeout instead of `get_timeout`; 0: without limit
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_get(duration timeout, Token&& token = {}) {
        return get(std::optional<duration>(timeout), std::forward<Token>(token));
    }

    /// A hot connection, or an empty lease; opens none and never waits.
    lease_type try_get() { return lease_type(core_->take()); }

    /// Gives a connection back to be lent again. The response must have been read, or its rest is read and dropped
    /// within `drain_limit_bytes` and `drain_timeout`; a connection in any other state is closed.
    /// @errors throws `std::invalid_argument` for a lease of another pool; an empty lease is ignored
    void put(lease_type&& lease) {
        if (!lease) return;
        if (lease.connection()->home.get() != core_.get())
            throw std::invalid_argument("hotpool::connection_pool::put: the lease belongs to another pool");
        lease.end(true);
    }

    /// Opens connections, in parallel, until `count` are open.
    /// @completes `void(std::error_code)` when every opening has ended
    /// @errors `errc::warm_incomplete` if some failed or the limits allow fewer
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_warm(std::size_t count, Token&& token = {}) {
        return net::async_initiate<Token, void(std::error_code)>(
            [](auto handler, std::shared_ptr<core_type> core, std::size_t wanted) {
                core->warm(wanted, detail::make_warm_watcher(std::move(handler), core->executor(), wanted));
            },
            token, core_, count);
    }

    /// Ends the pool gracefully: idle connections close now, waiters are refused, leases finish. After `deadline`,
    /// exchanges still under way are cut.
    /// @completes `void(std::error_code)` when no connection is left
    /// @errors `errc::drain_timed_out` when the deadline came first
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_drain(duration deadline, Token&& token = {}) {
        return net::async_initiate<Token, void(std::error_code)>(
            [](auto handler, std::shared_ptr<core_type> core, duration limit) {
                core->stop(errc::pool_draining, base::after(clock_type::now(), limit),
                           detail::make_drain_watcher(std::move(handler), core->executor()));
            },
            token, core_, deadline);
    }

    /// Ends the pool now: idle connections close, waiters are refused, leased connections close as they come back.
    void close() { core_->stop(errc::pool_closed, never, nullptr); }

    /// Replaces the options while running.
    /// @errors throws `std::invalid_argument` naming the field and the rule; nothing has changed then
    void set_options(const pool_options& options) { core_->set_options(options); }
    pool_options options() const { return core_->options(); }

    /// Counts of this moment and totals since the beginning.
    pool_stats stats() const { return core_->stats(); }
    /// The pool's state in one line, for logs and for the error of a get that timed out.
    std::string describe() const { return hotpool::describe(stats()); }

    /// Not for users: what the parts of the library share.
    const std::shared_ptr<core_type>& core() const noexcept { return core_; }

private:
    static constexpr std::string_view http_default_port() { return Transport::default_port; }

    template <class Token>
    auto get(std::optional<duration> timeout, Token&& token) {
        if constexpr (detail::is_use_awaitable<std::decay_t<Token>>)
            return detail::await_get<std::decay_t<Token>>(core_, timeout);
        else
            return detail::initiate_get(core_, timeout, std::forward<Token>(token));
    }

    origin target_;
    std::shared_ptr<core_type> core_;
};

using tcp_pool = connection_pool<tcp_transport>;
using tls_pool = connection_pool<tls_transport>;

}  // namespace hotpool
