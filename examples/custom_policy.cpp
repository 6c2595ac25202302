// A pool with decisions of one's own: how long connections lie idle, which one is lent, how long to wait after a
// failure. A policy is a small class of one function; what is not named stays as it is.
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <optional>
#include <vector>

#include "support/embedded_origin.hpp"

using namespace std::chrono_literals;

/// Half of what the peer announced; a tenth of a second where it announces nothing.
struct cautious_idle_timeout {
    hotpool::duration limit(std::optional<std::chrono::seconds> announced) const noexcept {
        if (!announced) return 100ms;
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

asio::awaitable<bool> run() {
    const auto executor = co_await asio::this_coro::executor;
    const support::embedded_origin origin(support::scheme::http);
    my_pool pool(executor, origin.target(), {.max_connections = 8});
    hotpool::http_client client(pool);
    co_await pool.async_warm(4, asio::use_awaitable);

    for (int i = 0; i < 4; ++i) {
        const hotpool::response reply = co_await client.async_get("/", asio::use_awaitable);
        std::cout << "request " << i + 1 << ": " << reply.status() << '\n';
    }
    const auto reuses = pool.stats().total.reuses;
    std::cout << reuses << " connections were used twice: four of eight are few, and take turns\n";

    asio::steady_timer timer(executor, 200ms);
    co_await timer.async_wait(asio::use_awaitable);
    const auto stats = pool.stats();
    const auto closed = stats.total.retired_for(hotpool::retire_reason::idle_timeout);
    std::cout << closed << " of them were closed after lying idle for 100 ms\n";

    // Nobody listens on this port any more: failed openings come 50 ms apart.
    hotpool::origin nobody;
    { nobody = support::embedded_origin(support::scheme::http).target(); }
    hotpool::connection_pool<hotpool::tcp_transport, my_policies> futile(executor, nobody, {.min_idle = 1});
    timer.expires_after(220ms);
    co_await timer.async_wait(asio::use_awaitable);
    const auto failures = futile.stats().total.open_failures;
    std::cout << failures << " openings failed in 220 ms: " << futile.stats().last_open_error.message() << '\n';
    co_return reuses == 0 && closed == 4 && failures >= 2 && failures <= 5;
}

int main() {
    asio::io_context context;
    bool as_expected = false;
    asio::co_spawn(context, run(), [&](std::exception_ptr, bool result) { as_expected = result; });
    context.run();
    return as_expected ? 0 : 1;
}
