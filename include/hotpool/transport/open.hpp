// An opening from its first step to its last: resolve, connect, shake hands, under one deadline.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "hotpool/base/origin.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/error.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/connect.hpp"
#include "hotpool/transport/resolve.hpp"
#include "hotpool/transport/tcp_options.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// A stream that is usable only after a handshake: `try_handshake` is called until it wants nothing or fails.
template <class Stream>
concept shakes_hands = requires(Stream stream) {
    { stream.try_handshake() } noexcept -> std::same_as<io_result>;
};

/// A stream whose handshake may fail for what it has brought from earlier connections, and says so; never twice
/// in a row.
template <class Stream>
concept may_deserve_another_try = requires(const Stream stream) {
    { stream.deserves_another_try() } noexcept -> std::same_as<bool>;
};

/// Opens one connection. All its parts run on a strand of its own, so that an executor of several threads
/// will do; the socket itself is made for the plain executor.
///
/// A handshake that fails is final: other addresses are tried only where no connection comes about. Only a stream
/// that says that it deserves another try has one, on a new connection and under the same deadline.
/// @param MakeStream makes a `Stream` of a connected, non-blocking socket and a `std::error_code&`
/// @completes `void(std::error_code, Stream)`, once, posted to the executor
/// @threads `start` once; `cancel` from any thread
template <class Stream, class Executor, class MakeStream, class Handler>
class open_operation final
    : public opening::operation,
      public std::enable_shared_from_this<open_operation<Stream, Executor, MakeStream, Handler>> {
public:
    open_operation(const Executor& executor, origin target, const tcp_options& options,
                   MakeStream make_stream, Handler handler)
        : strand_(executor),
          timer_(executor),
          resolver_(executor),
          target_(std::move(target)),
          options_(options),
          make_stream_(std::move(make_stream)),
          handler_(std::move(handler)) {}

    void start(std::chrono::nanoseconds timeout) {
        deadline_ = base::after(clock_type::now(), std::chrono::duration_cast<duration>(timeout));
        net::post(strand_, [self = this->shared_from_this()] { self->begin(); });
    }
    void cancel() override {
        net::post(strand_, [self = this->shared_from_this()] { self->fail(errc::cancelled); });
    }

private:
    using timer_type = net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, Executor>;
    using resolver_type = net::ip::basic_resolver<net::ip::tcp, Executor>;
    using socket_type = net::basic_stream_socket<net::ip::tcp, Executor>;
    enum class phase : std::uint8_t { connecting, handshaking };

    // What `connect_operation` reports to; naming the type breaks the circle between the two operations.
    struct connect_handler {
        std::shared_ptr<open_operation> self;
        void operator()(const std::error_code& error, socket_type socket) {
            self->connected(error, std::move(socket));
        }
    };

    void begin() {
        timer_.expires_at(deadline_);
        timer_.async_wait(on_strand([](auto& self, const std::error_code& cancelled) {
            if (!cancelled) self.timed_out();
        }));
        if (const auto endpoint = numeric_endpoint(target_)) return connect({*endpoint});
        auto then = [](auto& self, const std::error_code& error, auto endpoints) {
            self.resolved(error, std::move(endpoints));
        };
        async_resolve(resolver_, target_, on_strand(then));
    }

    void resolved(const std::error_code& error, endpoint_list endpoints) {
        if (!handler_) return;
        if (error) return fail(error);
        connect(std::move(endpoints));
    }

    void connect(endpoint_list endpoints) {
        if constexpr (may_deserve_another_try<Stream>) endpoints_ = endpoints;
        const auto connecting = std::make_shared<connect_operation<Executor, connect_handler>>(
            strand_, std::move(endpoints), options_, deadline_, connect_handler{this->shared_from_this()});
        connecting_ = connecting;
        connecting->start();
    }

    void connected(std::error_code error, socket_type socket) {
        if (error) return fail(error);
        stream_.emplace(make_stream_(std::move(socket), error));
        if (error) return fail(error);
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
            if (step.want != io_want::none) return stream_->async_wait(step.want, on_strand(again));
        }
        finish({}, std::move(*stream_));
    }

    void handshake_failed(const std::error_code& error) {
        if constexpr (may_deserve_another_try<Stream>) {
            if (stream_->deserves_another_try()) {
                stream_.reset();
                phase_ = phase::connecting;
                return connect(std::move(endpoints_));
            }
        }
        fail(error);
    }

    void timed_out() {
        fail(phase_ == phase::handshaking ? errc::handshake_timed_out : errc::connect_timed_out);
    }

    void fail(const std::error_code& error) {
        if (handler_) finish(error, Stream(strand_.get_inner_executor()));
    }

    void finish(const std::error_code& error, Stream stream) {
        Handler handler = std::move(*handler_);
        handler_.reset();
        stream_.reset();
        timer_.cancel();
        resolver_.cancel();
        if (const auto connecting = connecting_.lock()) connecting->cancel();
        net::post(strand_.get_inner_executor(),
                  [handler = std::move(handler), error, stream = std::move(stream)]() mutable {
                      std::move(handler)(error, std::move(stream));
                  });
    }

    template <class Function>
    auto on_strand(Function function) {
        return net::bind_executor(strand_, [self = this->shared_from_this(), function](auto&&... arguments) {
            function(*self, std::forward<decltype(arguments)>(arguments)...);
        });
    }

    net::strand<Executor> strand_;
    timer_type timer_;
    resolver_type resolver_;
    // It holds this operation, not the reverse.
    std::weak_ptr<connect_operation<Executor, connect_handler>> connecting_;
    std::optional<Stream> stream_;
    endpoint_list endpoints_;  // for another try
    origin target_;
    tcp_options options_;
    MakeStream make_stream_;
    time_point deadline_{};
    phase phase_ = phase::connecting;
    std::optional<Handler> handler_;
};

/// Starts an opening: what the transports' `async_open` have in common.
template <class Stream, class Executor, class MakeStream, class Handler>
opening start_opening(const Executor& executor, std::chrono::nanoseconds timeout, const origin& target,
                      const tcp_options& options, MakeStream make_stream, Handler handler) {
    const auto operation = std::make_shared<open_operation<Stream, Executor, MakeStream, Handler>>(
        executor, target, options, std::move(make_stream), std::move(handler));
    operation->start(timeout);
    return opening(operation);
}

}  // namespace hotpool::detail
