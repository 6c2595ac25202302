// Where two duties of a pool meet: a refusing response that also closes, another network while addresses are awaited.
#include <deque>
#include <memory>

#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

TEST_CASE("status_counts_against_an_address_that_closes_with_it", "[pool][access]") {
    site<tcp_transport> server([](server_connection& c) {
        read_request(c);
        c.write("HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    net::io_context io;
    const auto access = std::make_shared<access_controller>(access_options{}, status_denial_options{.statuses = {403}});
    tcp_pool pool(io.get_executor(), server.target(), {}, {}, pool_services{.access = access});
    http_client client(pool);
    const request_builder request("GET", "/");
    answer refused;
    client.async_send(request, stage<over_tcp>::into(refused));
    REQUIRE(run_until(io, [&] { return refused.completions == 1; }));
    CHECK(refused.reply.status() == 403);
    CHECK(access->state(ip_address::parse("127.0.0.1").value()) == denial_state::denied);
    CHECK(retired(pool, retire_reason::connection_close) == 1);
}

TEST_CASE("opening_that_awaits_addresses_is_not_of_the_network_before", "[pool][endpoints]") {
    site<tcp_transport> server;
    net::io_context io;
    std::deque<endpoint_answer> asked;
    const endpoint_list here{{ip_address::parse("127.0.0.1").value(), port_number(server.target().port)}};
    tcp_pool pool(io.get_executor(), {"127.0.0.1", "1"}, {}, {},
                  pool_services{.endpoints = [&](endpoint_answer a) { asked.push_back(std::move(a)); }});
    got<tcp_pool> caller;
    pool.async_get(caller.handler());
    REQUIRE(asked.size() == 1);
    pool.network_changed();
    for (std::size_t i = 0; i < asked.size(); ++i) asked[i]({}, here);
    REQUIRE(run_until(io, [&] { return caller.done(); }));
    CHECK_FALSE(caller.error);
    CHECK(pool.stats().total.opened == 1);
}
