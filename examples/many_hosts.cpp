// Many hosts, one budget: a pool for each, and never more than so many connections over all of them.
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <exception>
#include <iostream>
#include <memory>
#include <vector>

#include "support/embedded_origin.hpp"

constexpr std::size_t hosts = 5;
constexpr std::size_t visitors_per_host = 4;
constexpr std::size_t requests_per_visitor = 10;
constexpr std::size_t budget_size = 6;  // far less than hosts * visitors_per_host

struct host {
    host(asio::io_context& context, std::shared_ptr<hotpool::connection_budget> budget)
        : pool(context.get_executor(), origin.target(), {}, {}, std::move(budget)), client(pool) {}

    support::embedded_origin origin{support::scheme::http};
    hotpool::tcp_pool pool;
    hotpool::http_client<hotpool::tcp_pool> client;
};

asio::awaitable<void> visit(host& h, const hotpool::connection_budget& budget, std::size_t& highest) {
    for (std::size_t i = 0; i < requests_per_visitor; ++i) {
        co_await h.client.async_get("/bytes/20000", asio::use_awaitable);
        highest = std::max(highest, budget.used());
    }
}

int main() {
    asio::io_context context;
    const auto budget = std::make_shared<hotpool::connection_budget>(budget_size);
    std::vector<std::unique_ptr<host>> all;
    for (std::size_t i = 0; i < hosts; ++i) all.push_back(std::make_unique<host>(context, budget));

    std::size_t under_way = hosts * visitors_per_host;
    std::size_t highest = 0;
    bool failed = false;
    const auto one_is_done = [&](std::exception_ptr failure) {
        failed = failed || failure;
        if (--under_way == 0)
            for (const auto& h : all) h->pool.close();  // lets run() return
    };
    for (const auto& h : all)
        for (std::size_t i = 0; i < visitors_per_host; ++i)
            asio::co_spawn(context, visit(*h, *budget, highest), one_is_done);
    context.run();

    for (std::size_t i = 0; i < hosts; ++i) {
        const hotpool::pool_stats stats = all[i]->pool.stats();
        std::cout << "host " << i + 1 << ": " << stats.total.leases << " requests, " << stats.total.opened
                  << " connections opened, " << stats.total.retired_for(hotpool::retire_reason::budget)
                  << " closed to make room for other hosts\n";
    }
    std::cout << "at most " << highest << " of " << budget->max_connections() << " connections were in use, "
              << budget->used() << " now\n";
    return !failed && highest <= budget_size && budget->used() == 0 ? 0 : 1;
}
