// The alarm for errors: raised once, cleared once, and at random against a list of all that happened.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/base/random.hpp"
#include "hotpool/inbound/error_alarm.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{100h};
constexpr error_alarm_options limits{.window = 10s, .min_events = 4, .raise_at = 0.5, .clear_below = 0.25};

std::string complaint(const error_alarm_options& options) {
    return refusal_of([&] { error_alarm{options}; });
}

}  // namespace

TEST_CASE("alarm_is_raised_once_when_enough_has_gone_wrong", "[inbound]") {
    error_alarm a(limits);
    CHECK(a.next_deadline() == never);
    for (int i = 0; i < 3; ++i) CHECK(a.error_seen(start) == alarm_change::none);  // too little to say anything
    CHECK(a.error_seen(start) == alarm_change::raised);
    CHECK(a.error_seen(start) == alarm_change::none);
    CHECK(a.is_raised());
    CHECK(a.share() == 1.0);
}

TEST_CASE("alarm_is_cleared_well_below_where_it_is_raised", "[inbound]") {
    error_alarm a(limits);
    for (int i = 0; i < 2; ++i) a.success_seen(start);
    a.error_seen(start);
    CHECK(a.error_seen(start) == alarm_change::raised);
    for (int i = 0; i < 4; ++i) CHECK(a.success_seen(start) == alarm_change::none);  // to a quarter
    CHECK(a.success_seen(start) == alarm_change::cleared);
    CHECK_FALSE(a.is_raised());
    CHECK(a.error_seen(start) == alarm_change::none);
}

TEST_CASE("alarm_is_cleared_when_nothing_happens_any_more", "[inbound]") {
    error_alarm a(limits);
    for (int i = 0; i < 4; ++i) a.error_seen(start);
    time_point now = start;
    int looks = 0;
    alarm_change told = alarm_change::none;
    for (; told == alarm_change::none && looks < 100; ++looks) {
        REQUIRE(a.next_deadline() > now);
        now = a.next_deadline();
        told = a.time_passed(now);
    }
    CHECK(told == alarm_change::cleared);
    CHECK(now == start + 10s);
    CHECK(looks == 10);
    CHECK(a.next_deadline() == never);
}

TEST_CASE("alarm_that_no_share_clears_is_cleared_when_there_are_no_errors", "[inbound]") {
    error_alarm a({.window = 10s, .min_events = 1, .clear_below = 0});
    a.error_seen(start);
    CHECK(a.time_passed(start + 9s) == alarm_change::none);
    CHECK(a.time_passed(start + 10s) == alarm_change::cleared);
}

TEST_CASE("alarm_that_is_off_says_nothing", "[inbound]") {
    error_alarm a({.min_events = 0});
    for (int i = 0; i < 1000; ++i) CHECK(a.error_seen(start) == alarm_change::none);
    CHECK(a.time_passed(start + 1h) == alarm_change::none);
}

TEST_CASE("alarm_agrees_with_a_list_of_all_that_happened", "[inbound]") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        base::random_source dice(seed);
        error_alarm a(limits);
        std::vector<std::pair<duration::rep, bool>> all;  // the second in which it happened, and whether it went wrong
        time_point now = start, latest = start;
        bool raised = false;
        for (int step = 0; step < 3000; ++step) {
            const std::uint64_t kind = dice.next() % 8;
            if (kind == 0) now += std::chrono::milliseconds(dice.next() % 4000);
            if (kind == 1 && dice.next() % 16 == 0) now += 1h;
            if (kind == 2) now -= 10ms;
            latest = std::max(latest, now);
            const duration::rep second = latest.time_since_epoch() / 1s;
            alarm_change told;
            if (kind < 4) {
                told = a.time_passed(now);
            } else {
                const bool wrong = dice.next() % 100 < (seed % 10) * 10;
                all.emplace_back(second, wrong);
                told = wrong ? a.error_seen(now) : a.success_seen(now);
            }
            std::size_t events = 0, errors = 0;
            for (const auto& [when, wrong] : all)
                if (when > second - 10) ++events, errors += wrong;
            const bool before = raised;
            if (raised)
                raised = errors != 0 && errors * 4 >= events;
            else
                raised = events >= 4 && errors * 2 >= events;
            if (a.is_raised() != raised) FAIL("seed " << seed << ", step " << step << ": raised");
            if (told != (before == raised ? alarm_change::none : raised ? alarm_change::raised : alarm_change::cleared))
                FAIL("seed " << seed << ", step " << step << ": change");
        }
    }
}

TEST_CASE("alarm_options_out_of_range_are_refused_by_name", "[inbound]") {
    const auto names = [](const error_alarm_options& options, const std::string& field) {
        CHECK(complaint(options).find("error_alarm_options::" + field + " must") != std::string::npos);
    };
    CHECK(complaint({}) == "accepted");
    CHECK(complaint({.window = 10ns, .raise_at = 1, .clear_below = 1}) == "accepted");
    names({.window = 9ns}, "window");
    names({.raise_at = 0}, "raise_at");
    names({.raise_at = 1.01}, "raise_at");
    names({.raise_at = std::numeric_limits<double>::quiet_NaN()}, "raise_at");
    names({.raise_at = 0.5, .clear_below = 0.6}, "clear_below");
    names({.clear_below = -0.1}, "clear_below");
}
