// Callbacks: a chain of requests without coroutines, and a request cancelled on its way.
#include <hotpool/hotpool.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <system_error>

#include "support/embedded_origin.hpp"

using namespace std::chrono_literals;

class errand {
public:
    errand(asio::io_context& context, const support::embedded_origin& origin)
        : pool_(context.get_executor(), origin.target(), {.max_connections = 4}, origin.trust()),
          client_(pool_, {.user_agent = "errand/1", .default_headers = {{"Accept-Language", "en"}}}),
          impatience_(context) {}

    void start() {
        client_.async_get("/", [this](std::error_code error, hotpool::response page) {
            if (error) return give_up("the page", error);
            std::cout << page.status() << ' ' << page.header("content-type").value_or("") << ", " << page.body().size()
                      << " bytes\n";
            ask_for_the_head();
        });
    }
    bool succeeded() const { return succeeded_; }

private:
    void ask_for_the_head() {
        client_.async_head("/bytes/1000000", [this](std::error_code error, hotpool::response head) {
            if (error) return give_up("the head", error);
            std::cout << "a body would have " << head.header("Content-Length").value_or("?") << " bytes\n";
            lose_patience();
        });
    }

    // Any operation can be cancelled; its connection is closed then, since the response is still to come.
    void lose_patience() {
        const auto cancelled = [this](std::error_code error, hotpool::response) {
            if (error != hotpool::condition::cancelled) return give_up("the slow page", error);
            std::cout << "as expected: " << error.message() << '\n';
            finish();
        };
        client_.async_get("/slow", asio::bind_cancellation_slot(cancellation_.slot(), cancelled));
        impatience_.expires_after(20ms);
        impatience_.async_wait([this](std::error_code) { cancellation_.emit(asio::cancellation_type::terminal); });
    }

    void give_up(const char* what, std::error_code error) {
        std::cerr << "error: " << what << ": " << error.message() << '\n';
        pool_.close();
    }
    void finish() {
        const hotpool::pool_stats stats = pool_.stats();
        std::cout << stats.total.opened << " connection for " << stats.total.leases << " requests\n";
        succeeded_ = stats.total.opened == 1 && stats.total.leases == 3;
        pool_.close();  // idle connections are work for the context: without this, run() would not return
    }

    hotpool::tls_pool pool_;
    hotpool::http_client<hotpool::tls_pool> client_;
    asio::cancellation_signal cancellation_;
    asio::steady_timer impatience_;
    bool succeeded_ = false;
};

int main() {
    const support::embedded_origin origin;
    asio::io_context context;
    errand e(context, origin);
    e.start();
    context.run();
    return e.succeeded() ? 0 : 1;
}
