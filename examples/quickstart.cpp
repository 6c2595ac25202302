// What a hot connection is worth: the same request on new connections, and on connections kept open.
//
//   quickstart [URL]     without a URL: against a TLS server of its own on loopback
#include <hotpool/hotpool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "support/embedded_origin.hpp"

namespace {

using namespace std::chrono_literals;
using milliseconds = std::chrono::duration<double, std::milli>;

/// How often to ask; a server that is not ours is asked less.
struct plan {
    int cold_requests;
    int hot_requests;
};

/// The latencies of requests, one after the other, and what the pool did meanwhile.
struct measurement {
    std::vector<milliseconds> latencies;
    hotpool::pool_stats stats;
    unsigned status = 0;

    milliseconds at(double share) {
        const auto nth =
            latencies.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies.size() - 1));
        std::nth_element(latencies.begin(), nth, latencies.end());
        return *nth;
    }
};

template <class Pool>
asio::awaitable<measurement> measure(Pool& pool, const std::string& target, int requests) {
    const hotpool::request_builder request("GET", target);
    hotpool::http_client client(pool, {.request_timeout = 10s});
    measurement m;
    for (int i = 0; i < requests; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        const hotpool::response reply = co_await client.async_send(request, asio::use_awaitable);
        m.latencies.push_back(std::chrono::steady_clock::now() - begin);
        m.status = reply.status();
    }
    m.stats = pool.stats();
    co_return m;
}

void print_row(const char* name, measurement& m) {
    std::printf("%-5s %9zu %12llu %11.1f %% %10.3f ms %8.3f ms\n", name, m.latencies.size(),
                static_cast<unsigned long long>(m.stats.total.opened), 100 * m.stats.reuse_rate(), m.at(0.5).count(),
                m.at(0.9).count());
}

template <class Pool, class TransportOptions>
asio::awaitable<void> compare(hotpool::origin origin, std::string target, TransportOptions transport, plan n) {
    const auto executor = co_await asio::this_coro::executor;
    Pool cold_pool(executor, origin, {.max_idle = 0, .connect_timeout = 5s}, transport);  // keeps nothing
    Pool hot_pool(executor, origin, {.connect_timeout = 5s}, transport);

    measurement cold = co_await measure(cold_pool, target, n.cold_requests);
    co_await hot_pool.async_warm(1, asio::use_awaitable);
    measurement hot = co_await measure(hot_pool, target, n.hot_requests);

    std::printf("\n      requests  connections  reuse rate     median          p90\n");
    print_row("cold", cold);
    print_row("hot", hot);
    std::printf("\na cold request takes %.1f times as long as a hot one (medians); the last answer was %u\n",
                cold.at(0.5) / hot.at(0.5), hot.status);
    if (hot.stats.total.retired_for(hotpool::retire_reason::connection_close) != 0)
        std::printf("note: this server closes connections after their response, so that few or none can be kept\n");
}

asio::awaitable<void> run(std::string url) {
    if (url.empty()) {
        const support::embedded_origin origin;
        std::printf("https://127.0.0.1:%s/ (a server of this program)\n", origin.target().port.c_str());
        const hotpool::tls_options trust = origin.trust();
        co_await compare<hotpool::tls_pool>(origin.target(), "/", trust, {100, 1000});
        co_return;
    }
    hotpool::http::uri parts;
    if (const hotpool::errc e = hotpool::http::parse_uri(url, parts); e != hotpool::errc{}) throw std::system_error(e);
    std::printf("%s\n", url.c_str());
    std::fflush(stdout);
    const hotpool::origin origin{parts.host, parts.port};
    const hotpool::tls_options system_roots;
    if (parts.scheme == hotpool::http::uri_scheme::https)
        co_await compare<hotpool::tls_pool>(origin, parts.target, system_roots, {10, 50});
    else
        co_await compare<hotpool::tcp_pool>(origin, parts.target, hotpool::tcp_options(), {10, 50});
}

}  // namespace

int main(int count, char** arguments) {
    if (count > 2) {
        std::fprintf(stderr, "usage: %s [URL]\n", arguments[0]);
        return 2;
    }
    const std::string url = count == 2 ? arguments[1] : "";
    int outcome = 0;
    asio::io_context context(1);
    asio::co_spawn(context, run(url), [&](std::exception_ptr failure) {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "error: %s%s%s\n", url.c_str(), url.empty() ? "" : ": ", e.what());
            outcome = 1;
        }
    });
    context.run();
    return outcome;
}
