// Requests to a real nginx, over TCP and TLS.
#include "hotpool/http_client.hpp"
#include "support/catch.hpp"
#include "support/instances.hpp"
#include "support/nginx.hpp"
#include "support/server_sides.hpp"

#include <asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

using server_sides::over_tcp;
using server_sides::over_tls;

struct outcome {
    std::error_code error;
    response reply;
    int completions = 0;
};

template <class Side>
class visitor {
public:
    explicit visitor(const nginx& server, const pool_options& options = {})
        : pool(io.get_executor(), origin{"127.0.0.1", Side::port(server)}, options, Side::options(server)),
          client(pool) {}

    template <class Condition>
    bool until(Condition done) {
        const auto limit = std::chrono::steady_clock::now() + 30s;
        while (!done() && std::chrono::steady_clock::now() < limit) {
            io.restart();
            io.run_one_for(5ms);
        }
        return done();
    }
    /// Lets that much time pass with the pool awake.
    void idle_for(std::chrono::milliseconds time) {
        const auto end = std::chrono::steady_clock::now() + time;
        until([end] { return std::chrono::steady_clock::now() >= end; });
    }
    void start(const request_builder& request, outcome& o) {
        client.async_send(request, [&o](std::error_code error, response reply) {
            ++o.completions;
            o.error = error;
            o.reply = std::move(reply);
        });
    }
    outcome send(const request_builder& request) {
        outcome o;
        start(request, o);
        REQUIRE(until([&o] { return o.completions != 0; }));
        return o;
    }
    outcome get(const std::string& target) { return send(request_builder("GET", target)); }

    asio::io_context io;
    typename Side::pool_type pool;
    http_client<typename Side::pool_type> client;
};

const std::string hello = "hello from nginx\n";

}  // namespace

TEMPLATE_TEST_CASE("nginx_answers_every_kind_of_request_on_one_connection", "[interop]", over_tcp, over_tls) {
    const std::string large(5'000'000, 'n');
    // What is proxied has its body read first, and its response comes in chunks.
    nginx server("gzip on; gzip_types *; gzip_min_length 1;",
                 "location /echo { return 200 $request_method; }\n"
                 "location /proxied { client_max_body_size 10m; proxy_pass http://127.0.0.1:@PORT@/size; }\n"
                 "location /size { return 200 $content_length; }\n");
    server.serve("large", large);
    server.serve("text", std::string(50'000, 't'));
    visitor<TestType> v(server);

    outcome o = v.get("/");
    REQUIRE_FALSE(o.error);
    CHECK(o.reply.status() == 200);
    CHECK(o.reply.body() == hello);
    const std::string tag(o.reply.header("ETag").value_or(""));

    o = v.send(request_builder("HEAD", "/large"));
    CHECK(o.reply.header("Content-Length") == "5000000");
    CHECK(o.reply.body().empty());
    CHECK(v.get("/missing").reply.status() == 404);
    CHECK(v.send(request_builder("GET", "/").header("If-None-Match", tag)).reply.status() == 304);
    CHECK((v.get("/large").reply.body() == large));
    o = v.send(request_builder("GET", "/large").header("Range", "bytes=10-19"));
    CHECK(o.reply.status() == 206);
    CHECK(o.reply.body() == std::string(10, 'n'));

    o = v.send(request_builder("GET", "/text").header("Accept-Encoding", "gzip"));
    CHECK(o.reply.header("Transfer-Encoding") == "chunked");
    CHECK(o.reply.header("Content-Encoding") == "gzip");
    CHECK(o.reply.body().starts_with("\x1f\x8b"));

    o = v.send(request_builder("POST", "/echo").body("some text"));
    CHECK(o.reply.body() == "POST");
    o = v.send(request_builder("POST", "/proxied").body(std::string(1'000'000, 'p')).expect_continue());
    CHECK(o.reply.body() == "1000000");
    CHECK(v.pool.stats().total.opened == 1);
    CHECK(v.pool.stats().now.idle == 1);

    o = v.send(request_builder("DELETE", "/"));
    CHECK(o.reply.status() == 405);
    o = v.send(request_builder("GET", "/").header("Host", "a b"));
    CHECK(o.error == errc::invalid_host);
}

TEMPLATE_TEST_CASE("nginx_serves_many_concurrent_requests", "[interop]", over_tcp, over_tls) {
    nginx server;
    visitor<TestType> v(server, {.max_connections = 20});
    const request_builder request("GET", "/");
    std::vector<outcome> all(1'000);
    for (outcome& o : all) v.start(request, o);
    for (const outcome& o : all) {
        REQUIRE(v.until([&o] { return o.completions != 0; }));
        CHECK_FALSE(o.error);
        CHECK(o.reply.body() == hello);
    }
    CHECK(v.pool.stats().total.opened <= 20);
    CHECK(v.pool.stats().now.leased == 0);
}

TEMPLATE_TEST_CASE("nginx_that_keeps_connections_for_less_time_than_we_do_fails_no_request", "[interop]", over_tcp,
                   over_tls) {
    nginx server("keepalive_timeout 1s;");
    visitor<TestType> v(server);
    for (const auto pause : {0ms, 300ms, 950ms, 1'000ms, 1'050ms, 1'500ms}) {
        const outcome o = v.get("/");
        CHECK_FALSE(o.error);
        CHECK(o.reply.body() == hello);
        v.idle_for(pause);
    }
    const outcome last = v.send(request_builder("POST", "/"));
    CHECK_FALSE(last.error);
    CHECK(v.pool.stats().total.retired_for(retire_reason::peer_closed) >= 2);
}

TEMPLATE_TEST_CASE("nginx_that_allows_few_requests_per_connection_fails_none", "[interop]", over_tcp, over_tls) {
    nginx server("keepalive_requests 3;");
    visitor<TestType> v(server);
    for (int i = 0; i < 20; ++i) {
        const outcome o = i % 2 == 0 ? v.get("/") : v.send(request_builder("POST", "/"));
        CHECK_FALSE(o.error);
    }
    CHECK(v.pool.stats().total.opened == 7);
    CHECK(v.pool.stats().total.retired_for(retire_reason::connection_close) == 6);
}

TEMPLATE_TEST_CASE("nginx_that_announces_its_keep_alive_time_is_believed", "[interop]", over_tcp, over_tls) {
    nginx server("keepalive_timeout 10s 2s;");  // says 2 s: not to be kept
    visitor<TestType> v(server);
    CHECK(v.get("/").reply.header("Keep-Alive") == "timeout=2");
    CHECK(v.pool.stats().now.total() == 0);
    CHECK(v.pool.stats().total.retired_for(retire_reason::idle_timeout) == 1);
}

TEMPLATE_TEST_CASE("nginx_that_goes_and_comes_back_is_noticed_both_times", "[interop]", over_tcp, over_tls) {
    nginx server;
    visitor<TestType> v(server);
    CHECK_FALSE(v.get("/").error);
    server.stop();
    CHECK(v.until([&v] { return v.pool.stats().now.total() == 0; }));
    CHECK(v.pool.stats().total.retired_for(retire_reason::peer_closed) == 1);
    const outcome gone = v.get("/");
    CHECK(gone.error == errc::connect_refused);
    CHECK(gone.error == condition::open_failed);
    server.start();
    CHECK(v.get("/").reply.body() == hello);
}
