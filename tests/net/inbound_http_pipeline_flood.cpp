// A client that never stops asking, and reads away what it is answered, holds up nobody else of its loop.
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "support/inbound_http.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

TEMPLATE_TEST_CASE("inbound_http_pipelined_requests_without_end_hold_up_nobody", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    http_peer bad = server.connect();
    http_peer good = server.connect();
    std::string requests;
    while (requests.size() < 16'000) requests += get("/empty");
    std::atomic<bool> over = false;
    std::thread writer([&] {
        while (!over && bad.send(requests)) {
        }
    });
    std::atomic<std::uint64_t> answered = 0;
    std::thread reader([&] {  // past TLS: nobody looks at it
        std::vector<char> room(64 * 1024);
        for (long n = 1; n > 0;) {
            n = ::recv(bad.socket().fd(), room.data(), room.size(), 0);
            if (n > 0) answered += static_cast<std::uint64_t>(n);
        }
    });
    CHECK(eventually([&] { return answered > 100'000; }));
    std::vector<clock_type::duration> times;
    const std::uint64_t before = answered;
    for (int i = 0; i < 300; ++i) {
        const time_point begin = clock_type::now();
        const auto seen = good.ask(get("/hello"));
        times.push_back(clock_type::now() - begin);
        CHECK((seen && seen->body == "hello"));
    }
    CHECK(answered > before);  // it went on meanwhile
    over = true;
    ::shutdown(bad.socket().fd(), SHUT_RDWR);
    writer.join();
    reader.join();
    std::sort(times.begin(), times.end());
    CHECK(times[times.size() * 99 / 100] < 50ms);
}
