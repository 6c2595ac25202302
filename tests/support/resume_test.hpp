// A TLS server that writes down how each handshake began and whether it was resumed, and a pool to visit it.
#pragma once

#include <asio/io_context.hpp>

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotpool/connection_pool.hpp"
#include "support/loopback_server.hpp"
#include "support/pool_test.hpp"

namespace hotpool::test {

/// What a server has seen of its handshakes.
class handshake_log {
public:
    /// A session as a client offers it, by whatever names it: ticket or ID; empty if it offered none.
    std::vector<std::string> offered() const {
        const std::lock_guard lock(mutex_);
        return offered_;
    }
    /// For each handshake that came about, whether it was resumed.
    std::vector<bool> resumed() const {
        const std::lock_guard lock(mutex_);
        return resumed_;
    }
    int early_data() const {
        const std::lock_guard lock(mutex_);
        return early_data_;
    }

    void watch(SSL_CTX* context) { SSL_CTX_set_client_hello_cb(context, &hello_came, this); }
    void shaken_hands(server_connection& c) {
        const std::lock_guard lock(mutex_);
        resumed_.push_back(SSL_session_reused(c.ssl()) == 1);
    }

private:
    static std::string extension(SSL* ssl, unsigned type) {
        const unsigned char* bytes = nullptr;
        std::size_t size = 0;
        if (SSL_client_hello_get0_ext(ssl, type, &bytes, &size) != 1) return {};
        return std::string(reinterpret_cast<const char*>(bytes), size);
    }
    // The first identity of a pre_shared_key extension (RFC 8446, 4.2.11): the rest differs each time.
    static std::string first_identity(const std::string& wire) {
        const auto at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(wire.at(i))); };
        return wire.empty() ? wire : wire.substr(4, at(2) * 256 + at(3));
    }
    static int hello_came(SSL* ssl, int*, void* self) {
        std::string name = first_identity(extension(ssl, TLSEXT_TYPE_psk));
        if (name.empty()) name = extension(ssl, TLSEXT_TYPE_session_ticket);
        // In TLS 1.3 every hello has an ID, which names nothing.
        const unsigned char* id = nullptr;
        const std::size_t size = SSL_client_hello_get0_session_id(ssl, &id);
        if (name.empty() && extension(ssl, TLSEXT_TYPE_psk_kex_modes).empty())
            name.assign(reinterpret_cast<const char*>(id), size);
        auto& log = *static_cast<handshake_log*>(self);
        const std::lock_guard lock(log.mutex_);
        log.offered_.push_back(std::move(name));
        if (!extension(ssl, TLSEXT_TYPE_early_data).empty() ||
            SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_early_data, nullptr, nullptr) == 1)
            ++log.early_data_;
        return SSL_CLIENT_HELLO_SUCCESS;
    }

    mutable std::mutex mutex_;
    std::vector<std::string> offered_;
    std::vector<bool> resumed_;
    int early_data_ = 0;
};

/// An echo server that keeps a log, and what it takes to reach it.
struct resume_server {
    using prepare = std::function<void(SSL_CTX*)>;

    explicit resume_server(server_tls tls)
        : server(logging(std::move(tls)), [this](server_connection& c) {
              log.shaken_hands(c);
              echo(c);
          }) {}

    /// What comes after a restart.
    void restart(server_tls tls) { server.change_tls(logging(std::move(tls))); }
    origin target() const { return {.host = "127.0.0.1", .port = server.port()}; }

    handshake_log log;
    loopback_server server;

private:
    server_tls logging(server_tls tls) {
        tls.prepare = [this, more = std::move(tls.prepare)](SSL_CTX* context) {
            log.watch(context);
            if (more) more(context);
        };
        return tls;
    }
};

/// A server of this version alone.
inline server_tls speaking(int version, resume_server::prepare prepare = {}) {
    return {.own = test_identity(), .min_version = version, .max_version = version, .prepare = std::move(prepare)};
}

inline tls_options trusting() { return {.ca_pem = test_root().certificate_pem()}; }

/// A pool whose connections serve once, so that each visit opens one.
struct visitor {
    explicit visitor(const resume_server& server, const tls_options& tls = trusting(),
                     const pool_options& options = {.max_requests = 1})
        : pool(io.get_executor(), server.target(), options, tls) {}

    /// Whether the visit's connection was resumed; the test fails if there is no connection or no answer.
    bool visit() {
        auto lease = get(io, pool);
        const bool resumed = lease.stream().resumed();
        CHECK(round_trip(io, lease, "hello") == "hello");
        pool.put(std::move(lease));
        CHECK(run_until(io, [this] { return pool.stats().now.total() == 0; }));
        return resumed;
    }
    std::error_code failed_visit() {
        got<tls_pool> answer;
        pool.async_get(answer.handler());
        REQUIRE(run_until(io, [&] { return answer.done(); }));
        CHECK(answer.completions == 1);
        return answer.error;
    }
    transport_stats stats() const { return pool.stats().transport; }

    net::io_context io;
    tls_pool pool;
};

}  // namespace hotpool::test
