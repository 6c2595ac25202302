// A server that sends one response more than it was asked for, some time behind a real one; and what becomes of the next
// request on that connection.
#pragma once

#include <sys/ioctl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

namespace hotpool::test {

/// How a caller comes from one exchange to the next.
enum class approach : std::uint8_t { get_put, held_lease, waiting_caller, client };
inline constexpr std::array approaches{approach::get_put, approach::held_lease, approach::waiting_caller,
                                       approach::client};

constexpr const char* to_string(approach a) noexcept {
    switch (a) {
        case approach::get_put: return "get / put";
        case approach::held_lease: return "held lease";
        case approach::waiting_caller: return "waiting caller";
        case approach::client: break;
    }
    return "http_client";
}

/// What the second of two requests has come to.
struct poison_tally {
    unsigned right = 0;          ///< its own response
    unsigned refused = 0;        ///< an error that says that nothing of it was sent
    unsigned wrong_before = 0;   ///< the extra one, which lay there before the request was begun
    unsigned wrong_at_once = 0;  ///< the same, within the moments after a read in which nobody looks again
    unsigned wrong_after = 0;    ///< the extra one, which came when the request was under way
    unsigned other = 0;          ///< anything else: never
};

/// Answers `/<name>` with `<name>`; the first response of a connection is followed by another one.
class eager_server {
public:
    using clock = std::chrono::steady_clock;

    explicit eager_server(std::chrono::microseconds delay) : delay_(delay) {}

    loopback_server::script script() {
        return [this](server_connection& c) {
            const std::string first = name_of(read_request(c));
            c.write(ok(first));
            wait(delay_);
            c.write(ok("extra"));
            for (;;) c.write(ok(name_of(read_request(c))));
        };
    }

private:
    static std::string name_of(std::string_view request) {
        const auto from = request.find('/') + 1;
        return std::string(request.substr(from, request.find(' ', from) - from));
    }
    /// Short times are not left to the scheduler.
    static void wait(std::chrono::microseconds time) {
        const auto until = clock::now() + time;
        if (time >= std::chrono::milliseconds(1)) return std::this_thread::sleep_until(until);
        while (clock::now() < until) std::this_thread::yield();
    }

    const std::chrono::microseconds delay_;
};

/// The same side, whose sockets are noted.
template <class Side>
struct noted : Side {
    static auto options() {
        auto all = Side::options();
        const auto note = [](native_socket handle, const ip_endpoint&) {
            last_socket = handle;
            return std::error_code();
        };
        if constexpr (Side::is_tls)
            all.tcp.before_connect = note;
        else
            all.before_connect = note;
        return all;
    }
    static inline native_socket last_socket = -1;
};

/// Two requests one after the other, with the loop blocked in between, so many times.
template <class Side>
class poison_trial {
public:
    poison_trial(std::chrono::microseconds delay, std::chrono::milliseconds block)
        : server_(delay), block_(block), stage_(server_.script(), {.max_connections = 1}), client_(stage_.pool) {}

    poison_tally run(approach how, unsigned rounds) {
        poison_tally sum;
        for (unsigned i = 0; i < rounds; ++i) {
            REQUIRE(make_room());
            count(sum, twice(how));
        }
        return sum;
    }

private:
    using clock = eager_server::clock;
    using side = noted<Side>;
    using lease_type = typename stage<side>::lease_type;

    /// The next request gets a new connection.
    bool make_room() {
        stage_.pool.network_changed();
        return stage_.until([&] { return stage_.pool.stats().now.total() == 0; });
    }

    answer twice(approach how) {
        answer second;
        switch (how) {
            case approach::get_put: {
                lease_type lease = stage_.get();
                first_on(lease);
                stage_.pool.put(std::move(lease));
                block();
                lease = stage_.get();
                begin_on(lease);
                second = stage_.exchange(lease, second_);
                lease.discard();
                break;
            }
            case approach::held_lease: {
                lease_type lease = stage_.get();
                first_on(lease);
                block();
                begin_on(lease);
                second = stage_.exchange(lease, second_);
                lease.discard();
                break;
            }
            case approach::waiting_caller: {
                lease_type lease = stage_.get();
                lease_type next;
                stage_.pool.async_get([&](std::error_code e, lease_type got) {
                    CHECK_FALSE(e);
                    next = std::move(got);
                });
                first_on(lease);
                block();
                stage_.pool.put(std::move(lease));
                REQUIRE(stage_.until([&] { return bool(next); }));
                begin_on(next);
                second = stage_.exchange(next, second_);
                next.discard();
                break;
            }
            case approach::client: {
                client_.async_send(first_, [&](std::error_code e, response reply) {
                    CHECK_FALSE(e);
                    CHECK(reply.body() == "first");
                    read_at_ = clock::now();
                });
                read_at_ = {};
                REQUIRE(stage_.until([&] { return read_at_ != clock::time_point(); }));
                block();
                begin();
                second = send(stage_, client_, second_);
                break;
            }
        }
        return second;
    }

    void first_on(lease_type& lease) { CHECK(stage_.exchange(lease, first_).body() == "first"); }
    void block() {
        if (block_ != block_.zero()) std::this_thread::sleep_for(block_);
    }
    void begin_on(lease_type& lease) {
        read_at_ = detail::access::connection(lease)->read_at;
        begin();
    }
    /// What is there now, the client could read before it writes.
    void begin() {
        there_ = 0;
        ::ioctl(side::last_socket, FIONREAD, &there_);
        begun_ = clock::now();
    }

    void count(poison_tally& sum, const answer& second) {
        if (second.error) {
            // The last one: it was seen beside the response, and the lease is good for nothing more.
            const bool harmless = second.error == errc::unsolicited_bytes || second.error == errc::stale_connection ||
                                  second.error == errc::connection_closed;
            ++(harmless ? sum.refused : sum.other);
        } else if (second.body() == "second") {
            ++sum.right;
        } else if (second.body() != "extra") {
            ++sum.other;
        } else if (there_ == 0) {
            ++sum.wrong_after;
        } else {
            ++(begun_ - read_at_ < detail::quiet_for ? sum.wrong_at_once : sum.wrong_before);
        }
    }

    eager_server server_;
    const std::chrono::milliseconds block_;
    stage<side> stage_;
    http_client<typename stage<side>::pool_type> client_;
    const request_builder first_{"GET", "/first"};
    const request_builder second_{"GET", "/second"};
    clock::time_point read_at_{};  // when the connection was read last
    clock::time_point begun_{};    // when the second request was begun
    int there_ = 0;                // bytes that could be read then
};

}  // namespace hotpool::test
