// Openings on several threads go on with one another's sessions.
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "hotpool/error.hpp"
#include "support/catch.hpp"
#include "support/resume_test.hpp"

using namespace hotpool;
using namespace hotpool::test;

TEST_CASE("threads_tls_openings_of_four_threads_take_and_leave_sessions", "[thread]") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    resume_server server(speaking(version));
    net::io_context io;
    tls_pool pool(io.get_executor(), server.target(), {.max_connections = 8, .max_requests = 1}, trusting());
    constexpr int visits = 160;
    std::atomic<int> begun = 0;
    std::atomic<int> failed = 0;
    std::atomic<int> done = 0;

    struct visit {
        tls_pool& pool;
        std::atomic<int>& begun;
        std::atomic<int>& failed;
        std::atomic<int>& done;
        tls_pool::lease_type lease{};
        char room[8]{};

        void next() {
            if (begun++ >= visits) return;
            pool.async_get([this](std::error_code error, tls_pool::lease_type got) {
                lease = std::move(got);
                if (error) return over(error);
                lease.async_write_some(net::buffer("x", 1), [this](std::error_code e, std::size_t) {
                    if (e) return over(e);
                    lease.async_read_some(net::buffer(room), [this](std::error_code last, std::size_t) { over(last); });
                });
            });
        }
        void over(std::error_code error) {
            if (error) ++failed;
            if (lease) pool.put(std::move(lease));
            if (++done == visits) return pool.close();
            next();
        }
    };
    std::vector<visit> visitors;
    for (int i = 0; i < 8; ++i) visitors.push_back({pool, begun, failed, done});
    for (visit& v : visitors) v.next();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&io] { io.run(); });
    for (std::thread& thread : threads) thread.join();

    CHECK(done == visits);
    CHECK(failed == 0);
    const transport_stats s = pool.stats().transport;
    CHECK(s.handshakes == visits);
    CHECK(s.resumed > visits / 2);
    CHECK(s.resumed + s.sessions_refused == s.sessions_offered);
    CHECK(s.sessions_rejected == 0);
}
