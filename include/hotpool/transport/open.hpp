// An opening from its first step to its last: connect, tunnel, shake hands, under one deadline.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/connect.hpp"
#include "hotpool/transport/endpoint.hpp"
#include "hotpool/transport/proxy_connect.hpp"
#include "hotpool/transport/proxy_tunnel.hpp"
#include "hotpool/transport/tcp_options.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// A stream that is usable only after a handshake: `try_handshake` is called until it wants nothing or fails.
template <class Stream>
concept shakes_hands = requires(Stream stream) {
    { stream.try_handshake() }
    noexcept->std::same_as<io_result>;
};

/// A stream whose handshake may fail for what it has brought from earlier connections, and says so; never twice
/// in a row.
template <class Stream>
concept may_deserve_another_try = requires(const Stream stream) {
    { stream.deserves_another_try() }
    noexcept->std::same_as<bool>;
};

/// A handler that wants to know when only the handshake remains.
template <class Handler>
concept hears_of_connection = requires(Handler handler) {
    handler.connected();
};

/// Opens one connection to one endpoint. Its steps take turns by a lock of its own, so that an executor of several
/// threads will do. Only a stream that says that it deserves another try has one, on a new connection and under the same
/// deadline.
/// @param MakeStream makes a `Stream` of a connected, non-blocking socket and a `std::error_code&`
/// @completes `void(std::error_code, Stream)`, once, posted to the executor
/// @threads `start` once; `cancel` from any thread
template <class Stream, class Executor, class MakeStream, class Handler>
class open_operation final
    : public opening::operation,
      public std::enable_shared_from_this<open_operation<Stream, Executor, MakeStream, Handler>> {
public:
    /// @param target what a proxy is asked for, if `options` name one: then the request leads to the proxy
    open_operation(const Executor& executor, const open_request& request, origin target, const tcp_options& options,
                   MakeStream make_stream, Handler handler)
        : executor_(executor),
          timer_(executor),
          socket_(executor),
          request_(request),
          target_(std::move(target)),
          options_(options),
          make_stream_(std::move(make_stream)),
          handler_(std::move(handler)) {}

    void start() {
        deadline_ = base::after(clock_type::now(), request_.timeout);
        net::post(executor_, in_turn([](auto& self) { self.begin(); }));
    }
    void cancel() override {
        try {
            net::post(executor_, in_turn([](auto& self) { self.fail(errc::cancelled); }));
        } catch (const std::bad_alloc&) {  // its deadline ends it
        }
    }

private:
    using timer_type = net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, Executor>;
    using socket_type = net::basic_stream_socket<net::ip::tcp, Executor>;
    enum class phase : std::uint8_t { connecting, tunnelling, handshaking };

    struct tunnel_handler {
        std::shared_ptr<open_operation> self;
        void operator()(const std::error_code& error, socket_type socket) {
            self->socket_ = std::move(socket);
            self->reached(error);
        }
    };

    void begin() {
        if (!handler_) return;
        set_timer(deadline_);
        connect();
    }

    void set_timer(time_point due) {
        timer_.expires_at(due);
        // It does not keep the operation: one whose step was lost for want of memory ends at once, and says so.
        timer_.async_wait([weak = this->weak_from_this()](const std::error_code& cancelled) {
            const auto self = weak.lock();
            if (self == nullptr) return;
            const std::lock_guard turn(*self->turn_);
            // It may have fired just before it was set anew.
            if (cancelled || clock_type::now() < self->timer_.expiry()) return;
            try {
                self->timed_out();
            } catch (const std::bad_alloc&) {  // the handler that was dropped has said so
            }
        });
    }

    void connect() {
        if (const std::error_code error = prepare_socket(socket_, request_.to, request_.from, options_))
            return fail(first_hop_error(connect_error(error), options_.proxy));
        socket_.async_connect(to_asio(request_.to),
                              in_turn([](auto& self, const std::error_code& error) { self.connected(error); }));
    }

    void connected(std::error_code error) {
        if (!handler_) return;
        if (!error) error = forget_write_interest(socket_, to_asio(request_.to).protocol());
        if (error) return fail(first_hop_error(connect_error(error), options_.proxy));
        if constexpr (hears_of_connection<Handler>) handler_->connected();
        if (!options_.proxy.enabled()) return reached({});
        phase_ = phase::tunnelling;
        const auto tunnelling = std::make_shared<tunnel_operation<Executor, tunnel_handler>>(
            turn_, std::move(socket_), target_, options_.proxy, tunnel_handler{this->shared_from_this()});
        tunnelling_ = tunnelling;
        tunnelling->start();
    }

    // The socket is the origin's from here on.
    void reached(std::error_code error) {
        if (!handler_) return;
        if (error) return fail(error);
        stream_.emplace(make_stream_(std::move(socket_), error));
        if (error) return fail(error);
        begin_handshake();
    }

    void begin_handshake() {
        if (phase_ != phase::handshaking && request_.handshake_timeout != duration::zero())
            set_timer(std::min(deadline_, base::after(clock_type::now(), request_.handshake_timeout)));
        phase_ = phase::handshaking;
        shake_hands();
    }

    void shake_hands() {
        if constexpr (shakes_hands<Stream>) {
            const io_result step = stream_->try_handshake();
            if (step.error) return handshake_failed(step.error);
            auto again = [](auto& self, const std::error_code&) {
                if (self.handler_) self.shake_hands();
            };
            if (step.want != io_want::none) return stream_->async_wait(step.want, in_turn(again));
        }
        finish({}, std::move(*stream_));
    }

    void handshake_failed(const std::error_code& error) {
        if constexpr (may_deserve_another_try<Stream>) {
            if (stream_->deserves_another_try()) {
                stream_.reset();
                phase_ = phase::connecting;
                socket_ = socket_type(executor_);
                set_timer(deadline_);
                return connect();
            }
        }
        fail(error);
    }

    void timed_out() {
        switch (phase_) {
            case phase::connecting: return fail(first_hop_error(errc::connect_timed_out, options_.proxy));
            case phase::tunnelling: return fail(errc::proxy_timed_out);
            case phase::handshaking: return fail(errc::handshake_timed_out);
        }
    }

    void fail(const std::error_code& error) {
        if (handler_) finish(error, Stream(executor_));
    }

    void finish(const std::error_code& error, Stream stream) {
        Handler handler = std::move(*handler_);
        handler_.reset();
        stream_.reset();
        timer_.cancel();
        std::error_code ignored;
        socket_.close(ignored);
        if (const auto tunnelling = tunnelling_.lock()) tunnelling->cancel();
        net::post(executor_, [handler = std::move(handler), error, stream = std::move(stream)]() mutable {
            std::move(handler)(error, std::move(stream));
        });
    }

    void memory_refused() noexcept {
        try {
            fail(std::make_error_code(std::errc::not_enough_memory));
        } catch (...) {  // the handler that was dropped has said so
        }
    }

    template <class Function>
    auto in_turn(Function function) {
        return [self = this->shared_from_this(), function](auto&&... arguments) {
            const std::lock_guard turn(*self->turn_);
            try {
                function(*self, std::forward<decltype(arguments)>(arguments)...);
            } catch (const std::bad_alloc&) {
                self->memory_refused();
            }
        };
    }

    const Executor executor_;
    const std::shared_ptr<std::mutex> turn_ = std::make_shared<std::mutex>();
    timer_type timer_;
    socket_type socket_;
    // It holds this operation, not the reverse.
    std::weak_ptr<tunnel_operation<Executor, tunnel_handler>> tunnelling_;
    std::optional<Stream> stream_;
    const open_request request_;
    const origin target_;
    const tcp_options options_;
    MakeStream make_stream_;
    time_point deadline_{};
    phase phase_ = phase::connecting;
    std::optional<Handler> handler_;
};

/// Starts an opening: what the transports' `async_open` have in common.
template <class Stream, class Executor, class MakeStream, class Handler>
opening start_opening(const Executor& executor, const open_request& request, const origin& target,
                      const tcp_options& options, MakeStream make_stream, Handler handler) {
    const auto operation = std::make_shared<open_operation<Stream, Executor, MakeStream, Handler>>(
        executor, request, target, options, std::move(make_stream), std::move(handler));
    operation->start();
    return opening(operation);
}

}  // namespace hotpool::detail
