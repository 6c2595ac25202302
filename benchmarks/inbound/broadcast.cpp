// bench_inbound_broadcast: broadcasts to a group of 1,000, of which one may be stuck. Prints Markdown.
//
//   bench_inbound_broadcast [--quick]
#include <hotpool/inbound/connection_registry.hpp>
#include <hotpool/inbound/random_bytes.hpp>

#include <sys/resource.h>
#include <time.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "inbound/loopback_group.hpp"
#include "quantile.hpp"

namespace bench {

namespace {

using hotpool::inbound::slow_reader;

constexpr std::size_t group_size = 1'000;
constexpr double most = 1.2;  // times as long as without the stuck reader

/// Processor time of this thread: what else runs on the machine is not measured.
std::chrono::duration<double> thread_time() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// The registry alone: what it hands out counts as written at once, but for the stuck one's.
class machine_group {
public:
    using message = loopback_group::message;

    machine_group(std::size_t size, slow_reader when_full, bool stuck) : registry_({.when_full = when_full}) {
        sender_ = join();
        for (std::size_t i = 2; i < size; ++i) join();
        const auto last = join();
        if (stuck) stuck_ = last;
    }

    std::chrono::duration<double> broadcast(std::size_t times, const message& text) {
        const auto begin = thread_time();
        for (std::size_t i = 0; i < times; ++i) {
            registry_.broadcast(sender_, text);
            while (const auto next = registry_.next_delivery())
                if (next->to != stuck_) registry_.delivered(next->to);
            while (const auto ended = registry_.next_disconnect()) registry_.leave(*ended);
        }
        return thread_time() - begin;
    }

    std::size_t awake() const { return group_size - (stuck_ == hotpool::inbound::connection_id() ? 1 : 2); }

private:
    hotpool::inbound::connection_id join() {
        const auto id = hotpool::inbound::random_connection_id();
        registry_.join({}, id, 0);
        return id;
    }

    hotpool::inbound::connection_registry<message, int> registry_;
    hotpool::inbound::connection_id sender_, stuck_;
};

/// A line of the table; whether the ratio is within its bound.
template <class Group>
bool compare(const char* where, slow_reader when_full, std::size_t times, int rounds) {
    const auto text = std::make_shared<const std::string>(200, 'm');
    Group free(group_size, when_full, false), stuck(group_size, when_full, true);
    std::vector<double> free_rates, stuck_rates, ratios;
    for (int round = -1; round < rounds; ++round) {
        const double free_one = free.broadcast(times, text).count() / static_cast<double>(times * free.awake());
        const double stuck_one = stuck.broadcast(times, text).count() / static_cast<double>(times * stuck.awake());
        if (round < 0) continue;  // first contact with memory and sockets
        free_rates.push_back(1 / free_one);
        stuck_rates.push_back(1 / stuck_one);
        ratios.push_back(stuck_one / free_one);
    }
    const double ratio = median(ratios);
    std::printf("| %s | %s | %.2f | %.2f | %.2f |\n", where, to_string(when_full), median(free_rates) / 1e6,
                median(stuck_rates) / 1e6, ratio);
    std::fflush(stdout);
    return ratio <= most;
}

void allow_sockets() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int report(bool quick) {
    const int rounds = quick ? 7 : 25;
    std::printf(
        "## Broadcast to a group of 1,000 with one stuck reader\n\n"
        "Messages of 200 bytes; readers served per second, in millions: while all read, while one does not "
        "(counting "
        "the others), and how many times as long it takes with the stuck one (median of %d rounds in turn; "
        "at most "
        "%.1f).\n\n"
        "| where | its queue full | all read | one stuck | ratio |\n|---|---|---:|---:|---:|\n",
        rounds, most);
    bool kept = true;
    for (const slow_reader when_full : {slow_reader::drop_oldest, slow_reader::drop_newest, slow_reader::disconnect}) {
        kept &= compare<machine_group>("registry alone", when_full, quick ? 100 : 500, rounds);
        kept &= compare<loopback_group>("sockets on loopback", when_full, quick ? 20 : 100, rounds);
    }
    std::printf("\n%s\n", kept ? "The bound is kept." : "THE BOUND IS NOT KEPT.");
    return kept ? 0 : 1;
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
    try {
        bench::allow_sockets();
        return bench::report(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_inbound_broadcast: %s\n", error.what());
        return 2;
    }
}
