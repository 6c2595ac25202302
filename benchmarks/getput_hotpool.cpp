// get + put on hotpool, over a simulated transport: its connections open at once and nothing ever arrives on them.
#include <hotpool/connection_pool.hpp>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "getput.hpp"

namespace bench {

namespace {

namespace net = hotpool::net;

template <class Executor>
class simulated_stream {
public:
    using executor_type = Executor;
    static constexpr bool holds_buffers = false;

    explicit simulated_stream(const Executor& executor) : executor_{executor} {}

    executor_type get_executor() const { return executor_; }
    hotpool::io_result try_read(net::mutable_buffer) noexcept { return {.want = hotpool::io_want::read}; }
    hotpool::io_result try_write(net::const_buffer bytes) noexcept { return {.bytes = bytes.size()}; }
    hotpool::io_result try_write(net::const_buffer head, net::const_buffer body) noexcept {
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
        net::post(executor, [executor, handler = std::move(handler)]() mutable {
            std::move(handler)(std::error_code{}, stream<Executor>{executor});
        });
        return {};
    }
};

static_assert(hotpool::transport_for<simulated_transport, net::any_io_executor>);

class pool_shelf final : public shelf {
public:
    explicit pool_shelf(std::size_t connections)
        : pool_{context_.get_executor(),
                hotpool::origin{.host = "simulated", .port = "1"},
                {.max_connections = connections, .idle_timeout = {}, .max_lifetime = {}}} {
        pool_.async_warm(connections, [this](std::error_code error) {
            if (error) throw std::system_error{error};
            context_.stop();
        });
        context_.run();
    }

    // Nothing runs the context meanwhile: what put leaves for the turn's end is left once, as in a busy turn.
    void get_put(std::uint64_t times) override {
        for (; times > 0; --times) {
            auto lease = pool_.try_get();
            if (!lease) throw std::runtime_error{"no idle connection"};
            pool_.put(std::move(lease));
        }
    }

private:
    net::io_context context_;
    hotpool::connection_pool<simulated_transport> pool_;
};

}  // namespace

void add_hotpool_shelves(std::vector<shelf_kind>& kinds) {
    kinds.push_back({"hotpool", [](std::size_t connections) -> std::unique_ptr<shelf> {
                         return std::make_unique<pool_shelf>(connections);
                     }});
}

}  // namespace bench
