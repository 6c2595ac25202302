// The step of an opening between a proxy's socket and the origin's: CONNECT.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/proxy_connect.hpp"
#include "hotpool/transport/proxy_options.hpp"

namespace hotpool::detail {

/// Makes a socket that is connected to a proxy one that is connected to the origin. Not timed: who owns the
/// deadline calls `cancel` when it passes.
/// @completes `void(std::error_code, socket_type)`, once, while `turn` is held, and not at all after `cancel`
/// @errors `errc::proxy_closed`, `errc::proxy_unauthorized`, `errc::proxy_refused`, `errc::proxy_bad_response`; the
/// socket is closed then
/// @threads whoever calls it holds `turn`, as its own steps do
template <class Executor, class Handler>
class tunnel_operation : public std::enable_shared_from_this<tunnel_operation<Executor, Handler>> {
public:
    using socket_type = net::basic_stream_socket<net::ip::tcp, Executor>;

    /// @param socket connected and non-blocking
    /// @param target,proxy accepted by `validate_tunnel`
    tunnel_operation(std::shared_ptr<std::mutex> turn, socket_type socket, const origin& target,
                     const proxy_options& proxy, Handler handler)
        : turn_(std::move(turn)),
          socket_(std::move(socket)),
          request_(connect_request(target, proxy)),
          handler_(std::move(handler)) {}

    void start() { write(); }

    /// Closes the socket and lets go of the handler.
    void cancel() {
        close();
        handler_.reset();
    }

private:
    void write() {
        auto wrote = [](auto& self, const std::error_code& error, std::size_t bytes) { self.wrote(error, bytes); };
        socket_.async_write_some(net::buffer(request_) + written_, in_turn(wrote));
    }

    void wrote(const std::error_code& error, std::size_t bytes) {
        if (error) return finish(errc::proxy_closed);
        written_ += bytes;
        if (written_ == request_.size()) return read();
        write();
    }

    void read() {
        auto received = [](auto& self, const std::error_code& error, std::size_t bytes) {
            self.received(error, bytes);
        };
        socket_.async_read_some(net::buffer(room_), in_turn(received));
    }

    void received(const std::error_code& error, std::size_t bytes) {
        if (error) return finish(errc::proxy_closed);
        switch (answer_.received(std::string_view(room_.data(), bytes))) {
            case connect_answer::verdict::need_more: return read();
            case connect_answer::verdict::tunnel: return finish({});
            case connect_answer::verdict::failed: return finish(answer_.error());
        }
    }

    void finish(const std::error_code& error) {
        Handler handler = std::move(*handler_);
        handler_.reset();
        if (error) close();
        std::move(handler)(error, std::move(socket_));
    }

    void close() noexcept {
        std::error_code ignored;
        socket_.close(ignored);
    }

    template <class Function>
    auto in_turn(Function function) {
        return [self = this->shared_from_this(), function](const std::error_code& error, std::size_t bytes) {
            const std::lock_guard turn(*self->turn_);
            try {
                if (self->handler_) function(*self, error, bytes);
            } catch (const std::bad_alloc&) {
                if (self->handler_) self->finish(std::make_error_code(std::errc::not_enough_memory));
            }
        };
    }

    const std::shared_ptr<std::mutex> turn_;
    socket_type socket_;
    std::string request_;
    std::size_t written_ = 0;
    connect_answer answer_;
    std::array<char, 1024> room_;
    std::optional<Handler> handler_;
};

}  // namespace hotpool::detail
