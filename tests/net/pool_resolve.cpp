// Names: a resolver that is slow cannot hold a caller beyond its timeout, and its late answer does no harm.
#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* slow_name = "slow.hotpool.test";
constexpr const char* lost_name = "lost.hotpool.test";
constexpr auto slowness = 300ms;
std::atomic<int> lookups = 0;

}  // namespace

// Stands before the system's resolver: one name is slow, and is loopback; one does not exist.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** results) {
    using resolver = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto system = reinterpret_cast<resolver>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    if (node != nullptr && std::strcmp(node, lost_name) == 0) return EAI_NONAME;
    const bool slow = node != nullptr && std::strcmp(node, slow_name) == 0;
    lookups += slow;
    if (slow) std::this_thread::sleep_for(slowness);
    return system(slow ? "127.0.0.1" : node, service, hints, results);
}

TEST_CASE("name_is_looked_up_once_for_many_connections", "[pool]") {
    site<tcp_transport> server;
    net::io_context io;
    lookups = 0;
    tcp_pool pool(io.get_executor(), {slow_name, server.target().port}, {.max_connections = 4});
    got<tcp_pool> answers[4];
    for (auto& answer : answers) pool.async_get(answer.handler());
    for (auto& answer : answers) {
        REQUIRE(run_until(io, [&] { return answer.done(); }));
        REQUIRE_FALSE(answer.error);
    }
    CHECK(lookups == 1);
    CHECK(answers[0].lease.stream().remote_endpoint().address().is_loopback());
    REQUIRE(pool.endpoints().size() == 1);
    CHECK(pool.endpoints().front().load.leased == 4);
    CHECK(pool.stats().total.answers == 1);
}

TEST_CASE("answer_of_the_resolver_that_is_late_comes_to_nothing", "[pool]") {
    site<tcp_transport> server;
    net::io_context io;
    tcp_pool pool(io.get_executor(), {slow_name, server.target().port}, {.connect_timeout = 50ms});
    got<tcp_pool> answer;
    const auto started = clock_type::now();
    pool.async_get(answer.handler());
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    CHECK(answer.error == errc::connect_timed_out);
    CHECK(clock_type::now() - started >= 50ms);
    CHECK(clock_type::now() - started < slowness);
    CHECK(pool.stats().now.total() == 0);
    REQUIRE(run_until(io, [&] { return pool.stats().total.answers == 1; }));
    CHECK(server.accepted() == 0);
}

TEST_CASE("name_that_does_not_exist_is_told_as_such", "[pool]") {
    net::io_context io;
    tcp_pool pool(io.get_executor(), {lost_name, "80"});
    got<tcp_pool> answer;
    pool.async_get(answer.handler());
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    CHECK(answer.error == errc::resolve_failed);
    CHECK(pool.stats().last_open_error == errc::resolve_failed);
    CHECK(pool.stats().total.failed_answers == 1);
}

TEST_CASE("pool_closed_or_gone_while_a_name_is_looked_up_leaves_nothing", "[pool]") {
    net::io_context io;
    got<tcp_pool> answer;
    {
        tcp_pool pool(io.get_executor(), {slow_name, "80"});
        pool.async_get(answer.handler());
        io.poll();
        CHECK(pool.stats().now.opening == 1);
        pool.close();
        CHECK(pool.stats().now.total() == 0);
    }
    CHECK(run_dry(io));
    CHECK(answer.error == errc::pool_closed);
    CHECK(answer.completions == 1);
}

TEST_CASE("io_context_may_end_while_a_name_is_looked_up", "[pool]") {
    got<tcp_pool> answer;
    {
        net::io_context io;
        tcp_pool pool(io.get_executor(), {slow_name, "80"});
        pool.async_get(answer.handler());
        io.poll();
    }
    CHECK(answer.completions <= 1);
}
