// get + put on a pool of any size, beside a list behind a mutex that touches one line of each connection it lends.
#include <hotpool/connection_pool.hpp>

#include <array>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "bench_scale.hpp"
#include "quantile.hpp"
#include "simulated_transport.hpp"

namespace bench {

namespace {

using clock = std::chrono::steady_clock;

template <class Work>
std::vector<double> time_each(std::size_t times, Work work) {
    std::vector<double> taken(times);
    for (double& each : taken) {
        const clock::time_point begun = clock::now();
        work();
        each = std::chrono::duration<double, std::nano>(clock::now() - begun).count();
    }
    return taken;
}

// What the clock itself takes is no part of a get.
template <class Work>
latency measure(std::size_t times, Work work) {
    const double clock_ns = median(time_each(10'000, [] {}));
    const std::vector<double> taken = time_each(times, work);
    return {quantile(taken, 0.5) - clock_ns, quantile(taken, 0.99) - clock_ns};
}

class locked_list final : public getput_pool {
public:
    locked_list(std::size_t connections, order from) : connections_(connections), from_{from} {
        for (connection& each : connections_) idle_.push_back(&each);
    }

    latency get_put(std::size_t times) override {
        return measure(times, [this] { put(get()); });
    }

private:
    // As many bytes as an idle connection of hotpool has, of which these two calls read and write one line.
    struct connection {
        std::size_t uses = 0;
        std::array<char, 512> rest{};
    };

    connection* get() {
        const std::lock_guard lock{mutex_};
        connection* const taken = from_ == order::newest_first ? idle_.back() : idle_.front();
        from_ == order::newest_first ? idle_.pop_back() : idle_.pop_front();
        ++taken->uses;
        return taken;
    }
    void put(connection* given) {
        const std::lock_guard lock{mutex_};
        idle_.push_back(given);
    }

    std::vector<connection> connections_;
    order from_;
    std::mutex mutex_;
    std::deque<connection*> idle_;
};

struct even_use : hotpool::default_policies {
    using reuse_order = hotpool::oldest_first;
};

template <class Policies>
class pool final : public getput_pool {
public:
    explicit pool(std::size_t connections)
        : pool_{context_.get_executor(),
                hotpool::origin{.host = "simulated", .port = "1"},
                {.max_connections = connections, .check_after_idle = std::chrono::hours{1}}} {
        pool_.async_warm(connections, [this](std::error_code error) {
            if (error) throw std::system_error{error};
            context_.stop();
        });
        context_.run();
    }

    latency get_put(std::size_t times) override {
        return measure(times, [this] {
            auto lease = pool_.try_get();
            if (!lease) throw std::runtime_error{"no idle connection"};
            pool_.put(std::move(lease));
        });
    }

private:
    asio::io_context context_;
    hotpool::connection_pool<simulated_transport, Policies> pool_;
};

}  // namespace

std::unique_ptr<getput_pool> make_locked_list(std::size_t connections, order from) {
    return std::make_unique<locked_list>(connections, from);
}

std::unique_ptr<getput_pool> make_hotpool(std::size_t connections, order from) {
    if (from == order::newest_first) return std::make_unique<pool<hotpool::default_policies>>(connections);
    return std::make_unique<pool<even_use>>(connections);
}

}  // namespace bench
