// Not only HTTP: a lease is an Asio stream, and any protocol can be spoken through it. Here one of lines:
// "ADD 2 3" is answered "5", and "PING" "PONG".
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>

#include "support/line_server.hpp"

using namespace std::chrono_literals;

// One question, one answer. Only what is left over between two answers would make the connection unfit for others.
template <class Stream>
asio::awaitable<std::string> ask(Stream& stream, std::string question) {
    question += '\n';
    co_await asio::async_write(stream, asio::buffer(question), asio::use_awaitable);
    std::string answer;
    const std::size_t size =
        co_await asio::async_read_until(stream, asio::dynamic_buffer(answer, 1024), '\n', asio::use_awaitable);
    if (size != answer.size()) throw std::runtime_error("more than one line was answered");
    answer.pop_back();
    co_return answer;
}

asio::awaitable<int> add(hotpool::tcp_pool& pool, int a, int b) {
    auto conn = co_await pool.async_get(asio::use_awaitable);
    const std::string sum = co_await ask(conn, "ADD " + std::to_string(a) + ' ' + std::to_string(b));
    pool.put(std::move(conn));  // vouches that the connection is clean; without it, it is closed
    co_return std::stoi(sum);
}

asio::awaitable<bool> run() {
    const auto executor = co_await asio::this_coro::executor;
    support::line_server server(executor);
    hotpool::tcp_pool pool(executor, server.target(), {.health_check_interval = 20ms});

    // Idle connections are asked now and then whether their server is still well.
    hotpool::health_checker<hotpool::tcp_pool> checker(pool, [executor](auto& lease, auto verdict) {
        asio::co_spawn(executor, ask(lease, "PING"), [verdict](std::exception_ptr failure, const std::string& answer) {
            verdict(!failure && answer == "PONG");
        });
    });

    int sum = 0;
    for (int i = 1; i <= 10; ++i) sum = co_await add(pool, sum, i);
    std::cout << "1 + 2 + ... + 10 = " << sum << '\n';

    asio::steady_timer timer(executor, 100ms);
    co_await timer.async_wait(asio::use_awaitable);
    const hotpool::pool_stats stats = pool.stats();
    std::cout << stats.total.opened << " connection for " << stats.total.leases << " questions; " << stats.total.probes
              << " probes, " << stats.total.probe_failures << " of them failed\n";
    pool.close();
    server.close();
    co_return sum == 55 && stats.total.opened == 1 && stats.total.probes != 0 && stats.total.probe_failures == 0;
}

int main() {
    asio::io_context context;
    bool as_expected = false;
    asio::co_spawn(context, run(), [&](std::exception_ptr, bool result) { as_expected = result; });
    context.run();
    return as_expected ? 0 : 1;
}
