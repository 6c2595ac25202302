// A cold row connects for every request: connect, handshake, one request and its response, close. The same row hot
// keeps the first connection.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "bench.hpp"

namespace bench {

enum class handshake { none, full, resumed };
enum class connections { new_each, kept };

struct cold_kind {
    handshake with;
    std::string_view title;
    std::unique_ptr<row> (*open)(const job&, connections);
};

template <class Row>
std::unique_ptr<row> open_cold(const job& job, connections use) {
    return std::make_unique<Row>(job, use);
}

// The floor of each kind of handshake comes first.
void add_cold_sockets(std::vector<cold_kind>& kinds);
void add_cold_curl(std::vector<cold_kind>& kinds);
void add_cold_hotpool(std::vector<cold_kind>& kinds);

}  // namespace bench
