// bench_getput: nanoseconds for one get and one put, beside a vector behind a mutex. Prints a Markdown table.
#include <time.h>

#include <barrier>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <string_view>
#include <thread>

#include "getput.hpp"
#include "locked_vector.hpp"
#include "pin_to_core.hpp"
#include "quantile.hpp"

namespace bench {

namespace {

class vector_shelf final : public shelf {
public:
    explicit vector_shelf(std::size_t connections) : idle_{connections} {}

    void get_put(std::uint64_t times) override {
        for (; times > 0; --times) idle_.put(idle_.get());
    }

private:
    locked_vector idle_;
};

struct setting {
    std::size_t threads;
    std::size_t connections;
};
constexpr setting settings[] = {{1, 1}, {1, 8}, {1, 100}, {1, 10'000}, {2, 8}};

struct cost {
    double wall_ns = 0;  // for one get + put, as one thread sees it
    double cpu_ns = 0;
};

double now(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// Always in threads of their own: glibc's mutex is cheaper in a process that never had a second thread.
cost measure(shelf& on, std::size_t threads, std::uint64_t times) {
    std::barrier start{static_cast<std::ptrdiff_t>(threads)};
    std::vector<cost> costs(threads);
    std::vector<std::jthread> running;
    for (cost& mine : costs) {
        running.emplace_back([&start, &mine, &on, times, core = running.size()] {
            pin_to_core(core);
            on.get_put(times / 10);
            start.arrive_and_wait();
            const double wall = now(CLOCK_MONOTONIC);
            const double cpu = now(CLOCK_THREAD_CPUTIME_ID);
            on.get_put(times);
            mine.cpu_ns = (now(CLOCK_THREAD_CPUTIME_ID) - cpu) / static_cast<double>(times);
            mine.wall_ns = (now(CLOCK_MONOTONIC) - wall) / static_cast<double>(times);
        });
    }
    running.clear();  // joins
    cost mean;
    for (const cost& each : costs) {
        mean.wall_ns += each.wall_ns / static_cast<double>(threads);
        mean.cpu_ns += each.cpu_ns / static_cast<double>(threads);
    }
    return mean;
}

// One setting, all kinds in alternating rounds.
void report(const std::vector<shelf_kind>& kinds, const setting& how, int rounds) {
    constexpr std::uint64_t times = 500'000;
    std::vector<std::unique_ptr<shelf>> shelves;
    for (const shelf_kind& kind : kinds) shelves.push_back(kind.open(how.connections));
    std::vector<std::vector<double>> wall(kinds.size());
    std::vector<std::vector<double>> cpu(kinds.size());
    std::vector<std::vector<double>> ratio(kinds.size());
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < kinds.size(); ++i) {
            const cost one = measure(*shelves[i], how.threads, times);
            wall[i].push_back(one.wall_ns);
            cpu[i].push_back(one.cpu_ns);
            ratio[i].push_back(how.threads == 1 ? one.cpu_ns / cpu[0].back() : one.wall_ns / wall[0].back());
        }
    }
    for (std::size_t i = 0; i < kinds.size(); ++i)
        std::printf("| %.*s | %zu | %zu | %.1f | %.1f | %.2f |\n", static_cast<int>(kinds[i].title.size()),
                    kinds[i].title.data(), how.threads, how.connections, median(wall[i]), median(cpu[i]),
                    median(ratio[i]));
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
    using namespace bench;
    int rounds = 11;
    const std::string_view given = argc > 1 ? argv[1] : "11";
    if (std::from_chars(given.data(), given.data() + given.size(), rounds).ec != std::errc{} || rounds < 1) {
        std::cerr << "bench_getput [ROUNDS]\n";
        return 2;
    }
    std::vector<shelf_kind> kinds{{"std::mutex + std::vector", [](std::size_t connections) -> std::unique_ptr<shelf> {
                                       return std::make_unique<vector_shelf>(connections);
                                   }}};
#ifdef BENCH_HOTPOOL
    add_hotpool_shelves(kinds);
#endif
    std::printf(
        "## Get + put\n\n"
        "One get and one put of an idle connection; medians. The ratio is that of CPU time, with several "
        "threads that of elapsed time.\n\n"
        "| | threads | idle connections | ns | CPU ns | ratio |\n| --- | ---: | ---: | ---: | ---: | ---: "
        "|\n");
    for (const setting& how : settings) report(kinds, how, rounds);
}
