// bench_scale: whether a pool with 100,000 idle connections is as quick as one with 100. Prints Markdown.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

#include "bench_scale.hpp"
#include "quantile.hpp"
#include "rounds.hpp"

namespace bench {

namespace {

constexpr std::array<std::size_t, 2> sizes{100, 100'000};

struct kind {
    const char* title;
    std::unique_ptr<getput_pool> (*make)(std::size_t connections, order from);
    order from;
};
constexpr kind kinds[] = {{"mutex + deque, newest first", make_locked_list, order::newest_first},
                          {"hotpool, newest first", make_hotpool, order::newest_first},
                          {"mutex + deque, oldest first", make_locked_list, order::oldest_first},
                          {"hotpool, oldest first", make_hotpool, order::oldest_first}};

// The figures of few and of many connections in alternating rounds.
struct comparison {
    std::array<std::vector<double>, 2> figures;
    std::vector<double> ratios;

    void add(const std::array<double, 2>& round) {
        for (std::size_t i = 0; i < 2; ++i) figures[i].push_back(round[i]);
        ratios.push_back(round[1] / round[0]);
    }
};

void report_getput(int rounds) {
    std::puts(
        "One get and one put, timed one by one, less the time of the clock; the ratio is that of 100,000 "
        "idle "
        "connections to 100. Oldest first goes round all of them.\n\n"
        "| | median ns, 100 | 100,000 | ratio | p99 ns, 100 | 100,000 | ratio |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (const kind& each : kinds) {
        const std::array<std::unique_ptr<getput_pool>, 2> pools{each.make(sizes[0], each.from),
                                                                each.make(sizes[1], each.from)};
        comparison middle;
        comparison tail;
        for (int round = 0; round < rounds; ++round) {
            std::array<latency, 2> seen;
            for (std::size_t i = 0; i < 2; ++i) seen[i] = pools[i]->get_put(sizes[1]);
            middle.add({seen[0].median_ns, seen[1].median_ns});
            tail.add({seen[0].p99_ns, seen[1].p99_ns});
        }
        std::printf("| %s | %.0f | %.0f | %.2f | %.0f | %.0f | %.2f |\n", each.title, median(middle.figures[0]),
                    median(middle.figures[1]), median(middle.ratios), median(tail.figures[0]), median(tail.figures[1]),
                    median(tail.ratios));
    }
}

void report_sweep(int rounds) {
    comparison sweep;
    for (int round = 0; round < rounds; ++round) sweep.add({sweep_ns(sizes[0]) / 1e3, sweep_ns(sizes[1]) / 1e3});
    std::printf(
        "\nThe timer's turn in which the 100 connections opened first expire and are closed:\n\n"
        "| | µs, of 100 | µs, of 100,000 | ratio |\n| --- | ---: | ---: | ---: |\n"
        "| hotpool | %.1f | %.1f | %.2f |\n",
        median(sweep.figures[0]), median(sweep.figures[1]), median(sweep.ratios));
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) try {
    const int rounds = bench::parse_rounds(argc > 1 ? argv[1] : "11");
    std::puts("## Scale\n");
    bench::report_getput(rounds);
    // Each of them waits for its connections to expire.
    bench::report_sweep(std::min(rounds, 11));
} catch (const std::exception& error) {
    std::fprintf(stderr, "bench_scale: %s\n", error.what());
    return 1;
}
