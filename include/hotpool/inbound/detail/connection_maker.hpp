// Makes connections of accepted sockets, or refuses them, as the core says.
#pragma once

#include <cstdint>
#include <system_error>
#include <utility>

#include "hotpool/inbound/admission_verdict.hpp"
#include "hotpool/inbound/detail/acceptor_services.hpp"
#include "hotpool/inbound/detail/connection_state.hpp"
#include "hotpool/inbound/detail/lingering_refusal.hpp"
#include "hotpool/inbound/detail/listening_socket.hpp"
#include "hotpool/inbound/refuse_reason.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::inbound::detail {

/// The part of a `Core` between its listening sockets and its connections. The core derives from it and has
/// `offer(listener, peer)`, which gives the verdict, `admitted(connection)` and `not_kept(ticket)`, and for those who are
/// refused `refusal_lingers(refused)`: how many bytes of theirs are waited for, and `refusal_left`.
/// @threads any thread, under no lock
template <class Core, class Server, class Executor>
class connection_maker {
protected:
    using stream_type = typename Server::template stream<Executor>;
    using state_type = connection_state<stream_type>;
    using services_type = acceptor_services<stream_type>;
    using refusal_type = lingering_refusal<Core, typename stream_type::socket_type>;

    connection_maker(Server server, services_type services)
        : server_(std::move(server)), services_(std::move(services)) {}
    ~connection_maker() = default;

    Server& server() noexcept { return server_; }
    const services_type& services() const noexcept { return services_; }

    /// @param l where it came in
    template <class Listener>
    void admit(accepted_socket a, const Listener& l) {
        admission_verdict verdict = core().offer(l, a.peer);
        try {
            const Executor where = services_.connection_executor ? services_.connection_executor() : core().executor();
            if (!verdict.admitted()) return refuse(std::move(a), l.protocol(), where, verdict);
            std::error_code error;
            stream_type stream = stream_of(a, l.protocol(), where, error);
            if (error) {
                stream.close();
                return core().not_kept(verdict.ticket);
            }
            const hotpool::detail::counted_ref<state_type> c(
                new state_type(core().shared_from_this(), std::move(stream), a.peer, verdict.ticket));
            core().admitted(*c);
        } catch (...) {  // of memory, or the user's: this connection's affair
            core().not_kept(verdict.ticket);
        }
    }

private:
    using socket_type = typename stream_type::socket_type;

    Core& core() noexcept { return static_cast<Core&>(*this); }

    stream_type stream_of(accepted_socket& a, const net::ip::tcp& protocol, const Executor& where,
                          std::error_code& error) {
        socket_type socket = socket_of(a, protocol, where, error);
        if (error) return stream_type(where);
        return server_.template make<Executor>(std::move(socket), error);
    }
    socket_type socket_of(accepted_socket& a, const net::ip::tcp& protocol, const Executor& where,
                          std::error_code& error) {
        socket_type socket(where);
        socket.assign(protocol, a.descriptor.get(), error);
        if (!error) a.descriptor.release();
        return socket;
    }

    /// Who is told something is to read it, and who comes when the server leaves is to see an orderly end. Everybody else
    /// is closed at once, as when descriptors are short.
    void refuse(accepted_socket a, const net::ip::tcp& protocol, const Executor& where,
                const admission_verdict& verdict) {
        const bool has_time = verdict.refused != refuse_reason::resources;
        std::error_code error;
        if constexpr (!Server::handshakes) {
            if (services_.refused) {
                stream_type stream = stream_of(a, protocol, where, error);
                if (error) return;
                services_.refused(stream, verdict);
                if (has_time && stream.is_open()) linger(std::move(stream.socket()));
                return;
            }
        }
        if (verdict.refused != refuse_reason::draining) return;
        socket_type socket = socket_of(a, protocol, where, error);
        if (!error) linger(std::move(socket));
    }
    void linger(socket_type socket) {
        std::error_code ignored;
        socket.shutdown(net::socket_base::shutdown_send, ignored);
        refusal_type* const r = new refusal_type(core().shared_from_this(), std::move(socket));  // the core's
        const hotpool::detail::counted_ref<refusal_type> held(*r);
        if (const std::uint64_t may_come = core().refusal_lingers(*r)) return r->start(may_come);
        r->go();
        r->release();
    }

    Server server_;
    const services_type services_;
};

}  // namespace hotpool::inbound::detail
