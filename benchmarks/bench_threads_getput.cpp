// get + put from two threads, without a server.
#include <hotpool/connection_pool.hpp>

#include <array>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "bench_threads.hpp"
#include "locked_vector.hpp"
#include "quantile.hpp"
#include "simulated_transport.hpp"

namespace bench {

namespace {

constexpr std::size_t connections = 16;
constexpr std::uint64_t times = 300'000;  // of each thread

using pool = hotpool::connection_pool<simulated_transport>;
using budget = std::shared_ptr<hotpool::connection_budget>;

class source {
public:
    source() = default;
    source(const source&) = delete;
    source& operator=(const source&) = delete;
    virtual ~source() = default;
    virtual void get_put() = 0;  // from any thread
};

class vector_source final : public source {
public:
    explicit vector_source(std::size_t size) : idle_{size} {}
    void get_put() override { idle_.put(idle_.get()); }

private:
    locked_vector idle_;
};

// Nothing runs its context while it is measured.
class warm_pool final : public source {
public:
    warm_pool(std::size_t size, budget shared)
        : pool_{context_.get_executor(),
                hotpool::origin{.host = "simulated", .port = "1"},
                {.max_connections = size, .check_after_idle = std::chrono::hours{1}},
                {},
                std::move(shared)} {
        pool_.async_warm(size, [this](std::error_code error) {
            if (error) throw std::system_error{error};
            context_.stop();
        });
        context_.run();
    }
    void get_put() override {
        auto lease = pool_.try_get();
        if (!lease) throw std::runtime_error{"no idle connection"};
        pool_.put(std::move(lease));
    }

private:
    asio::io_context context_;
    pool pool_;
};

// A source for each thread; both may be the same.
using sources = std::array<std::shared_ptr<source>, thread_count>;

template <class Source, class... Arguments>
sources make_one(Arguments... arguments) {
    const auto made = std::make_shared<Source>(connections, arguments...);
    return {made, made};
}
template <class Source, class... Arguments>
sources make_each(Arguments... arguments) {
    return {std::make_shared<Source>(connections / thread_count, arguments...),
            std::make_shared<Source>(connections / thread_count, arguments...)};
}

}  // namespace

void report_getput(int rounds) {
    struct line {
        const char* title;
        sources from;
        std::vector<double> wall{}, cpu{}, ratio{};
    };
    std::vector<line> lines;
    lines.push_back({"mutex + vector, one", make_one<vector_source>()});
    lines.push_back({"mutex + vector, one per thread", make_each<vector_source>()});
    lines.push_back({"hotpool, one pool", make_one<warm_pool>(budget{})});
    lines.push_back({"hotpool, one pool per thread, one budget",
                     make_each<warm_pool>(std::make_shared<hotpool::connection_budget>(connections))});
    lines.push_back({"hotpool, one pool per thread", make_each<warm_pool>(budget{})});
    for (int round = 0; round < rounds; ++round) {
        for (line& each : lines) {
            const cost seen = measure_threads([&each](std::size_t thread) {
                for (std::uint64_t i = 0; i < times; ++i) each.from[thread]->get_put();
            });
            each.wall.push_back(seen.wall_ns / static_cast<double>(times));
            each.cpu.push_back(seen.cpu_ns / static_cast<double>(times * thread_count));
            each.ratio.push_back(each.cpu.back() / lines[0].cpu.back());
        }
    }
    std::puts(
        "get + put only, two threads at once:\n\n"
        "| | elapsed ns | CPU ns | ratio |\n| --- | ---: | ---: | ---: |");
    for (const line& each : lines)
        std::printf("| %s | %.1f | %.1f | %.2f |\n", each.title, median(each.wall), median(each.cpu),
                    median(each.ratio));
}

}  // namespace bench
