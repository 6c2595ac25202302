// A plain TCP connection, read and written without blocking.
#pragma once

#include <array>
#include <cstddef>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool {

namespace detail {

/// The library's name for the way a socket's read or write ended.
inline std::error_code socket_error(const std::error_code& error) noexcept {
    return error == net::error::eof ? errc::connection_closed : errc::connection_reset;
}

inline bool would_block(const std::error_code& error) noexcept {
    return error == net::error::would_block || error == net::error::try_again;
}

}  // namespace detail

/// One TCP connection on a non-blocking socket. Holds no buffer: `stream` says what each member does.
/// @threads distinct objects only
template <class Executor>
class tcp_stream {
public:
    using executor_type = Executor;
    using socket_type = net::basic_stream_socket<net::ip::tcp, Executor>;

    static constexpr bool holds_buffers = false;

    explicit tcp_stream(const executor_type& executor) : socket_(executor) {}
    /// @param socket connected and non-blocking
    explicit tcp_stream(socket_type socket) noexcept : socket_(std::move(socket)) {}

    executor_type get_executor() noexcept { return socket_.get_executor(); }
    socket_type& socket() noexcept { return socket_; }

    io_result try_read(net::mutable_buffer room) noexcept {
        std::error_code error;
        const std::size_t bytes = socket_.receive(room, 0, error);
        return outcome(bytes, error, io_want::read);
    }
    io_result try_write(net::const_buffer head, net::const_buffer body = {}) noexcept {
        std::error_code error;
        std::size_t bytes = 0;
        if (body.size() == 0)
            bytes = socket_.send(head, 0, error);
        else
            bytes = socket_.send(std::array{head, body}, 0, error);
        return outcome(bytes, error, io_want::write);
    }

    template <class Handler>
    void async_wait(io_want want, Handler&& handler) {
        socket_.async_wait(detail::wait_type(want), std::forward<Handler>(handler));
    }
    void cancel() noexcept {
        std::error_code ignored;
        socket_.cancel(ignored);
    }

    bool has_buffered() const noexcept { return false; }
    void release_buffers() noexcept {}

    /// Says that nothing more will be written; what the peer sends can still be read.
    void end_writing() noexcept {
        std::error_code ignored;
        socket_.shutdown(net::socket_base::shutdown_send, ignored);
    }
    void close() noexcept {
        std::error_code ignored;
        socket_.close(ignored);
    }
    void abort() noexcept {
        std::error_code ignored;
        socket_.set_option(net::socket_base::linger(true, 0), ignored);
        socket_.close(ignored);
    }

    bool is_open() const noexcept { return socket_.is_open(); }
    typename socket_type::native_handle_type native_handle() noexcept { return socket_.native_handle(); }
    /// Where the stream is connected to; the default endpoint when it is not.
    net::ip::tcp::endpoint remote_endpoint() const noexcept {
        std::error_code error;
        return socket_.remote_endpoint(error);
    }
    /// Where it comes from, on this machine.
    net::ip::tcp::endpoint local_endpoint() const noexcept {
        std::error_code error;
        return socket_.local_endpoint(error);
    }

private:
    static io_result outcome(std::size_t bytes, const std::error_code& error, io_want want) noexcept {
        if (!error) return {.bytes = bytes};
        if (detail::would_block(error)) return {.want = want};
        return {.error = detail::socket_error(error)};
    }

    socket_type socket_;
};

}  // namespace hotpool
