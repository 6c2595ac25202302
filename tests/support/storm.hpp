// Many clients, three addresses, every fault at random; what must hold whatever happens is looked after all the while.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/fault_bench.hpp"
#include "support/storm_hoarder.hpp"
#include "support/storm_ledger.hpp"
#include "support/storm_policies.hpp"
#include "support/storm_report.hpp"
#include "support/storm_site.hpp"
#include "support/storm_workers.hpp"

namespace hotpool::test {

/// Of each socket on the way up: so that a long request is still under way when it is answered early.
inline constexpr int storm_buffer_bytes = 32 * 1024;

/// How the pools of a storm connect.
/// @param shown whether the origins, where they want a certificate, are shown one: a stranger's
template <class Side>
auto storm_transport(bool shown) {
    auto options = Side::options();
    if constexpr (Side::is_tls) {
        options.tcp.send_buffer_bytes = storm_buffer_bytes;
        static const identity stranger = self_signed();
        if (shown) {
            options.certificate_pem = stranger.certificate_pem;
            options.private_key_pem = stranger.key_pem;
        }
    } else {
        options.send_buffer_bytes = storm_buffer_bytes;
    }
    return options;
}

/// Two pools to the same addresses share a budget that is too small for both.
/// @tparam Side `over_tcp` or `over_tls`
template <class Side>
class storm {
public:
    explicit storm(const storm_settings& settings)
        : bench_(
              3, settings.requests,
              {.seed = settings.seed, .per_thousand_chunks = 20, .outages = true, .buffer_bytes = storm_buffer_bytes}),
          ledger_(settings.requests, bench_.log, broken),
          site_(io_, bench_.target(0), storm_options(max_connections, settings.patience), storm_transport<Side>(true),
                services(), settings.patience, bench_.tally, settings.seed),
          rival_(io_, bench_.target(0), storm_options(max_connections, settings.patience), storm_transport<Side>(false),
                 services(), settings.patience, bench_.tally, ~settings.seed),
          workers_(io_, ledger_, settings.patience),
          hoarder_(io_, rival_.pool, settings.patience, bench_.tally),
          sampler_(io_) {
        report_.settings = settings;
        report_.transport = Side::is_tls ? "TLS" : "TCP";
    }

    /// Everything has been sent, ended and closed on return.
    const storm_report& run() {
        policy_deeds::forget();
        const time_point begin = clock_type::now();
        const int rivals = report_.settings.workers / 4;
        workers_.start(site_, report_.settings.workers - rivals, report_.settings.seed);
        workers_.start(rival_, rivals, ~report_.settings.seed);
        sample();
        std::vector<std::thread> threads;
        std::atomic<int> running = report_.settings.threads;
        for (int i = 0; i < report_.settings.threads; ++i)
            threads.emplace_back([&] {
                run_on();
                --running;
            });
        await_workers();
        report_.seconds = std::chrono::duration<double>(clock_type::now() - begin).count();
        close_pools();
        // Whatever has not ended keeps the loop at work.
        if (!soon([&] { return running == 0; })) broken.note("the loop has work left");
        io_.stop();
        for (std::thread& thread : threads) thread.join();
        if (!bench_.quiet()) broken.note("a connection is still open at the origin's side");
        ledger_.judge(report_);
        report_.retries = policy_deeds::retries;
        for (std::size_t i = 0; i < fault_count; ++i) report_.faults[i] = bench_.tally.of(static_cast<fault>(i));
        report_.faults[static_cast<std::size_t>(fault::policy_senseless)] = policy_deeds::nonsense;
        return report_;
    }

    violations broken;

private:
    using pool_type = connection_pool<typename Side::pool_type::transport_type, storm_policies>;
    using site_type = storm_site<pool_type>;
    static constexpr std::size_t max_connections = 48;
    static constexpr std::size_t max_in_budget = 32;

    /// The addresses come and go; the budget is common.
    pool_services services() {
        endpoint_list all;
        for (std::size_t i = 0; i < bench_.addresses(); ++i) {
            const origin at = bench_.target(i);
            all.push_back({ip_address::parse(at.host).value(), port_number(at.port)});
        }
        return {.budget = budget_, .endpoints = coming_and_going(std::move(all))};
    }

    /// A probe that throws ends no thread.
    void run_on() {
        for (;;) try {
                io_.run();
                return;
            } catch (const probe_failure&) {
            }
    }

    void sample() {
        ++report_.samples;
        look_at_accounts();
        if (workers_.working() == 0) {
            sampling_ = false;
            return;
        }
        make_upheaval();
        if (report_.samples % 16 == 0) {
            std::size_t& least = report_.heap[std::min<std::size_t>(3, ledger_.noted() * 4 / ledger_.requests())];
            least = std::min(least, heap_in_use());
        }
        sampler_.expires_after(std::chrono::milliseconds(1));
        sampler_.async_wait([this](std::error_code) { sample(); });
    }
    void look_at_accounts() {
        bool all_wait = true;
        for (site_type* const site : {&site_, &rival_}) {
            const pool_stats s = site->pool.stats();
            const bool right = s.now.total() <= max_connections &&
                               s.total.opened == ended(s) + s.now.idle + s.now.leased + s.now.probing &&
                               s.total.openings == s.total.opened + s.total.open_failures + s.now.opening;
            if (!right) broken.note("wrong accounts: " + describe(s));
            all_wait = all_wait && s.now.waiting != 0;
        }
        const std::size_t used = budget_->used();
        if (used > max_in_budget) broken.note("the budget is overdrawn");
        report_.crowded += all_wait && used == max_in_budget;
    }
    /// Between upheavals there is time for some requests.
    void make_upheaval() {
        const duration patience = report_.settings.patience;
        const auto pause = static_cast<std::size_t>(patience / storm_settings{}.patience);
        const auto every = [&](std::size_t looks) { return report_.samples % (looks * pause) == 0; };
        pool_type& pool = site_.pool;
        // Less room now and then, and more again; and times in which nobody asks for anything, but probes.
        if (every(64)) pool.set_options(storm_options(every(128) ? max_connections : max_connections / 2, patience));
        if (every(100)) pool.refresh_endpoints();
        if (every(400)) workers_.lull(patience / 5);
        if (every(150)) hoarder_.take(12, std::chrono::milliseconds(5));
        if (every(3000)) pool.network_changed();
        if constexpr (Side::is_tls)
            if (every(2000)) pool.set_transport_options(storm_transport<Side>(every(4000)));
    }

    void await_workers() {
        std::size_t before = 0;
        while (!soon([&] { return workers_.working() == 0; }, std::chrono::seconds(10))) {
            if (ledger_.noted() == before) {
                broken.note("no request ends any more: " + site_.pool.describe() + "; " + rival_.pool.describe());
                return;
            }
            before = ledger_.noted();
        }
    }

    void close_pools() {
        if (!soon([&] { return !sampling_ && hoarder_.is_done(); })) broken.note("a get has never ended");
        for (site_type* const site : {&site_, &rival_}) {
            pool_type& pool = site->pool;
            if (!soon([&] { return pool.stats().now.leased == 0; })) broken.note("a lease was not given back");
            if (pool.stats().now.waiting != 0) broken.note("a waiter was left");
            pool.close();
            site->probe.end();
            if (!soon([&] { return pool.stats().now == connection_counts{}; }))
                broken.note("a closed pool still has something: " + pool.describe());
            const pool_stats last = pool.stats();
            if (ended(last) != last.total.opened) broken.note("a connection was opened and has not ended");
            report_.add(last);
        }
        if (budget_->used() != 0) broken.note("permits were not given back: " + std::to_string(budget_->used()));
    }

    static std::uint64_t ended(const pool_stats& s) noexcept {
        std::uint64_t sum = 0;
        for (const std::uint64_t n : s.total.retired) sum += n;
        return sum;
    }

    template <class Condition>
    static bool soon(Condition done, duration limit = plenty) {
        const time_point deadline = clock_type::now() + limit;
        while (!done()) {
            if (clock_type::now() > deadline) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return true;
    }

    net::io_context io_;
    fault_bench<Side> bench_;
    storm_ledger ledger_;
    // Pools take turns that are shorter than anybody's patience.
    const std::shared_ptr<connection_budget> budget_ =
        std::make_shared<connection_budget>(max_in_budget, std::chrono::milliseconds(10));
    site_type site_;
    site_type rival_;
    storm_workers<pool_type> workers_;
    storm_hoarder<pool_type> hoarder_;
    net::steady_timer sampler_;
    std::atomic<bool> sampling_{true};
    storm_report report_;
};

}  // namespace hotpool::test
