// What an acceptor asks of the way accepted sockets are read and written.
#pragma once

#include <concepts>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/tcp_server_options.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool {

/// Makes streams of accepted sockets. Copies share what they need.
///
/// - `S(options)`: refuses bad values with `std::invalid_argument` naming the field and the rule.
/// - `handshakes`: whether its streams have a `try_handshake` that is to be called, and to be through, first.
/// - `make(socket, error)`: a stream of a connected socket, which it sets up. Where there is an error the stream may
///   only be destroyed. May be called from any thread.
/// - its streams have `end_writing()`: says, in order and without waiting, that this side writes no more. Reading goes on.
///
/// One that is an `updatable_transport` as well takes new options while it runs.
template <class S, class Executor>
concept server_for = std::copyable<S> && std::constructible_from<S, typename S::options> &&
    stream<typename S::template stream<Executor>> &&
    requires(const S server, typename S::template stream<Executor>::socket_type socket,
             typename S::template stream<Executor> made, std::error_code error) {
    { S::handshakes } -> std::convertible_to<bool>;
    { made.end_writing() }
    noexcept;
    { server.template make<Executor>(std::move(socket), error) } -> std::same_as<typename S::template stream<Executor>>;
};

namespace detail {

/// Makes an accepted socket non-blocking, and as `options` say.
/// @errors `errc::connection_reset` if it is good for nothing
template <class Socket>
std::error_code prepare_accepted(Socket& socket, const tcp_server_options& options) noexcept {
    std::error_code error;
    if (socket.non_blocking(true, error)) return errc::connection_reset;
    // Not worth failing for: some sockets know no such option.
    std::error_code ignored;
    if (options.no_delay) socket.set_option(net::ip::tcp::no_delay(true), ignored);
    if (options.keep_alive) socket.set_option(net::socket_base::keep_alive(true), ignored);
    return {};
}

}  // namespace detail
}  // namespace hotpool
