// An origin played by a script, a pool on it, and exchanges made one step after the other.
//
//     tcp_stage s([](server_connection& c) { read_request(c); c.write(ok("hello")); });
//     auto lease = s.get();
//     const answer a = s.exchange(lease, request_builder("GET", "/"));
#pragma once

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "hotpool/connection_pool.hpp"
#include "hotpool/exchange.hpp"
#include "hotpool/http_client.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/loopback_server.hpp"

namespace hotpool::test {

/// A fact that one thread waits for and another states.
class fact {
public:
    void state() {
        const std::lock_guard lock(mutex_);
        stated_ = true;
        changed_.notify_all();
    }
    bool is_stated() const {
        const std::lock_guard lock(mutex_);
        return stated_;
    }
    /// False when nobody stated it in time.
    bool await() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, plenty, [this] { return stated_; });
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool stated_ = false;
};

// --- the two ways to be connected

struct over_tcp {
    using pool_type = tcp_pool;
    static constexpr bool is_tls = false;
    static loopback_server serve(loopback_server::script each) { return loopback_server(std::move(each)); }
    static tcp_options options() { return {}; }
};

struct over_tls {
    using pool_type = tls_pool;
    static constexpr bool is_tls = true;
    static loopback_server serve(loopback_server::script each) {
        return loopback_server(server_tls{.own = test_identity()}, std::move(each));
    }
    static tls_options options() { return {.ca_pem = test_root().certificate_pem()}; }
};

// --- the origin's side

/// The length that a request's head declares; 0 if none.
inline std::size_t declared_length(std::string_view head) {
    constexpr std::string_view field = "Content-Length: ";
    const auto at = head.find(field);
    return at == head.npos ? 0 : std::stoul(std::string(head.substr(at + field.size())));
}

/// A request with its body, unless that is chunked.
inline std::string read_request(server_connection& c) {
    std::string request = c.read_until("\r\n\r\n");
    return request += c.read_exactly(declared_length(request));
}

inline std::string ok(std::string_view body, std::string_view fields = "") {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(fields) + "\r\n" +
           std::string(body);
}

/// Answers every request with the same bytes.
inline loopback_server::script answering(std::string text) {
    return [text = std::move(text)](server_connection& c) {
        for (;;) {
            read_request(c);
            c.write(text);
        }
    };
}

// --- the caller's side

/// What an exchange has come to.
struct answer {
    std::error_code error;
    response reply;
    int completions = 0;

    std::string body() const { return std::string(reply.body()); }
};

template <class Side>
class stage {
public:
    using pool_type = typename Side::pool_type;
    using lease_type = typename pool_type::lease_type;
    using reader_type = response_reader<typename pool_type::transport_type>;

    explicit stage(loopback_server::script each, const pool_options& options = {})
        : server(Side::serve(std::move(each))),
          pool(io.get_executor(), origin{"127.0.0.1", server.port()}, options, Side::options()) {}

    /// Runs the io_context until `done` says so. False when that takes too long.
    bool until(predicate done) { return run_until(io, done); }
    /// Everything that can happen now happens.
    void settle() {
        io.restart();
        io.poll();
    }

    lease_type get() {
        lease_type got;
        std::error_code error;
        int completions = 0;
        pool.async_get([&](std::error_code e, lease_type lease) {
            ++completions;
            error = e;
            got = std::move(lease);
        });
        REQUIRE(until([&] { return completions != 0; }));
        REQUIRE(!error);
        return got;
    }

    void start(lease_type& lease, const request_builder& request, answer& a, const exchange_options& options = {}) {
        async_exchange(lease, request, options, into(a));
        CHECK(a.completions == 0);
    }
    /// The same, to be cancelled.
    void start(lease_type& lease, const request_builder& request, answer& a, asio::cancellation_signal& stop) {
        async_exchange(lease, request, asio::bind_cancellation_slot(stop.slot(), into(a)));
        CHECK(a.completions == 0);
    }
    bool finish(const answer& a) {
        const bool done = until([&] { return a.completions != 0; });
        settle();
        return done && a.completions == 1;
    }
    answer exchange(lease_type& lease, const request_builder& request, const exchange_options& options = {}) {
        answer a;
        start(lease, request, a, options);
        REQUIRE(finish(a));
        return a;
    }
    /// Get, exchange, put.
    answer fetch(const request_builder& request, const exchange_options& options = {}) {
        lease_type lease = get();
        answer a = exchange(lease, request, options);
        pool.put(std::move(lease));
        return a;
    }

    std::uint64_t retired(retire_reason why) const { return pool.stats().total.retired_for(why); }
    std::uint64_t retired() const {
        std::uint64_t all = 0;
        for (const std::uint64_t n : pool.stats().total.retired) all += n;
        return all;
    }
    /// One connection has ended, for this reason, and its place is free.
    bool ended_for(retire_reason why) {
        return until([&] { return pool.stats().now.total() == 0; }) && retired(why) == 1 && retired() == 1;
    }
    /// Waits until the one connection there is lies idle.
    bool one_idle() {
        return until([&] { return pool.stats().now.idle == 1; }) && pool.stats().now.total() == 1 && retired() == 0;
    }

    static auto into(answer& a) {
        return [&a](std::error_code error, response reply) {
            ++a.completions;
            a.error = error;
            a.reply = std::move(reply);
        };
    }

    asio::io_context io;
    loopback_server server;
    pool_type pool;
};

using tcp_stage = stage<over_tcp>;

// --- clients on a stage

/// The answer to one request of a client with these options.
template <class Side>
answer send(stage<Side>& s, const request_builder& request, const client_options& options) {
    http_client client(s.pool, options);
    answer a;
    client.async_send(request, s.into(a));
    CHECK(a.completions == 0);
    REQUIRE(s.finish(a));
    return a;
}

/// How reading ends after the head of a response that a client with these options has started.
template <class Side>
std::error_code error_in_body(stage<Side>& s, const client_options& options) {
    http_client client(s.pool, options);
    const request_builder get("GET", "/");
    std::optional<typename stage<Side>::reader_type> reader;
    client.async_start(get, [&](std::error_code e, auto r) {
        CHECK_FALSE(e);
        reader = std::move(r);
    });
    REQUIRE(s.until([&] { return reader.has_value(); }));
    std::error_code error;
    reader->async_read_all([&](std::error_code e, std::string) { error = e; });
    REQUIRE(s.until([&] { return bool(error); }));
    return error;
}

/// Why a client refuses these options; "accepted" if it does not.
template <class Side>
std::string refusal(stage<Side>& s, const client_options& options) {
    try {
        http_client client(s.pool, options);
    } catch (const std::invalid_argument& refused) {
        return refused.what();
    }
    return "accepted";
}

/// A body that is pulled piece by piece, and where it has come to.
struct pulled_text {
    std::string text;
    std::size_t at = 0;

    std::size_t pull(std::span<char> room) {
        const std::size_t size = std::min(room.size(), text.size() - at);
        std::memcpy(room.data(), text.data() + at, size);
        at += size;
        return size;
    }
};

template <class Side>
answer send(stage<Side>& s, http_client<typename Side::pool_type>& client, const request_builder& request) {
    answer a;
    client.async_send(request, s.into(a));
    CHECK(a.completions == 0);
    REQUIRE(s.finish(a));
    return a;
}

inline const request_builder get_request("GET", "/");

}  // namespace hotpool::test
