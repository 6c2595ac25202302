// An origin whose requests carry an id each, and which counts how often it has processed each of them.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/ssl.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/certificates.hpp"
#include "support/fault_proxy.hpp"

namespace hotpool::test {

using request_id = std::uint64_t;

/// How often each request has been processed, by whichever origin. @threads any thread
class request_log {
public:
    /// @param ids requests have the numbers below this
    explicit request_log(std::size_t ids) : times_(ids) {}
    void processed(request_id id) noexcept {
        if (id < times_.size())
            ++times_[id];
        else
            ++garbled_;
    }
    void garbled() noexcept { ++garbled_; }

    unsigned times(request_id id) const noexcept { return times_[id]; }
    /// Requests that nobody has sent like this.
    unsigned garbled_requests() const noexcept { return garbled_; }

private:
    std::vector<std::atomic<std::uint8_t>> times_;
    std::atomic<unsigned> garbled_{0};
};

/// The body of a request with this id and of its response: mostly small, sometimes of several TLS records.
inline std::string body_of(request_id id) {
    const std::size_t padding = id % 37 == 5 ? 40'000 : id % 9 == 8 ? 3'000 : id % 50;
    return "id " + std::to_string(id) + ' ' + std::string(padding, static_cast<char>('a' + id % 26));
}

/// What an origin says that nobody has asked: a request that has been written by then may take it for its own.
inline const std::string unsolicited_response =
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Processes `GET /<id>` and `POST /<id>`, and answers health probes; a request that is not complete has not been processed.
/// @threads runs on the thread of its context
class fault_origin {
public:
    /// @param own with it, TLS is spoken
    /// @param settings how many responses are followed by what nobody asked for
    fault_origin(asio::io_context& io, const tcp_endpoint& at, const std::optional<identity>& own, request_log& log,
                 const fault_settings& settings, fault_tally& tally)
        : io_(io), log_(log), acceptor_(io, at), plan_(settings.seed, settings.per_thousand_chunks), tally_(tally) {
        if (own) {
            tls_.emplace(asio::ssl::context::tls_server);
            tls_->use_certificate(asio::buffer(own->certificate_pem), asio::ssl::context::pem);
            tls_->use_private_key(asio::buffer(own->key_pem), asio::ssl::context::pem);
        }
        asio::co_spawn(io_, accept_all(), asio::detached);
    }
    fault_origin(const fault_origin&) = delete;
    fault_origin& operator=(const fault_origin&) = delete;

    tcp_endpoint endpoint() const { return acceptor_.local_endpoint(); }
    /// The next response is followed by another one, after so long.
    void arm_unsolicited(std::chrono::microseconds after) {
        const std::lock_guard lock(mutex_);
        armed_ = after;
    }
    /// Connections being served.
    int live() const noexcept { return *live_; }

private:
    struct presence {
        explicit presence(std::shared_ptr<std::atomic<int>> of) : count(std::move(of)) { ++*count; }
        presence(const presence&) = delete;
        ~presence() { --*count; }
        std::shared_ptr<std::atomic<int>> count;
    };

    static auto into(std::error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

    asio::awaitable<void> accept_all() {
        for (;;) {
            std::error_code error;
            tcp_socket socket = co_await acceptor_.async_accept(into(error));
            if (error) co_return;
            socket.set_option(asio::ip::tcp::no_delay(true), error);
            if (tls_)
                asio::co_spawn(io_, shake_hands(asio::ssl::stream<tcp_socket>(std::move(socket), *tls_)),
                               asio::detached);
            else
                asio::co_spawn(io_, serve(std::move(socket)), asio::detached);
        }
    }

    asio::awaitable<void> shake_hands(asio::ssl::stream<tcp_socket> stream) {
        std::error_code error;
        co_await stream.async_handshake(asio::ssl::stream_base::server, into(error));
        if (!error) co_await serve(std::move(stream));
    }

    template <class Stream>
    asio::awaitable<void> serve(Stream stream) {
        const presence here(live_);
        std::string text;
        for (;;) {
            std::error_code error;
            const std::size_t head_size =
                co_await asio::async_read_until(stream, asio::dynamic_buffer(text), "\r\n\r\n", into(error));
            if (error) co_return;
            const std::string head = text.substr(0, head_size);
            text.erase(0, head_size);
            const std::size_t length = number_behind(head, "Content-Length: ");
            if (text.size() < length) {
                co_await asio::async_read(stream, asio::dynamic_buffer(text),
                                          asio::transfer_exactly(length - text.size()), into(error));
                if (error) co_return;
            }
            const std::string reply = process(head, text.substr(0, length));
            text.erase(0, length);
            co_await asio::async_write(stream, asio::buffer(reply), into(error));
            if (error) co_return;
            if (const auto wait = take_unsolicited()) {
                asio::steady_timer timer(io_, *wait);
                co_await timer.async_wait(into(error));
                co_await asio::async_write(stream, asio::buffer(unsolicited_response), into(error));
                co_return tally_.note(fault::unsolicited);
            }
        }
    }
    std::optional<std::chrono::microseconds> take_unsolicited() {
        const std::lock_guard lock(mutex_);
        if (armed_) return std::exchange(armed_, std::nullopt);
        return plan_.next_unsolicited();
    }

    std::string process(std::string_view head, std::string_view body) {
        if (head.starts_with("HEAD ")) return "HTTP/1.1 200 OK\r\n\r\n";
        const request_id id = number_behind(head, " /");
        const bool posted = head.starts_with("POST ");
        if ((!posted && !head.starts_with("GET ")) || body != (posted ? body_of(id) : "")) log_.garbled();
        log_.processed(id);
        const std::string answer = body_of(id);
        // Some break the letter of HTTP.
        const std::string folded = id % 7 == 3 ? "X-Folded: one\r\n two\r\n" : "";
        if (id % 5 != 0)
            return "HTTP/1.1 200 OK\r\n" + folded + "Content-Length: " + std::to_string(answer.size()) + "\r\n\r\n" +
                   answer;
        return "HTTP/1.1 200 OK\r\n" + folded + "Transfer-Encoding: chunked\r\n\r\n" + chunk(answer.substr(0, 1)) +
               chunk(answer.substr(1)) + "0\r\n\r\n";
    }

    static std::string chunk(std::string_view bytes) {
        char size[20];
        std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
        return size + std::string(bytes) + "\r\n";
    }

    static std::uint64_t number_behind(std::string_view head, std::string_view mark) {
        const auto at = head.find(mark);
        std::uint64_t number = 0;
        if (at == head.npos) return number;
        for (std::size_t i = at + mark.size(); i < head.size() && head[i] >= '0' && head[i] <= '9'; ++i)
            number = number * 10 + static_cast<std::uint64_t>(head[i] - '0');
        return number;
    }

    asio::io_context& io_;
    request_log& log_;
    std::optional<asio::ssl::context> tls_;
    asio::ip::tcp::acceptor acceptor_;
    fault_plan plan_;
    fault_tally& tally_;
    std::mutex mutex_;
    std::optional<std::chrono::microseconds> armed_;
    // Sessions are destroyed with the context, after the origin.
    const std::shared_ptr<std::atomic<int>> live_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace hotpool::test
