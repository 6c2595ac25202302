// Admission of connections: limits in their order, tickets, blocks, and options that change while connections are out.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hotpool/inbound/admission.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::testing;
using namespace std::chrono_literals;

namespace {

// A number for the seed that everybody knows would let peers make groups that are slow to find.
static_assert(!std::is_constructible_v<admission, admission_options, time_point>);

constexpr time_point start{1000h};

ip_address address(std::string_view text) { return ip_address::parse(text).value(); }

/// Admits in the name of texts and keeps the tickets; gives them back at its end.
struct door : admission {
    explicit door(const admission_options& options = {}) : admission(options, start, 1) {}
    ~door() {
        for (admission_ticket& ticket : tickets) connection_ended(ticket);
        CHECK(check());
        CHECK(counts().connections == 0);
        CHECK(counts().half_open == 0);
    }

    refuse_reason connect(std::string_view from, time_point now = start) {
        admission_verdict verdict = connection_offered(address(from), now);
        CHECK(verdict.ticket.empty() == !verdict.admitted());
        retry_after = verdict.retry_after;
        if (verdict.admitted()) tickets.push_back(std::move(verdict.ticket));
        CHECK(check());
        return verdict.refused;
    }
    refuse_reason request(std::string_view from, time_point now = start) {
        const admission_verdict verdict = request_offered(address(from), now);
        CHECK(verdict.ticket.empty());
        retry_after = verdict.retry_after;
        return verdict.refused;
    }
    refuse_reason request(const admission_ticket& ticket, time_point now = start) {
        const admission_verdict verdict = request_offered(ticket, now);
        retry_after = verdict.retry_after;
        return verdict.refused;
    }
    void end(std::size_t place) {
        CHECK(connection_ended(tickets.at(place)) == ticket_use::taken);
        tickets.erase(tickets.begin() + static_cast<std::ptrdiff_t>(place));
        CHECK(check());
    }

    std::vector<admission_ticket> tickets;
    duration retry_after{};
};

constexpr auto none = refuse_reason::none;

}  // namespace

TEST_CASE("a connection is counted half-open, for its group and in total, until it ends", "[inbound]") {
    door d;
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.connect("2001:db8::1") == none);
    CHECK(d.counts().connections == 2);
    CHECK(d.counts().half_open == 2);
    CHECK(d.counts().groups == 2);
    CHECK(d.tickets[0].half_open());
    CHECK(d.tickets[1].group() == ip_block{"2001:db8::/64"});
    CHECK(d.handshake_done(d.tickets[0]) == ticket_use::taken);
    CHECK_FALSE(d.tickets[0].half_open());
    CHECK(d.counts().half_open == 1);
    d.end(1);
    CHECK(d.counts().half_open == 0);
    CHECK(d.counts().connections == 1);
    CHECK(d.status(address("192.0.2.1"), start).connections == 1);
    CHECK(d.counts().connections_refused(none) == 2);
}

TEST_CASE("a group has as many connections as it may and another its own", "[inbound]") {
    door d;
    for (int i = 0; i < 10; ++i) CHECK(d.connect("2001:db8::" + std::to_string(i)) == none);
    CHECK(d.connect("2001:db8::99") == refuse_reason::group_connections);
    CHECK(d.retry_after == 1s);
    CHECK(d.connect("2001:db8:0:1::99") == none);
    d.end(3);
    CHECK(d.connect("2001:db8::99") == none);
    CHECK(d.connect("2001:db8::98") == refuse_reason::group_connections);
    CHECK(d.counts().connections_refused(refuse_reason::group_connections) == 2);
}

TEST_CASE("the total and the handshakes have limits of their own", "[inbound]") {
    door d{{.max_connections = 4, .max_handshakes = 2, .busy_retry_after = 7s}};
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.connect("192.0.2.2") == none);
    CHECK(d.connect("192.0.2.3") == refuse_reason::half_open);
    CHECK(d.retry_after == 7s);
    for (admission_ticket& ticket : d.tickets) d.handshake_done(ticket);
    CHECK(d.connect("192.0.2.3") == none);
    CHECK(d.connect("192.0.2.4") == none);
    CHECK(d.connect("192.0.2.5") == refuse_reason::total_connections);
    CHECK(d.retry_after == 7s);
    // What is refused is not remembered.
    CHECK(d.counts().groups == 4);
}

TEST_CASE("a limit of zero is none", "[inbound]") {
    door d{{.max_connections_per_group = 0,
            .max_connections = 0,
            .max_handshakes = 0,
            .max_requests_per_group = 0}};
    for (int i = 0; i < 300; ++i) REQUIRE(d.connect("192.0.2.1") == none);
    for (int i = 0; i < 5000; ++i) REQUIRE(d.request(d.tickets[0]) == none);
}

TEST_CASE("a verdict names the first reason that applies", "[inbound]") {
    door d{{.max_connections_per_group = 1, .max_connections = 1, .max_handshakes = 1, .max_groups = 1}};
    CHECK(d.connect("192.0.2.1") == none);
    d.access().deny(address("192.0.2.1"));
    d.block(address("192.0.2.1"), start + 1h, start);
    d.resources_ran_short();
    d.drain_begun();
    CHECK(d.connect("192.0.2.1") == refuse_reason::draining);
    CHECK(d.retry_after == 1s);

    door e{{.max_connections_per_group = 1, .max_connections = 1, .max_handshakes = 1, .max_groups = 1}};
    CHECK(e.connect("192.0.2.1") == none);
    e.access().deny(address("192.0.2.1"));
    e.block(address("192.0.2.1"), start + 1h, start);
    e.resources_ran_short();
    CHECK(e.connect("192.0.2.1") == refuse_reason::denied);
    CHECK(e.retry_after == 0s);
    e.access().remove(address("192.0.2.1"));
    CHECK(e.connect("192.0.2.1") == refuse_reason::blocked);
    CHECK(e.retry_after == 1h);
    e.block(address("192.0.2.1"), start, start);
    CHECK(e.connect("192.0.2.1") == refuse_reason::resources);
    e.resources_recovered();
    CHECK(e.connect("192.0.2.1") == refuse_reason::total_connections);
    admission_options options = e.options();
    options.max_connections = 0;
    e.set_options(options);
    CHECK(e.connect("192.0.2.1") == refuse_reason::group_connections);
    options.max_connections_per_group = 0;
    e.set_options(options);
    CHECK(e.connect("192.0.2.1") == refuse_reason::half_open);
    options.max_handshakes = 0;
    e.set_options(options);
    CHECK(e.connect("192.0.2.2") == refuse_reason::group_table_full);
    CHECK(e.connect("192.0.2.1") == none);
}

TEST_CASE("the access list decides with entries that end", "[inbound]") {
    door d;
    d.access().deny(ip_block{"192.0.2.0/24"}, start + 1h);
    CHECK(d.connect("192.0.2.1") == refuse_reason::denied);
    CHECK(d.connect("::ffff:192.0.2.1") == refuse_reason::denied);
    CHECK(d.request("192.0.2.1") == refuse_reason::denied);
    CHECK(d.connect("192.0.2.1", start + 1h - 1ns) == refuse_reason::denied);
    CHECK(d.connect("192.0.2.1", start + 1h) == none);
    CHECK(d.access().size() == 0);
}

TEST_CASE("drain refuses connections and lets requests of those that are open through", "[inbound]") {
    door d;
    CHECK(d.connect("192.0.2.1") == none);
    d.drain_begun();
    CHECK(d.connect("192.0.2.1") == refuse_reason::draining);
    CHECK(d.request(d.tickets[0]) == none);
    CHECK(d.request("192.0.2.7") == none);
}

TEST_CASE("a ticket is given back once", "[inbound]") {
    door d;
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.connect("192.0.2.1") == none);
    admission_ticket moved = std::move(d.tickets[0]);
    CHECK(d.tickets[0].empty());
    CHECK_FALSE(d.tickets[0].half_open());
    CHECK(d.connection_ended(d.tickets[0]) == ticket_use::empty);
    CHECK(d.handshake_done(d.tickets[0]) == ticket_use::empty);
    CHECK(d.request(d.tickets[0]) == refuse_reason::no_ticket);
    CHECK(d.counts().connections == 2);
    CHECK(d.connection_ended(moved) == ticket_use::taken);
    CHECK(moved.empty());
    CHECK_FALSE(moved.half_open());
    CHECK(d.connection_ended(moved) == ticket_use::empty);
    CHECK(d.handshake_done(moved) == ticket_use::empty);
    CHECK(d.request(moved) == refuse_reason::no_ticket);
    CHECK(d.retry_after == 0s);
    CHECK(d.counts().connections == 1);
    CHECK(d.counts().half_open == 1);
    CHECK(d.check());
}

TEST_CASE("a handshake is over once", "[inbound]") {
    door d;
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.connect("192.0.2.2") == none);
    CHECK(d.handshake_done(d.tickets[0]) == ticket_use::taken);
    CHECK(d.handshake_done(d.tickets[0]) == ticket_use::taken);
    CHECK(d.counts().half_open == 1);
    d.end(0);
    CHECK(d.counts().half_open == 1);
}

TEST_CASE("a ticket of another admission is left alone", "[inbound]") {
    door one, other;
    CHECK(one.connect("192.0.2.1") == none);
    CHECK(other.connect("192.0.2.1") == none);
    CHECK(one.connection_ended(other.tickets[0]) == ticket_use::foreign);
    CHECK(one.handshake_done(other.tickets[0]) == ticket_use::foreign);
    CHECK(one.request(other.tickets[0]) == refuse_reason::no_ticket);
    CHECK(one.client_named(other.tickets[0], address("192.0.2.9"), start).refused ==
          refuse_reason::no_ticket);
    CHECK(other.tickets[0].half_open());
    CHECK(one.counts().connections == 1);
    CHECK(other.counts().connections == 1);
    CHECK(one.status(address("192.0.2.1"), start).requests_after == 0s);
    CHECK(other.request(other.tickets[0]) == none);
}

TEST_CASE("lower limits leave connections that are out and hold for new ones", "[inbound]") {
    door d;
    for (int i = 0; i < 6; ++i) CHECK(d.connect("192.0.2.1") == none);
    for (int i = 0; i < 4; ++i) CHECK(d.connect("192.0.2." + std::to_string(10 + i)) == none);
    d.set_options({.max_connections_per_group = 3, .max_connections = 8});
    CHECK(d.counts().connections == 10);
    CHECK(d.connect("192.0.2.1") == refuse_reason::total_connections);
    while (d.tickets.size() > 7) d.end(d.tickets.size() - 1);
    CHECK(d.connect("192.0.2.1") == refuse_reason::group_connections);
    CHECK(d.connect("192.0.2.77") == none);
    CHECK(d.connect("192.0.2.78") == refuse_reason::total_connections);
    for (int i = 0; i < 4; ++i) d.end(0);
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.connect("192.0.2.1") == refuse_reason::group_connections);
    d.set_options({});
    CHECK(d.connect("192.0.2.1") == none);
}

TEST_CASE("a lower quota counts what has been used", "[inbound]") {
    door d;
    CHECK(d.connect("192.0.2.1", start + 1min) == none);
    for (int i = 0; i < 20; ++i) CHECK(d.request(d.tickets[0], start + 1min) == none);
    d.set_options({.max_requests_per_group = 20});
    CHECK(d.request(d.tickets[0], start + 1min) == refuse_reason::group_requests);
    CHECK(d.retry_after == 59min);
    d.set_options({.max_requests_per_group = 21});
    CHECK(d.request(d.tickets[0], start + 1min) == none);
    CHECK(d.request(d.tickets[0], start + 1min) == refuse_reason::group_requests);
    d.set_options({.max_requests_per_group = 0});
    CHECK(d.request(d.tickets[0], start + 1min) == none);
}

TEST_CASE("without memory for new options the old ones hold", "[inbound]") {
    const admission_options old{.groups = {.v6_prefix_length = 64}, .max_connections_per_group = 1};
    door d{old};
    admission_options other{.groups = {.v6_prefix_length = 48},
                            .max_connections_per_group = 2,
                            .proxies = trusted_proxies{{ip_block{"192.0.2.0/24"}}}};
    CHECK(until_memory_lasts([&] { d.set_options(other); }, [&] { CHECK(d.options() == old); }) != 0);
    CHECK(d.options() == other);
}

TEST_CASE("groups that lower limits put over theirs are remembered as long as the others", "[inbound]") {
    admission_options options{.max_requests_per_group = 5, .max_groups = 4};
    door d{options};
    for (int i = 0; i < 3; ++i) CHECK(d.request("192.0.2.1") == none);
    CHECK(d.request("192.0.2.2") == none);
    options.max_requests_per_group = 3;
    d.set_options(options);
    for (int i = 0; i < 100; ++i) CHECK(d.request("198.51.100." + std::to_string(i)) == none);
    CHECK(d.request("192.0.2.1") == refuse_reason::group_requests);
    // All are over a limit that is lower still, and one of them makes room.
    options.max_requests_per_group = 1;
    d.set_options(options);
    CHECK(d.request("203.0.113.1") == none);
    CHECK(d.counts().groups_forgotten_over_limit == 1);
    CHECK(d.counts().groups == 4);
}

TEST_CASE("bad options change nothing", "[inbound]") {
    door d{{.max_connections_per_group = 1}};
    CHECK_THROWS_AS(d.set_options({.request_window = 0s}), std::invalid_argument);
    CHECK_THROWS_WITH(d.set_options({.max_groups = 5}),
                      "hotpool::inbound::admission_options::max_groups must stay as it was");
    CHECK(d.options() == admission_options{.max_connections_per_group = 1});
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.connect("192.0.2.1") == refuse_reason::group_connections);
    CHECK_THROWS_AS((admission{admission_options{.max_groups = 0}, start, 1}), std::invalid_argument);
}

TEST_CASE("with another grouping, those that are out stay in their groups", "[inbound]") {
    door d{{.max_connections_per_group = 1}};
    CHECK(d.connect("192.0.2.1") == none);
    d.set_options({.groups = {.v4_prefix_length = 24}, .max_connections_per_group = 1});
    CHECK(d.tickets[0].group() == ip_block{"192.0.2.1"});
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.tickets[1].group() == ip_block{"192.0.2.0/24"});
    CHECK(d.connect("192.0.2.2") == refuse_reason::group_connections);
    d.end(0);
    CHECK(d.connect("192.0.2.1") == refuse_reason::group_connections);
}

TEST_CASE("a blocked group is refused until its time, its neighbours are not", "[inbound]") {
    door d;
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.block(d.tickets[0].group(), start + 10min, start) == block_result::blocked);
    CHECK(d.connect("192.0.2.1", start + 4min) == refuse_reason::blocked);
    CHECK(d.retry_after == 6min);
    CHECK(d.request(d.tickets[0], start + 4min) == refuse_reason::blocked);
    CHECK(d.retry_after == 6min);
    CHECK(d.request("192.0.2.1", start + 4min) == refuse_reason::blocked);
    CHECK(d.connect("192.0.2.2", start + 4min) == none);
    CHECK(d.status(address("192.0.2.1"), start).blocked_until == start + 10min);
    CHECK(d.counts().connections == 2);
    CHECK(d.connect("192.0.2.1", start + 10min - 1ns) == refuse_reason::blocked);
    CHECK(d.connect("192.0.2.1", start + 10min) == none);
    CHECK(d.request(d.tickets[0], start + 10min) == none);
}

TEST_CASE("a block may be made longer, shorter, endless and undone", "[inbound]") {
    door d;
    const ip_address peer = address("2001:db8::1");
    CHECK(d.block(peer, never, start) == block_result::blocked);
    CHECK(d.connect("2001:db8::2", start + 24h * 3650) == refuse_reason::blocked);
    CHECK(d.retry_after == 0s);
    CHECK(d.block(peer, start + 1min, start) == block_result::blocked);
    CHECK(d.connect("2001:db8::2") == refuse_reason::blocked);
    CHECK(d.retry_after == 1min);
    CHECK(d.block(peer, time_point::min(), start) == block_result::blocked);
    CHECK(d.connect("2001:db8::2") == none);
}

TEST_CASE("only a group can be blocked", "[inbound]") {
    door d;
    CHECK(d.block(ip_block{"192.0.2.0/24"}, never, start) == block_result::not_a_group);
    CHECK(d.block(ip_block{"2001:db8::/63"}, never, start) == block_result::not_a_group);
    CHECK(d.counts().groups == 0);
    CHECK(d.block(ip_block{"2001:db8::/80"}, never, start) == block_result::blocked);
    CHECK(d.connect("2001:db8::ffff:0:0:1") == refuse_reason::blocked);
    CHECK(d.block(ip_block{"::ffff:192.0.2.1"}, never, start) == block_result::blocked);
    CHECK(d.connect("192.0.2.1") == refuse_reason::blocked);
}

TEST_CASE("a group that is not known cannot be blocked while all that are have connections", "[inbound]") {
    door d{{.max_groups = 1}};
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.block(address("192.0.2.2"), never, start) == block_result::table_full);
    CHECK(d.block(address("192.0.2.1"), never, start) == block_result::blocked);
}

TEST_CASE("a proxy's connections are not held to the limit of a group", "[inbound]") {
    door d{{.max_connections_per_group = 1,
            .max_connections = 5,
            .proxies = trusted_proxies{{ip_block{"10.0.0.0/8"}}}}};
    for (int i = 0; i < 4; ++i) CHECK(d.connect("10.0.0.1") == none);
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.connect("10.0.0.1") == refuse_reason::total_connections);
    d.end(0);
    CHECK(d.connect("192.0.2.1") == refuse_reason::group_connections);
}

TEST_CASE("a connection counts for the client that its proxy names", "[inbound]") {
    door d{{.max_connections_per_group = 2, .proxies = trusted_proxies{{ip_block{"10.0.0.1"}}}}};
    for (int i = 0; i < 4; ++i) CHECK(d.connect("10.0.0.1") == none);
    for (int i = 0; i < 2; ++i)
        CHECK(d.client_named(d.tickets[std::size_t(i)], address("192.0.2.1"), start).admitted());
    const admission_verdict third = d.client_named(d.tickets[2], address("192.0.2.1"), start);
    CHECK(third.refused == refuse_reason::group_connections);
    CHECK(third.retry_after == 1s);
    CHECK(third.ticket.empty());
    CHECK(d.tickets[0].group() == ip_block{"192.0.2.1"});
    CHECK(d.tickets[2].group() == ip_block{"10.0.0.1"});
    CHECK(d.tickets[0].half_open());
    CHECK(d.counts().connections == 4);
    CHECK(d.status(address("10.0.0.1"), start).connections == 2);
    CHECK(d.status(address("192.0.2.1"), start).connections == 2);
    CHECK(d.counts().connections_refused(refuse_reason::group_connections) == 1);
    // The same client again changes nothing, the proxy itself is none that is limited.
    CHECK(d.client_named(d.tickets[0], address("::ffff:192.0.2.1"), start).admitted());
    CHECK(d.status(address("192.0.2.1"), start).connections == 2);
    CHECK(d.client_named(d.tickets[1], address("10.0.0.1"), start).admitted());
    CHECK(d.client_named(d.tickets[2], address("192.0.2.1"), start).admitted());
    d.access().deny(address("192.0.2.3"));
    CHECK(d.client_named(d.tickets[3], address("192.0.2.3"), start).refused == refuse_reason::denied);
    d.block(address("192.0.2.4"), start + 1s, start);
    CHECK(d.client_named(d.tickets[3], address("192.0.2.4"), start).refused == refuse_reason::blocked);
    CHECK(d.client_named(d.tickets[3], address("192.0.2.4"), start + 1s).admitted());
    CHECK(d.check());
}

TEST_CASE("requests are counted for the group, by ticket and by address alike", "[inbound]") {
    door d{{.max_requests_per_group = 5}};
    CHECK(d.connect("192.0.2.1", start + 20min) == none);
    CHECK(d.connect("192.0.2.1", start + 20min) == none);
    for (int i = 0; i < 2; ++i) CHECK(d.request(d.tickets[0], start + 20min) == none);
    for (int i = 0; i < 2; ++i) CHECK(d.request(d.tickets[1], start + 20min) == none);
    CHECK(d.request("192.0.2.1", start + 20min) == none);
    CHECK(d.request(d.tickets[0], start + 20min) == refuse_reason::group_requests);
    CHECK(d.retry_after == 40min);
    CHECK(d.request("192.0.2.1", start + 59min) == refuse_reason::group_requests);
    CHECK(d.retry_after == 1min);
    CHECK(d.request("192.0.2.2", start + 59min) == none);
    CHECK(d.status(address("192.0.2.1"), start + 59min).requests_after == 1min);
    CHECK(d.connect("192.0.2.1", start + 59min) == none);
    CHECK(d.request(d.tickets[0], start + 1h) == none);
    CHECK(d.counts().requests_refused(none) == 7);
    CHECK(d.counts().requests_refused(refuse_reason::group_requests) == 2);
}

TEST_CASE("a group keeps its count of requests when its connections come and go", "[inbound]") {
    door d{{.max_requests_per_group = 3}};
    for (int i = 0; i < 3; ++i) {
        CHECK(d.connect("192.0.2.1") == none);
        CHECK(d.request(d.tickets[0]) == none);
        d.end(0);
    }
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.request(d.tickets[0]) == refuse_reason::group_requests);
}

TEST_CASE("every group that is remembered can be seen", "[inbound]") {
    door d{{.max_requests_per_group = 1}};
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.request("192.0.2.2") == none);
    d.block(address("192.0.2.3"), start + 5s, start);
    std::size_t seen = 0;
    d.for_each_group(start, [&](const group_status& s) {
        ++seen;
        CHECK(s.connections == (s.group == ip_block{"192.0.2.1"} ? 1u : 0u));
        CHECK(s.requests_after == (s.group == ip_block{"192.0.2.2"} ? duration{1h} : 0s));
        CHECK((s.blocked_until > start) == (s.group == ip_block{"192.0.2.3"}));
    });
    CHECK(seen == 3);
    const group_status stranger = d.status(address("2001:db8::1"), start);
    CHECK(stranger.group == ip_block{"2001:db8::/64"});
    CHECK(stranger.connections == 0);
    CHECK(d.counts().groups == 3);
}

TEST_CASE("groups over their limit are remembered while others come and go", "[inbound]") {
    door d{{.max_requests_per_group = 2, .max_groups = 4}};
    for (int i = 0; i < 2; ++i) CHECK(d.request("192.0.2.1") == none);
    d.block(address("192.0.2.2"), start + 30min, start);
    for (int i = 0; i < 100; ++i) CHECK(d.request("198.51.100." + std::to_string(i)) == none);
    CHECK(d.request("192.0.2.1") == refuse_reason::group_requests);
    CHECK(d.connect("192.0.2.2") == refuse_reason::blocked);
    CHECK(d.counts().groups_forgotten == 98);
    CHECK(d.counts().groups_forgotten_over_limit == 0);
    // The block ends first, the quota with the hour.
    const time_point later = start + 30min;
    CHECK(d.request("198.51.100.100", later) == none);
    CHECK(d.request("198.51.100.101", later) == none);
    CHECK(d.status(address("192.0.2.2"), later).blocked_until <= later);
    CHECK(d.request("192.0.2.1", later) == refuse_reason::group_requests);
    CHECK(d.counts().groups_forgotten_over_limit == 0);
}
