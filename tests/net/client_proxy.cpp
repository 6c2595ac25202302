// A client and its pool behind an HTTP proxy.
#include "hotpool/http_client.hpp"
#include "support/connect_proxy.hpp"
#include "support/http_test.hpp"
#include "support/resume_test.hpp"

#include <string>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;

namespace {

void go_through(tcp_options& options, const proxy_options& proxy) { options.proxy = proxy; }
void go_through(tls_options& options, const proxy_options& proxy) { options.tcp.proxy = proxy; }

template <class Side>
struct proxied_client {
    using pool_type = typename Side::pool_type;
    using transport_options = typename pool_type::transport_type::options;

    explicit proxied_client(proxy_manner manner = {}, const pool_options& options = {})
        : proxy(manner),
          pool(io.get_executor(), origin{"127.0.0.1", server.port()}, options, through(proxy.options(), manner)),
          client(pool) {}

    static transport_options through(proxy_options proxy, const proxy_manner& manner) {
        if (!manner.credentials.empty()) {
            proxy.username = "user";
            proxy.password = "pass";
        }
        transport_options options = Side::options();
        go_through(options, proxy);
        return options;
    }
    answer get(const std::string& target) {
        answer a;
        client.async_get(target, stage<Side>::into(a));
        REQUIRE(run_until(io, [&a] { return a.completions == 1; }));
        return a;
    }

    net::io_context io;
    loopback_server server = Side::serve([](server_connection& c) {
        for (;;) c.write(ok(read_request(c)));
    });
    connect_proxy proxy;
    pool_type pool;
    http_client<pool_type> client;
};

}  // namespace

TEMPLATE_TEST_CASE("client_behind_a_proxy_reuses_its_tunnels", "[client]", over_tcp, over_tls) {
    proxied_client<TestType> c({.credentials = "Basic dXNlcjpwYXNz"}, {.max_connections = 4});
    for (int i = 0; i < 10; ++i) {
        const answer a = c.get("/path");
        REQUIRE_FALSE(a.error);
        // What the origin is told is what it would be told directly.
        CHECK(a.body().starts_with("GET /path HTTP/1.1\r\nHost: 127.0.0.1:" + c.server.port() + "\r\n"));
        CHECK(a.body().find("Proxy") == std::string::npos);
        CHECK(a.body().find("CONNECT") == std::string::npos);
    }
    CHECK(c.proxy.heads().size() == 1);
    CHECK(c.server.accepted() == 1);

    std::vector<answer> all(40);
    for (answer& a : all) c.client.async_get("/", stage<TestType>::into(a));
    for (const answer& a : all) {
        REQUIRE(run_until(c.io, [&a] { return a.completions == 1; }));
        CHECK_FALSE(a.error);
    }
    CHECK(c.proxy.heads().size() <= 4);
    // Openings that nobody needs any more are still on their way.
    CHECK(run_until(c.io, [&c] { return c.pool.stats().total.opened == c.proxy.heads().size(); }));
    CHECK(c.pool.stats().total.open_failures == 0);
}

TEMPLATE_TEST_CASE("client_behind_a_proxy_that_refuses_is_told_so", "[client]", over_tcp, over_tls) {
    proxied_client<TestType> c({.answer = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"});
    const answer a = c.get("/");
    CHECK(a.error == errc::proxy_refused);
    CHECK(a.error == condition::open_failed);
    CHECK(c.server.accepted() == 0);
    CHECK(c.pool.stats().total.open_failures == 1);
}

TEST_CASE("proxy_whose_name_is_unknown_is_not_taken_for_the_origin", "[client]") {
    net::io_context io;
    tcp_pool pool(io.get_executor(), {"127.0.0.1", "80"}, {.connect_timeout = std::chrono::seconds(2)},
                  {.proxy = {.host = "no-such-host.invalid", .port = "3128"}});
    got<tcp_pool> answer;
    pool.async_get(answer.handler());
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    const bool named = answer.error == errc::proxy_unreachable || answer.error == errc::connect_timed_out;
    CHECK(named);
}

TEST_CASE("client_behind_a_proxy_opens_a_new_tunnel_for_a_handshake_that_is_tried_again", "[client]") {
    resume_server server(speaking(TLS1_3_VERSION));
    const connect_proxy proxy;
    tls_options options = trusting();
    options.tcp.proxy = proxy.options();
    visitor v(server, options);
    CHECK_FALSE(v.visit());
    CHECK(v.visit());
    CHECK(proxy.heads().size() == 2);
    server.server.change_tls({.own = test_identity(), .prepare = [](SSL_CTX* context) {
                                  const auto refuse = [](SSL*, int* alert, void*) {
                                      *alert = SSL_AD_HANDSHAKE_FAILURE;
                                      return SSL_CLIENT_HELLO_ERROR;
                                  };
                                  SSL_CTX_set_client_hello_cb(context, refuse, nullptr);
                              }});
    CHECK(v.failed_visit() == errc::handshake_failed);
    CHECK(v.stats().sessions_rejected == 1);
    CHECK(proxy.heads().size() == 4);
    CHECK(server.server.accepted() == 4);
}
