// What several threads do together: each runs its own part, all at the same time.
#pragma once

#include <cstddef>
#include <exception>
#include <thread>
#include <vector>

#include "meter.hpp"
#include "pin_to_core.hpp"

namespace bench {

inline constexpr std::size_t thread_count = 2;

struct cost {
    double wall_ns = 0;
    double cpu_ns = 0;
};

// Runs `part(0)`, `part(1)`, ... in threads, on a core each, and says what they cost together.
template <class Part>
cost measure_threads(Part part) {
    std::vector<std::exception_ptr> failures(thread_count);
    const reading before = read_meter();
    {
        std::vector<std::jthread> running;
        for (std::size_t i = 0; i < thread_count; ++i) {
            running.emplace_back([&part, &failure = failures[i], i] {
                try {
                    pin_to_core(i);
                    part(i);
                } catch (...) {
                    failure = std::current_exception();
                }
            });
        }
    }
    const reading after = read_meter();
    for (const std::exception_ptr& failure : failures)
        if (failure) std::rethrow_exception(failure);
    return {static_cast<double>(after.wall_ns - before.wall_ns),
            static_cast<double>(after.user_ns - before.user_ns + after.system_ns - before.system_ns)};
}

// In bench_threads_getput.cpp: prints its table.
void report_getput(int rounds);

}  // namespace bench
