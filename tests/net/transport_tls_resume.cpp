// TLS sessions go on with from one connection of a pool to the next.
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/connection_pool.hpp"
#include "support/catch.hpp"
#include "support/mock_transport.hpp"
#include "support/resume_test.hpp"

using namespace hotpool;
using namespace hotpool::test;

static_assert(counting_transport<tls_transport>);
static_assert(!counting_transport<tcp_transport> && !counting_transport<mock_transport>);

namespace {

void without_tickets(SSL_CTX* context) { SSL_CTX_set_options(context, SSL_OP_NO_TICKET); }

}  // namespace

TEST_CASE("tls_resume_an_opening_goes_on_with_an_earlier_session_by_ticket_or_by_id") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const bool tickets = GENERATE(true, false);
    resume_server server(speaking(version, tickets ? resume_server::prepare{} : without_tickets));
    visitor v(server);
    CHECK_FALSE(v.visit());
    CHECK(v.visit());
    CHECK(v.visit());
    CHECK(server.log.resumed() == std::vector{false, true, true});
    const transport_stats s = v.stats();
    CHECK(s.handshakes == 3);
    CHECK(s.resumed == 2);
    CHECK(s.sessions_offered == 2);
    CHECK(s.sessions_refused == 0);
    CHECK(s.sessions_rejected == 0);
    CHECK(s.sessions_cached != 0);
    CHECK(server.log.early_data() == 0);
}

TEST_CASE("tls_resume_a_tls_1_3_ticket_is_used_once_and_early_data_is_never_sent") {
    const auto inviting = [](SSL_CTX* context) { SSL_CTX_set_max_early_data(context, 16384); };
    resume_server server(speaking(TLS1_3_VERSION, inviting));
    visitor v(server, trusting(), {.max_idle = 0});
    v.visit();
    for (int round = 0; round < 5; ++round) {
        // More at once than there are tickets.
        std::vector<tls_pool::lease_type> leases;
        std::vector<got<tls_pool>> answers(4);
        for (auto& answer : answers) v.pool.async_get(answer.handler());
        for (auto& answer : answers) REQUIRE(run_until(v.io, [&] { return answer.done(); }));
        for (auto& answer : answers) CHECK(round_trip(v.io, answer.lease, "hello") == "hello");
    }
    std::multiset<std::string> tickets;
    for (const std::string& ticket : server.log.offered())
        if (!ticket.empty()) tickets.insert(ticket);
    CHECK(tickets.size() >= 5);
    for (const std::string& ticket : tickets) CHECK(tickets.count(ticket) == 1);
    CHECK(v.stats().resumed == tickets.size());
    CHECK(server.log.early_data() == 0);
}

TEST_CASE("tls_resume_a_tls_1_2_session_serves_many") {
    resume_server server(speaking(TLS1_2_VERSION));
    visitor v(server, {.ca_pem = test_root().certificate_pem(), .session_cache_size = 1});
    v.visit();
    for (int i = 0; i < 4; ++i) CHECK(v.visit());
    CHECK(v.stats().sessions_cached == 1);
    const std::vector<std::string> offered = server.log.offered();
    CHECK(std::set<std::string>(offered.begin() + 1, offered.end()).size() == 1);
}

TEST_CASE("tls_resume_tickets_are_taken_in_while_a_connection_lies_idle_and_leave_it_alone") {
    resume_server server(speaking(TLS1_3_VERSION));
    visitor v(server, trusting(), {});
    v.pool.async_warm(1, [](std::error_code) {});
    CHECK(run_until(v.io, [&] { return v.stats().sessions_cached == 2; }));
    CHECK(v.pool.stats().now == connection_counts{.idle = 1});
    auto first = get(v.io, v.pool);
    CHECK_FALSE(first.stream().resumed());
    CHECK(round_trip(v.io, first, "hello") == "hello");
    auto second = get(v.io, v.pool);
    CHECK(second.stream().resumed());
    CHECK(v.pool.stats().total.opened == 2);
}

TEST_CASE("tls_resume_a_connection_closed_before_its_tickets_came_leaves_none") {
    resume_server server(speaking(TLS1_3_VERSION));
    net::io_context io;
    const tls_transport transport(server.target(), trusting());
    auto opened = open(io, transport);
    REQUIRE_FALSE(opened.error);
    opened.stream->close();
    CHECK(transport.stats().sessions_cached == 0);
    CHECK(transport.stats().handshakes == 1);
    CHECK(tls_transport(transport).stats().handshakes == 1);
}

TEST_CASE("tls_resume_a_connection_cut_by_this_side_spoils_no_session") {
    const auto sparing = [](SSL_CTX* context) { SSL_CTX_set_num_tickets(context, 1); };
    resume_server server(speaking(GENERATE(TLS1_2_VERSION, TLS1_3_VERSION), sparing));
    net::io_context io;
    const tls_transport transport(server.target(), trusting());
    for (int i = 0; i < 3; ++i) {
        auto opened = open(io, transport);
        REQUIRE_FALSE(opened.error);
        REQUIRE_FALSE(write_all(io, *opened.stream, "x"));
        REQUIRE(read_exactly(io, *opened.stream, 1) == "x");
        if (i == 1) opened.stream->abort();
    }
    CHECK(transport.stats().resumed == 2);
}

TEST_CASE("tls_resume_no_more_sessions_are_kept_than_the_option_says") {
    const auto generous = [](SSL_CTX* context) { SSL_CTX_set_num_tickets(context, 8); };
    resume_server server(speaking(TLS1_3_VERSION, generous));
    SECTION("three") {
        visitor v(server, {.ca_pem = test_root().certificate_pem(), .session_cache_size = 3});
        v.visit();
        CHECK(v.stats().sessions_cached == 3);
        CHECK(v.visit());
    }
    SECTION("none") {
        visitor v(server, {.ca_pem = test_root().certificate_pem(), .session_cache_size = 0});
        CHECK_FALSE(v.visit());
        CHECK_FALSE(v.visit());
        CHECK(v.stats().sessions_cached == 0);
        CHECK(v.stats().sessions_offered == 0);
        CHECK(v.stats().handshakes == 2);
        CHECK(server.log.offered() == std::vector<std::string>(2));
    }
    SECTION("too many") {
        const tls_options bad{.session_cache_size = 4097};
        CHECK_THROWS_WITH(tls_transport(server.target(), bad),
                          "hotpool::tls_options::session_cache_size must be at most 4096");
    }
}

TEST_CASE("tls_resume_pools_do_not_share_sessions") {
    resume_server server(speaking(GENERATE(TLS1_2_VERSION, TLS1_3_VERSION)));
    visitor one(server);
    visitor other(server);
    CHECK_FALSE(one.visit());
    CHECK_FALSE(other.visit());
    CHECK(one.visit());
    CHECK(other.visit());
    CHECK(one.stats().handshakes == 2);
}

TEST_CASE("tls_resume_a_server_with_new_ticket_keys_costs_a_handshake_in_full_no_failure") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    resume_server server(speaking(version));
    visitor v(server, {.ca_pem = test_root().certificate_pem(), .session_cache_size = 1});
    v.visit();
    server.restart(speaking(version));
    CHECK_FALSE(v.visit());
    CHECK(v.stats().sessions_offered == 1);
    CHECK(v.stats().sessions_refused == 1);
    CHECK(v.stats().sessions_rejected == 0);
    CHECK(v.visit());
    CHECK(v.stats().sessions_refused == 1);
    CHECK(v.pool.stats().total.open_failures == 0);
}

TEST_CASE("tls_resume_a_server_that_changes_its_version_costs_a_handshake_in_full_no_failure") {
    const bool newer = GENERATE(false, true);
    resume_server server(speaking(newer ? TLS1_2_VERSION : TLS1_3_VERSION));
    visitor v(server);
    v.visit();
    server.restart(speaking(newer ? TLS1_3_VERSION : TLS1_2_VERSION));
    CHECK_FALSE(v.visit());
    CHECK(v.visit());
    CHECK(v.stats().sessions_rejected == 0);
    CHECK(v.pool.stats().total.open_failures == 0);
}

TEST_CASE("tls_resume_a_session_that_the_server_renews_replaces_the_one_offered") {
    // Asks for a new ticket each time, as servers do whose keys rotate.
    const auto renewing = [](SSL_CTX* context) {
        const auto renew = [](SSL*, SSL_SESSION*, const unsigned char*, std::size_t, SSL_TICKET_STATUS status,
                              void*) -> SSL_TICKET_RETURN {
            const bool known = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
            return known ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_IGNORE_RENEW;
        };
        SSL_CTX_set_session_ticket_cb(
            context, [](SSL*, void*) { return 1; }, renew, nullptr);
    };
    resume_server server(speaking(TLS1_2_VERSION, renewing));
    visitor v(server);
    v.visit();
    for (int i = 0; i < 3; ++i) CHECK(v.visit());
    const std::vector<std::string> offered = server.log.offered();
    CHECK(std::set<std::string>(offered.begin(), offered.end()).size() == 4);
    CHECK(v.stats().resumed == 3);
}
