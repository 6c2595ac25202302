// bench_threads: one pool for two threads beside one for each. Prints Markdown.
#include "bench_threads.hpp"

#include <hotpool/hotpool.hpp>

#include <array>
#include <asio/io_context.hpp>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "bench.hpp"
#include "quantile.hpp"
#include "rounds.hpp"

namespace bench {

void add_sockets_rows(registry& rows);  // of rows_sockets.cpp

namespace {

constexpr std::size_t connections = 16;
constexpr std::uint64_t requests = 20'000;

using budget = std::shared_ptr<hotpool::connection_budget>;

job make_job(const char* port, std::size_t of_them) {
    job job;
    job.connections = of_them;
    job.body_bytes = 100;
    job.path = "/100";
    job.host = "127.0.0.1";
    job.port = port;
    return job;
}

// A pool on a context of its own, and chains of requests on it: as many as it has connections.
class site {
public:
    site(const job& job, std::size_t threads, budget shared)
        : job_{job},
          context_{static_cast<int>(threads)},
          pool_{context_.get_executor(),
                hotpool::origin{.host = job.host, .port = job.port},
                {.max_connections = job.connections},
                {},
                std::move(shared)},
          request_{"GET", job.path} {
        pool_.async_warm(job.connections, [this](std::error_code error) {
            if (error) throw std::system_error{error};
            context_.stop();
        });
        context_.run();
    }

    void begin(std::uint64_t count) {
        unsent_ = unanswered_ = static_cast<std::int64_t>(count);
        context_.restart();
        for (std::size_t i = 0; i < job_.connections; ++i) send_next();
    }
    // In as many threads as the site has.
    void run() { context_.run(); }

private:
    void send_next() {
        if (unsent_.fetch_sub(1, std::memory_order_relaxed) <= 0) return;
        client_.async_send(request_, [this](std::error_code error, hotpool::response reply) {
            if (error) throw std::system_error{error};
            if (reply.status() != 200 || reply.body().size() != job_.body_bytes)
                throw std::runtime_error{"hotpool: unexpected response"};
            if (unanswered_.fetch_sub(1, std::memory_order_acq_rel) == 1) return context_.stop();
            send_next();
        });
    }

    job job_;
    asio::io_context context_;
    hotpool::tcp_pool pool_;
    hotpool::http_client<hotpool::tcp_pool> client_{pool_};
    hotpool::request_builder request_;
    std::atomic<std::int64_t> unsent_{0};
    std::atomic<std::int64_t> unanswered_{0};
};

class way {
public:
    way() = default;
    way(const way&) = delete;
    way& operator=(const way&) = delete;
    virtual ~way() = default;
    virtual cost run() = 0;  // all requests
};

class bare_loops final : public way {
public:
    bare_loops(const char* port, std::size_t count) : loops_(count) {
        registry rows;
        add_sockets_rows(rows);
        for (const row_kind& kind : rows)
            if (kind.id == "epoll" && kind.on == layer::plain)
                for (auto& loop : loops_) loop = kind.open(make_job(port, connections / count));
        if (!loops_[0]) throw std::runtime_error{"there is no bare row"};
    }
    cost run() override {
        return measure_threads([this](std::size_t thread) {
            if (thread < loops_.size()) loops_[thread]->run(requests / loops_.size());
        });
    }

private:
    std::vector<std::unique_ptr<row>> loops_;
};

class one_thread final : public way {
public:
    explicit one_thread(const char* port) : site_{make_job(port, connections), 1, nullptr} {}
    cost run() override {
        return measure_threads([this](std::size_t thread) {
            if (thread != 0) return;
            site_.begin(requests);
            site_.run();
        });
    }

private:
    site site_;
};

class one_pool final : public way {
public:
    explicit one_pool(const char* port) : site_{make_job(port, connections), thread_count, nullptr} {}
    cost run() override {
        site_.begin(requests);
        return measure_threads([this](std::size_t) { site_.run(); });
    }

private:
    site site_;
};

class pool_for_each final : public way {
public:
    pool_for_each(const char* port, const budget& shared) {
        for (auto& each : sites_) each = std::make_unique<site>(make_job(port, connections / thread_count), 1, shared);
    }
    cost run() override {
        return measure_threads([this](std::size_t thread) {
            sites_[thread]->begin(requests / thread_count);
            sites_[thread]->run();
        });
    }

private:
    std::array<std::unique_ptr<site>, thread_count> sites_;
};

void report_exchanges(int rounds, const char* port) {
    struct line {
        const char* title;
        std::unique_ptr<way> how;
        std::size_t floor;
        std::vector<double> per_second{}, cpu_us{}, ratio{};
    };
    std::vector<line> lines;
    lines.push_back({"one thread: bare sockets, epoll", std::make_unique<bare_loops>(port, 1), 0});
    lines.push_back({"one thread: hotpool", std::make_unique<one_thread>(port), 0});
    lines.push_back({"two: bare sockets, epoll, a loop each", std::make_unique<bare_loops>(port, thread_count), 2});
    lines.push_back({"two: hotpool, one pool for both", std::make_unique<one_pool>(port), 2});
    const auto shared = std::make_shared<hotpool::connection_budget>(connections);
    lines.push_back({"two: hotpool, a pool each, one budget", std::make_unique<pool_for_each>(port, shared), 2});
    lines.push_back({"two: hotpool, a pool each", std::make_unique<pool_for_each>(port, nullptr), 2});
    for (int round = 0; round < rounds; ++round) {
        for (line& each : lines) {
            const cost seen = each.how->run();
            each.per_second.push_back(1e9 * static_cast<double>(requests) / seen.wall_ns);
            each.cpu_us.push_back(seen.cpu_ns / 1e3 / static_cast<double>(requests));
            each.ratio.push_back(each.cpu_us.back() / lines[each.floor].cpu_us.back());
        }
    }
    std::puts(
        "\nRequests for 100 B, plain, 16 connections in all. Each thread has a core; with no third one the "
        "server shares one of them, so compare "
        "the CPU.\n\n"
        "| | requests per second | CPU µs | ratio |\n| --- | ---: | ---: | ---: |");
    for (const line& each : lines)
        std::printf("| %s | %.0f | %.2f | %.2f |\n", each.title, median(each.per_second), median(each.cpu_us),
                    median(each.ratio));
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::fputs("usage: bench_threads ROUNDS PLAIN_PORT\n", stderr);
        return 2;
    }
    const int rounds = bench::parse_rounds(argv[1]);
    std::puts("## Two threads\n");
    bench::report_getput(rounds);
    bench::report_exchanges(rounds, argv[2]);
} catch (const std::exception& error) {
    std::fprintf(stderr, "bench_threads: %s\n", error.what());
    return 1;
}
