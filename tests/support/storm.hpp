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
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/fault_bench.hpp"
#include "support/storm_ledger.hpp"
#include "support/storm_report.hpp"
#include "support/storm_workers.hpp"

namespace hotpool::test {

/// The usual policy, and how often it was in favour.
struct counted_retry : retry {
    retry_verdict judge(const failed_try& t) const noexcept {
        const retry_verdict verdict = retry::judge(t);
        if (verdict != retry_verdict::give_up) ++granted;
        return verdict;
    }
    static inline std::atomic<std::uint64_t> granted{0};
};
struct storm_policies : default_policies {
    using retry = counted_retry;
};

/// @tparam Side `over_tcp` or `over_tls`
template <class Side>
class storm {
public:
    explicit storm(const storm_settings& settings)
        : bench_(3, settings.requests, {.seed = settings.seed, .per_thousand_chunks = 20, .outages = true}),
          ledger_(settings.requests, bench_.log, broken),
          site_(io_, bench_.target(0), options(max_connections, settings.patience), Side::options(), services(),
                settings.patience),
          workers_(io_, ledger_, site_, settings.patience),
          sampler_(io_) {
        report_.settings = settings;
        report_.transport = Side::is_tls ? "TLS" : "TCP";
    }

    /// Everything has been sent, ended and closed on return.
    const storm_report& run() {
        counted_retry::granted = 0;
        const time_point begin = clock_type::now();
        workers_.start(report_.settings.workers, report_.settings.seed);
        sample();
        std::vector<std::thread> threads;
        std::atomic<int> running = report_.settings.threads;
        for (int i = 0; i < report_.settings.threads; ++i)
            threads.emplace_back([&] {
                io_.run();
                --running;
            });
        await_workers();
        report_.seconds = std::chrono::duration<double>(clock_type::now() - begin).count();
        close_pool();
        // Whatever has not ended keeps the loop at work.
        if (!soon([&] { return running == 0; })) broken.note("the loop has work left");
        io_.stop();
        for (std::thread& thread : threads) thread.join();
        if (!bench_.quiet()) broken.note("a connection is still open at the origin's side");
        ledger_.judge(report_);
        report_.retries = counted_retry::granted;
        for (std::size_t i = 0; i < fault_count; ++i) report_.faults[i] = bench_.tally.of(static_cast<fault>(i));
        return report_;
    }

    violations broken;

private:
    using pool_type = connection_pool<typename Side::pool_type::transport_type, storm_policies>;
    static constexpr std::size_t max_connections = 48;

    /// Everything that opens, probes or retires a connection has its turn.
    static pool_options options(std::size_t connections, duration patience) {
        return {.max_connections = connections,
                .max_idle = 24,
                .min_idle = 6,
                .connect_timeout = patience * 2 / 3,
                .idle_timeout = patience * 2 / 3,
                .max_lifetime = patience * 13,
                .lifetime_jitter = 0.9,
                .max_requests = 300,
                .health_check_interval = std::chrono::milliseconds(10),
                .health_check_timeout = patience / 3,
                .check_after_idle = std::chrono::milliseconds(2),
                .rest_after_idle = std::chrono::milliseconds(10),
                .attempt_delay = std::chrono::milliseconds(20),
                .ejection_failures = 3,
                .ejection_time = std::chrono::milliseconds(50),
                .ejection_limit = std::chrono::milliseconds(200),
                .retire_spacing = std::chrono::milliseconds(1),
                .backoff_limit = std::chrono::milliseconds(40)};
    }

    /// One pool over all addresses, which come and go.
    pool_services services() {
        endpoint_list all;
        for (std::size_t i = 0; i < bench_.addresses(); ++i) {
            const origin at = bench_.target(i);
            all.push_back({ip_address::parse(at.host).value(), port_number(at.port)});
        }
        const auto source = [all, asked = 0u, late = std::make_shared<std::optional<endpoint_answer>>()](
                                endpoint_answer answer) mutable {
            endpoint_list list = all;
            // Some are answered after they have been given up, or never.
            if (late->has_value()) {
                endpoint_answer given_up = std::move(**late);
                late->reset();
                if (asked % 2 == 0) given_up({}, list);
            }
            if (++asked % 5 == 0) {
                late->emplace(std::move(answer));
                return;
            }
            // Now and then one of them is missing, and sometimes there is no answer.
            // Their order is another one each time.
            std::rotate(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(asked % list.size()), list.end());
            if (asked % 3 == 0) list.erase(list.begin() + static_cast<std::ptrdiff_t>(asked / 3 % list.size()));
            if (asked % 7 == 0)
                answer(errc::resolve_failed, {});
            else
                answer({}, std::move(list));
        };
        return {.endpoints = source};
    }

    void sample() {
        ++report_.samples;
        pool_type& pool = site_.pool;
        const pool_stats s = pool.stats();
        const bool right = s.now.total() <= max_connections &&
                           s.total.opened == ended(s) + s.now.idle + s.now.leased + s.now.probing &&
                           s.total.openings == s.total.opened + s.total.open_failures + s.now.opening;
        if (!right) broken.note("wrong accounts: " + describe(s));
        // Upheavals leave time for some requests in between.
        const duration patience = report_.settings.patience;
        const auto pause = static_cast<std::size_t>(patience / storm_settings{}.patience);
        const auto every = [&](std::size_t looks) { return report_.samples % (looks * pause) == 0; };
        // Less room now and then, and more again.
        if (every(64)) pool.set_options(options(every(128) ? max_connections : max_connections / 2, patience));
        if (every(100)) pool.refresh_endpoints();
        if (every(3000)) pool.network_changed();
        if constexpr (Side::is_tls)
            if (every(2000)) pool.set_transport_options(Side::options());
        if (report_.samples % 16 == 0) {
            std::size_t& most = report_.heap[std::min<std::size_t>(3, ledger_.noted() * 4 / ledger_.requests())];
            most = std::max(most, heap_in_use());
        }
        if (workers_.working() == 0) return;
        sampler_.expires_after(std::chrono::milliseconds(1));
        sampler_.async_wait([this](std::error_code) { sample(); });
    }

    void await_workers() {
        std::size_t before = 0;
        while (!soon([&] { return workers_.working() == 0; }, std::chrono::seconds(10))) {
            if (ledger_.noted() == before) {
                broken.note("no request ends any more: " + site_.pool.describe());
                return;
            }
            before = ledger_.noted();
        }
    }

    void close_pool() {
        pool_type& pool = site_.pool;
        if (!soon([&] { return pool.stats().now.leased == 0; })) broken.note("a lease was not given back");
        if (pool.stats().now.waiting != 0) broken.note("a waiter was left");
        pool.close();
        if (!soon([&] { return pool.stats().now == connection_counts{}; }))
            broken.note("a closed pool still has something: " + pool.describe());
        const pool_stats last = pool.stats();
        if (ended(last) != last.total.opened) broken.note("a connection was opened and has not ended");
        report_.add(last);
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
    storm_site<pool_type> site_;
    storm_workers<pool_type> workers_;
    net::steady_timer sampler_;
    storm_report report_;
};

}  // namespace hotpool::test
