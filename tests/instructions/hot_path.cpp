// Repeats one operation on a hot connection, for valgrind to count: hot_path OPERATION TIMES | hot_path --key
//
// The peer is the other end of a connection over loopback in this very thread: it answers when the client has
// written and before the loop goes on, so that each repetition takes the same steps.
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\nServer: canned\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
    "Content-Length: 16\r\nConnection: keep-alive\r\n\r\nsixteen bytes...";

/// A pool with one connection, which lies idle, and the peer's end of it.
class hot_pool {
public:
    hot_pool()
        : acceptor_(io, {asio::ip::address_v4::loopback(), 0}),
          pool(io.get_executor(), {.host = "127.0.0.1", .port = std::to_string(acceptor_.local_endpoint().port())},
               // Never more than one look at the clock decides, however slowly this runs.
               {.max_connections = 1, .check_after_idle = std::chrono::hours(1)}),
          peer_(io) {
        pool.async_warm(1, [](std::error_code error) {
            if (error) throw std::system_error(error);
        });
        while (pool.stats().now.idle != 1) io.run_one();
        acceptor_.accept(peer_);
    }

    /// Answers one request.
    void serve() {
        std::array<char, 4096> request;
        peer_.receive(asio::buffer(request));
        asio::write(peer_, asio::buffer(answer));
    }

    asio::io_context io{1};

private:
    asio::ip::tcp::acceptor acceptor_;

public:
    hotpool::tcp_pool pool;

private:
    asio::ip::tcp::socket peer_;
};

/// Counts answers, and ends the program at a wrong one.
class tally {
public:
    explicit tally(int wanted) : left_(wanted) {}
    void note(const std::error_code& error, const hotpool::response& reply) {
        if (error || reply.status() != 200 || reply.body().size() != 16) {
            std::cerr << "error: an exchange failed: " << error.message() << '\n';
            std::exit(1);
        }
        --left_;
    }
    int left() const noexcept { return left_; }

private:
    int left_;
};

void run(hot_pool& hot, const tally& count) {
    for (int left = count.left(); left != 0; left = count.left()) {
        hot.serve();
        while (count.left() == left) hot.io.run_one();
    }
}

void get_put(int times) {
    hot_pool hot;
    for (int i = 0; i < times; ++i) {
        auto lease = hot.pool.try_get();
        if (!lease) std::exit(1);
        hot.pool.put(std::move(lease));
    }
}

struct chain {
    hotpool::http_client<hotpool::tcp_pool>& client;
    const hotpool::request_builder& request;
    tally& count;
    void next() {
        client.async_send(request, [this](std::error_code error, const hotpool::response& reply) {
            count.note(error, reply);
            if (count.left() != 0) next();
        });
    }
};

void callback(int times) {
    hot_pool hot;
    hotpool::http_client client{hot.pool};
    const hotpool::request_builder request{"GET", "/"};
    tally count(times);
    chain exchanges{client, request, count};
    exchanges.next();
    run(hot, count);
}

asio::awaitable<void> visit(hotpool::http_client<hotpool::tcp_pool>& client, const hotpool::request_builder& request,
                            tally& count) {
    while (count.left() != 0) {
        const hotpool::response reply = co_await client.async_send(request, asio::use_awaitable);
        count.note({}, reply);
    }
}

void coroutine(int times) {
    hot_pool hot;
    hotpool::http_client client{hot.pool};
    const hotpool::request_builder request{"GET", "/"};
    tally count(times);
    asio::co_spawn(hot.io, visit(client, request, count), asio::detached);
    hot.io.poll();  // up to its first wait for the peer
    run(hot, count);
}

/// What the figures depend on.
void print_key() {
#if defined(__clang__)
    std::cout << "clang-" << __clang_major__;
#elif defined(__GNUC__)
    std::cout << "gcc-" << __GNUC__;
#else
    std::cout << "unknown";
#endif
    std::cout << " asio-" << ASIO_VERSION / 100000 << '.' << ASIO_VERSION / 100 % 1000;
#if defined(__x86_64__)
    std::cout << " x86_64\n";
#elif defined(__aarch64__)
    std::cout << " aarch64\n";
#else
    std::cout << " unknown\n";
#endif
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view operation = argc > 1 ? argv[1] : "";
    const int times = argc > 2 ? std::atoi(argv[2]) : 0;
    if (operation == "--key")
        print_key();
    else if (operation == "get_put" && times > 0)
        get_put(times);
    else if (operation == "callback" && times > 0)
        callback(times);
    else if (operation == "coroutine" && times > 0)
        coroutine(times);
    else {
        std::cerr << "usage: hot_path get_put|callback|coroutine TIMES, or hot_path --key\n";
        return 2;
    }
}
