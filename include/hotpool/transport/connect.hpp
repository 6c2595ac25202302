// From an endpoint to a connected socket.
#pragma once

#include <cerrno>
#include <optional>
#include <system_error>

#if defined(__linux__)
#    include <netinet/in.h>
#    include <sys/socket.h>
#    include <unistd.h>
#endif

#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/endpoint.hpp"
#include "hotpool/transport/socket_setup.hpp"
#include "hotpool/transport/tcp_options.hpp"

namespace hotpool::detail {

/// The library's name for what kept a socket from connecting; its own codes pass.
inline std::error_code connect_error(const std::error_code& error) noexcept {
    if (!error || error.category() == hotpool_category()) return error;
    if (error == net::error::connection_refused) return errc::connect_refused;
    if (error == net::error::host_unreachable || error == net::error::network_unreachable)
        return errc::connect_unreachable;
    const std::error_code system_table_full(ENFILE, net::error::get_system_category());
    if (error == net::error::no_descriptors || error == system_table_full) return errc::descriptors_exhausted;
    if (error == net::error::timed_out) return errc::connect_timed_out;
    return errc::connect_failed;
}

/// Opens `socket` for `to`, non-blocking, with `options` and bound to `from`. On failure it may be left open.
template <class Socket>
std::error_code prepare_socket(Socket& socket, const ip_endpoint& to, const std::optional<ip_address>& from,
                               const tcp_options& options) {
    std::error_code error;
    if (socket.is_open()) socket.close(error);
    if (socket.open(to_asio(to).protocol(), error)) return error;
    if (socket.non_blocking(true, error)) return error;
    if ((error = set_up(socket, to, options)) || !from) return error;
#if defined(IP_BIND_ADDRESS_NO_PORT)
    // The port is chosen when the peer is known: otherwise all connections of this address share 28,000 of them.
    const int on = 1;
    ::setsockopt(socket.native_handle(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
#endif
    socket.bind(to_asio(ip_endpoint{*from, 0}), error);
    return error;
}

/// Registers a connected socket anew where Asio uses epoll: connecting has left it interested in writability
/// for good, and each acknowledgement would wake the loop for nothing.
template <class Socket>
std::error_code forget_write_interest([[maybe_unused]] Socket& socket, [[maybe_unused]] net::ip::tcp protocol) {
    std::error_code error;
#if HOTPOOL_ASIO_HAS_EPOLL
    const auto descriptor = socket.release(error);
    if (error) return error;
    if (socket.assign(protocol, descriptor, error)) {
        ::close(descriptor);
        return error;
    }
    socket.non_blocking(true, error);
#endif
    return error;
}

}  // namespace hotpool::detail
