// Several threads on pools over good and bad addresses: requests, cancelling, leaked leases and an owner who changes
// everything meanwhile. One answer each, exact accounting, nothing left behind.
#include <asio/thread_pool.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "support/busy_network.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t most_connections = 8;

/// A pool that is spent may still have events to tell.
template <class Pool>
void check_events(const event_counts& events, const Pool& pool) {
    const manager_counters total = pool.stats().total;
    const std::uint64_t ended = std::accumulate(std::begin(total.retired), std::end(total.retired), std::uint64_t{0});
    const auto tells = [&](pool_event_kind kind, std::uint64_t times) {
        eventually([&] { return events.told(kind) == times; });
        CAPTURE(static_cast<int>(kind));
        CHECK(events.told(kind) == times);
    };
    tells(pool_event_kind::connection_opened, total.opened);
    tells(pool_event_kind::connection_ended, ended);
    tells(pool_event_kind::opening_failed, total.open_failures);
    tells(pool_event_kind::lease_reclaimed, total.retired_for(retire_reason::leaked));
    tells(pool_event_kind::address_ejected, total.ejections);
    tells(pool_event_kind::address_readmitted, total.readmissions);
    tells(pool_event_kind::addresses_unknown, total.failed_answers);
    // A lease that comes back just before its report is due is no news.
    CHECK(events.told(pool_event_kind::lease_leaked) <= total.leaks);
    CHECK(events.told(pool_event_kind::pool_recovered) <= events.told(pool_event_kind::pool_failing));
}

/// @param executors where callers run, in turn
template <class Transport, class Executor>
void be_busy(const net::any_io_executor& of_pools, const std::vector<Executor>& executors, std::uint64_t seed) {
    using pool_type = connection_pool<Transport>;
    bad_network<Transport> network;
    auto budget = std::make_shared<connection_budget>(most_connections + 2);
    auto access = std::make_shared<access_controller>(
        access_options{},
        status_denial_options{.statuses = {403}, .deny_for = 2ms, .deny_for_limit = 4ms, .trial_timeout = 5ms});
    std::array<event_counts, 2> events;
    std::array<std::unique_ptr<pool_type>, 2> pools;
    for (std::size_t i = 0; i < pools.size(); ++i) {
        pool_services services{.budget = budget, .access = access, .listener = events[i].listener()};
        services.endpoints = i == 0 ? static_endpoints(network.all()) : network.moody_source(of_pools, seed);
        if (i == 0)
            services.local_addresses = {ip_address::parse("127.0.0.5").value(), ip_address::parse("127.0.0.6").value()};
        pools[i] = std::make_unique<pool_type>(of_pools, origin{"127.0.0.1", "1"}, busy_options(most_connections),
                                               trusting_options<Transport>(), std::move(services));
    }

    busy_tally tally;
    std::atomic<bool> over = false;
    for (std::uint64_t i = 0; i < 24; ++i) {
        pool_type& pool = *pools[i % 2];
        // Without a limit of its own, a request may lose its place while it is under way.
        const http_client<pool_type> client(pool,
                                            {.request_timeout = i % 3 == 0 ? 0ms : 200ms, .max_retry_after = 10ms});
        std::make_shared<busy_caller<pool_type, Executor>>(pool, client, executors[i % executors.size()], tally, over,
                                                           seed * 100 + i)
            ->start();
    }
    std::atomic<int> violations = 0;
    std::vector<std::thread> owners;
    for (std::uint64_t t = 0; t < 2; ++t)
        owners.emplace_back([&, t] {
            base::random_source dice(seed * 10 + t);
            while (!over) {
                pool_type& pool = *pools[dice.next() % 2];
                meddle(pool, dice);
                violations += pool.stats().now.total() > most_connections;
                violations += budget->used() > budget->max_connections();
                std::this_thread::sleep_for(std::chrono::microseconds(dice.next() % 1000));
            }
        });

    const time_point begun = clock_type::now();
    const auto is_enough = [&] { return tally.whole > 20 && tally.held > 10 && pools[0]->stats().total.leaks > 0; };
    CHECK(eventually([&] { return is_enough() && clock_type::now() - begun > 500ms; }));
    over = true;
    std::atomic<int> drained = 0;
    pools[0]->async_drain(5s, [&](std::error_code error) { drained = error ? -1 : 1; });
    pools[1]->close();
    for (std::thread& t : owners) t.join();
    CHECK(eventually([&] { return tally.answered == tally.asked; }));
    CHECK(eventually([&] { return drained != 0; }));
    CHECK(drained == 1);
    for (std::size_t i = 0; i < pools.size(); ++i) {
        CHECK(eventually([&] { return is_spent(*pools[i]); }));
        check_events(events[i], *pools[i]);
    }
    CHECK(eventually([&] { return budget->used() == 0; }));
    CHECK(eventually([&] { return network.live() == 0; }));
    CHECK(violations == 0);
    CHECK(tally.unnamed == 0);
    CHECK(tally.wrong == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("pools_over_bad_addresses_keep_every_promise_on_four_threads", "[pool][thread]", tcp_transport,
                   tls_transport) {
    const descriptor_check no_leak;
    net::io_context io;
    auto work = net::make_work_guard(io);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { io.run(); });
    be_busy<TestType>(io.get_executor(), std::vector{io.get_executor()}, GENERATE(1u, 2u));
    work.reset();
    for (std::thread& t : threads) t.join();
}

TEMPLATE_TEST_CASE("pools_on_a_thread_pool_serve_callers_of_four_contexts", "[pool][thread]", tcp_transport,
                   tls_transport) {
    const descriptor_check no_leak;
    asio::thread_pool of_pools(2);
    std::deque<net::io_context> contexts(4);
    std::vector<net::io_context::executor_type> executors;
    std::vector<net::executor_work_guard<net::io_context::executor_type>> work;
    std::vector<std::thread> threads;
    for (net::io_context& io : contexts) {
        executors.push_back(io.get_executor());
        work.push_back(net::make_work_guard(io));
        threads.emplace_back([&io] { io.run(); });
    }
    be_busy<TestType>(of_pools.get_executor(), executors, GENERATE(3u, 4u));
    work.clear();
    for (std::thread& t : threads) t.join();
    of_pools.join();
}
