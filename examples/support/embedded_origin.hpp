// An HTTP server on loopback, in a thread of its own, for the examples to talk to.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/ssl.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <hotpool/base/origin.hpp>
#include <hotpool/transport/tls_options.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "certificate.hpp"

namespace support {

enum class scheme { http, https };

/// Answers `/bytes/N` with N bytes, `/slow` after 200 ms, and everything else with a small page, until it is destroyed.
/// Just enough HTTP for the examples: no body is expected in a request.
class embedded_origin {
public:
    explicit embedded_origin(scheme s = scheme::https) : acceptor_(context_, {asio::ip::make_address("127.0.0.1"), 0}) {
        if (s == scheme::https) use_tls();
        asio::co_spawn(context_, accept(), asio::detached);
        thread_ = std::thread([this] { context_.run(); });
    }
    embedded_origin(const embedded_origin&) = delete;
    embedded_origin& operator=(const embedded_origin&) = delete;
    ~embedded_origin() {
        context_.stop();
        thread_.join();
    }

    hotpool::origin target() const { return {"127.0.0.1", std::to_string(acceptor_.local_endpoint().port())}; }
    /// Trusts this server, and nobody else.
    hotpool::tls_options trust() const {
        hotpool::tls_options options;
        options.ca_pem = certificate_.pem;
        return options;
    }

private:
    using socket = asio::ip::tcp::socket;

    void use_tls() {
        certificate_ = make_certificate();
        tls_.emplace(asio::ssl::context::tls_server);
        tls_->use_certificate(asio::buffer(certificate_.pem), asio::ssl::context::pem);
        tls_->use_private_key(asio::buffer(certificate_.key_pem), asio::ssl::context::pem);
    }

    asio::awaitable<void> accept() {
        for (;;) {
            socket accepted = co_await acceptor_.async_accept(asio::use_awaitable);
            accepted.set_option(asio::ip::tcp::no_delay(true));
            if (tls_)
                asio::co_spawn(context_, serve(asio::ssl::stream<socket>(std::move(accepted), *tls_)), asio::detached);
            else
                asio::co_spawn(context_, serve(std::move(accepted)), asio::detached);
        }
    }

    // Ends with the exception of the read or write that finds the connection closed.
    template <class Stream>
    static asio::awaitable<void> serve(Stream stream) {
        if constexpr (requires { stream.handshake(asio::ssl::stream_base::server); })
            co_await stream.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
        std::string received;
        for (;;) {
            const std::size_t size = co_await asio::async_read_until(stream, asio::dynamic_buffer(received), "\r\n\r\n",
                                                                     asio::use_awaitable);
            const std::string head = received.substr(0, size);
            received.erase(0, size);
            co_await respond(stream, head);
        }
    }

    template <class Stream>
    static asio::awaitable<void> respond(Stream& stream, std::string_view request) {
        const std::size_t begin = std::min(request.find(' '), request.size() - 1) + 1;
        const std::string_view target = request.substr(begin, request.find(' ', begin) - begin);
        if (target == "/slow") {
            asio::steady_timer timer(stream.get_executor(), std::chrono::milliseconds(200));
            co_await timer.async_wait(asio::use_awaitable);
        }
        const bool is_page = !target.starts_with("/bytes/");
        std::size_t left = page.size();
        if (!is_page) std::from_chars(target.data() + 7, target.data() + target.size(), left);
        std::string block =
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: " + std::to_string(left) + "\r\n\r\n";
        if (request.starts_with("HEAD "))
            left = 0;
        else if (is_page)
            block.append(page), left = 0;
        do {
            const std::size_t part = std::min<std::size_t>(left, 64 * 1024);
            block.append(part, '.');
            co_await asio::async_write(stream, asio::buffer(block), asio::use_awaitable);
            block.clear();
            left -= part;
        } while (left != 0);
    }

    static constexpr std::string_view page = "<!doctype html><title>hot</title><p>Kept hot for you.\n";

    std::optional<asio::ssl::context> tls_;
    certificate certificate_;
    asio::io_context context_{1};
    asio::ip::tcp::acceptor acceptor_;
    std::thread thread_;
};

}  // namespace support
