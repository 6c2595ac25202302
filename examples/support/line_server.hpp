// A server of a small protocol of lines: "ADD 2 3" is answered "5", and "PING" "PONG".
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <hotpool/base/origin.hpp>

#include <cstddef>
#include <sstream>
#include <string>
#include <utility>

namespace support {

/// Serves on the given executor until it is closed; connections end with their clients.
class line_server {
public:
    explicit line_server(const asio::any_io_executor& executor)
        : acceptor_(executor, {asio::ip::make_address("127.0.0.1"), 0}) {
        asio::co_spawn(executor, accept(), asio::detached);
    }
    void close() { acceptor_.close(); }

    hotpool::origin target() const { return {"127.0.0.1", std::to_string(acceptor_.local_endpoint().port())}; }

private:
    asio::awaitable<void> accept() {
        for (;;) {
            auto accepted = co_await acceptor_.async_accept(asio::use_awaitable);
            asio::co_spawn(acceptor_.get_executor(), serve(std::move(accepted)), asio::detached);
        }
    }

    static asio::awaitable<void> serve(asio::ip::tcp::socket socket) {
        std::string received;
        for (;;) {
            const std::size_t size =
                co_await asio::async_read_until(socket, asio::dynamic_buffer(received), '\n', asio::use_awaitable);
            const std::string reply = answer(received.substr(0, size));
            received.erase(0, size);
            co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
        }
    }

    static std::string answer(const std::string& line) {
        std::istringstream words(line);
        std::string verb;
        int a = 0, b = 0;
        words >> verb;
        if (verb == "PING") return "PONG\n";
        if (verb == "ADD" && words >> a >> b) return std::to_string(a + b) + '\n';
        return "what?\n";
    }

    asio::ip::tcp::acceptor acceptor_;
};

}  // namespace support
