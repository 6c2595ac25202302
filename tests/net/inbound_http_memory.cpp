// What requests and replies of an HTTP server may take together.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/inbound_http.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t mebibyte = 1024 * 1024;

/// Of a POST that announces a mebibyte.
std::string stalled_upload(std::size_t sent) {
    return "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(mebibyte) + "\r\n\r\n" +
           std::string(sent, 'b');
}

}  // namespace

TEMPLATE_TEST_CASE("stalled_uploads_stay_under_the_ceiling_and_harm_nobody_else", "[inbound]", accept_tcp, accept_tls) {
    constexpr std::size_t ceiling = 8 * mebibyte;
    web_server<TestType> server({}, {.max_memory_bytes = ceiling});
    std::vector<http_peer> stalled;
    std::size_t most = 0;
    for (int i = 0; i < 40; ++i) {
        stalled.push_back(server.connect());
        stalled.back().send(stalled_upload(mebibyte * 3 / 5));
        most = std::max(most, server.server.memory_bytes());
        if (i % 4 == 0) {
            http_peer good = server.connect();
            CHECK(good.ask(post("/echo", std::string(100'000, 'g')))->body.size() == 100'000);
        }
    }
    CHECK(most <= 2 * ceiling);  // with those that are on their way out, and what one turn of the loop brings
    CHECK(eventually([&] { return server.server.memory_bytes() <= ceiling; }));
    CHECK(server.server.memory_bytes() > ceiling / 2);  // no more had to go than necessary
    CHECK(eventually([&] { return server.closed(close_reason::memory_limit) >= 20; }));
    const auto first = stalled.front().read();
    REQUIRE(first);
    CHECK(first->status == 503);
    CHECK(first->field("Retry-After") == "1");
    for (http_peer& each : stalled) each.socket().close();
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(eventually([&] { return server.server.memory_bytes() == 0; }));
    CHECK(server.closed(close_reason::memory_limit) < 36);
}

TEST_CASE("replies_that_nobody_reads_stay_under_the_ceiling", "[inbound]") {
    constexpr std::size_t ceiling = 16 * mebibyte;
    web_server<accept_tcp> server({}, {.max_memory_bytes = ceiling});
    std::vector<http_peer> lazy;
    for (int i = 0; i < 20; ++i) {
        lazy.push_back(server.connect());
        const int small = 4096;
        ::setsockopt(lazy.back().socket().fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        for (int round = 0; round < 3; ++round) lazy.back().send(get("/own"));
    }
    CHECK(eventually([&] { return server.closed(close_reason::memory_limit) >= 10; }));
    CHECK(eventually([&] { return server.server.memory_bytes() <= ceiling; }));
    CHECK(server.connect().ask(get("/hello"))->body == "hello");
    for (http_peer& each : lazy) each.socket().close();
    CHECK(eventually([&] { return server.server.memory_bytes() == 0; }));
}

TEST_CASE("a_request_in_a_handlers_hands_counts_until_it_is_let_go_and_is_not_cut", "[inbound]") {
    web_server<accept_tcp> server({}, {.max_memory_bytes = mebibyte});
    http_peer working = server.connect();
    REQUIRE(working.send(post("/hold", std::string(900'000, 'w'))));
    responder held = server.take_held();
    CHECK(server.server.memory_bytes() >= 900'000);
    http_peer other = server.connect();
    other.send(post("/echo", std::string(700'000, 'o')));
    const auto refused = other.read();
    REQUIRE(refused);
    CHECK(refused->status == 503);
    other.socket().close();
    CHECK(eventually([&] { return server.closed(close_reason::memory_limit) == 1; }));
    const bool leaves = GENERATE(false, true);
    if (leaves) {
        working.socket().reset();
        REQUIRE(eventually([&] { return held.client_gone(); }));
        CHECK(server.server.memory_bytes() >= 900'000);
    }
    held.send(reply().body("done"));
    if (!leaves) CHECK(working.read()->body == "done");
    CHECK(eventually([&] { return server.server.memory_bytes() == 0; }));
}
