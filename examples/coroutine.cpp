// Coroutines: many visitors share a few connections, in the order in which they come.
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <system_error>

#include "support/embedded_origin.hpp"

using namespace std::chrono_literals;

// Gets a connection, makes two exchanges on it, and puts it back for the next visitor.
asio::awaitable<void> visit(hotpool::tls_pool& pool, int visitor) {
    auto conn = co_await pool.async_get(asio::use_awaitable);
    const bool hot = conn.reused();

    hotpool::request_builder request("GET", "/");
    request.header("Accept", "text/html");
    const hotpool::response page = co_await hotpool::async_exchange(conn, request, asio::use_awaitable);
    request.reset("GET", "/bytes/100000");
    const hotpool::response image = co_await hotpool::async_exchange(conn, request, asio::use_awaitable);

    std::cout << "visitor " << visitor << " on a " << (hot ? "hot" : "new") << " connection: " << page.status() << ", "
              << page.body().size() << " bytes, and " << image.body().size() << " bytes\n";
    pool.put(std::move(conn));
}

// Errors come as exceptions, or as codes where that is handier.
asio::awaitable<void> give_up_soon(hotpool::tls_pool& pool) {
    std::vector<hotpool::tls_pool::lease_type> all;
    while (all.size() < pool.options().max_connections)
        all.push_back(co_await pool.async_get(asio::use_awaitable));  // now there is none left
    std::error_code error;
    auto conn = co_await pool.async_get(20ms, asio::redirect_error(asio::use_awaitable, error));
    if (error != hotpool::condition::timed_out) throw std::system_error(error, "expected a timeout");
    std::cout << "as expected: " << error.message() << '\n';
}  // leases that end without put give their connections back, as long as these are clean

asio::awaitable<void> run() {
    const auto executor = co_await asio::this_coro::executor;
    const support::embedded_origin origin;
    hotpool::tls_pool pool(executor, origin.target(), {.max_connections = 2}, origin.trust());
    co_await pool.async_warm(2, asio::use_awaitable);

    for (int visitor = 1; visitor < 8; ++visitor) asio::co_spawn(executor, visit(pool, visitor), asio::detached);
    co_await visit(pool, 8);  // the last in the queue
    co_await give_up_soon(pool);

    std::cout << pool.describe() << "; reuse rate " << 100 * pool.stats().reuse_rate() << " %\n";
    co_await pool.async_drain(1s, asio::use_awaitable);
}

int main() {
    asio::io_context context;
    std::exception_ptr failure;
    asio::co_spawn(context, run(), [&](std::exception_ptr e) { failure = e; });
    context.run();
    try {
        if (failure) std::rethrow_exception(failure);
    } catch (const std::exception& e) {
        std::cerr << "error: " << e.what() << '\n';
        return 1;
    }
}
