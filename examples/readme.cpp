// The code that README.md shows; `tests/lint/readme.sh` sees to it that it stays the same text.
#include <asio/io_context.hpp>

#include <exception>

#include "support/embedded_origin.hpp"

// [readme
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <iostream>
#include <utility>

asio::awaitable<void> visit(asio::any_io_executor executor, hotpool::origin site, hotpool::tls_options tls) {
    hotpool::tls_pool pool{executor, site, {.max_connections = 8}, tls};  // one pool per target host

    // get / put around a request
    auto conn = co_await pool.async_get(asio::use_awaitable);  // a move-only lease
    hotpool::request_builder request{"GET", "/index.html"};
    request.header("Accept", "text/html");
    hotpool::response reply = co_await hotpool::async_exchange(conn, request, asio::use_awaitable);
    pool.put(std::move(conn));  // hot for the next caller

    // the same with retry and deadlines
    hotpool::http_client client{pool, {.request_timeout = std::chrono::seconds(5)}};
    hotpool::response page = co_await client.async_send(request, asio::use_awaitable);
    std::cout << page.status() << ' ' << page.header("content-type").value_or("") << '\n' << page.body();
}
// readme]

int main() {
    const support::embedded_origin site;
    asio::io_context context;
    std::exception_ptr failure;
    asio::co_spawn(context, visit(context.get_executor(), site.target(), site.trust()),
                   [&](std::exception_ptr e) { failure = e; });
    context.run();
    return failure ? 1 : 0;
}
