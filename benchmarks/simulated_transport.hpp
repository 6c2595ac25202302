// A transport without sockets: its connections open at once, take whatever is written, and nothing ever arrives on them.
#pragma once

#include <hotpool/transport/asio.hpp>
#include <hotpool/transport/transport.hpp>

#include <asio/post.hpp>
#include <chrono>
#include <memory>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace bench {

template <class Executor>
class simulated_stream {
public:
    using executor_type = Executor;
    static constexpr bool holds_buffers = false;

    explicit simulated_stream(const Executor& executor) : executor_{executor} {}

    executor_type get_executor() const { return executor_; }
    hotpool::io_result try_read(hotpool::net::mutable_buffer) noexcept { return {.want = hotpool::io_want::read}; }
    hotpool::io_result try_write(hotpool::net::const_buffer bytes) noexcept { return {.bytes = bytes.size()}; }
    hotpool::io_result try_write(hotpool::net::const_buffer head, hotpool::net::const_buffer body) noexcept {
        return {.bytes = head.size() + body.size()};
    }
    // Nothing ever becomes ready: the handler is kept until the end.
    template <class Handler>
    void async_wait(hotpool::io_want, Handler&& handler) {
        waiting_ = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
    }
    void cancel() noexcept { waiting_.reset(); }
    bool has_buffered() const noexcept { return false; }
    void release_buffers() noexcept {}
    void close() noexcept { cancel(); }
    void abort() noexcept { cancel(); }

private:
    Executor executor_;
    std::shared_ptr<void> waiting_;
};

class simulated_transport {
public:
    struct options {};
    template <class Executor>
    using stream = simulated_stream<Executor>;

    static constexpr std::string_view scheme = "simulated";
    static constexpr std::string_view default_port = "1";

    explicit simulated_transport(const hotpool::origin&, const options& = {}) {}

    template <class Executor, class Handler>
    hotpool::opening async_open(const Executor& executor, std::chrono::nanoseconds, Handler handler) const {
        hotpool::net::post(executor, [executor, handler = std::move(handler)]() mutable {
            std::move(handler)(std::error_code{}, stream<Executor>{executor});
        });
        return {};
    }
};

static_assert(hotpool::transport_for<simulated_transport, hotpool::net::any_io_executor>);

}  // namespace bench
