// Callers who take connections out of a common budget, and do nothing with them.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <chrono>
#include <system_error>
#include <utility>

#include "hotpool/base/time.hpp"
#include "support/fault_kinds.hpp"

namespace hotpool::test {

/// @lifetime outlives the run of `io`
template <class Pool>
class storm_hoarder {
public:
    storm_hoarder(net::io_context& io, Pool& pool, duration patience, fault_tally& tally)
        : io_(io), pool_(pool), patience_(patience), tally_(tally) {}

    /// So many get a connection each, as soon as there is one, and keep it for a while.
    void take(int connections, duration held) {
        for (int i = 0; i < connections; ++i) {
            ++busy_;
            net::co_spawn(net::make_strand(io_), hold(held), net::detached);
        }
    }
    /// Whether all have given up what they had.
    bool is_done() const noexcept { return busy_ == 0; }

private:
    net::awaitable<void> hold(duration held) {
        try {
            auto lease = co_await pool_.async_get(patience_, net::use_awaitable);
            tally_.note(fault::hoard);
            net::steady_timer timer(io_, held);
            co_await timer.async_wait(net::use_awaitable);
            pool_.put(std::move(lease));
        } catch (const std::system_error&) {  // there was none to be had
        }
        --busy_;
    }

    net::io_context& io_;
    Pool& pool_;
    const duration patience_;
    fault_tally& tally_;
    std::atomic<int> busy_{0};
};

}  // namespace hotpool::test
