// Idle connections of a pool, rested.
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <type_traits>
#include <utility>

#include "bench_memory.hpp"
#include "session_cache.hpp"

namespace bench {

namespace {

template <class Pool, sessions Wanted = sessions::resumed_if_possible>
class pooled final : public idle_set {
public:
    explicit pooled(const job& job) : pool_{make_pool(context_, job)}, request_{"GET", job.path} {}

    void grow_to(std::size_t connections) override {
        context_.restart();
        asio::co_spawn(context_, use_all(connections), [this](std::exception_ptr error) {
            if (error) std::rethrow_exception(error);
            context_.stop();
        });
        context_.run();
        if (pool_.stats().now.idle != connections) throw std::runtime_error{"hotpool: not all are idle"};
    }

private:
    static constexpr hotpool::pool_options options{.max_connections = 1'000, .idle_timeout = {}};

    static Pool make_pool(asio::io_context& context, const job& job) {
        const hotpool::origin origin{.host = job.host, .port = job.port};
        if constexpr (std::is_same_v<Pool, hotpool::tls_pool>)
            return Pool{context.get_executor(), origin, options, make_tls_options(job, Wanted)};
        else
            return Pool{context.get_executor(), origin, options};
    }

    asio::awaitable<void> use_all(std::size_t connections) {
        {
            std::vector<typename Pool::lease_type> leases;
            while (leases.size() < connections) leases.push_back(co_await pool_.async_get(asio::use_awaitable));
            for (auto& lease : leases) co_await hotpool::async_exchange(lease, request_, asio::use_awaitable);
            for (auto& lease : leases) pool_.put(std::move(lease));
        }
        asio::steady_timer rest{context_, 3 * options.rest_after_idle};
        co_await rest.async_wait(asio::use_awaitable);
    }

    asio::io_context context_{1};
    Pool pool_;
    hotpool::request_builder request_;
};

}  // namespace

void add_idle_hotpool(std::vector<idle_kind>& kinds) {
    kinds.push_back({"hotpool", layer::plain, "hotpool", open_idle<pooled<hotpool::tcp_pool>>});
    kinds.push_back(
        {"hotpool-full", layer::tls, "hotpool, full handshakes", open_idle<pooled<hotpool::tls_pool, sessions::full>>});
    if constexpr (can_resume<hotpool::tls_options>)
        kinds.push_back(
            {"hotpool-resumed", layer::tls, "hotpool, sessions resumed", open_idle<pooled<hotpool::tls_pool>>});
}

}  // namespace bench
