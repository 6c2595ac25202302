// hotpool, with each connection discarded after its request, or put back.
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "bench_cold.hpp"
#include "session_cache.hpp"

namespace bench {

namespace {

template <handshake With>
class hotpool_row final : public row {
public:
    using pool = std::conditional_t<With == handshake::none, hotpool::tcp_pool, hotpool::tls_pool>;

    hotpool_row(const job& job, connections use)
        : body_bytes_{job.body_bytes}, use_{use}, pool_{make_pool(context_, job)}, request_{"GET", job.path} {
        if (With == handshake::resumed) run_checked(1, handshake::full);
    }

    void run(std::uint64_t requests) override { run_checked(requests, With); }

private:
    static pool make_pool(asio::io_context& context, const job& job) {
        hotpool::origin origin{.host = job.host, .port = job.port};
        if constexpr (With == handshake::none)
            return pool{context.get_executor(), origin};
        else
            return pool{
                context.get_executor(),
                origin,
                {},
                make_tls_options(job, With == handshake::full ? sessions::full : sessions::resumed_if_possible)};
    }

    void run_checked(std::uint64_t requests, handshake expected) {
        context_.restart();
        asio::co_spawn(context_, fetch(requests, expected), [this](std::exception_ptr error) {
            if (error) std::rethrow_exception(error);
            context_.stop();
        });
        context_.run();
    }

    asio::awaitable<void> fetch(std::uint64_t requests, handshake expected) {
        for (; requests > 0; --requests) {
            auto connection = co_await pool_.async_get(asio::use_awaitable);
            const hotpool::response reply = co_await hotpool::async_exchange(connection, request_, asio::use_awaitable);
            if (reply.status() != 200 || reply.body().size() != body_bytes_)
                throw std::runtime_error{"hotpool: unexpected response"};
            if constexpr (With != handshake::none)
                if ((SSL_session_reused(connection.stream().ssl()) == 1) != (expected == handshake::resumed))
                    throw std::runtime_error{"hotpool: not the handshake that was asked for"};
            if (use_ == connections::new_each)
                connection.discard();
            else
                pool_.put(std::move(connection));
        }
    }

    asio::io_context context_{1};
    std::size_t body_bytes_;
    connections use_;
    pool pool_;
    hotpool::request_builder request_;
};

}  // namespace

void add_cold_hotpool(std::vector<cold_kind>& kinds) {
    kinds.push_back({handshake::none, "hotpool", open_cold<hotpool_row<handshake::none>>});
    kinds.push_back({handshake::full, "hotpool", open_cold<hotpool_row<handshake::full>>});
    if constexpr (can_resume<hotpool::tls_options>)
        kinds.push_back({handshake::resumed, "hotpool", open_cold<hotpool_row<handshake::resumed>>});
}

}  // namespace bench
