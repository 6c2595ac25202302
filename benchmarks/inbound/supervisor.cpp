// What the supervision of connections costs: bench_inbound_supervisor [--quick]
//
// Prints one section in Markdown, and fails if a sweep with nothing due looks at a connection.
#include <hotpool/inbound/connection_supervisor.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "quantile.hpp"

namespace bench {
namespace {

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr time_point begun{1000h};

/// Open connections, and an order in which they are used that the caches cannot foresee.
class crowd {
public:
    explicit crowd(std::size_t size) : size_(size), all_(std::make_unique<supervised[]>(size)), order_(size) {
        std::iota(order_.begin(), order_.end(), std::size_t{0});
        std::shuffle(order_.begin(), order_.end(), std::mt19937{1});
        for_each([this](supervised& c) {
            machine.accepted(c, begun);
            machine.opened(c, begun);
        });
        machine.time_passed(begun + 20s);  // past the time for handshakes, where each stands until then
    }
    ~crowd() {
        for_each([this](supervised& c) { machine.ended(c, close_reason::finished); });
    }

    template <class Work>
    void for_each(Work work) {
        for (const std::size_t i : order_) work(all_[i]);
    }
    std::size_t size() const { return size_; }

    connection_supervisor<> machine{{.idle_timeout = 60s}};

private:
    std::size_t size_;
    std::unique_ptr<supervised[]> all_;
    std::vector<std::size_t> order_;
};

/// Nanoseconds for each of `count` in the median of `rounds`.
template <class Work>
double measure(std::size_t rounds, std::size_t count, Work work) {
    std::vector<double> taken(rounds);
    for (double& each : taken) {
        const clock::time_point start = clock::now();
        work();
        each = std::chrono::duration<double, std::nano>(clock::now() - start).count() / static_cast<double>(count);
    }
    return median(std::move(taken));
}

void print_row(std::size_t size, std::size_t rounds) {
    crowd c(size);
    time_point now = begun + 21s;
    const double bytes = measure(rounds, size, [&] {
        now += 1ms;
        c.for_each([&](supervised& each) { c.machine.bytes_seen(each, now); });
    });
    const double request = measure(rounds, size, [&] {
        now += 1ms;
        c.for_each([&](supervised& each) {
            c.machine.request_begun(each, now);
            c.machine.request_received(each, now);
            c.machine.request_ended(each, now);
        });
    });
    // A sweep each 10 ms while all are idle and none is due.
    const std::uint64_t examined = c.machine.counters().examined;
    const double sweep = measure(rounds, 100, [&] {
        for (int i = 0; i < 100; ++i) {
            now += 10us;
            c.machine.time_passed(now);
        }
    });
    if (c.machine.counters().examined != examined) throw std::runtime_error{"a sweep with nothing due looked at some"};
    const double expiry = measure(1, size, [&] {
        c.machine.time_passed(now + 1h);
        while (c.machine.next_action()) {
        }
    });
    std::printf("| %zu | %.0f ns | %.0f ns | %.0f ns | %.0f ns |\n", size, bytes, request, sweep, expiry);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) try {
    const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
    std::printf(
        "## Supervising accepted connections\n\n"
        "The machine alone, on one thread, %zu bytes for each connection; connections used in random "
        "order.\n\n"
        "| open connections | bytes seen | request begun, received, ended | sweep, nothing due | end of each "
        "idle one |\n|---:|---:|---:|---:|---:|\n",
        sizeof(hotpool::inbound::supervised));
    for (const std::size_t size : {std::size_t{100}, std::size_t{10'000}, std::size_t{100'000}})
        bench::print_row(size, quick ? 3 : 1'000'000 / size + 11);
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_inbound_supervisor: %s\n", e.what());
    return 1;
}
