// The HTTP server and clients of other making: this library's own, and curl.
#include "support/inbound_http.hpp"

#include <cstdio>
#include <optional>
#include <string>

#include "hotpool/hotpool.hpp"
#include "support/server_process.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

struct plain_side : accept_tcp {
    using pool_type = tcp_pool;
    static tcp_options client_options() { return {}; }
    static constexpr const char* scheme = "http";
};
struct tls_side : accept_tls {
    using pool_type = tls_pool;
    static tls_options client_options() { return {.ca_pem = test_root().certificate_pem()}; }
    static constexpr const char* scheme = "https";
};

/// What a program says on its standard output; nothing if it cannot be run.
std::optional<std::string> output_of(const std::string& command) {
    FILE* const pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
    if (pipe == nullptr) return std::nullopt;
    std::string all;
    char bytes[4096];
    while (const std::size_t got = std::fread(bytes, 1, sizeof bytes, pipe)) all.append(bytes, got);
    ::pclose(pipe);
    return all;
}

}  // namespace

TEMPLATE_TEST_CASE("our_own_client_reuses_its_connections", "[inbound]", plain_side, tls_side) {
    web_server<TestType> server({.life = {.max_requests = 40}}, {.limits = {.max_body_bytes = 4'000'000}});
    net::io_context io;
    typename TestType::pool_type pool(io.get_executor(), {"127.0.0.1", std::to_string(server.acceptor.port())}, {},
                                      TestType::client_options());
    http_client client(pool);
    const request_builder small("GET", "/thread");
    request_builder put("PUT", "/echo");
    put.body(*server.large).expect_continue();
    int right = 0, left = 100;
    std::function<void()> next = [&] {
        const bool large = left % 10 == 0;
        client.async_send(large ? put : small, [&, large](std::error_code error, response reply) {
            right += !error && (large ? reply.body() == *server.large : reply.body() == "from a thread: /thread");
            if (--left != 0) return next();
            pool.close();
        });
    };
    next();
    REQUIRE(run_until(io, [&] { return left == 0; }));
    CHECK(right == 100);
    CHECK(eventually([&] { return server.stats().total.served == 100; }));
    CHECK(pool.stats().total.opened == 3);
    io.restart();
    io.run();
    CHECK(eventually([&] { return server.is_spent(); }));
}

TEMPLATE_TEST_CASE("our_own_client_meets_no_error_when_servers_come_and_go", "[inbound]", plain_side, tls_side) {
    net::io_context io;
    auto server = std::make_unique<web_server<TestType>>();
    const std::uint16_t port = server->acceptor.port();
    typename TestType::pool_type pool(io.get_executor(), {"127.0.0.1", std::to_string(port)}, {.max_connections = 4},
                                      TestType::client_options());
    http_client client(pool);
    const request_builder request("GET", "/hello");
    int served = 0, refused = 0, failed = 0, under_way = 0;
    bool stop = false;
    std::function<void()> next = [&] {
        ++under_way;
        client.async_send(request, [&](std::error_code error, const response& reply) {
            --under_way;
            ++(error ? failed : reply.status() == 200 ? served : refused);
            if (!stop && reply.status() == 200) next();
        });
    };
    for (int i = 0; i < 4; ++i) next();
    REQUIRE(run_until(io, [&] { return served > 100; }));
    std::thread drain([&] { CHECK_FALSE(server->drain()); });
    // Who asks once more gets 200 with `Connection: close`, 503, or cannot connect any more.
    REQUIRE(run_until(io, [&] { return under_way == 0; }));
    drain.join();
    CHECK(server->stats().total.cut_requests == 0);
    CHECK(server->stats().total.served == static_cast<std::uint64_t>(served));
    CHECK(refused + failed <= 4);
    pool.close();
    io.restart();
    io.run();
}

TEMPLATE_TEST_CASE("curl_is_served", "[inbound]", plain_side, tls_side) {
    if (!output_of("curl --version") || output_of("curl --version")->empty()) return;
    web_server<TestType> server;
    const scratch_directory files;
    files.write("root.pem", test_root().certificate_pem());
    files.write("body", std::string(100'000, 'b'));
    const std::string url = std::string(TestType::scheme) + "://127.0.0.1:" + std::to_string(server.acceptor.port());
    const std::string curl = "curl -s --cacert " + (files / "root.pem").string() + " ";
    CHECK(output_of(curl + url + "/hello " + url + "/thread -w '%{num_connects}'") == "hello1from a thread: /thread0");
    CHECK(output_of(curl + "-I -o /dev/null -w '%{http_code}' " + url + "/large") == "200");
    CHECK(output_of(curl + "--data-binary @" + (files / "body").string() + " " + url + "/echo") == files.read("body"));
    CHECK(output_of(curl + "-H 'Expect: 100-continue' --data-binary @" + (files / "body").string() + " " + url +
                    "/echo") == files.read("body"));
    CHECK(output_of(curl + "-H 'Transfer-Encoding: chunked' --data-binary @" + (files / "body").string() + " " + url +
                    "/echo") == files.read("body"));
    CHECK(output_of(curl + url + "/large") == *server.large);
    CHECK(output_of(curl + "-o /dev/null -w '%{http_code}' -H 'Host:' " + url + "/hello") == "400");
    CHECK(output_of(curl + "-o /dev/null -w '%{http_code}' -X delete " + url + "/hello") == "501");
    CHECK(eventually([&] { return server.is_spent(); }));
}
