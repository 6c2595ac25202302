// How long those linger who were refused, and how many.
#include <chrono>
#include <deque>

#include "hotpool/inbound/refusal_line.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

constexpr time_point refused_at{100h};

}  // namespace

TEST_CASE("who_was_refused_lingers_until_his_time_is_over", "[inbound]") {
    refusal_line line(10);
    refused_peer one, two;
    CHECK(line.empty());
    CHECK(line.next_due() == never);
    CHECK(line.refused(one, refused_at + 2s));
    CHECK(line.refused(two, refused_at + 3s));
    CHECK(line.size() == 2);
    CHECK(line.next_due() == refused_at + 2s);
    line.time_passed(refused_at + 2s - 1ns);
    CHECK_FALSE(line.has_to_go());
    line.time_passed(refused_at + 2s);
    CHECK(line.size() == 1);
    CHECK_FALSE(line.left(one));  // too late to leave by himself
    REQUIRE(line.has_to_go());
    CHECK(line.next_to_go() == &one);
    CHECK(line.next_to_go() == nullptr);
    CHECK_FALSE(line.empty());
    CHECK(line.left(two));
    CHECK_FALSE(line.left(two));
    CHECK(line.empty());
    CHECK(line.cut() == 0);
}

TEST_CASE("where_one_is_too_many_the_oldest_goes", "[inbound]") {
    refusal_line line(2);
    std::deque<refused_peer> all(4);
    for (refused_peer& r : all) CHECK(line.refused(r, refused_at + 2s));
    CHECK(line.size() == 2);
    CHECK(line.cut() == 2);
    CHECK(line.next_to_go() == &all[0]);
    CHECK(line.next_to_go() == &all[1]);
    line.limit(0);
    refused_peer last;
    CHECK_FALSE(line.refused(last, refused_at + 2s));
    CHECK(line.left(all[2]));
    CHECK(line.left(all[3]));
}

TEST_CASE("a_shorter_time_that_is_set_later_waits_for_those_before", "[inbound]") {
    refusal_line line(2);
    refused_peer one, two;
    CHECK(line.refused(one, refused_at + 2s));
    CHECK(line.refused(two, refused_at + 1s));
    line.time_passed(refused_at + 1s);
    CHECK_FALSE(line.has_to_go());
    line.time_passed(refused_at + 2s);
    CHECK(line.next_to_go() == &one);
    CHECK(line.next_to_go() == &two);
}

TEST_CASE("a_line_that_is_stopped_lets_everyone_go_and_nobody_in", "[inbound]") {
    refusal_line line(2);
    refused_peer one, two;
    CHECK(line.refused(one, never));
    line.stop();
    CHECK(line.next_to_go() == &one);
    CHECK_FALSE(line.refused(two, never));
    CHECK(line.empty());
}
