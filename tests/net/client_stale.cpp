// Servers that close after each response without saying so: every idempotent request is answered all the same.
#include "hotpool/health_checker.hpp"
#include "hotpool/http_client.hpp"
#include "support/black_hole.hpp"
#include "support/http_test.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

// Sanitizers slow everything down, handshakes most.
constexpr int many_gets = base::recycling ? 1000 : 50;
constexpr int few_gets = base::recycling ? 200 : 50;

enum class farewell { close, reset, shutdown, goodbye };

/// Answers one request of each connection, promises more, and is gone a while later.
loopback_server::script leaving_after(duration wait, farewell how) {
    return [wait, how](server_connection& c) {
        read_request(c);
        c.write(ok("here"));
        const time_point end = clock_type::now() + wait;
        if (wait > 1ms) std::this_thread::sleep_until(end);
        while (clock_type::now() < end) std::this_thread::yield();
        switch (how) {
            case farewell::close: return c.close();  // a reset where a request has come meanwhile
            case farewell::reset: return c.reset();
            case farewell::goodbye: c.close_notify(); [[fallthrough]];
            case farewell::shutdown: c.end_sending();
        }
        c.stay();
    };
}

/// Sends `count` requests, `at_once` of them at any time. @return how many were answered rightly
template <class Side>
int answered(stage<Side>& s, const request_builder& request, int count, int at_once) {
    http_client client(s.pool);
    int begun = 0, over = 0, right = 0;
    std::function<void()> next = [&] {
        if (begun == count) return;
        ++begun;
        client.async_send(request, [&](std::error_code error, const response& reply) {
            ++over;
            if (!error && reply.body() == "here") ++right;
            next();
        });
    };
    for (int i = 0; i < at_once; ++i) next();
    REQUIRE(s.until([&] { return over == count; }));
    return right;
}

/// Connections are well until they `fall_silent`: then a firewall has forgotten them. Those made later are well.
class forgetful_way {
public:
    loopback_server::script script() {
        return [this](server_connection& c) {
            {
                const std::lock_guard lock(mutex_);
                known_.push_back(c.fd());
            }
            for (;;) {
                if (read_request(c).starts_with("POST")) ++posts_;
                c.write(ok("here"));
            }
        };
    }
    /// While no connection ends.
    void fall_silent() {
        const std::lock_guard lock(mutex_);
        for (const int fd : known_) REQUIRE(forget_connection(fd));
    }
    int posts() const { return posts_; }

private:
    std::mutex mutex_;
    std::vector<int> known_;
    std::atomic<int> posts_{0};
};

struct lends_first_put_back : default_policies {
    using reuse_order = hotpool::oldest_first;
};
struct over_tcp_in_turn : over_tcp {
    using pool_type = connection_pool<tcp_transport, lends_first_put_back>;
};

/// So many connections lie idle, each has been used once.
template <class Side>
void fill_at_once(stage<Side>& s, std::size_t n) {
    std::vector<typename stage<Side>::lease_type> leases;
    while (leases.size() < n) leases.push_back(s.get());
    for (auto& lease : leases) {
        REQUIRE(s.exchange(lease, get_request).body() == "here");
        s.pool.put(std::move(lease));
    }
    REQUIRE(s.until([&] { return s.pool.stats().now.idle == n; }));
}

}  // namespace

// --- connections that are closed

TEMPLATE_TEST_CASE("every_get_succeeds_at_a_server_that_closes_after_each_response", "[client]", over_tcp, over_tls) {
    const auto delay = GENERATE(0us, 50us, 200us, 1000us, 5000us);
    const int at_once = GENERATE(1, 8);
    CAPTURE(delay.count(), at_once);
    const int count = TestType::is_tls || delay == 5ms ? few_gets : many_gets;
    stage<TestType> s(leaving_after(delay, farewell::close));
    CHECK(answered(s, get_request, count, at_once) == count);
    CHECK(s.server.accepted() <= 2 * count);
}

TEMPLATE_TEST_CASE("every_get_succeeds_however_the_server_leaves", "[client]", over_tcp, over_tls) {
    const auto how = GENERATE(farewell::reset, farewell::shutdown, farewell::goodbye);
    const int at_once = GENERATE(1, 8);
    stage<TestType> s(leaving_after(100us, how), {.check_after_idle = 1h});
    CHECK(answered(s, get_request, few_gets, at_once) == few_gets);
}

TEMPLATE_TEST_CASE("every_get_succeeds_though_one_connection_is_all_there_may_be", "[client]", over_tcp, over_tls) {
    stage<TestType> s(leaving_after(100us, farewell::close), {.max_connections = 1});
    CHECK(answered(s, get_request, 100, 8) == 100);
}

TEMPLATE_TEST_CASE("post_to_a_server_that_closes_after_each_response_is_never_sent_twice", "[client]", over_tcp,
                   over_tls) {
    std::atomic<int> seen{0};
    stage<TestType> s([&](server_connection& c) {
        read_request(c);
        ++seen;
        c.write(ok("here"));
        std::this_thread::sleep_for(100us);
        c.end_sending();
        read_request(c);
        ++seen;
        c.stay();
    });
    http_client client(s.pool);
    for (int i = 0; i < few_gets; ++i) {
        const answer a = send(s, client, request_builder("POST", "/"));
        REQUIRE((!a.error || a.error == errc::maybe_processed));
    }
    CHECK(seen <= few_gets);
}

TEMPLATE_TEST_CASE("origin_that_closes_fresh_connections_too_is_not_asked_without_end", "[client]", over_tcp,
                   over_tls) {
    std::atomic<int> connections{0};
    stage<TestType> s([&](server_connection& c) {
        const bool well = ++connections <= 4;
        read_request(c);
        if (!well) return c.close();
        c.write(ok("here"));
        read_request(c);
        c.close();
    });
    fill_at_once(s, 4);
    http_client client(s.pool);
    int lost = 0;
    for (int i = 0; i < 20; ++i) {
        const std::error_code error = send(s, client, get_request).error;
        lost += error == condition::connection_lost;
        // After some of them the pool takes its origin for one that does not work.
        CHECK((error == condition::connection_lost || error == condition::open_failed));
    }
    CHECK(lost >= 5);
    CHECK(s.server.accepted() <= 24);  // never more than one fresh connection for a request
    CHECK(s.retired(retire_reason::distrusted) == 3);
}

// --- connections that are silent

TEMPLATE_TEST_CASE("eight_connections_that_went_dead_cost_one_timeout_altogether", "[client]", over_tcp,
                   over_tcp_in_turn, over_tls) {
    forgetful_way way;
    stage<TestType> s(way.script());
    fill_at_once(s, 8);
    way.fall_silent();
    http_client client(s.pool, {.first_byte_timeout = 500ms});
    const time_point begin = clock_type::now();
    for (int i = 0; i < 12; ++i) CHECK(send(s, client, get_request).body() == "here");
    CHECK(clock_type::now() - begin >= 500ms);
    CHECK(s.retired(retire_reason::lease_deadline) == 1);
    CHECK(s.retired(retire_reason::distrusted) == 7);
    CHECK(s.server.accepted() == 9);
}

TEMPLATE_TEST_CASE("deadline_of_a_request_that_met_silence_casts_the_same_doubt", "[client]", over_tcp,
                   over_tcp_in_turn, over_tls) {
    forgetful_way way;
    stage<TestType> s(way.script());
    fill_at_once(s, 8);
    way.fall_silent();
    http_client client(s.pool, {.request_timeout = 300ms});
    CHECK(send(s, client, get_request).error == errc::request_timed_out);
    CHECK(s.until([&] { return s.retired(retire_reason::distrusted) == 7; }));
    CHECK(send(s, client, get_request).body() == "here");
}

TEMPLATE_TEST_CASE("request_that_may_not_be_repeated_fails_by_silence_and_warns_the_others", "[client]", over_tcp,
                   over_tls) {
    forgetful_way way;
    stage<TestType> s(way.script());
    fill_at_once(s, 8);
    way.fall_silent();
    http_client client(s.pool, {.first_byte_timeout = 100ms});
    const request_builder post("POST", "/");
    CHECK(send(s, client, post).error == errc::first_byte_timed_out);
    for (int i = 0; i < 8; ++i) CHECK(send(s, client, post).body() == "here");
    CHECK(way.posts() == 8);
    CHECK(s.retired(retire_reason::distrusted) == 7);
}

TEMPLATE_TEST_CASE("silence_is_found_out_by_the_system_where_it_is_told_to", "[client]", tcp_transport, tls_transport) {
    using side = std::conditional_t<std::is_same_v<TestType, tcp_transport>, over_tcp, over_tls>;
    forgetful_way way;
    loopback_server server = side::serve(way.script());
    asio::io_context io;
    auto options = side::options();
    int first = -1;  // this side's end, which is to hear nothing either
    tcp_options impatient{.keep_alive = true,
                          .keep_alive_idle = 1s,
                          .keep_alive_interval = 1s,
                          .keep_alive_probes = 1,
                          .user_timeout = 300ms};
    impatient.before_connect = [&](native_socket socket, const ip_endpoint&) {
        if (first == -1) first = static_cast<int>(socket);
        return std::error_code();
    };
    if constexpr (side::is_tls)
        options.tcp = impatient;
    else
        options = impatient;
    connection_pool<TestType> pool(io.get_executor(), {"127.0.0.1", server.port()}, {}, options);
    http_client client(pool);
    const auto body_of_get = [&] {
        answer a;
        client.async_send(get_request, stage<side>::into(a));
        REQUIRE(run_until(io, [&] { return a.completions != 0; }));
        return a.error ? a.error.message() : a.body();
    };
    REQUIRE(body_of_get() == "here");
    way.fall_silent();
    REQUIRE(forget_connection(first));
    SECTION("under a request, which is repeated") {
        CHECK(body_of_get() == "here");
        CHECK(server.accepted() == 2);
    }
    SECTION("while it is idle") {
        CHECK(run_until(io, [&] { return pool.stats().now.total() == 0; }));
        CHECK(pool.stats().total.retired_for(retire_reason::peer_closed) == 1);
    }
}

TEMPLATE_TEST_CASE("silent_fresh_connection_is_the_end_of_it", "[client]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) { c.stay(); });
    http_client client(s.pool, {.first_byte_timeout = 50ms});
    CHECK(send(s, client, get_request).error == errc::first_byte_timed_out);
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("doubted_connections_are_probed_where_the_pool_has_a_probe", "[client]", over_tcp, over_tls) {
    // Two of four fall silent: the one that is asked, and one that is found out by the probe.
    std::atomic<int> connections{0};
    std::atomic<bool> silent{false};
    stage<TestType> s(
        [&](server_connection& c) {
            const int number = ++connections;
            for (;;) {
                const std::string request = read_request(c);
                if (silent && (number == 4 || number == 1)) return c.stay();
                c.write(ok(request.starts_with("HEAD") ? "" : "here"));
            }
        },
        {.health_check_timeout = 300ms});
    const health_checker checker(s.pool);
    std::vector<typename stage<TestType>::lease_type> leases;
    for (int i = 1; i <= 4; ++i) {
        leases.push_back(s.get());
        REQUIRE(s.until([&] { return connections == i; }));
    }
    for (auto& lease : leases) {
        REQUIRE(s.exchange(lease, get_request).body() == "here");
        s.pool.put(std::move(lease));
    }
    silent = true;
    http_client client(s.pool, {.first_byte_timeout = 100ms});
    CHECK(send(s, client, get_request).body() == "here");
    REQUIRE(s.until([&] { return s.pool.stats().now.probing == 0; }));
    CHECK(s.pool.stats().total.probes == 3);
    CHECK(s.retired(retire_reason::probe_failed) == 1);
    CHECK(s.retired(retire_reason::distrusted) == 0);
    CHECK(s.pool.stats().now.idle == 3);
}
