// What the fault plan decides, and that it decides the same again.
#include "support/fault_plan.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "support/catch.hpp"

using namespace hotpool::test;

namespace {

const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

using decision = std::tuple<fault, std::size_t, bool, std::chrono::microseconds>;
decision next(fault_plan& plan, way w, bool tls = false) {
    const fault_order order = plan.next(w, response, tls);
    return {order.what, order.at, order.after, order.wait};
}

}  // namespace

TEST_CASE("one_way_meets_the_same_faults_whatever_the_other_does", "[faults]") {
    fault_plan one(7, 300), other(7, 300), third(8, 300);
    std::vector<decision> first, second, differing;
    for (int i = 0; i < 200; ++i) {
        first.push_back(next(one, way::down));
        if (i % 3 == 0) next(other, way::up);
        second.push_back(next(other, way::down));
        differing.push_back(next(third, way::down));
    }
    CHECK(first == second);
    CHECK(first != differing);
}

TEST_CASE("every_fault_of_a_way_has_its_turn_as_often_as_was_asked_for", "[faults]") {
    fault_plan plan(1, 100);
    const way w = GENERATE(way::up, way::down);
    std::set<fault> met;
    int struck = 0;
    for (int i = 0; i < 10'000; ++i) {
        const fault_order order = plan.next(w, response, true);
        met.insert(order.what);
        struck += order.what != fault::none;
        CHECK(order.at < response.size());
    }
    CHECK(met.size() == (w == way::up ? 7 : 9));  // `none` included, and never `refuse`
    CHECK(met.count(fault::corrupt) == (w == way::down ? 1 : 0));
    CHECK(struck > 900);
    CHECK(struck < 1'100);
}

TEST_CASE("plan_without_faults_has_none", "[faults]") {
    fault_plan plan(1, 0);
    for (int i = 0; i < 1'000; ++i) CHECK(plan.next(way::down, response, true).what == fault::none);
}

TEST_CASE("only_what_must_be_noticed_is_corrupted", "[faults]") {
    CHECK(fault_plan::corruptible(response, true) == response.size());
    CHECK(fault_plan::corruptible(response, false) == std::string("HTTP/1.1 200").size());
    CHECK(fault_plan::corruptible("the rest of a body", false) == 0);
    CHECK(fault_plan::corruptible("HTTP/1.1", false) == 0);
}

TEST_CASE("connections_are_hung_up_on_and_left_in_silence_as_often_as_was_asked_for", "[faults]") {
    fault_plan plan(1, 100);
    int hung_up = 0, mute = 0, unsolicited = 0;
    for (int i = 0; i < 10'000; ++i) {
        const fault what = plan.next_opening();
        hung_up += what == fault::hang_up;
        mute += what == fault::mute;
        unsolicited += plan.next_unsolicited().has_value();
    }
    CHECK(std::min(hung_up, mute) > 400);
    CHECK(hung_up + mute < 1'100);
    CHECK(unsolicited > 900);
    CHECK(unsolicited < 1'100);
}
