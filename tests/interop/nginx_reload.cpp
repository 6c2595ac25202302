// nginx is reloaded under load: its old workers leave while their connections are in use.
#include "hotpool/http_client.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"
#include "support/pool_test.hpp"
#include "support/server_sides.hpp"
#include "support/steady_load.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <system_error>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

using server_sides::over_tcp;
using server_sides::over_tls;

/// How often nginx has processed each target.
std::map<std::string, int> processed(const nginx& server) {
    std::map<std::string, int> times;
    std::istringstream log(server.written("posts.log"));
    for (std::string target; std::getline(log, target);) ++times[target];
    return times;
}

}  // namespace

TEMPLATE_TEST_CASE("nginx_reloaded_under_load_fails_no_request_that_may_be_repeated", "[interop]", over_tcp, over_tls) {
    constexpr int reloads = 8;
    constexpr std::size_t connections = 16;
    const std::string large(300'000, 'n');
    nginx server("log_format target $request_uri; keepalive_requests 100000;",
                 "location /get/ { return 200 $request_uri; }\n"
                 "location /post/ { access_log posts.log target; return 200 $request_uri; }\n"
                 "location = /large { limit_rate 1500k; }\n");
    server.serve("large", large);
    net::io_context io;
    typename TestType::pool_type pool(io.get_executor(), origin{"127.0.0.1", TestType::port(server)},
                                      pool_options{.max_connections = connections}, TestType::options(server));
    http_client client(pool);
    steady_load load(client);
    int whole = 0;
    load.start(12, 4);
    for (int i = 0; i < reloads; ++i) {
        // A response that is under way when the worker is told to leave.
        client.async_get("/large", [&](std::error_code error, const response& reply) {
            CHECK_FALSE(error);
            whole += reply.body() == large;
        });
        const auto reload_at = clock_type::now() + 100ms;
        run_until(io, [reload_at] { return clock_type::now() >= reload_at; });
        const std::uint64_t opened = pool.stats().total.opened;
        server.reload();
        // The old worker leaves, and its connections with it.
        REQUIRE(run_until(io, [&] { return pool.stats().total.opened >= opened + connections / 2; }));
    }
    load.stop();
    REQUIRE(run_until(io, [&] { return load.finished() && pool.stats().now.leased == 0; }));

    CHECK(whole == reloads);
    CHECK(load.wrong().empty());
    for (const auto& [target, error] : load.failed_gets()) FAIL_CHECK(target << ": " << error.message());
    // Whether these were processed nobody can tell, so they are not sent again.
    CHECK(load.failed_posts().size() <= reloads * connections);
    for (const auto& [target, error] : load.failed_posts()) {
        INFO(target << ": " << error.message());
        CHECK(error == condition::maybe_processed);
    }
    const std::map<std::string, int> times = processed(server);
    for (const auto& [target, n] : times)
        if (n != 1) FAIL_CHECK(target << " was processed " << n << " times");
    CHECK(times.size() + load.failed_posts().size() >= load.posts());
}
