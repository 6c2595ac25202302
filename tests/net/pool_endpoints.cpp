// Several addresses of one origin on real sockets: fallback, races, leaving, ejection, local addresses.
#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/black_hole.hpp"
#include "support/event_log.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

ip_address address(const char* text) { return ip_address::parse(text).value(); }

/// A source whose answer the test changes, and the events that a pool told.
struct network : event_log {
    explicit network(endpoint_list first = {}) : list(std::move(first)) {}

    endpoint_list list;
    std::error_code error{};
    int questions = 0;

    pool_services services() {
        return {.endpoints = [this](endpoint_answer answer) { ++questions, answer(error, list); },
                .listener = listener()};
    }
};

template <class Transport>
connection_pool<Transport> pool_over(net::io_context& io, network& n, const pool_options& options = {}) {
    return {io.get_executor(), {"127.0.0.1", "1"}, options, trusting_options<Transport>(), n.services()};
}

}  // namespace

TEMPLATE_TEST_CASE("address_that_refuses_is_passed_over", "[pool][endpoints]", tcp_transport, tls_transport) {
    const descriptor_check no_leak;
    site<TestType> server;
    net::io_context io;
    network n({closed_endpoint(), endpoint_of(server)});
    auto pool = pool_over<TestType>(io, n, {.ejection_failures = 2});
    std::vector<typename decltype(pool)::lease_type> leases;
    for (int i = 0; i < 6; ++i) leases.push_back(get(io, pool));
    for (auto& lease : leases) CHECK(round_trip(io, lease, "hello") == "hello");
    CHECK(server.accepted() == 6);
    CHECK(n.told(pool_event_kind::address_ejected) == 1);
    CHECK(pool.stats().total.open_failures == 2);
    CHECK(pool.stats().total.ejections == 1);
}

TEST_CASE("slow_address_is_overtaken_and_its_connection_is_not_lost", "[pool][endpoints]") {
    net::io_context io;
    black_hole hole(io);
    site<tcp_transport> server;
    network n({hotpool::detail::from_asio(hole.endpoint()), endpoint_of(server)});
    auto pool = pool_over<tcp_transport>(io, n, {.connect_timeout = 2s, .attempt_delay = 50ms});
    const auto started = clock_type::now();
    auto first = get(io, pool);
    auto second = get(io, pool);
    CHECK(clock_type::now() - started >= 40ms);
    CHECK(clock_type::now() - started < 1800ms);
    CHECK(pool.stats().total.overtaken == 1);  // the second one began with the other address
    CHECK(pool.stats().now.opening == 1);
    REQUIRE(run_until(io, [&] { return pool.stats().now.opening == 0; }));
    CHECK(pool.stats().total.open_failures == 1);
}

TEST_CASE("slow_address_is_given_up_where_there_is_no_room_for_a_race", "[pool][endpoints]") {
    net::io_context io;
    black_hole hole(io);
    site<tcp_transport> server;
    network n({hotpool::detail::from_asio(hole.endpoint()), endpoint_of(server)});
    auto pool =
        pool_over<tcp_transport>(io, n, {.max_connections = 1, .connect_timeout = 600ms, .attempt_delay = 50ms});
    const auto started = clock_type::now();
    auto lease = get(io, pool);
    CHECK(clock_type::now() - started >= 280ms);
    CHECK(round_trip(io, lease, "x") == "x");
    CHECK(pool.stats().now.total() == 1);
}

TEST_CASE("connections_are_spread_over_the_addresses", "[pool][endpoints]") {
    net::io_context io;
    site<tcp_transport> a, b, c;
    network n({endpoint_of(a), endpoint_of(b), endpoint_of(c)});
    auto pool = pool_over<tcp_transport>(io, n);
    std::vector<tcp_pool::lease_type> leases;
    for (int i = 0; i < 9; ++i) leases.push_back(get(io, pool));
    const auto all = [&] { return a.accepted() == 3 && b.accepted() == 3 && c.accepted() == 3; };
    CHECK(run_until(io, all));
}

TEST_CASE("connections_to_an_address_that_left_are_retired_as_they_come_back", "[pool][endpoints]") {
    net::io_context io;
    site<tcp_transport> stays, leaves;
    network n({endpoint_of(stays), endpoint_of(leaves)});
    auto pool = pool_over<tcp_transport>(io, n, {.absent_grace = 0s, .retire_spacing = 1ms});
    std::vector<tcp_pool::lease_type> leases;
    for (int i = 0; i < 4; ++i) leases.push_back(get(io, pool));
    n.list = {endpoint_of(stays)};
    pool.refresh_endpoints();
    REQUIRE(run_until(io, [&] { return n.questions == 2; }));
    CHECK(pool.stats().now.leased == 4);  // none is cut
    for (auto& lease : leases) CHECK(round_trip(io, lease, "still") == "still");
    for (auto& lease : leases) pool.put(std::move(lease));
    REQUIRE(run_until(io, [&] { return retired(pool, retire_reason::endpoint_gone) == 2; }));
    CHECK(pool.stats().now.idle == 2);
    REQUIRE(pool.endpoints().size() == 1);
    CHECK(pool.endpoints().front().load.connections == 2);
}

TEST_CASE("absent_address_keeps_its_connections_and_gets_no_new_ones", "[pool][endpoints]") {
    net::io_context io;
    site<tcp_transport> stays, absent;
    network n({endpoint_of(stays), endpoint_of(absent)});
    auto pool = pool_over<tcp_transport>(io, n);
    const auto take = [&](int count) {
        std::vector<tcp_pool::lease_type> leases;
        for (int i = 0; i < count; ++i) leases.push_back(get(io, pool));
        return leases;
    };
    for (auto& lease : take(2)) pool.put(std::move(lease));
    REQUIRE(run_until(io, [&] { return absent.accepted() == 1; }));
    n.list = {endpoint_of(stays)};
    pool.refresh_endpoints();
    REQUIRE(run_until(io, [&] { return pool.stats().total.answers == 2; }));
    auto leases = take(4);
    for (auto& lease : leases) CHECK(round_trip(io, lease, "hot") == "hot");
    CHECK(stays.accepted() == 3);
    CHECK(absent.accepted() == 1);
    REQUIRE(pool.endpoints().size() == 2);
    CHECK(pool.endpoints().back().where == endpoint_of(absent));
    CHECK_FALSE(pool.endpoints().back().is_named());
    CHECK(retired(pool, retire_reason::endpoint_gone) == 0);
}

TEST_CASE("address_that_is_new_is_used_for_the_next_opening_and_connections_stay", "[pool][endpoints]") {
    site<tcp_transport> first, second;
    net::io_context io;
    network n({endpoint_of(first)});
    auto pool = pool_over<tcp_transport>(io, n);
    auto one = get(io, pool);
    auto two = get(io, pool);
    n.list = {endpoint_of(first), endpoint_of(second)};
    pool.refresh_endpoints();
    REQUIRE(run_until(io, [&] { return pool.stats().total.answers == 2; }));
    auto three = get(io, pool);
    CHECK(run_until(io, [&] { return second.accepted() == 1; }));
    CHECK(round_trip(io, one, "one") == "one");
    CHECK(round_trip(io, two, "two") == "two");
    CHECK(round_trip(io, three, "three") == "three");
    CHECK(first.accepted() == 2);
    CHECK(retired(pool, retire_reason::endpoint_gone) == 0);
}

TEST_CASE("failed_refresh_leaves_what_is_known_in_use", "[pool][endpoints]") {
    net::io_context io;
    site<tcp_transport> server;
    network n({endpoint_of(server)});
    auto pool = pool_over<tcp_transport>(io, n);
    auto first = get(io, pool);
    n.error = errc::resolve_failed;
    pool.refresh_endpoints();
    REQUIRE(run_until(io, [&] { return n.questions == 2; }));
    auto second = get(io, pool);
    CHECK(run_until(io, [&] { return server.accepted() == 2; }));
    CHECK(n.told(pool_event_kind::addresses_unknown) >= 1);
}

TEST_CASE("source_that_gives_nothing_is_an_error_of_its_own", "[pool][endpoints]") {
    net::io_context io;
    network n;
    auto pool = pool_over<tcp_transport>(io, n);
    got<tcp_pool> answer;
    pool.async_get(answer.handler());
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    CHECK(answer.error == errc::resolve_empty);

    pool_services forgetful{.endpoints = [](endpoint_answer) {}};
    tcp_pool other(io.get_executor(), {"127.0.0.1", "1"}, {}, {}, forgetful);
    got<tcp_pool> forgotten;
    other.async_get(forgotten.handler());
    REQUIRE(run_until(io, [&] { return forgotten.done(); }));
    CHECK(forgotten.error == errc::resolve_failed);

    pool_services throwing{.endpoints = [](endpoint_answer) { throw std::runtime_error("no"); }};
    tcp_pool third(io.get_executor(), {"127.0.0.1", "1"}, {}, {}, throwing);
    got<tcp_pool> thrown;
    third.async_get(thrown.handler());
    REQUIRE(run_until(io, [&] { return thrown.done(); }));
    CHECK(thrown.error == errc::resolve_failed);

    CHECK_THROWS_AS(static_endpoints({}), std::invalid_argument);
    CHECK_THROWS_AS(static_endpoints({{address("127.0.0.1"), 0}}), std::invalid_argument);
}

TEST_CASE("callers_get_the_cause_at_once_while_nothing_works_and_it_recovers", "[pool][endpoints]") {
    net::io_context io;
    network n({closed_endpoint()});
    auto pool = pool_over<tcp_transport>(io, n, {.breaker_failures = 3, .backoff_first = 5ms, .backoff_limit = 20ms});
    got<tcp_pool> waiters[2];
    for (int round = 0; round < 2; ++round) {
        got<tcp_pool> alone;
        pool.async_get(alone.handler());
        REQUIRE(run_until(io, [&] { return alone.done(); }));
        CHECK_FALSE(pool.stats().failing);
    }
    for (auto& w : waiters) pool.async_get(w.handler());
    REQUIRE(run_until(io, [&] { return waiters[0].done() && waiters[1].done(); }));
    for (auto& w : waiters) CHECK(w.error == errc::connect_refused);
    CHECK(pool.stats().failing == errc::connect_refused);
    CHECK(n.told(pool_event_kind::pool_failing) == 1);

    got<tcp_pool> refused;
    pool.async_get(refused.handler());
    io.restart();
    io.poll();
    CHECK(refused.error == errc::connect_refused);
    CHECK(pool.stats().total.breaker_refusals >= 1);

    site<tcp_transport> server;
    n.list = {endpoint_of(server)};
    pool.refresh_endpoints();
    REQUIRE(run_until(io, [&] { return n.told(pool_event_kind::pool_recovered) == 1; }));
    CHECK_FALSE(pool.stats().failing);
    auto lease = get(io, pool);
    CHECK(round_trip(io, lease, "back") == "back");
}

TEST_CASE("ejected_address_is_tried_again_before_it_is_used", "[pool][endpoints]") {
    net::io_context io;
    site<tcp_transport> good;
    auto back = std::make_unique<site<tcp_transport>>();
    const ip_endpoint bad = endpoint_of(*back);
    back.reset();
    network n({bad, endpoint_of(good)});
    auto pool = pool_over<tcp_transport>(
        io, n, {.ejection_failures = 1, .ejection_time = 30ms, .ejection_limit = 60ms, .backoff_first = 1ms});
    auto lease = get(io, pool);
    CHECK(n.told(pool_event_kind::address_ejected) == 1);
    const auto state_of_bad = [&] { return pool.endpoints().front(); };
    CHECK(state_of_bad().standing == endpoint_standing::ejected);
    REQUIRE(run_until(io, [&] { return state_of_bad().ejections >= 2; }));  // a trial failed
    CHECK(n.told(pool_event_kind::address_readmitted) == 0);
    // Somebody listens there again.
    net::ip::tcp::acceptor again(io, hotpool::detail::to_asio(bad));
    REQUIRE(run_until(io, [&] { return n.told(pool_event_kind::address_readmitted) == 1; }));
    CHECK(state_of_bad().standing == endpoint_standing::usable);
    CHECK(pool.stats().total.readmissions == 1);
}

TEST_CASE("local_addresses_take_turns_and_decide_the_family", "[pool][endpoints]") {
    net::io_context io;
    site<tcp_transport> server;
    network n({{address("::1"), 1}, endpoint_of(server)});
    pool_services services = n.services();
    services.local_addresses = {address("127.0.0.5"), address("127.0.0.6")};
    tcp_pool pool(io.get_executor(), {"127.0.0.1", "1"}, {}, {}, services);
    std::vector<tcp_pool::lease_type> leases;
    std::multiset<std::string> from;
    for (int i = 0; i < 4; ++i) {
        leases.push_back(get(io, pool));
        from.insert(leases.back().stream().local_endpoint().address().to_string());
    }
    CHECK(from == std::multiset<std::string>{"127.0.0.5", "127.0.0.5", "127.0.0.6", "127.0.0.6"});
    CHECK(pool.stats().total.open_failures == 0);  // nothing of the other family was tried

    services.local_addresses = {address("::1")};
    n.list = {endpoint_of(server)};
    tcp_pool none(io.get_executor(), {"127.0.0.1", "1"}, {}, {}, services);
    got<tcp_pool> answer;
    none.async_get(answer.handler());
    REQUIRE(run_until(io, [&] { return answer.done(); }));
    CHECK(answer.error == errc::access_denied);
}

TEST_CASE("pool_with_a_name_lets_run_return_when_it_is_closed", "[pool][endpoints]") {
    net::io_context io;
    site<tcp_transport> server;
    tcp_pool pool(io.get_executor(), {"localhost", server.target().port}, {.attempt_delay = 50ms});
    auto lease = get(io, pool);
    pool.put(std::move(lease));
    pool.close();
    CHECK(run_dry(io));
}
