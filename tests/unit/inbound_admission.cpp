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
using namespace hotpool::test;
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

TEST_CASE("a_connection_is_counted_half_open_for_its_group_and_in_total_until_it_ends", "[inbound]") {
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

TEST_CASE("a_group_has_as_many_connections_as_it_may_and_another_its_own", "[inbound]") {
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

TEST_CASE("the_total_and_the_handshakes_have_limits_of_their_own", "[inbound]") {
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

TEST_CASE("a_limit_of_zero_is_none", "[inbound]") {
    door d{{.max_connections_per_group = 0, .max_connections = 0, .max_handshakes = 0, .max_requests_per_group = 0}};
    for (int i = 0; i < 300; ++i) REQUIRE(d.connect("192.0.2.1") == none);
    for (int i = 0; i < 5000; ++i) REQUIRE(d.request(d.tickets[0]) == none);
}

TEST_CASE("a_verdict_names_the_first_reason_that_applies", "[inbound]") {
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

TEST_CASE("the_access_list_decides_with_entries_that_end", "[inbound]") {
    door d;
    d.access().deny(ip_block{"192.0.2.0/24"}, start + 1h);
    CHECK(d.connect("192.0.2.1") == refuse_reason::denied);
    CHECK(d.connect("::ffff:192.0.2.1") == refuse_reason::denied);
    CHECK(d.request("192.0.2.1") == refuse_reason::denied);
    CHECK(d.connect("192.0.2.1", start + 1h - 1ns) == refuse_reason::denied);
    CHECK(d.connect("192.0.2.1", start + 1h) == none);
    CHECK(d.access().size() == 0);
}

TEST_CASE("drain_refuses_connections_and_lets_requests_of_those_that_are_open_through", "[inbound]") {
    door d;
    CHECK(d.connect("192.0.2.1") == none);
    d.drain_begun();
    CHECK(d.connect("192.0.2.1") == refuse_reason::draining);
    CHECK(d.request(d.tickets[0]) == none);
    CHECK(d.request("192.0.2.7") == none);
}

TEST_CASE("a_ticket_is_given_back_once", "[inbound]") {
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

TEST_CASE("a_handshake_is_over_once", "[inbound]") {
    door d;
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.connect("192.0.2.2") == none);
    CHECK(d.handshake_done(d.tickets[0]) == ticket_use::taken);
    CHECK(d.handshake_done(d.tickets[0]) == ticket_use::taken);
    CHECK(d.counts().half_open == 1);
    d.end(0);
    CHECK(d.counts().half_open == 1);
}

TEST_CASE("a_ticket_of_another_admission_is_left_alone", "[inbound]") {
    door one, other;
    CHECK(one.connect("192.0.2.1") == none);
    CHECK(other.connect("192.0.2.1") == none);
    CHECK(one.connection_ended(other.tickets[0]) == ticket_use::foreign);
    CHECK(one.handshake_done(other.tickets[0]) == ticket_use::foreign);
    CHECK(one.request(other.tickets[0]) == refuse_reason::no_ticket);
    CHECK(one.client_named(other.tickets[0], address("192.0.2.9"), start).refused == refuse_reason::no_ticket);
    CHECK(other.tickets[0].half_open());
    CHECK(one.counts().connections == 1);
    CHECK(other.counts().connections == 1);
    CHECK(one.status(address("192.0.2.1"), start).requests_after == 0s);
    CHECK(other.request(other.tickets[0]) == none);
}

TEST_CASE("lower_limits_leave_connections_that_are_out_and_hold_for_new_ones", "[inbound]") {
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

TEST_CASE("a_lower_quota_counts_what_has_been_used", "[inbound]") {
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

TEST_CASE("without_memory_for_new_options_the_old_ones_hold", "[inbound]") {
    const admission_options old{.groups = {.v6_prefix_length = 64}, .max_connections_per_group = 1};
    door d{old};
    admission_options other{.groups = {.v6_prefix_length = 48},
                            .max_connections_per_group = 2,
                            .proxies = trusted_proxies{{ip_block{"192.0.2.0/24"}}}};
    CHECK(until_memory_lasts([&] { d.set_options(other); }, [&] { CHECK(d.options() == old); }) != 0);
    CHECK(d.options() == other);
}

TEST_CASE("groups_that_lower_limits_put_over_theirs_are_remembered_as_long_as_the_others", "[inbound]") {
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

TEST_CASE("bad_options_change_nothing", "[inbound]") {
    door d{{.max_connections_per_group = 1}};
    CHECK_THROWS_AS(d.set_options({.request_window = 0s}), std::invalid_argument);
    CHECK_THROWS_WITH(d.set_options({.max_groups = 5}),
                      "hotpool::inbound::admission_options::max_groups must stay as it was");
    CHECK(d.options() == admission_options{.max_connections_per_group = 1});
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.connect("192.0.2.1") == refuse_reason::group_connections);
    CHECK_THROWS_AS((admission{admission_options{.max_groups = 0}, start, 1}), std::invalid_argument);
}

TEST_CASE("with_another_grouping_those_that_are_out_stay_in_their_groups", "[inbound]") {
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

TEST_CASE("a_blocked_group_is_refused_until_its_time_its_neighbours_are_not", "[inbound]") {
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

TEST_CASE("a_block_may_be_made_longer_shorter_endless_and_undone", "[inbound]") {
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

TEST_CASE("a_block_of_newcomers_lets_those_ask_who_are_there", "[inbound]") {
    door d;
    CHECK(d.connect("192.0.2.1") == none);
    d.block(d.tickets[0].group(), start + 10min, start, block_reach::newcomers);
    CHECK(d.connect("192.0.2.1") == refuse_reason::blocked);
    CHECK(d.request("192.0.2.1") == refuse_reason::blocked);  // of a client behind a proxy
    CHECK(d.request(d.tickets[0]) == none);
    d.block(d.tickets[0].group(), start + 10min, start);
    CHECK(d.request(d.tickets[0]) == refuse_reason::blocked);
}

TEST_CASE("a_request_that_is_not_metered_spends_no_quota_and_needs_none", "[inbound]") {
    door d{{.max_requests_per_group = 1}};
    CHECK(d.connect("192.0.2.1") == none);
    const auto free = [&](auto whose) { return d.request_offered(whose, start, metering::off).refused; };
    const auto by_ticket = [&] { return d.request_offered(d.tickets[0], start, metering::off).refused; };
    for (int i = 0; i < 5; ++i) {
        CHECK(by_ticket() == none);
        CHECK(free(address("192.0.2.1")) == none);
    }
    CHECK(d.request(d.tickets[0]) == none);
    CHECK(d.request(d.tickets[0]) == refuse_reason::group_requests);
    CHECK(by_ticket() == none);
    CHECK(free(address("192.0.2.1")) == none);
    // What keeps a group out does.
    d.block(address("192.0.2.1"), start + 1h, start);
    CHECK(by_ticket() == refuse_reason::blocked);
    CHECK(free(address("192.0.2.1")) == refuse_reason::blocked);
    d.access().deny(address("192.0.2.2"));
    CHECK(free(address("192.0.2.2")) == refuse_reason::denied);
}

TEST_CASE("only_a_group_can_be_blocked", "[inbound]") {
    door d;
    CHECK(d.block(ip_block{"192.0.2.0/24"}, never, start) == block_result::not_a_group);
    CHECK(d.block(ip_block{"2001:db8::/63"}, never, start) == block_result::not_a_group);
    CHECK(d.counts().groups == 0);
    CHECK(d.block(ip_block{"2001:db8::/80"}, never, start) == block_result::blocked);
    CHECK(d.connect("2001:db8::ffff:0:0:1") == refuse_reason::blocked);
    CHECK(d.block(ip_block{"::ffff:192.0.2.1"}, never, start) == block_result::blocked);
    CHECK(d.connect("192.0.2.1") == refuse_reason::blocked);
}

TEST_CASE("a_group_that_is_not_known_cannot_be_blocked_while_all_that_are_have_connections", "[inbound]") {
    door d{{.max_groups = 1}};
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.block(address("192.0.2.2"), never, start) == block_result::table_full);
    CHECK(d.block(address("192.0.2.1"), never, start) == block_result::blocked);
}

TEST_CASE("a_proxys_connections_are_not_held_to_the_limit_of_a_group", "[inbound]") {
    door d{
        {.max_connections_per_group = 1, .max_connections = 5, .proxies = trusted_proxies{{ip_block{"10.0.0.0/8"}}}}};
    for (int i = 0; i < 4; ++i) CHECK(d.connect("10.0.0.1") == none);
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.connect("10.0.0.1") == refuse_reason::total_connections);
    d.end(0);
    CHECK(d.connect("192.0.2.1") == refuse_reason::group_connections);
}

TEST_CASE("a_connection_counts_for_the_client_that_its_proxy_names", "[inbound]") {
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

TEST_CASE("requests_are_counted_for_the_group_by_ticket_and_by_address_alike", "[inbound]") {
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

TEST_CASE("a_group_keeps_its_count_of_requests_when_its_connections_come_and_go", "[inbound]") {
    door d{{.max_requests_per_group = 3}};
    for (int i = 0; i < 3; ++i) {
        CHECK(d.connect("192.0.2.1") == none);
        CHECK(d.request(d.tickets[0]) == none);
        d.end(0);
    }
    CHECK(d.connect("192.0.2.1") == none);
    CHECK(d.request(d.tickets[0]) == refuse_reason::group_requests);
}

TEST_CASE("every_group_that_is_remembered_can_be_seen", "[inbound]") {
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

TEST_CASE("groups_over_their_limit_are_remembered_while_others_come_and_go", "[inbound]") {
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
