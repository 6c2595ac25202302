// What the plans of the network and of an origin decide, and that they decide the same again.
#include "support/fault_plan.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "support/catch.hpp"
#include "support/fault_origin_plan.hpp"

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
    int hung_up = 0, mute = 0;
    for (int i = 0; i < 10'000; ++i) {
        const fault what = plan.next_opening();
        hung_up += what == fault::hang_up;
        mute += what == fault::mute;
    }
    CHECK(std::min(hung_up, mute) > 400);
    CHECK(hung_up + mute < 1'100);
}

TEST_CASE("origin_answers_in_each_wrong_way_to_those_whom_it_suits", "[faults]") {
    const bool asks_first = GENERATE(false, true);
    const bool is_long = GENERATE(false, true);
    origin_plan plan(1, 20);
    std::map<fault, int> met;
    for (int i = 0; i < 10'000; ++i) ++met[plan.next_answer(asks_first, is_long)];
    CHECK(met.size() == (asks_first ? 6 : 4));
    for (const fault early : {fault::early_success, fault::early_close, fault::early_refusal}) CHECK(met[early] > 40);
    CHECK((met[fault::consent_withheld] > 500) == asks_first);
    CHECK((met[fault::expectation_failed] > 500) == asks_first);
    CHECK(met[fault::none] > 5'000);
    CHECK((met[fault::none] < 7'000) == (asks_first || is_long));
}

TEST_CASE("origin_speaks_unasked_and_leaves_after_a_probe_as_often_as_was_asked_for", "[faults]") {
    origin_plan plan(1, 20);
    int unsolicited = 0, last = 0;
    for (int i = 0; i < 10'000; ++i) {
        unsolicited += plan.next_unsolicited().has_value();
        last += plan.next_probe() == fault::last_probe;
    }
    CHECK(unsolicited > 150);
    CHECK(unsolicited < 250);
    CHECK(last > 3'500);
    CHECK(last < 4'500);
}

TEST_CASE("origin_wants_a_certificate_for_several_handshakes_in_a_row", "[faults]") {
    origin_plan plan(1, 20);
    int wanted = 0, in_a_row = 0, early = 0;
    bool before = false;
    for (int i = 0; i < 10'000; ++i) {
        const handshake_order order = plan.next_handshake();
        wanted += order.wants_certificate;
        in_a_row += order.wants_certificate && before;
        early += order.speaks_tls12;
        before = order.wants_certificate;
    }
    CHECK(wanted > 400);
    CHECK(wanted < 900);
    CHECK(in_a_row > wanted / 2);
    CHECK(early > wanted / 3);
    CHECK(early < wanted * 2 / 3);
}

TEST_CASE("origin_without_faults_does_no_wrong", "[faults]") {
    origin_plan plan(1, 0);
    for (int i = 0; i < 1'000; ++i) {
        CHECK(plan.next_answer(true, true) == fault::none);
        CHECK(plan.next_probe() == fault::none);
        CHECK_FALSE(plan.next_unsolicited());
        CHECK_FALSE(plan.next_handshake().wants_certificate);
    }
}
