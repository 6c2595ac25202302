// What get + put is measured on: something with connections that are all idle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace bench {

class shelf {
public:
    shelf() = default;
    shelf(const shelf&) = delete;
    shelf& operator=(const shelf&) = delete;
    virtual ~shelf() = default;

    // Takes one connection and gives it back, so many times. Called from several threads at once, of which there
    // are never more than connections.
    virtual void get_put(std::uint64_t times) = 0;
};

struct shelf_kind {
    std::string_view title;  // for the table
    std::unique_ptr<shelf> (*open)(std::size_t connections);
};

// In getput_hotpool.cpp.
void add_hotpool_shelves(std::vector<shelf_kind>& kinds);

}  // namespace bench
