// A pool of any size whose oldest hundred connections expire together.
#include <hotpool/connection_pool.hpp>

#include <asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "bench_scale.hpp"
#include "simulated_transport.hpp"

namespace bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t expiring = 100;
constexpr std::chrono::milliseconds short_life{1'500};  // longer than it takes to open all the others

// Asked at the opening of each connection: the first ones live short, those after them long.
struct two_ages {
    static inline hotpool::duration now_given{};
    hotpool::duration limit(std::optional<std::chrono::seconds>) const noexcept { return now_given; }
};
struct policies : hotpool::default_policies {
    using idle_timeout = two_ages;
};
using pool = hotpool::connection_pool<simulated_transport, policies>;

void warm(asio::io_context& context, pool& to_fill, std::size_t connections, hotpool::duration life) {
    two_ages::now_given = life;
    to_fill.async_warm(connections, [&context](std::error_code error) {
        if (error) throw std::system_error{error};
        context.stop();
    });
    context.run();
    context.restart();
}

}  // namespace

double sweep_ns(std::size_t connections) {
    asio::io_context context;
    pool swept{
        context.get_executor(), hotpool::origin{.host = "simulated", .port = "1"}, {.max_connections = connections}};
    warm(context, swept, expiring, short_life);
    const clock::time_point due = clock::now() + short_life;
    if (connections > expiring) warm(context, swept, connections, std::chrono::hours{1});
    while (context.poll() != 0) {
    }
    if (clock::now() >= due) throw std::runtime_error{"opening took too long"};
    std::this_thread::sleep_until(due + std::chrono::milliseconds{10});

    const clock::time_point begun = clock::now();
    context.poll();
    const clock::duration taken = clock::now() - begun;
    if (swept.stats().total.retired_for(hotpool::retire_reason::idle_timeout) != expiring)
        throw std::runtime_error{"other connections expired than should"};
    return std::chrono::duration<double, std::nano>(taken).count();
}

}  // namespace bench
