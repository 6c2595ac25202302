// What tests of a pool on real sockets share: a server that counts, a loop that runs until something is true.
#pragma once

#include <asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "hotpool/connection_pool.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/loopback_server.hpp"

namespace hotpool::test {

/// Runs `io` until it has nothing left to do; false when that takes too long.
inline bool run_dry(net::io_context& io, duration limit = plenty) {
    io.restart();
    io.run_for(limit);
    return io.stopped();
}

/// Says at its end whether descriptors were left open since its beginning; the first thing of a test.
class descriptor_check {
public:
    descriptor_check() : before_(open_descriptors()) {}
    descriptor_check(const descriptor_check&) = delete;
    ~descriptor_check() { CHECK(open_descriptors() == before_); }

private:
    std::size_t before_;
};

/// A door that a server's script waits at until the test opens it.
class door {
public:
    ~door() { open(); }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void wait() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return open_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

/// Opens a door before the server behind it is waited for, however the test ends.
struct opened_at_end {
    door& closed;
    ~opened_at_end() { closed.open(); }
};

template <class Transport>
typename Transport::options trusting_options() {
    if constexpr (Transport::scheme == "https")
        return {.ca_pem = test_root().certificate_pem()};
    else
        return {};
}

/// A server for pools of `Transport`, which knows how many of its connections are open.
template <class Transport>
class site {
public:
    using script = loopback_server::script;
    using pool_type = connection_pool<Transport>;
    using lease_type = typename pool_type::lease_type;

    explicit site(script each = echo)
        : server_(make([this, each = std::move(each)](server_connection& c) {
              const presence here(live_);
              each(c);
          })) {}

    origin target() const { return {.host = "127.0.0.1", .port = server_.port()}; }
    /// Connections whose script is still running.
    int live() const noexcept { return live_; }
    int accepted() const noexcept { return server_.accepted(); }

    pool_type pool(net::io_context& io, const pool_options& options = {},
                   std::shared_ptr<connection_budget> budget = nullptr) const {
        return pool_type(io.get_executor(), target(), options, trusting_options<Transport>(), std::move(budget));
    }

private:
    struct presence {
        explicit presence(std::atomic<int>& n) : count(n) { ++count; }
        ~presence() { --count; }
        std::atomic<int>& count;
    };
    static loopback_server make(script each) {
        if constexpr (Transport::scheme == "https")
            return loopback_server(server_tls{.own = test_identity()}, std::move(each));
        else
            return loopback_server(std::move(each));
    }

    std::atomic<int> live_ = 0;
    loopback_server server_;
};

template <class Transport>
ip_endpoint endpoint_of(const site<Transport>& s) {
    return {ip_address::parse("127.0.0.1").value(), port_number(s.target().port)};
}
inline ip_endpoint closed_endpoint() {
    const site<tcp_transport> gone;
    return endpoint_of(gone);
}

/// What a get was answered.
template <class Pool>
struct got {
    int completions = 0;
    std::error_code error{};
    typename Pool::lease_type lease{};

    /// Outlived by this object.
    auto handler() {
        return [this](std::error_code e, typename Pool::lease_type l) {
            ++completions;
            error = e;
            lease = std::move(l);
        };
    }
    bool done() const noexcept { return completions != 0; }
};

/// Gets a connection, whatever it takes.
template <class Pool>
typename Pool::lease_type get(net::io_context& io, Pool& pool) {
    got<Pool> answer;
    pool.async_get(answer.handler());
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    INFO(answer.error.message());
    REQUIRE_FALSE(answer.error);
    return std::move(answer.lease);
}

/// Sends `text` and reads as many bytes back.
template <class Lease>
std::string round_trip(net::io_context& io, Lease& lease, const std::string& text) {
    std::string back(text.size(), '\0');
    std::size_t sent = 0;
    std::size_t received = 0;
    bool broken = false;
    bool writing = false;
    bool reading = false;
    const bool over = run_until(io, [&] {
        if (sent < text.size() && !writing) {
            writing = true;
            lease.async_write_some(net::buffer(text) + sent, [&](std::error_code error, std::size_t bytes) {
                writing = false;
                broken = broken || error;
                sent += bytes;
            });
        } else if (sent == text.size() && received < text.size() && !reading) {
            reading = true;
            lease.async_read_some(net::buffer(back) + received, [&](std::error_code error, std::size_t bytes) {
                reading = false;
                broken = broken || error;
                received += bytes;
            });
        }
        return !writing && !reading && (broken || received == text.size());
    });
    REQUIRE(over);
    return broken ? "broken" : back;
}

/// Nothing is left of the pool: no connection, no waiter, and what was opened ended for a reason.
template <class Pool>
bool is_spent(const Pool& pool) {
    const pool_stats s = pool.stats();
    std::uint64_t ended = 0;
    for (const std::uint64_t n : s.total.retired) ended += n;
    return s.now == connection_counts{} && ended == s.total.opened;
}

template <class Pool>
std::uint64_t retired(const Pool& pool, retire_reason why) {
    return pool.stats().total.retired_for(why);
}

}  // namespace hotpool::test
