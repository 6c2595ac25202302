// A client whose only way to its origin is a fault proxy, and requests made one after the other.
//
//     fault_stage<over_tls> s;
//     s.use_one();
//     s.arm(way::down, {.what = fault::reset});
//     CHECK(s.send(post_of(1)).error == errc::maybe_processed);
#pragma once

#include <asio/io_context.hpp>

#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "hotpool/http_client.hpp"
#include "support/fault_bench.hpp"
#include "support/fault_verdict.hpp"

namespace hotpool::test {

inline request_builder get_of(request_id id) { return {"GET", "/" + std::to_string(id)}; }
inline request_builder post_of(request_id id) {
    request_builder post("POST", "/" + std::to_string(id));
    return std::move(post.body(upload_of(id)));
}

/// One origin behind one proxy, a pool on it, and a client.
template <class Side>
class fault_stage {
public:
    explicit fault_stage(const pool_options& options = {}, duration request_timeout = plenty)
        : bench(1, 16, {}),
          pool(io.get_executor(), bench.target(), options, Side::options()),
          client(pool, {.request_timeout = request_timeout}) {}

    answer send(const request_builder& request) {
        answer a;
        client.async_send(request, [&a](std::error_code error, response reply) {
            ++a.completions;
            a.error = error;
            a.reply = std::move(reply);
        });
        REQUIRE(until([&] { return a.completions != 0; }));
        io.restart();
        io.poll();
        REQUIRE(a.completions == 1);
        if (a.error) CHECK(is_named(a.error));
        return a;
    }

    /// A connection that nobody has used yet.
    void open_one() {
        bool done = false;
        pool.async_warm(1, [&](std::error_code error) {
            CHECK_FALSE(error);
            done = true;
        });
        // With TLS the origin has something to say first: two session tickets.
        REQUIRE(until([&] {
            const pool_stats now = pool.stats();
            return done && now.now.idle == 1 && (!Side::is_tls || now.transport.sessions_cached == 2);
        }));
    }
    /// One that has been used; request 0 is spent on it.
    void use_one() {
        REQUIRE_FALSE(send(get_of(0)).error);
        REQUIRE(until([&] { return pool.stats().now.idle == 1; }));
    }
    /// A GET that succeeds, and the loop turns no further than it must for that.
    void send_and_stop(request_id id) {
        int completions = 0;
        std::error_code failure;
        const request_builder request = get_of(id);
        client.async_send(request, [&](std::error_code error, response) {
            ++completions;
            failure = error;
        });
        while (completions == 0) {
            io.restart();
            io.run_one();
        }
        REQUIRE_FALSE(failure);
    }
    void arm(way w, const fault_order& order) { bench.proxy().arm(w, order); }
    /// The next request with a body meets this.
    void arm(fault what) { bench.served().office().arm_answer(what); }

    bool until(predicate done) { return run_until(io, done); }
    /// Nothing is left on the way; how often the request has been processed then.
    unsigned times_in_the_end(request_id id) {
        pool.close();
        REQUIRE(until([&] { return pool.stats().now == connection_counts{}; }));
        REQUIRE(bench.quiet());
        CHECK(bench.log.garbled_requests() == 0);
        CHECK_FALSE(bench.proxy().is_armed());
        return bench.log.times(id);
    }

    asio::io_context io;
    fault_bench<Side> bench;
    typename Side::pool_type pool;
    http_client<typename Side::pool_type> client;
};

}  // namespace hotpool::test
