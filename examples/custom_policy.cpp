// A pool with decisions of one's own: how long connections lie idle, which one is lent, how long to wait after
// a failure. A policy is a small class of one function; what is not named stays as it is.
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <optional>

#include "support/embedded_origin.hpp"

using namespace std::chrono_literals;

/// Half of what the peer announced; 300 ms where it announces nothing.
struct cautious_idle_timeout {
    hotpool::duration limit(std::optional<std::chrono::seconds> announced) const noexcept {
        if (!announced) return 300ms;
        return hotpool::duration(*announced) / 2;
    }
};

/// Few connections take turns; among many, those used last are preferred and the others grow old.
class turns_among_few {
public:
    explicit turns_among_few(const hotpool::pool_options& options) noexcept : few_(options.max_connections / 2) {}
    hotpool::idle_end lend_from(std::size_t idle) const noexcept {
        return idle <= few_ ? hotpool::idle_end::oldest : hotpool::idle_end::newest;
    }

private:
    std::size_t few_;
};

/// Always the same pause after a failed opening.
struct steady_backoff {
    hotpool::duration pause(unsigned, double) const noexcept { return 50ms; }
};

struct my_policies : hotpool::default_policies {
    using idle_timeout = cautious_idle_timeout;
    using reuse_order = turns_among_few;
    using backoff = steady_backoff;
};

using my_pool = hotpool::connection_pool<hotpool::tcp_transport, my_policies>;

asio::awaitable<void> pause(hotpool::duration length) {
    asio::steady_timer timer(co_await asio::this_coro::executor, length);
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<bool> take_turns_and_grow_old(hotpool::origin target) {
    my_pool pool(co_await asio::this_coro::executor, target, {.max_connections = 8});
    hotpool::http_client client(pool);
    co_await pool.async_warm(4, asio::use_awaitable);
    for (int i = 0; i < 8; ++i) co_await client.async_get("/", asio::use_awaitable);
    const auto reuses = pool.stats().total.reuses;
    std::cout << "8 requests, " << reuses << " of them on a used connection: all four took turns\n";

    co_await pause(500ms);
    const auto closed = pool.stats().total.retired_for(hotpool::retire_reason::idle_timeout);
    std::cout << closed << " connections were closed after lying idle for 300 ms\n";
    co_return reuses == 4 && closed == 4;
}

asio::awaitable<bool> fail_steadily(hotpool::origin nobody) {
    my_pool pool(co_await asio::this_coro::executor, nobody, {.min_idle = 1});
    co_await pause(220ms);
    const hotpool::pool_stats stats = pool.stats();
    std::cout << stats.total.open_failures << " openings failed in 220 ms: " << stats.last_open_error.message() << '\n';
    co_return stats.total.open_failures >= 1 && stats.total.open_failures <= 5;
}

asio::awaitable<bool> run() {
    hotpool::origin target;
    bool as_expected = false;
    {
        const support::embedded_origin origin(support::scheme::http);
        target = origin.target();
        as_expected = co_await take_turns_and_grow_old(target);
    }
    const bool failed_steadily = co_await fail_steadily(target);  // nobody is there any more
    co_return as_expected&& failed_steadily;
}

int main() {
    asio::io_context context;
    bool as_expected = false;
    asio::co_spawn(context, run(), [&](std::exception_ptr, bool result) { as_expected = result; });
    context.run();
    return as_expected ? 0 : 1;
}
