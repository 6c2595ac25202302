// hotpool: the client with callbacks and in coroutines, and get, exchange, put by hand.
#include <hotpool/hotpool.hpp>

#include <asio.hpp>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "bench.hpp"

namespace bench {

namespace {

template <class Pool>
Pool make_pool(asio::io_context& context, const job& job) {
    hotpool::origin origin{.host = job.host, .port = job.port};
    hotpool::pool_options options{.max_connections = job.connections};
    if constexpr (std::is_same_v<Pool, hotpool::tls_pool>)
        return Pool{context.get_executor(), std::move(origin), options, hotpool::tls_options{.ca_file = job.ca_file}};
    else
        return Pool{context.get_executor(), std::move(origin), options};
}

void check(const std::error_code& error) {
    if (error) throw std::system_error{error};
}

void rethrow(std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
}

// A pool and how it is used: `Derived::start` begins what sends requests, one at a time, while `take_one` says so.
template <class Derived, class Pool>
class pool_row : public row {
public:
    explicit pool_row(const job& job)
        : connections_{job.connections},
          body_bytes_{job.body_bytes},
          pool_{make_pool<Pool>(context_, job)},
          request_{"GET", job.path} {
        pool_.async_warm(job.connections, [this](std::error_code error) {
            check(error);
            context_.stop();
        });
        context_.run();
    }

    void run(std::uint64_t requests) override {
        unsent_ = unanswered_ = requests;
        context_.restart();
        for (std::size_t i = 0; i < connections_; ++i) static_cast<Derived&>(*this).start();
        context_.run();  // until stopped: idle connections are watched and would keep it busy
    }

protected:
    bool take_one() { return unsent_ > 0 && unsent_-- > 0; }
    void received(const std::error_code& error, const hotpool::response& reply) {
        check(error);
        received(reply.status(), reply.body().size());
    }
    void received(unsigned status, std::size_t body_bytes) {
        if (status != 200 || body_bytes != body_bytes_) throw std::runtime_error{"hotpool: unexpected response"};
        if (--unanswered_ == 0) context_.stop();
    }

    asio::io_context& context() { return context_; }
    Pool& pool() { return pool_; }
    const hotpool::request_builder& request() const { return request_; }

private:
    asio::io_context context_{1};  // one thread runs it
    std::size_t connections_;
    std::size_t body_bytes_;
    std::uint64_t unsent_ = 0;
    std::uint64_t unanswered_ = 0;
    Pool pool_;
    hotpool::request_builder request_;
};

template <class Pool>
class client_row final : public pool_row<client_row<Pool>, Pool> {
public:
    explicit client_row(const job& job) : pool_row<client_row, Pool>{job}, client_{this->pool()} {}

    void start() {
        if (!this->take_one()) return;
        client_.async_send(this->request(), [this](std::error_code error, hotpool::response reply) {
            this->received(error, reply);
            start();
        });
    }

private:
    decltype(hotpool::http_client{std::declval<Pool&>()}) client_;
};

template <class Pool>
class client_coroutine_row final : public pool_row<client_coroutine_row<Pool>, Pool> {
public:
    explicit client_coroutine_row(const job& job) : pool_row<client_coroutine_row, Pool>{job}, client_{this->pool()} {}

    void start() { asio::co_spawn(this->context(), send_all(), rethrow); }

private:
    asio::awaitable<void> send_all() {
        while (this->take_one()) this->received({}, co_await client_.async_send(this->request(), asio::use_awaitable));
    }

    decltype(hotpool::http_client{std::declval<Pool&>()}) client_;
};

template <class Pool>
class exchange_row final : public pool_row<exchange_row<Pool>, Pool> {
public:
    explicit exchange_row(const job& job) : pool_row<exchange_row, Pool>{job}, leases_(job.connections) {}

    void start() { send_next(leases_[started_++ % leases_.size()]); }

private:
    using lease = typename Pool::lease_type;

    void send_next(lease& held) {
        if (!this->take_one()) return;
        this->pool().async_get([this, &held](std::error_code error, lease lent) {
            check(error);
            held = std::move(lent);
            exchange(held);
        });
    }
    void exchange(lease& held) {
        hotpool::async_exchange(held, this->request(), [this, &held](std::error_code error, hotpool::response reply) {
            this->received(error, reply);
            this->pool().put(std::move(held));
            send_next(held);
        });
    }

    std::vector<lease> leases_;  // one for each request under way
    std::size_t started_ = 0;
};

template <class Pool>
class exchange_coroutine_row final : public pool_row<exchange_coroutine_row<Pool>, Pool> {
public:
    using pool_row<exchange_coroutine_row, Pool>::pool_row;

    void start() { asio::co_spawn(this->context(), send_all(), rethrow); }

private:
    asio::awaitable<void> send_all() {
        while (this->take_one()) {
            auto connection = co_await this->pool().async_get(asio::use_awaitable);
            this->received({}, co_await hotpool::async_exchange(connection, this->request(), asio::use_awaitable));
            this->pool().put(std::move(connection));
        }
    }
};

// The body goes through a buffer that is kept, as it would on its way to a file.
template <class Pool>
class reader_row final : public pool_row<reader_row<Pool>, Pool> {
public:
    using pool_row<reader_row, Pool>::pool_row;

    void start() { asio::co_spawn(this->context(), send_all(), rethrow); }

private:
    asio::awaitable<void> send_all() {
        std::vector<char> buffer(64 * 1024);
        while (this->take_one()) {
            auto connection = co_await this->pool().async_get(asio::use_awaitable);
            auto reader = co_await hotpool::async_start_exchange(connection, this->request(), asio::use_awaitable);
            std::size_t bytes = 0;
            while (!reader.at_end()) {
                std::error_code error;
                bytes += co_await reader.async_read_some(asio::buffer(buffer),
                                                         asio::redirect_error(asio::use_awaitable, error));
                if (error == hotpool::errc::end_of_body) break;
                check(error);
            }
            this->received(reader.status(), bytes);
            this->pool().put(std::move(connection));
        }
    }
};

template <class Pool>
void add_rows(registry& rows, layer on) {
    rows.push_back({"hotpool-client", on, flow::both, "hotpool client", open<client_row<Pool>>});
    rows.push_back(
        {"hotpool-client-coroutine", on, flow::both, "hotpool client, coroutine", open<client_coroutine_row<Pool>>});
    rows.push_back({"hotpool-exchange", on, flow::both, "hotpool get/put + exchange", open<exchange_row<Pool>>});
    rows.push_back({"hotpool-exchange-coroutine", on, flow::both, "hotpool get/put + exchange, coroutine",
                    open<exchange_coroutine_row<Pool>>});
    rows.push_back({"hotpool-reader", on, flow::both, "hotpool reader, coroutine", open<reader_row<Pool>>});
}

}  // namespace

void add_hotpool_rows(registry& rows) {
    add_rows<hotpool::tcp_pool>(rows, layer::plain);
    add_rows<hotpool::tls_pool>(rows, layer::tls);
}

}  // namespace bench
