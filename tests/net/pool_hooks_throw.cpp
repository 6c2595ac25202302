// What listeners and probes throw comes out of run, and the pool goes on.
#include <asio/io_context.hpp>

#include <stdexcept>
#include <utility>

#include "hotpool/health_checker.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Runs until `over`; counts what is thrown.
template <class Over>
int run_catching(net::io_context& io, Over over) {
    int thrown = 0;
    const auto end = std::chrono::steady_clock::now() + plenty;
    while (!over(thrown) && std::chrono::steady_clock::now() < end) {
        try {
            io.restart();
            io.run_for(5ms);
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    CHECK(over(thrown));
    return thrown;
}

}  // namespace

TEST_CASE("listener_that_throws_while_a_lease_is_put_back_throws_out_of_run", "[pool][endings]") {
    const site<tcp_transport> s;
    net::io_context io;
    int events = 0;
    pool_services services;
    services.listener = [&](const pool_event& event) {
        if (event.kind != pool_event_kind::connection_ended) return;
        ++events;
        throw std::runtime_error("a listener's");
    };
    tcp_pool pool{io.get_executor(), s.target(), {.max_requests = 1}, tcp_options{}, services};
    auto lease = get(io, pool);
    pool.put(std::move(lease));  // its only request: it ends
    CHECK(events == 1);
    CHECK(run_catching(io, [](int thrown) { return thrown == 1; }) == 1);
    CHECK(round_trip(io, lease = get(io, pool), "again") == "again");
}

TEST_CASE("probe_that_throws_ends_its_connection_and_nothing_else", "[pool][endings]") {
    for (const bool probe_new : {false, true}) {
        INFO("probe_new " << probe_new);
        const site<tcp_transport> s;
        net::io_context io;
        tcp_pool pool{io.get_executor(),
                      s.target(),
                      {.min_idle = 1, .health_check_interval = 5ms, .probe_new = probe_new, .backoff_first = 1ms}};
        int probes = 0;
        health_checker<tcp_pool> checker(pool, [&](tcp_pool::lease_type&, auto verdict) {
            if (++probes <= 2) throw std::runtime_error("a probe's");
            verdict(true);
        });
        run_catching(io, [&](int thrown) { return thrown == 2 && probes > 2; });
        CHECK(pool.stats().total.probe_failures == 2);
        io.restart();
        CHECK(get(io, pool));
        pool.close();
    }
}
