// The accepting side: connections that are admitted, watched, and asked to leave.
#pragma once

#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/access/access_list.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/acceptor_options.hpp"
#include "hotpool/inbound/detail/accept_waiters.hpp"
#include "hotpool/inbound/detail/acceptor_core.hpp"
#include "hotpool/inbound/detail/acceptor_services.hpp"
#include "hotpool/inbound/detail/connection.hpp"
#include "hotpool/inbound/inbound_stats.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/server.hpp"
#include "hotpool/transport/tcp_server.hpp"
#include "hotpool/transport/tls_server.hpp"

namespace hotpool::inbound {

template <class Acceptor>
class http_server;

/// Listens, and hands out the connections that are admitted and through their handshake.
///
/// Handshakes are bounded in number (`max_handshakes`) and time (`handshake_timeout`): once so many are under way,
/// newcomers are refused until one ends, and no group has more than `max_connections_per_group` of them. Over TLS a
/// refused connection is closed without a word; over plain TCP `acceptor_services::refused` may say one.
///
/// @tparam Server how accepted sockets become streams: `tcp_server`, `tls_server`, or a class of the same concept
/// @tparam Policies those of a pool's that a server has use for, and `request_quota` if it names one
/// @tparam Executor where sockets live and handlers run that name no executor of their own
/// @threads any thread
/// @lifetime the execution context outlives the acceptor and its connections. A listening acceptor is outstanding work:
/// drain, close or destroy it to let `run` return
template <class Server = tcp_server, policy_bundle Policies = default_policies, class Executor = net::any_io_executor>
class basic_acceptor {
public:
    using server_type = Server;
    using executor_type = Executor;
    using stream_type = typename Server::template stream<Executor>;
    using connection_type = connection<stream_type>;
    using services_type = acceptor_services<stream_type>;
    using core_type = detail::acceptor_core<Server, Policies, Executor>;

    /// Listens at once, and accepts up to `max_ready` connections ahead.
    /// @errors throws `std::invalid_argument` naming the field and the rule, and `std::system_error` with
    /// `errc::listen_failed` naming the address and the reason
    explicit basic_acceptor(const Executor& executor, const acceptor_options& options = {})
        : basic_acceptor(executor, options, typename Server::options{}, services_type{}) {}
    basic_acceptor(const Executor& executor, const acceptor_options& options, typename Server::options server_options)
        : basic_acceptor(executor, options, std::move(server_options), services_type{}) {}
    basic_acceptor(const Executor& executor, const acceptor_options& options, typename Server::options server_options,
                   services_type services) {
        static_assert(server_for<Server, Executor>);
        validate(options);
        core_ = std::make_shared<core_type>(executor, options, Server(std::move(server_options)), std::move(services));
        core_->start();
    }
    basic_acceptor(basic_acceptor&&) = delete;
    ~basic_acceptor() { close(); }

    executor_type get_executor() const noexcept { return core_->executor(); }
    /// Where it listens, in the order of `addresses`.
    std::vector<ip_endpoint> local_endpoints() const { return core_->local_endpoints(); }
    /// The port it listens on, the same at every address.
    std::uint16_t port() const { return core_->local_endpoints().front().port; }

    /// The connection that has been open for longest without being accepted. Callers are served in order, and one need
    /// not wait for the other.
    /// @completes `void(std::error_code, connection_type)`, on the handler's executor, or the acceptor's, never inside
    /// this call
    /// @errors `errc::acceptor_closed`; `errc::acceptor_draining` once the last connection has been handed out;
    /// `errc::listener_lost` when no listening socket is left: they are opened again by and by, so call again;
    /// `errc::cancelled`. Throws `std::bad_alloc`; nothing has begun then
    /// @cancels any type; no connection is lost
    /// @threads any thread
    /// @lifetime the acceptor may go, which closes it. If the execution context ends first, the handler is destroyed and
    /// not called, also where it owns the acceptor
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_accept(Token&& token = {}) {
        return net::async_initiate<Token, void(std::error_code, connection_type)>(
            [](auto handler, std::shared_ptr<core_type> core) {
                using op = detail::accept_op<core_type, decltype(handler)>;
                core->accept(*hotpool::detail::allocate_op<op>(std::move(handler), core));
            },
            token, core_);
    }

    /// Stops listening and tells every connection (`connection::on_drain`), those in their handshake once they are open.
    /// They end in their own time; those that are left after `limit` are cut. Connections that have not been accepted
    /// yet are still handed out.
    /// @param limit from now on; of several drains the earliest end counts. 0 or less: they are cut at once
    /// @completes `void(std::error_code)` when all are gone; where `async_accept` does
    /// @errors `errc::drain_timed_out` if the limit has cut any; `errc::cancelled`. Throws `std::bad_alloc`; nothing has
    /// begun then
    /// @cancels any type: the caller no longer waits. What was told cannot be taken back, the acceptor goes on to drain
    /// @threads any thread
    /// @lifetime as `async_accept`
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_drain(duration limit, Token&& token = {}) {
        return net::async_initiate<Token, void(std::error_code)>(
            [](auto handler, std::shared_ptr<core_type> core, duration within) {
                using op = detail::drain_op<core_type, decltype(handler)>;
                core->drain(within, *hotpool::detail::allocate_op<op>(std::move(handler), core));
            },
            token, core_, limit);
    }

    /// Stops listening and ends every connection, whose operations fail with `errc::acceptor_closed`, as callers of
    /// `async_accept` do. The destructor does so too.
    /// @threads any thread
    void close() { core_->close(); }

    inbound_stats stats() const { return core_->stats(); }

    acceptor_options options() const { return core_->options(); }
    /// New limits from now on; nobody who is here is ended for the new ones at once but by the limits of time.
    /// @errors throws `std::invalid_argument`; then nothing has changed
    void set_options(const acceptor_options& options) {
        validate(options);
        core_->set_options(options);
    }
    /// Other options for sockets accepted from now on, such as a new certificate: see `updatable_transport`.
    template <class Its = Server>
    requires updatable_transport<Its>
    void set_transport_options(const typename Its::options& options) { core_->server().update(options); }

    /// Ends the connections of a group, and refuses it new ones and requests, for that long.
    /// @param group one, or an address in it
    /// @param reach with `newcomers` the connections that are there go on, as after a block for too many errors
    /// @errors throws `std::bad_alloc`; it is not blocked then
    block_result block(const peer_group& group, duration span, block_reach reach = block_reach::everyone) {
        return core_->block(group, span, reach);
    }
    void unblock(const peer_group& group) { core_->unblock(group); }
    /// Runs `change(access_list&)`: who is denied, of those who connect from now on.
    /// @param change must not call the acceptor, whose lock is held meanwhile
    template <class Change>
    void change_access(Change change) {
        core_->with_admission([&](auto& machine) { change(machine.access()); });
    }
    /// How the group of an address stands.
    group_status status(const ip_address& address) const {
        return core_->with_admission([&](auto& machine) { return machine.status(address, clock_type::now()); });
    }

private:
    template <class Acceptor>
    friend class http_server;

    std::shared_ptr<core_type> core_;
};

using tcp_acceptor = basic_acceptor<tcp_server>;
using tls_acceptor = basic_acceptor<tls_server>;
using tcp_connection = tcp_acceptor::connection_type;
using tls_connection = tls_acceptor::connection_type;

}  // namespace hotpool::inbound
