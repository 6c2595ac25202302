// The floor of get + put: what any pool that locks has to do.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace bench {

class locked_vector {
public:
    explicit locked_vector(std::size_t connections) : connections_(connections) {
        idle_.reserve(connections);
        for (int& each : connections_) idle_.push_back(&each);
    }

    int* get() {
        const std::lock_guard lock{mutex_};
        int* const taken = idle_.back();
        idle_.pop_back();
        return taken;
    }
    void put(int* connection) {
        const std::lock_guard lock{mutex_};
        idle_.push_back(connection);
    }

private:
    std::vector<int> connections_;
    std::mutex mutex_;
    std::vector<int*> idle_;
};

}  // namespace bench
