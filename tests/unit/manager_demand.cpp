// How many openings are begun: numbers in, a number out.
#include "hotpool/manager/demand.hpp"
#include "hotpool/policy/pool_options.hpp"
#include "support/catch.hpp"
#include "support/names.hpp"

using namespace hotpool;
using namespace hotpool::detail;

namespace {

/// Room and pace for more than any row asks.
constexpr demand roomy(demand d) {
    if (d.at_once == 0) d.at_once = 100;
    if (d.room == 0) d.room = 100;
    return d;
}

}  // namespace

TEST_CASE("openings_are_as_many_as_callers_have_none", "[manager]") {
    struct {
        const char* when;
        demand d;
        openings expected;
    } const table[] = {
        {"nobody wants anything", {}, {0, 0}},
        {"a caller waits", {.waiting = 1}, {1, 0}},
        {"an opening is under way for him", {.waiting = 1, .opening = 1, .promising = 1}, {0, 0}},
        {"it is overtaken: nobody counts on it", {.waiting = 1, .opening = 1, .promising = 0}, {1, 0}},
        {"a connection is back in a moment", {.waiting = 1, .tending = 1}, {0, 0}},
        {"more are back than wait", {.waiting = 1, .tending = 5}, {0, 0}},
        {"some are back in a moment", {.waiting = 5, .tending = 2, .opening = 1, .promising = 1}, {2, 0}},
        {"more openings than callers, who have gone", {.waiting = 1, .opening = 3, .promising = 3}, {0, 0}},
        {"min_idle is lacking", {.kept = 1, .min_idle = 3}, {2, 0}},
        {"min_idle is there", {.kept = 3, .min_idle = 3}, {0, 0}},
        {"more than min_idle", {.kept = 9, .min_idle = 3}, {0, 0}},
        {"callers and min_idle", {.waiting = 2, .kept = 1, .min_idle = 2, .opening = 1, .promising = 1}, {2, 0}},
        {"a warm-up", {.warm_left = 4}, {4, 4}},
        {"a warm-up beside callers", {.waiting = 2, .warm_left = 4}, {6, 4}},
        {"a warm-up beside openings", {.warm_left = 4, .opening = 2, .promising = 2}, {4, 4}},
        {"the pace allows one", {.waiting = 5, .at_once = 1}, {1, 0}},
        {"the pace is reached", {.waiting = 5, .opening = 2, .promising = 2, .at_once = 2}, {0, 0}},
        {"the pace was lowered", {.waiting = 5, .opening = 4, .promising = 0, .at_once = 2}, {0, 0}},
        {"there is room for one", {.waiting = 5, .room = 1}, {1, 0}},
        {"callers come before the warm-up", {.waiting = 2, .warm_left = 4, .room = 3}, {3, 1}},
        {"failing: one is tried for nobody", {.at_once = 1, .failing = true}, {1, 0}},
        {"failing: one after the other", {.opening = 1, .at_once = 1, .failing = true}, {0, 0}},
        {"failing, and a warm-up asks", {.warm_left = 2, .at_once = 1, .failing = true}, {1, 1}},
        {"failing, and a caller asks", {.waiting = 1, .warm_left = 2, .at_once = 1, .failing = true}, {1, 0}},
        {"suspended", {.waiting = 3, .warm_left = 2, .suspended = true, .failing = true}, {0, 0}},
    };
    for (const auto& row : table) {
        CAPTURE(row.when);
        CHECK(num_openings(roomy(row.d)) == row.expected);
    }
    CHECK(num_openings({.waiting = 3, .at_once = 5}) == openings{0, 0});  // no room
}

TEST_CASE("demand_without_bound_overflows_nowhere", "[manager]") {
    const demand d{.waiting = no_limit,
                   .min_idle = no_limit,
                   .warm_left = no_limit,
                   .opening = 7,
                   .promising = 7,
                   .at_once = no_limit,
                   .room = no_limit};
    CHECK(num_openings(d) == openings{no_limit - 7, 0});
    CHECK(num_openings({.warm_left = no_limit, .at_once = no_limit, .room = no_limit}) == openings{no_limit, no_limit});
}

TEST_CASE("room_is_lacking_when_some_caller_cannot_have_a_new_connection", "[manager]") {
    CHECK_FALSE(lacks_room(0, 0, 0));
    CHECK(lacks_room(1, 0, 0));
    CHECK_FALSE(lacks_room(1, 1, 0));
    CHECK_FALSE(lacks_room(1, 0, 1));
    CHECK(lacks_room(3, 1, 1));
    CHECK_FALSE(lacks_room(no_limit, 1, no_limit));
}
