// Futures: threads that block use a pool whose work is done by other threads.
#include <hotpool/hotpool.hpp>

#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <future>
#include <iostream>
#include <system_error>
#include <thread>
#include <vector>

#include "support/embedded_origin.hpp"

int main() {
    const support::embedded_origin origin;
    asio::thread_pool workers(2);  // any execution context will do, with as many threads as it likes
    hotpool::tls_pool pool(workers.get_executor(), origin.target(), {.max_connections = 4}, origin.trust());
    hotpool::http_client client(pool);

    // One thread, several requests at once.
    std::vector<std::future<hotpool::response>> replies;
    for (int i = 1; i <= 6; ++i)
        replies.push_back(client.async_get("/bytes/" + std::to_string(i * 1000), asio::use_future));
    for (auto& reply : replies) std::cout << reply.get().body().size() << " bytes\n";

    // Several threads, one request after the other; pool and client may be used by all of them.
    std::atomic<int> good{0};
    std::vector<std::thread> customers;
    for (int i = 0; i < 4; ++i)
        customers.emplace_back([&] {
            for (int k = 0; k < 25; ++k) good += client.async_get("/", asio::use_future).get().status() == 200;
        });
    for (std::thread& customer : customers) customer.join();

    // What fails throws from get().
    try {
        client.async_get("/no spaces allowed", asio::use_future).get();
        return 1;
    } catch (const std::system_error& e) {
        std::cout << "as expected: " << e.what() << '\n';
    }

    const hotpool::pool_stats stats = pool.stats();
    std::cout << good << " good answers; " << stats.total.opened << " connections for " << stats.total.leases
              << " requests\n";
    pool.close();  // else the workers would wait for the idle connections
    workers.join();
    return good == 100 ? 0 : 1;
}
