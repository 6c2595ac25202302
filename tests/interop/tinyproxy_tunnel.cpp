// nginx behind a real HTTP proxy, tinyproxy.
#include "hotpool/http_client.hpp"
#include "support/catch.hpp"
#include "support/http_test.hpp"
#include "support/nginx.hpp"
#include "support/pool_test.hpp"
#include "support/server_process.hpp"

#include <string>
#include <utility>

using namespace hotpool;
using namespace hotpool::test;

namespace {

class tinyproxy {
public:
    /// @param more lines of its configuration
    explicit tinyproxy(const std::string& more = "") {
        files_.write("tinyproxy.conf", "Listen 127.0.0.1\nPort " + port_ + "\nTimeout 30\nLogFile \"" +
                                           (files_ / "log").string() + "\"\n" + more);
        process_.start();
    }
    proxy_options options(std::string username = "", std::string password = "") const {
        return {.host = "127.0.0.1", .port = port_, .username = std::move(username), .password = std::move(password)};
    }

private:
    std::string port_ = free_port();
    scratch_directory files_;
    server_process process_{{HOTPOOL_TINYPROXY, "-d", "-c", (files_ / "tinyproxy.conf").string()}, {port_}};
};

struct nginx_tcp {
    using pool_type = tcp_pool;
    static const std::string& port(const nginx& server) { return server.port(); }
    static tcp_options options(const nginx&, const proxy_options& proxy) { return {.proxy = proxy}; }
};
struct nginx_tls {
    using pool_type = tls_pool;
    static const std::string& port(const nginx& server) { return server.tls_port(); }
    static tls_options options(const nginx& server, const proxy_options& proxy) {
        return {.ca_pem = server.root_pem(), .tcp = {.proxy = proxy}};
    }
};

template <class Side>
struct visit {
    visit(const nginx& server, const proxy_options& proxy, std::string port = "")
        : pool(io.get_executor(), origin{"localhost", port.empty() ? Side::port(server) : port}, {},
               Side::options(server, proxy)),
          client(pool) {}

    answer get() {
        answer a;
        client.async_get("/", stage<over_tcp>::into(a));
        REQUIRE(run_until(io, [&a] { return a.completions == 1; }));
        return a;
    }

    net::io_context io;
    typename Side::pool_type pool;
    http_client<typename Side::pool_type> client;
};

const std::string hello = "hello from nginx\n";

}  // namespace

TEMPLATE_TEST_CASE("tinyproxy_makes_tunnels_that_are_reused", "[interop][tinyproxy]", nginx_tcp, nginx_tls) {
    const nginx server;
    const tinyproxy proxy;
    visit<TestType> v(server, proxy.options());
    for (int i = 0; i < 10; ++i) {
        const answer a = v.get();
        REQUIRE_FALSE(a.error);
        CHECK(a.body() == hello);
    }
    CHECK(v.pool.stats().total.opened == 1);
    CHECK(v.pool.stats().now.idle == 1);
}

TEMPLATE_TEST_CASE("tinyproxy_that_wants_credentials_gets_them", "[interop][tinyproxy]", nginx_tcp, nginx_tls) {
    const nginx server;
    const tinyproxy proxy("BasicAuth user secret\n");
    CHECK(visit<TestType>(server, proxy.options()).get().error == errc::proxy_unauthorized);
    // tinyproxy says 401 to credentials that are wrong.
    CHECK(visit<TestType>(server, proxy.options("user", "other")).get().error == errc::proxy_refused);
    const answer a = visit<TestType>(server, proxy.options("user", "secret")).get();
    CHECK_FALSE(a.error);
    CHECK(a.body() == hello);
}

TEMPLATE_TEST_CASE("tinyproxy_that_may_not_or_cannot_connect_refuses", "[interop][tinyproxy]", nginx_tcp, nginx_tls) {
    const nginx server;
    const tinyproxy strict("ConnectPort 443\n");
    CHECK(visit<TestType>(server, strict.options()).get().error == errc::proxy_refused);
    const tinyproxy open_to_all;
    CHECK(visit<TestType>(server, open_to_all.options(), free_port()).get().error == errc::proxy_refused);
}
