// A pool in a storm, with what is built on it and what it is given.
#pragma once

#include <asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "hotpool/health_checker.hpp"
#include "hotpool/http_client.hpp"
#include "support/storm_probe.hpp"

namespace hotpool::test {

/// Everything that opens, probes or retires a connection has its turn.
inline pool_options storm_options(std::size_t connections, duration patience) {
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

/// An origin takes nothing more, or does not say whether it wants a body: that shows soon.
template <class Options>
Options hasty(Options options, duration patience) {
    options.continue_timeout = options.upload_stall_timeout = patience / 10;
    return options;
}

/// These addresses, which come and go, in another order each time.
inline endpoint_source coming_and_going(endpoint_list all) {
    return [all = std::move(all), asked = 0u,
            late = std::make_shared<std::optional<endpoint_answer>>()](endpoint_answer answer) mutable {
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
        std::rotate(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(asked % list.size()), list.end());
        if (asked % 3 == 0) list.erase(list.begin() + static_cast<std::ptrdiff_t>(asked / 3 % list.size()));
        if (asked % 7 == 0)
            answer(errc::resolve_failed, {});
        else
            answer({}, std::move(list));
    };
}

template <class Pool>
struct storm_site {
    template <class TransportOptions>
    storm_site(net::io_context& io, origin target, const pool_options& options, const TransportOptions& transport,
               pool_services services, duration patience, fault_tally& tally, std::uint64_t seed)
        : probe(seed, tally),
          pool(io.get_executor(), std::move(target), options, transport, std::move(services)),
          checker(pool, [this](auto& lease, auto verdict) { probe.look_at(lease, std::move(verdict)); }),
          client(pool, hasty(client_options{.request_timeout = patience}, patience)) {}

    storm_probe<Pool> probe;
    Pool pool;
    health_checker<Pool> checker;
    http_client<Pool> client;
};

}  // namespace hotpool::test
