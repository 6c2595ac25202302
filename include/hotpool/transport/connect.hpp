// The second step of an opening: from endpoints to a connected socket.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#if defined(__linux__)
#    include <unistd.h>
#endif

#include "hotpool/base/time.hpp"
#include "hotpool/error.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/resolve.hpp"
#include "hotpool/transport/tcp_options.hpp"

namespace hotpool::detail {

/// The least time an address gets, if the deadline leaves that much: a host that answers does so within a
/// round trip, and longer ones are rare.
/// @source RFC 8305, 5, whose delay between attempts this is
inline constexpr std::chrono::milliseconds min_attempt{250};

/// How long to try one address so that those behind it get their turn: an equal share of what remains.
/// @param addresses_left this one included, 1 or more; the last may use all that remains
constexpr time_point attempt_deadline(time_point now, time_point deadline,
                                      std::size_t addresses_left) noexcept {
    if (addresses_left <= 1 || deadline <= now) return deadline;
    const duration share = (deadline - now) / static_cast<duration::rep>(addresses_left);
    return std::min(deadline, base::after(now, std::max<duration>(share, min_attempt)));
}

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

/// Opens `socket` for `endpoint`, non-blocking and with `options`. On failure it may be left open.
template <class Socket>
std::error_code prepare_socket(Socket& socket, const net::ip::tcp::endpoint& endpoint,
                               const tcp_options& options) {
    std::error_code error;
    if (socket.is_open()) socket.close(error);
    if (socket.open(endpoint.protocol(), error)) return error;
    if (socket.non_blocking(true, error)) return error;
    // Not worth failing for: some sockets know no such option.
    std::error_code ignored;
    if (options.no_delay) socket.set_option(net::ip::tcp::no_delay(true), ignored);
    if (options.keep_alive) socket.set_option(net::socket_base::keep_alive(true), ignored);
    return {};
}

/// Registers a connected socket anew where Asio uses epoll: connecting has left it interested in writability
/// for good, and each acknowledgement would wake the loop for nothing.
template <class Socket>
std::error_code forget_write_interest([[maybe_unused]] Socket& socket,
                                      [[maybe_unused]] net::ip::tcp protocol) {
    std::error_code error;
#if defined(ASIO_HAS_EPOLL)
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

/// Tries the endpoints in order until one accepts, each for its share of the time that is left. The last one
/// is not timed here: who owns the deadline calls `cancel` when it passes.
/// @completes `void(std::error_code, socket_type)`, once, on the strand and perhaps inside `start`; with the
/// error of the last endpoint if none accepts, and not at all after `cancel`
/// @threads the strand
template <class Executor, class Handler>
class connect_operation : public std::enable_shared_from_this<connect_operation<Executor, Handler>> {
public:
    using socket_type = net::basic_stream_socket<net::ip::tcp, Executor>;

    /// @param endpoints at least one
    connect_operation(const net::strand<Executor>& strand, endpoint_list endpoints,
                      const tcp_options& options, time_point deadline, Handler handler)
        : strand_(strand),
          socket_(strand.get_inner_executor()),
          timer_(strand.get_inner_executor()),
          endpoints_(std::move(endpoints)),
          options_(options),
          deadline_(deadline),
          handler_(std::move(handler)) {}

    void start() { try_next(); }

    /// Closes what was opened and lets go of the handler.
    void cancel() {
        std::error_code ignored;
        socket_.close(ignored);
        timer_.cancel();
        handler_.reset();
    }

private:
    using timer_type = net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, Executor>;

    void try_next() {
        std::error_code error;
        while (next_ != endpoints_.size()) {
            const net::ip::tcp::endpoint& endpoint = endpoints_[next_++];
            error = prepare_socket(socket_, endpoint, options_);
            if (!error) return attempt(endpoint);
            if (connect_error(error) == errc::descriptors_exhausted) break;
        }
        finish(error);
    }

    void attempt(const net::ip::tcp::endpoint& endpoint) {
        const std::size_t number = next_;
        const std::size_t addresses_left = endpoints_.size() - next_ + 1;
        if (addresses_left > 1) {
            timer_.expires_at(attempt_deadline(clock_type::now(), deadline_, addresses_left));
            timer_.async_wait(on_strand([number](auto& self, const std::error_code& cancelled) {
                if (!cancelled) self.attempt_ended(number, errc::connect_timed_out);
            }));
        }
        auto ended = [number](auto& self, const std::error_code& error) {
            self.attempt_ended(number, error);
        };
        socket_.async_connect(endpoint, on_strand(ended));
    }

    // Timer and socket may both report on one attempt, and late: the first word on the current one counts.
    void attempt_ended(std::size_t number, const std::error_code& error) {
        if (!handler_ || number != next_) return;
        timer_.cancel();
        if (error && next_ != endpoints_.size()) return try_next();
        finish(error);
    }

    void finish(std::error_code error) {
        Handler handler = std::move(*handler_);
        handler_.reset();
        if (!error) error = forget_write_interest(socket_, endpoints_[next_ - 1].protocol());
        std::error_code ignored;
        if (error) socket_.close(ignored);
        std::move(handler)(connect_error(error), std::move(socket_));
    }

    template <class Function>
    auto on_strand(Function function) {
        auto held = [self = this->shared_from_this(), function](const std::error_code& error) {
            function(*self, error);
        };
        return net::bind_executor(strand_, std::move(held));
    }

    net::strand<Executor> strand_;
    socket_type socket_;
    timer_type timer_;
    endpoint_list endpoints_;
    tcp_options options_;
    time_point deadline_;
    std::size_t next_ = 0;
    std::optional<Handler> handler_;
};

}  // namespace hotpool::detail
