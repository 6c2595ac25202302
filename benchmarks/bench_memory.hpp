// Connections that lie idle after one request each, and what is kept for them on the heap.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "bench.hpp"

namespace bench {

class idle_set {
public:
    idle_set() = default;
    idle_set(const idle_set&) = delete;
    idle_set& operator=(const idle_set&) = delete;
    virtual ~idle_set() = default;

    // Opens connections until there are so many, sends a request on each, and leaves them idle until everything that
    // is given back when idle has been.
    virtual void grow_to(std::size_t connections) = 0;
};

struct idle_kind {
    std::string_view id;
    layer on;
    std::string_view title;
    std::unique_ptr<idle_set> (*open)(const job&);
};

template <class Set>
std::unique_ptr<idle_set> open_idle(const job& job) {
    return std::make_unique<Set>(job);
}

// The floor of each layer comes first.
void add_idle_asio(std::vector<idle_kind>& kinds);
void add_idle_openssl(std::vector<idle_kind>& kinds);
void add_idle_curl(std::vector<idle_kind>& kinds);
void add_idle_hotpool(std::vector<idle_kind>& kinds);

}  // namespace bench
