// Bare Asio in coroutines, one for each connection; a response is so many bytes, nothing is parsed.
#include <exception>

#include "asio_connection.hpp"

namespace bench {

namespace {

template <class Stream>
class coroutine_row final : public row {
public:
    explicit coroutine_row(const job& job) {
        for (std::size_t i = 0; i < job.connections; ++i)
            connections_.push_back(std::make_unique<asio_connection<Stream>>(context_, job));
    }

    void run(std::uint64_t requests) override {
        unsent_ = requests;
        context_.restart();
        for (const auto& each : connections_)
            asio::co_spawn(context_, send_all(*each), [](std::exception_ptr error) {
                if (error) std::rethrow_exception(error);
            });
        context_.run();
    }

private:
    asio::awaitable<void> send_all(asio_connection<Stream>& on) {
        while (unsent_ > 0) {
            --unsent_;
            co_await asio::async_write(on.stream(), on.request(), asio::use_awaitable);
            for (std::size_t left = on.response_size(); left > 0;)
                left -= co_await on.stream().async_read_some(on.room(), asio::use_awaitable);
        }
    }

    asio::io_context context_{1};  // one thread runs it
    std::vector<std::unique_ptr<asio_connection<Stream>>> connections_;
    std::uint64_t unsent_ = 0;
};

}  // namespace

void add_asio_coroutine_rows(registry& rows) {
    rows.push_back(
        {"asio-coroutine", layer::plain, flow::both, "bare Asio, coroutine", open<coroutine_row<tcp_socket>>});
    rows.push_back({"asio-coroutine", layer::tls, flow::both, "bare asio::ssl::stream, coroutine",
                    open<coroutine_row<tls_socket>>});
}

}  // namespace bench
