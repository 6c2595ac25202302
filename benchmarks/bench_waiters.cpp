// bench_waiters: a thousand callers wait for ten connections. Prints Markdown.
#include <hotpool/connection_pool.hpp>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "meter.hpp"
#include "quantile.hpp"
#include "rounds.hpp"
#include "simulated_transport.hpp"

namespace bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t connections = 10;
constexpr std::size_t callers = 1'000;
constexpr std::uint64_t hand_overs = 100'000;
constexpr std::ptrdiff_t window = 2'000;  // short, so that some are free of interruptions

// The floor: connections and callers in two queues behind a mutex; an answer is posted.
class plain_queue {
public:
    using lease = int*;

    plain_queue(asio::io_context& context, hotpool::duration) : context_{context} {
        for (int& each : connections_) idle_.push_back(&each);
    }

    template <class Handler>
    void get(Handler handler) {
        const std::lock_guard lock{mutex_};
        if (idle_.empty()) return waiting_.push_back(handler);
        asio::post(context_, [handler, given = idle_.front()]() mutable { handler(given); });
        idle_.pop_front();
    }
    void put(int* given) {
        std::function<void(int*)> next;
        {
            const std::lock_guard lock{mutex_};
            if (waiting_.empty()) return idle_.push_back(given);
            next = std::move(waiting_.front());
            waiting_.pop_front();
        }
        asio::post(context_, [next = std::move(next), given] { next(given); });
    }

private:
    asio::io_context& context_;
    std::vector<int> connections_ = std::vector<int>(connections);
    std::mutex mutex_;
    std::deque<int*> idle_;
    std::deque<std::function<void(int*)>> waiting_;
};

class pool {
public:
    using lease = hotpool::connection_pool<simulated_transport>::lease_type;

    pool(asio::io_context& context, hotpool::duration get_timeout)
        : pool_{context.get_executor(),
                hotpool::origin{.host = "simulated", .port = "1"},
                {.max_connections = connections, .get_timeout = get_timeout}} {
        pool_.async_warm(connections, [&context](std::error_code error) {
            if (error) throw std::system_error{error};
            context.stop();
        });
        context.run();
        context.restart();
    }

    template <class Handler>
    void get(Handler handler) {
        pool_.async_get([handler](std::error_code error, lease given) mutable {
            if (error) throw std::system_error{error};
            handler(std::move(given));
        });
    }
    void put(lease given) { pool_.put(std::move(given)); }

private:
    hotpool::connection_pool<simulated_transport> pool_;
};

struct outcome {
    double cpu_ns = 0;            // for one hand-over
    double turns_spread = 0;      // p99 / p50 of the hand-overs to others while one waits
    std::vector<double> waits{};  // µs, in the order of serving
};

// Every caller asks again as soon as it has been served, and is the last of the queue then.
template <class Source>
class crowd {
public:
    explicit crowd(hotpool::duration get_timeout) : source_{context_, get_timeout} {
        waits_.reserve(hand_overs);
        turns_.reserve(hand_overs);
    }

    outcome run() {
        const reading before = read_meter();
        for (std::size_t i = 0; i < callers; ++i) ask();
        context_.run();
        const reading after = read_meter();
        const auto cpu = (after.user_ns + after.system_ns) - (before.user_ns + before.system_ns);
        return {static_cast<double>(cpu) / static_cast<double>(hand_overs),
                quantile(turns_, 0.99) / quantile(turns_, 0.5), std::move(waits_)};
    }

private:
    void ask() {
        source_.get([this, number = asked_++, others = served_, since = clock::now()](typename Source::lease given) {
            waits_.push_back(std::chrono::duration<double, std::micro>(clock::now() - since).count());
            turns_.push_back(static_cast<double>(served_ - others));
            if (number != served_) throw std::runtime_error{"a caller was served out of order"};
            source_.put(std::move(given));
            if (++served_ == hand_overs) return context_.stop();
            if (asked_ < hand_overs) ask();
        });
    }

    asio::io_context context_{1};
    Source source_;
    std::uint64_t asked_ = 0;
    std::uint64_t served_ = 0;
    std::vector<double> waits_;
    std::vector<double> turns_;
};

template <class Source>
outcome measure(hotpool::duration get_timeout) {
    return crowd<Source>{get_timeout}.run();
}

struct kind {
    const char* title;
    outcome (*measure)(hotpool::duration get_timeout);
    hotpool::duration get_timeout;
};
constexpr kind kinds[] = {{"two queues behind a mutex", measure<plain_queue>, {}},
                          {"hotpool, no get_timeout", measure<pool>, {}},
                          {"hotpool", measure<pool>, std::chrono::seconds{30}}};

void report(int rounds) {
    constexpr double calm = 0.1;
    constexpr std::size_t count = std::size(kinds);
    struct {
        std::vector<double> cpu, ratio, p50, p99, spread, turns;
    } seen[count];
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < count; ++i) {
            const outcome one = kinds[i].measure(kinds[i].get_timeout);
            seen[i].cpu.push_back(one.cpu_ns);
            seen[i].ratio.push_back(one.cpu_ns / seen[0].cpu.back());
            seen[i].turns.push_back(one.turns_spread);
            // In the first window the queue is still growing.
            for (auto at = one.waits.begin() + window; one.waits.end() - at >= window; at += window) {
                const std::vector<double> waits(at, at + window);
                seen[i].p50.push_back(quantile(waits, 0.5));
                seen[i].p99.push_back(quantile(waits, 0.99));
                seen[i].spread.push_back(seen[i].p99.back() / seen[i].p50.back());
            }
        }
    }
    std::puts(
        "## Waiters\n\n"
        "1,000 callers on 10 connections, each asking again when it has been served; every one was served in "
        "the "
        "order of asking. CPU is that of one hand-over, its posted handler included. A wait is measured in "
        "elapsed "
        "time, of which the calmest tenth of stretches of 2,000 waits is shown, because whatever interrupts "
        "the "
        "process delays all who wait; and in hand-overs to others.\n\n"
        "| | CPU ns | ratio | wait p50 µs | p99 µs | p99 / p50 | p99 / p50 in hand-overs |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (std::size_t i = 0; i < count; ++i)
        std::printf("| %s | %.0f | %.2f | %.0f | %.0f | %.2f | %.2f |\n", kinds[i].title, median(seen[i].cpu),
                    median(seen[i].ratio), quantile(seen[i].p50, calm), quantile(seen[i].p99, calm),
                    quantile(seen[i].spread, calm), median(seen[i].turns));
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) try {
    bench::report(bench::parse_rounds(argc > 1 ? argv[1] : "11"));
} catch (const std::exception& error) {
    std::fprintf(stderr, "bench_waiters: %s\n", error.what());
    return 1;
}
