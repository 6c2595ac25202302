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
#include <vector>

#include "hotpool/base/access.hpp"
#include "hotpool/base/authority.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/base/source_location.hpp"
#include "hotpool/connection/lease.hpp"
#include "hotpool/manager/connection_budget.hpp"
#include "hotpool/pool/get_op.hpp"
#include "hotpool/pool/pool_core.hpp"
#include "hotpool/pool/pool_services.hpp"
#include "hotpool/pool/pool_stats.hpp"
#include "hotpool/pool/progress_op.hpp"
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
    ///
    /// `pool{co_await asio::this_coro::executor, {.host = …}, {.max_idle = …}}` is well. The options of a transport and
    /// the services own memory: with g++ 12 they must not be made in an expression that awaits, so await the executor
    /// on a line of its own where they are given.
    /// @param target an `origin`, or its host and port in braces
    /// @errors throws `std::invalid_argument` naming the field and the rule
    connection_pool(const Executor& executor, origin_view target, const pool_options& options = {})
        : connection_pool(executor, target, options, typename Transport::options{}, pool_services{}) {}
    // The transport's options are no default argument: in coroutines, GCC 12 and older destroy such a one where it is not.
    connection_pool(const Executor& executor, origin_view target, const pool_options& options,
                    typename Transport::options transport_options, std::shared_ptr<connection_budget> budget = nullptr)
        : connection_pool(executor, target, options, std::move(transport_options),
                          pool_services{.budget = std::move(budget)}) {}
    connection_pool(const Executor& executor, origin_view target, const pool_options& options,
                    typename Transport::options transport_options, pool_services services)
        : target_{.host = std::string(target.host), .port = std::string(target.port)} {
        static_assert(transport_for<Transport, Executor>);
        validate(options);
        Transport transport(target_, std::move(transport_options));
        std::optional<std::string> authority =
            base::authority_text(target_.host, target_.port, Transport::default_port);
        if (!authority) throw std::invalid_argument("hotpool::origin::host must be a name or an IP address");
        core_ = std::make_shared<core_type>(executor, std::move(transport), std::move(*authority), options,
                                            std::move(services));
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
    /// `errc::pool_draining`, `errc::pool_closed`, `errc::cancelled`, or why the connection could not be opened (`condition::open_failed`)
    /// @cancels any type; what was given too late goes to the next caller
    /// @cost with a hot connection: no system call, no allocation but what a posted completion needs
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_get(Token&& token = {}, source_location where = source_location::current()) {
        return get(std::nullopt, std::forward<Token>(token), where);
    }
    /// @param timeout instead of `get_timeout`; 0: without limit
    /// @param where named by the report of a lease that is held longer than `leak_after`
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_get(duration timeout, Token&& token = {}, source_location where = source_location::current()) {
        return get(std::optional<duration>(timeout), std::forward<Token>(token), where);
    }

    /// A hot connection, or an empty lease; opens none and never waits.
    lease_type try_get(source_location where = source_location::current()) {
        if (auto* hot = core_->take(never, where)) return detail::access::make<lease_type>(hot);
        return detail::access::make<lease_type>(core_->own_ticket());
    }

    /// Gives a connection back to be lent again. The response must have been read, or its rest is read and dropped
    /// within `drain_limit_bytes` and `drain_timeout`; a connection in any other state is closed.
    /// @errors throws `std::invalid_argument` for a lease of another pool; an empty lease is ignored
    void put(lease_type&& lease) {
        if (!lease) return;
        if (detail::access::connection(lease)->home.get() != core_.get())
            throw std::invalid_argument("hotpool::connection_pool::put: the lease belongs to another pool");
        detail::access::end(lease, true);
    }

    /// Opens connections, in parallel at the pool's pace (`max_openings`), until `count` are open.
    /// @completes `void(std::error_code)` when they are ready, or every opening has ended
    /// @errors `errc::warm_incomplete` if some failed or the limits allow fewer, `errc::cancelled`
    /// @cancels any type: the caller no longer waits, what has been begun goes on
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_warm(std::size_t count, Token&& token = {}) {
        return warm(count, count, std::forward<Token>(token));
    }
    /// The same, but completes when `enough` of them are ready, such as the first; the others follow.
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_warm(std::size_t count, std::size_t enough, Token&& token = {}) {
        return warm(count, enough, std::forward<Token>(token));
    }

    /// Ends the pool gracefully: idle connections close now, waiters are refused, leases finish. After `deadline`,
    /// exchanges still under way are cut.
    /// @completes `void(std::error_code)` when no connection is left
    /// @errors `errc::drain_timed_out` when the deadline came first, `errc::cancelled`
    /// @cancels any type: the caller no longer waits, the pool goes on to drain
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_drain(duration deadline, Token&& token = {}) {
        return net::async_initiate<Token, void(std::error_code)>(
            [](auto handler, std::shared_ptr<core_type> core, duration limit) {
                auto& waiter = detail::make_progress_waiter(core, detail::is_drained{}, std::move(handler));
                core->stop(errc::pool_draining, base::after(clock_type::now(), limit), &waiter);
            },
            token, core_, deadline);
    }

    /// Ends the pool now: idle connections close, waiters are refused, leased connections close as they come back.
    void close() { core_->stop(errc::pool_closed, never, nullptr); }

    /// Lends nothing and opens nothing until `resume`: callers wait, as long as their timeout allows, leases go on and
    /// come back.
    void suspend() { core_->suspend(); }
    void resume() { core_->resume(); }

    /// The machine has another network, another way out or another address: idle connections close now, leased ones as
    /// they come back, ejections and pauses are forgotten, and addresses are looked up anew before the next opening.
    void network_changed() { core_->network_changed(); }
    /// Asks for the addresses of the origin now, as it does each `resolve_interval`; traffic goes on meanwhile.
    void refresh_endpoints() { core_->refresh_endpoints(); }
    /// What is known of the addresses at this moment, those at the end that answers do not name any more; none before the
    /// first answer, or where the transport finds its own way.
    std::vector<endpoint_state> endpoints() const { return core_->endpoints(); }

    /// Replaces the transport's options, as for a new certificate or new roots: openings use them from now on, and
    /// connections made before end as they come back, idle ones one each `retire_spacing`.
    /// @errors throws what the transport's constructor throws; nothing has changed then
    void set_transport_options(typename Transport::options transport_options) requires updatable_transport<Transport> {
        core_->set_transport_options(std::move(transport_options));
    }

    /// Replaces the options while running.
    /// @errors throws `std::invalid_argument` naming the field and the rule; nothing has changed then
    void set_options(const pool_options& options) { core_->set_options(options); }
    pool_options options() const { return core_->options(); }

    /// Counts of this moment and totals since the beginning.
    pool_stats stats() const { return core_->stats(); }
    /// The pool's state in one line, for logs and for the error of a get that timed out.
    std::string describe() const { return hotpool::describe(stats()); }

private:
    friend struct detail::access;

    template <class Token>
    auto get(std::optional<duration> timeout, Token&& token, source_location where) {
        if constexpr (detail::is_use_awaitable<std::decay_t<Token>>)
            return detail::await_get<std::decay_t<Token>>(core_, timeout, where);
        else
            return detail::initiate_get(core_, timeout, where, std::forward<Token>(token));
    }
    template <class Token>
    auto warm(std::size_t count, std::size_t enough, Token&& token) {
        return net::async_initiate<Token, void(std::error_code)>(
            [](auto handler, std::shared_ptr<core_type> core, std::size_t wanted, std::size_t ready) {
                core->warm(wanted, detail::make_progress_waiter(core, detail::is_warm{ready}, std::move(handler)));
            },
            token, core_, count, enough);
    }

    origin target_;
    std::shared_ptr<core_type> core_;
};

using tcp_pool = connection_pool<tcp_transport>;
using tls_pool = connection_pool<tls_transport>;

}  // namespace hotpool
