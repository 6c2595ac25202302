// How a pool with very many idle connections compares with one that has few: what is measured on either.
#pragma once

#include <cstddef>
#include <memory>

namespace bench {

enum class order { newest_first, oldest_first };

struct latency {
    double median_ns = 0;
    double p99_ns = 0;
};

// One get and one put at a time, each timed on its own. In bench_scale_getput.cpp.
class getput_pool {
public:
    getput_pool() = default;
    getput_pool(const getput_pool&) = delete;
    getput_pool& operator=(const getput_pool&) = delete;
    virtual ~getput_pool() = default;
    virtual latency get_put(std::size_t times) = 0;
};
std::unique_ptr<getput_pool> make_locked_list(std::size_t connections, order from);
std::unique_ptr<getput_pool> make_hotpool(std::size_t connections, order from);

// The timer's turn in which the hundred connections that were opened first expire, in nanoseconds. In
// bench_scale_sweep.cpp.
double sweep_ns(std::size_t connections);

}  // namespace bench
