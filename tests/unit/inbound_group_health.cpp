// Groups that make too many errors: when they are blocked, what is remembered.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "hotpool/base/random.hpp"
#include "hotpool/inbound/group_health.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{100h};
constexpr group_health_options limits{.errors_to_block = 3, .window = 10s, .block_for = 20s};

ip_block group(unsigned char n) { return ip_address{std::array<unsigned char, 4>{10, 0, 0, n}}; }

std::string complaint(const group_health_options& options) {
    return refusal_of([&] { group_health{options}; });
}

}  // namespace

TEST_CASE("group_with_too_many_errors_is_blocked_once", "[inbound]") {
    group_health h(limits);
    CHECK(h.error_seen(group(1), start) == group_verdict::go_on);
    CHECK(h.error_seen(group(2), start) == group_verdict::go_on);
    CHECK(h.error_seen(group(1), start + 9s) == group_verdict::go_on);
    CHECK(h.error_seen(group(1), start + 10s - 1ns) == group_verdict::block);
    CHECK(h.error_seen(group(1), start + 10s - 1ns) == group_verdict::go_on);  // it begins anew
    CHECK(h.size() == 2);
}

TEST_CASE("errors_that_are_long_ago_do_not_count", "[inbound]") {
    group_health h(limits);
    h.error_seen(group(1), start);
    h.error_seen(group(1), start + 9s);
    CHECK(h.error_seen(group(1), start + 10s) == group_verdict::go_on);
    CHECK(h.error_seen(group(1), start + 11s) == group_verdict::go_on);
    CHECK(h.error_seen(group(1), start + 12s) == group_verdict::block);
}

TEST_CASE("group_whose_last_error_is_longest_ago_is_forgotten_for_another", "[inbound]") {
    group_health_options few = limits;
    few.max_groups = 2;
    group_health h(few);
    h.error_seen(group(1), start);
    h.error_seen(group(2), start + 1s);
    h.error_seen(group(1), start + 2s);
    h.error_seen(group(3), start + 3s);
    CHECK(h.size() == 2);
    CHECK(h.error_seen(group(1), start + 4s) == group_verdict::block);
    h.error_seen(group(3), start + 5s);
    CHECK(h.error_seen(group(3), start + 5s) == group_verdict::block);
}

TEST_CASE("however_many_groups_err_memory_is_bounded", "[inbound]") {
    group_health_options few = limits;
    few.max_groups = 10;
    group_health h(few);
    for (int round = 0; round < 3; ++round)
        for (unsigned n = 0; n < 250; ++n) h.error_seen(group(static_cast<unsigned char>(n)), start);
    CHECK(h.size() <= 10);
}

TEST_CASE("without_memory_errors_are_counted_on_as_far_as_they_were", "[inbound]") {
    group_health h(limits);
    for (const std::size_t known : {0u, 1u}) {
        const auto err = [&] { h.error_seen(group(1), start + 1s * static_cast<int>(known)); };
        CHECK(until_memory_lasts(err, [&] { CHECK(h.size() == known); }) != 0);
    }
    CHECK(h.error_seen(group(1), start + 2s) == group_verdict::block);
}

TEST_CASE("health_that_is_off_blocks_nobody_and_remembers_nothing", "[inbound]") {
    group_health h({.errors_to_block = 0});
    for (int i = 0; i < 1000; ++i) CHECK(h.error_seen(group(1), start) == group_verdict::go_on);
    CHECK(h.size() == 0);
}

TEST_CASE("verdicts_on_groups_agree_with_their_rule_whatever_is_told", "[inbound]") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        base::random_source dice(seed);
        group_health h(limits);
        struct tally {
            unsigned errors = 0;
            time_point first{};
        };
        std::map<unsigned char, tally> all;
        time_point now = start;
        for (int step = 0; step < 2000; ++step) {
            now += std::chrono::milliseconds(dice.next() % 1000);
            const auto n = static_cast<unsigned char>(dice.next() % 6);
            tally& t = all[n];
            if (t.errors == 0 || now >= t.first + 10s) t = {0, now};
            const bool block = ++t.errors == 3;
            if (block) t = {};
            if ((h.error_seen(group(n), now) == group_verdict::block) != block)
                FAIL("seed " << seed << ", step " << step);
        }
    }
}

TEST_CASE("health_options_out_of_range_are_refused_by_name", "[inbound]") {
    CHECK(complaint({}) == "accepted");
    CHECK(complaint({.window = 0s}).find("group_health_options::window must") != std::string::npos);
    CHECK(complaint({.window = 366 * 24h, .block_for = duration::max()}) == "accepted");
    // Of groups whose errors never end, none could make room for others.
    CHECK(complaint({.window = 366 * 24h + 1ns}).find("group_health_options::window must") != std::string::npos);
    CHECK(complaint({.block_for = 0s}).find("group_health_options::block_for must") != std::string::npos);
    CHECK(complaint({.max_groups = 0}).find("group_health_options::max_groups must") != std::string::npos);
}
