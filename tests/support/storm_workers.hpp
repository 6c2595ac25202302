// The clients of a storm: each has one request under way, and together they use every way there is to send one.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/exchange.hpp"
#include "hotpool/http_client.hpp"
#include "support/storm_ledger.hpp"
#include "support/storm_site.hpp"

namespace hotpool::test {

/// Cancels what has taken too long. On a strand.
class time_limit : public std::enable_shared_from_this<time_limit> {
public:
    using strand_type = net::strand<net::io_context::executor_type>;
    explicit time_limit(strand_type strand) : timer_(strand), strand_(std::move(strand)) {}

    void begin(duration limit) {
        timer_.expires_after(limit);
        timer_.async_wait(
            net::bind_executor(strand_, [self = this->shared_from_this(), serial = serial_](std::error_code ended) {
                if (!ended && serial == self->serial_) self->stop_.emit(net::cancellation_type::terminal);
            }));
    }
    void end() {
        ++serial_;
        timer_.cancel();
    }
    net::cancellation_slot slot() { return stop_.slot(); }

private:
    net::steady_timer timer_;
    strand_type strand_;
    net::cancellation_signal stop_;
    std::uint64_t serial_ = 0;
};

/// The workers, from `start` until `working` says that there are none.
/// @lifetime outlives the run of `io`
template <class Pool>
class storm_workers {
public:
    using site_type = storm_site<Pool>;

    storm_workers(net::io_context& io, storm_ledger& ledger, duration patience)
        : io_(io), ledger_(ledger), patience_(patience), limits_(hasty(exchange_options{}, patience)) {}

    /// @param workers at this site, beside those at others
    void start(site_type& site, int workers, std::uint64_t seed) {
        working_ += workers;
        for (int i = 0; i < workers; ++i) {
            const auto strand = net::make_strand(io_);
            switch (i % 4) {
                case 0: net::co_spawn(strand, send(site), net::detached); break;
                case 1: net::co_spawn(strand, exchange(site, strand), net::detached); break;
                case 2: net::co_spawn(strand, stream(site), net::detached); break;
                default: std::make_shared<caller>(*this, site, strand, seed + static_cast<unsigned>(i))->start();
            }
        }
    }
    int working() const noexcept { return working_; }
    /// Nobody begins anything for so long. @threads any thread
    void lull(duration time) noexcept { lull_ends_ = clock_type::now() + time; }

private:
    static auto into(std::error_code& error) { return net::redirect_error(net::use_awaitable, error); }

    std::optional<request_id> next() {
        const auto id = ledger_.next();
        if (!id) --working_;
        return id;
    }

    /// How long a worker rests before its next request. Whoever is refused at once does not ask again at once: else all
    /// requests were spent in the first outage.
    duration rest_after(std::error_code error) const noexcept {
        const duration lull = lull_ends_.load() - clock_type::now();
        return error == condition::open_failed ? std::max<duration>(lull, patience_ / 15) : lull;
    }
    net::awaitable<void> rest(std::error_code error) {
        const duration time = rest_after(error);
        if (time <= duration::zero()) co_return;
        net::steady_timer timer(io_, time);
        co_await timer.async_wait(net::use_awaitable);
    }

    /// By a client, which waits for whole responses.
    net::awaitable<void> send(site_type& site) {
        while (const auto id = next()) {
            const request_builder request = ledger_.request_for(*id);
            std::error_code error;
            const response reply = co_await site.client.async_send(request, into(error));
            ledger_.note(*id, error, reply);
            co_await rest(error);
        }
    }

    /// By a client, which hands out the body as it comes; some of them are not read to their end.
    net::awaitable<void> stream(site_type& site) {
        while (const auto id = next()) {
            const request_builder request = ledger_.request_for(*id);
            std::error_code error;
            auto reader = co_await site.client.async_start(request, into(error));
            std::optional<std::string> body;
            if (!error && *id % 3 != 0) body = co_await reader.async_read_all(into(error));
            if (error)
                ledger_.failed(*id, error);
            else
                ledger_.answered(*id, reader.status(), body, reader.head().request_complete());
            co_await rest(error);
        }
    }

    /// By get, exchange and put.
    net::awaitable<void> exchange(site_type& site, time_limit::strand_type strand) {
        const auto limit = std::make_shared<time_limit>(strand);
        while (const auto id = next()) {
            const request_builder request = ledger_.request_for(*id);
            Pool& pool = site.pool;
            std::error_code error;
            response reply;
            try {
                auto lease = co_await pool.async_get(patience_, net::use_awaitable);
                limit->begin(patience_);
                reply = co_await async_exchange(lease, request, limits_,
                                                net::bind_cancellation_slot(limit->slot(), into(error)));
                limit->end();
                if (*id % 3 != 0) pool.put(std::move(lease));
            } catch (const std::system_error& failure) {
                error = failure.code();
            }
            ledger_.note(*id, error, reply);
            co_await rest(error);
        }
    }

    /// By a client with callbacks; some of them lose patience soon.
    class caller : public std::enable_shared_from_this<caller> {
    public:
        caller(storm_workers& crew, site_type& site, time_limit::strand_type strand, std::uint64_t seed)
            : crew_(crew),
              site_(site),
              strand_(strand),
              limit_(std::make_shared<time_limit>(strand)),
              pause_(strand),
              dice_(seed) {}
        void start() {
            net::post(strand_, [self = this->shared_from_this()] { self->next(); });
        }

    private:
        void rest(std::error_code error) {
            const duration time = crew_.rest_after(error);
            if (time <= duration::zero()) return next();
            pause_.expires_after(time);
            pause_.async_wait([self = this->shared_from_this()](std::error_code) { self->next(); });
        }
        void next() {
            const auto id = crew_.next();
            if (!id) return;
            request_.emplace(crew_.ledger_.request_for(*id));
            auto ended = [self = this->shared_from_this(), id](std::error_code error, const response& reply) {
                self->limit_->end();
                self->crew_.ledger_.note(*id, error, reply);
                self->rest(error);
            };
            if (dice_.next() % 50 == 0) limit_->begin(std::chrono::microseconds(dice_.next() % 5'000));
            site_.client.async_send(
                *request_, net::bind_cancellation_slot(limit_->slot(), net::bind_executor(strand_, std::move(ended))));
        }

        storm_workers& crew_;
        site_type& site_;
        time_limit::strand_type strand_;
        std::shared_ptr<time_limit> limit_;
        net::steady_timer pause_;
        base::random_source dice_;
        std::optional<request_builder> request_;
    };

    net::io_context& io_;
    storm_ledger& ledger_;
    const duration patience_;
    const exchange_options limits_;
    std::atomic<int> working_{0};
    std::atomic<time_point> lull_ends_{time_point{}};
};

}  // namespace hotpool::test
