// What is short, how much fails, who fails too often, and what is told of that.
#include <chrono>
#include <string>
#include <vector>

#include "hotpool/inbound/recovery.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{100h};

acceptor_options options() {
    acceptor_options o;
    o.resources = {.check_interval = 1s};
    o.alarm = {.window = 10s, .min_events = 4, .raise_at = 0.5, .clear_below = 0.25};
    o.health = {.errors_to_block = 3, .window = 10s, .block_for = 30s};
    return o;
}

std::string told(recovery& r) {
    std::string all;
    for (const inbound_event& e : r.take_events()) all += (all.empty() ? "" : " ") + std::string(to_string(e.kind));
    return all;
}

const peer_group group = *ip_block::parse("192.0.2.1/32");

}  // namespace

TEST_CASE("the_process_is_looked_at_at_once_and_then_now_and_again", "[inbound]") {
    recovery r(options());
    CHECK(r.wants_usage());
    r.usage_asked();
    CHECK_FALSE(r.wants_usage());
    CHECK(r.next_due() == never);
    CHECK(r.usage_read({50, 100, 0, 0}, start) == resource_change::none);
    CHECK(r.next_due() == start + 1s);
    r.time_passed(start + 999ms);
    CHECK_FALSE(r.wants_usage());
    r.time_passed(start + 1s);
    CHECK(r.wants_usage());
    CHECK(r.next_due() == never);  // until it has been looked at
}

TEST_CASE("who_guards_nothing_looks_at_nothing", "[inbound]") {
    acceptor_options o = options();
    o.resources.check_interval = 0s;
    recovery r(o);
    CHECK_FALSE(r.wants_usage());
    CHECK(r.next_due() == never);
    CHECK(r.usage_read({99, 100, 0, 0}, start) == resource_change::none);
    CHECK_FALSE(r.is_short());
}

TEST_CASE("shortage_and_its_end_are_told_once", "[inbound]") {
    recovery r(options());
    r.listen(true);
    CHECK(r.usage_read({89, 100, 0, 0}, start) == resource_change::none);
    CHECK(r.descriptor_taken() == resource_change::became_short);
    CHECK(r.descriptor_taken() == resource_change::none);
    CHECK(r.is_short());
    CHECK(told(r) == "resources_short");
    while (r.is_short()) r.descriptor_given_back();
    CHECK(r.usage().descriptors_used == 84);
    CHECK(told(r) == "resources_recovered");
}

TEST_CASE("the_alarm_is_raised_and_cleared_once", "[inbound]") {
    recovery r(options());
    r.listen(true);
    r.success_seen(start);
    for (int i = 0; i < 3; ++i) r.error_seen(start, errc::handshake_failed);
    CHECK(r.alarms_now());
    CHECK(r.alarms() == 1);
    CHECK(told(r) == "alarm_raised");
    CHECK(r.next_due() <= start + 1s);
    r.time_passed(start + 11s);
    CHECK_FALSE(r.alarms_now());
    CHECK(told(r) == "alarm_cleared");
    CHECK(r.alarms() == 1);
}

TEST_CASE("a_group_with_too_many_errors_is_to_be_blocked", "[inbound]") {
    recovery r(options());
    CHECK(r.group_error_seen(group, start) == 0s);
    CHECK(r.group_error_seen(group, start) == 0s);
    CHECK(r.group_error_seen(*ip_block::parse("192.0.2.2/32"), start) == 0s);
    CHECK(r.group_error_seen(group, start) == 30s);
    CHECK(r.group_error_seen(group, start) == 0s);  // anew
}

TEST_CASE("with_new_options_everything_begins_anew", "[inbound]") {
    recovery r(options());
    r.listen(true);
    r.usage_asked();
    r.usage_read({95, 100, 0, 0}, start);
    for (int i = 0; i < 4; ++i) r.error_seen(start, errc::handshake_failed);
    for (int i = 0; i < 2; ++i) r.group_error_seen(group, start);
    CHECK(told(r) == "resources_short alarm_raised");
    CHECK(r.options_changed(options(), start + 1ms) == resource_change::recovered);
    CHECK(told(r) == "resources_recovered alarm_cleared");
    CHECK_FALSE(r.is_short());
    CHECK_FALSE(r.alarms_now());
    CHECK(r.next_due() == start + 1ms);
    CHECK(r.group_error_seen(group, start) == 0s);
    CHECK(r.options_changed(options(), start + 2ms) == resource_change::none);
    CHECK(told(r).empty());
}

TEST_CASE("without_memory_an_event_or_an_error_is_lost_and_nothing_else", "[inbound]") {
    recovery r(options());
    r.listen(true);
    {
        const test::scarce_memory none(0);
        for (int i = 0; i < 4; ++i) r.error_seen(start, errc::handshake_failed);
        CHECK(r.group_error_seen(group, start) == 0s);
    }
    CHECK(r.alarms_now());
    CHECK_FALSE(r.has_events());
    CHECK(r.group_error_seen(group, start) == 0s);
    CHECK(r.group_error_seen(group, start) == 0s);
    CHECK(r.group_error_seen(group, start) == 30s);
}
