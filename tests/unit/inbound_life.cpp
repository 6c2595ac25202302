// The life of an accepted connection as a table, its limits, and the names of what happens to it.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <set>
#include <string>
#include <system_error>

#include "hotpool/inbound/inbound_event.hpp"
#include "hotpool/inbound/inbound_stats.hpp"
#include "hotpool/inbound/life_options.hpp"
#include "hotpool/inbound/life_state.hpp"
#include "hotpool/policy/policies.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// The labels of an enumeration with values from 0 on, `unknown` for those that have none.
template <class Enumeration>
std::set<std::string> labels(std::size_t count) {
    std::set<std::string> all;
    for (std::size_t i = 0; i < count; ++i) all.insert(to_string(static_cast<Enumeration>(i)));
    return all;
}

template <class Enumeration>
void check_labels(std::size_t count) {
    const std::set<std::string> all = labels<Enumeration>(count);
    CHECK(all.size() == count);
    CHECK(all.count("unknown") == 0);
    CHECK(std::string(to_string(static_cast<Enumeration>(count))) == "unknown");
}

std::string complaint(const life_options& options) {
    return refusal_of([&] { validate(options); });
}

}  // namespace

TEST_CASE("life_goes_forward_and_begins_again_when_it_is_over", "[inbound]") {
    for (std::size_t from = 0; from < life_state_count; ++from)
        for (std::size_t to = 0; to < life_state_count; ++to) {
            CAPTURE(from, to);
            const auto a = static_cast<life_state>(from), b = static_cast<life_state>(to);
            const bool forward = to > from;
            const bool again = a == life_state::closed && b == life_state::accepted;
            CHECK(may_follow(a, b) == (forward || again));
        }
}

TEST_CASE("every_state_reason_and_event_has_a_label_of_its_own", "[inbound]") {
    check_labels<life_state>(life_state_count);
    check_labels<close_reason>(close_reason_count);
    check_labels<refuse_reason>(refuse_reason_count);
    check_labels<inbound_event_kind>(inbound_event_kind_count);
}

TEST_CASE("level_of_an_event_says_what_recovery_means", "[inbound]") {
    using kind = inbound_event_kind;
    const auto levels = [](std::initializer_list<kind> kinds, inbound_level level) {
        for (const kind k : kinds) {
            CAPTURE(to_string(k));
            CHECK(level_of(k) == level);
        }
        return kinds.size();
    };
    const std::size_t seen =
        levels({kind::connection_opened, kind::connection_refused, kind::handshake_failed, kind::connection_ended},
               inbound_level::connection) +
        levels({kind::group_blocked, kind::group_recovered}, inbound_level::group) +
        levels({kind::accepting_paused, kind::accepting_resumed, kind::listener_lost, kind::listener_reopened,
                kind::resources_short, kind::resources_recovered, kind::alarm_raised, kind::alarm_cleared,
                kind::draining, kind::drained},
               inbound_level::whole);
    CHECK(seen == inbound_event_kind_count);
}

TEST_CASE("events_are_kept_in_order_for_who_listens_and_for_nobody_else", "[inbound]") {
    inbound_event_queue events;
    events.add({.kind = inbound_event_kind::draining});
    CHECK(events.empty());
    events.listen(true);
    events.add({.kind = inbound_event_kind::draining});
    events.add({.kind = inbound_event_kind::connection_ended, .closed = close_reason::drained});
    const auto told = events.take();
    REQUIRE(told.size() == 2);
    CHECK(told[0].kind == inbound_event_kind::draining);
    CHECK(told[1].closed == close_reason::drained);
    CHECK(events.take().empty());
}

TEST_CASE("defaults_of_the_limits_are_sound", "[inbound]") {
    CHECK(complaint({}) == "accepted");
    CHECK(complaint({.handshake_timeout = 0s,
                     .request_timeout = 0s,
                     .handler_timeout = 0s,
                     .reply_timeout = 0s,
                     .idle_timeout = 0s,
                     .lifetime_jitter = 1,
                     .max_missed_heartbeats = 1,
                     .linger_timeout = 0s,
                     .max_linger_bytes = 0}) == "accepted");
    // So that a pool with hotpool's own defaults closes an idle connection before its server does.
    CHECK(life_options{}.idle_timeout > pool_options{}.idle_timeout);
}

TEST_CASE("limits_out_of_range_are_refused_by_name", "[inbound]") {
    const auto names = [](const life_options& options, const std::string& field) {
        CHECK(complaint(options).find("life_options::" + field + " must ") != std::string::npos);
    };
    names({.handshake_timeout = -1ns}, "handshake_timeout");
    names({.request_timeout = -1ns}, "request_timeout");
    names({.handler_timeout = -1ns}, "handler_timeout");
    names({.reply_timeout = -1ns}, "reply_timeout");
    names({.idle_timeout = -1ns}, "idle_timeout");
    names({.max_lifetime = -1ns}, "max_lifetime");
    names({.lifetime_jitter = -0.01}, "lifetime_jitter");
    names({.lifetime_jitter = 1.01}, "lifetime_jitter");
    names({.lifetime_jitter = std::numeric_limits<double>::quiet_NaN()}, "lifetime_jitter");
    names({.heartbeat_interval = -1ns}, "heartbeat_interval");
    names({.max_missed_heartbeats = 0}, "max_missed_heartbeats");
    names({.linger_timeout = -1ns}, "linger_timeout");
}

TEST_CASE("policies_of_a_pool_are_made_from_the_limits_of_a_server", "[inbound]") {
    const pool_options o = inbound::detail::as_pool_options(
        {.idle_timeout = 7s, .max_lifetime = 100s, .lifetime_jitter = 0.5, .max_requests = 3});
    CHECK(idle_timeout(o).limit({}) == 7s);
    CHECK(max_lifetime(o).life(0.0) == 50s);
    CHECK_FALSE(max_requests(o).spent(2));
    CHECK(max_requests(o).spent(3));
    CHECK_NOTHROW(validate(o));
}

TEST_CASE("statistics_are_told_in_one_line", "[inbound]") {
    inbound_stats s{.now = {.accepted = 1, .handshaking = 2, .open = 3, .draining = 4}};
    s.total.accepted = 70;
    s.total.connection_refused(refuse_reason::denied);
    s.total.connection_refused(refuse_reason::half_open);
    CHECK(describe(s) ==
          "10 connections (1 accepted, 2 handshaking, 3 open, 4 draining), 70 accepted in all, 2 refused");
    s.short_of_resources = s.alarm = s.draining = true;
    CHECK(describe(s).find("2 refused; short of resources; alarm; draining") != std::string::npos);
    CHECK(s.now.half_open() == 3);
    CHECK(s.total.refused_for(refuse_reason::denied) == 1);
}

TEST_CASE("handshakes_are_counted_by_their_errors", "[inbound]") {
    inbound_counters n;
    n.handshake_failed(errc::certificate_missing);
    n.handshake_failed(errc::connection_reset);
    n.handshake_failed(std::make_error_code(std::errc::io_error));
    CHECK(n.handshake_failures_for(errc::certificate_missing) == 1);
    CHECK(n.handshake_failures_for(errc::certificate_expired) == 0);
    CHECK(n.handshake_failures.back() == 2);
}

TEST_CASE("spans_are_counted_in_whole_microseconds", "[inbound]") {
    CHECK(in_microseconds(1999ns) == 1);
    CHECK(in_microseconds(-1s) == 0);
    CHECK(in_microseconds(duration::max()) == 9'223'372'036'854'775);
}
