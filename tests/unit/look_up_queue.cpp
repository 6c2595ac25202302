// Which name is looked up when: one look-up for each, silent names that take nobody's turn, refusals.
#include <chrono>
#include <string>
#include <vector>

#include "hotpool/transport/look_up_queue.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

using hotpool::detail::look_up_limits;
using look_ups = hotpool::detail::look_up_queue<int>;
using admission = look_ups::admission;

const look_up_limits narrow{.quick = 2, .slow = 2, .waiting = 3, .slow_after = 1s, .longest_wait = 5s};

struct look_up_bench {
    explicit look_up_bench(const look_up_limits& limits = narrow) : queue(limits) {}

    admission ask(const std::string& host, bool fresh = false) { return queue.asked(host, ++asker, fresh, now); }
    /// The host whose look-up begins, "refused", or "".
    std::string next() {
        const look_ups::order o = queue.next(now);
        if (o.begun != nullptr) return begun.push_back(o.begun), o.begun->host;
        if (o.refused.empty()) return "";
        told = o.refused;
        return "refused";
    }
    std::string begin(const std::string& host) {
        ask(host);
        return next();
    }
    void end(std::size_t i) {
        told = queue.ended(*begun.at(i), now);
        begun.erase(begun.begin() + static_cast<std::ptrdiff_t>(i));
    }
    /// Its last look-up took long.
    void make_slow(const std::string& host) {
        REQUIRE(begin(host) == host);
        now += 1s;
        end(begun.size() - 1);
    }

    look_ups queue;
    time_point now{1h};
    int asker = 0;
    std::vector<look_ups::look_up*> begun;
    std::vector<int> told;
};

}  // namespace

TEST_CASE("name_is_looked_up_once_for_all_who_ask_meanwhile", "[resolver]") {
    look_up_bench b;
    CHECK(b.ask("a") == admission::waits);
    CHECK(b.ask("a") == admission::joined);
    REQUIRE(b.next() == "a");
    CHECK(b.ask("a") == admission::joined);
    CHECK(b.next() == "");
    b.end(0);
    CHECK(b.told == std::vector{1, 2, 3});
    CHECK(b.ask("a") == admission::waits);  // what it was then says nothing about now
    CHECK(b.queue.total().joined == 2);
    CHECK(b.queue.total().begun == 1);
}

TEST_CASE("look_ups_begin_in_the_order_of_asking_while_there_are_places", "[resolver]") {
    look_up_bench b;
    for (const char* host : {"a", "b", "c", "d"})
        CHECK(b.ask(host) == (host[0] < 'd' ? admission::waits : admission::refused));
    CHECK(b.next() == "a");
    CHECK(b.next() == "b");
    CHECK(b.next() == "");
    b.now += 10ms;
    b.end(0);
    CHECK(b.next() == "c");
    CHECK(b.queue.total().refused == 1);
    CHECK_FALSE(b.queue.anybody_waits());
    CHECK(b.queue.next_due(b.now) == never);
}

TEST_CASE("silent_names_give_up_their_places_to_the_next_one", "[resolver]") {
    look_up_bench b;
    REQUIRE(b.begin("silent1") == "silent1");
    REQUIRE(b.begin("silent2") == "silent2");
    b.now += 400ms;
    CHECK(b.begin("good") == "");
    CHECK(b.queue.next_due(b.now) == b.now + 600ms);
    b.now += 600ms;
    CHECK(b.queue.slow(b.now) == 2);
    CHECK(b.next() == "good");
    CHECK(b.begin("other") == "other");
}

TEST_CASE("name_known_to_be_slow_takes_no_place_of_quick_ones", "[resolver]") {
    look_up_bench b;
    for (const char* host : {"slow1", "slow2", "slow3"}) b.make_slow(host);
    CHECK(b.begin("slow1") == "slow1");
    CHECK(b.begin("slow2") == "slow2");
    CHECK(b.begin("slow3") == "");
    CHECK(b.begin("good1") == "good1");  // though it has come later
    CHECK(b.begin("good2") == "good2");
    b.end(0);
    CHECK(b.next() == "slow3");
}

TEST_CASE("name_is_forgiven_by_a_quick_look_up_or_with_time", "[resolver]") {
    look_up_bench b({.quick = 9, .slow = 1, .slow_after = 1s, .longest_wait = 5min, .slow_memory = 1min});
    b.make_slow("a");
    b.make_slow("b");
    REQUIRE(b.begin("a") == "a");
    CHECK(b.begin("b") == "");
    SECTION("a quick look-up") {
        b.end(0);
        CHECK(b.next() == "b");  // in the place of slow ones
        CHECK(b.begin("a") == "a");
    }
    SECTION("time") {
        b.now += 1min;
        REQUIRE(b.begin("c") == "c");
        b.end(1);  // which is when memory is looked through
        CHECK(b.next() == "b");
    }
}

TEST_CASE("name_that_does_not_have_its_turn_in_time_is_refused_in_the_end", "[resolver]") {
    look_up_bench b;
    for (const char* host : {"silent1", "silent2"}) REQUIRE(b.begin(host) == host);
    b.now += 1s;
    for (const char* host : {"silent3", "silent4"}) REQUIRE(b.begin(host) == host);
    b.now += 1s;  // four hang, and there is room for no more slow ones
    REQUIRE(b.begin("good") == "");
    b.ask("good");
    b.now += 4s;
    CHECK(b.begin("late") == "");
    CHECK(b.queue.next_due(b.now) == b.now + 1s);
    b.now += 1s;
    CHECK(b.next() == "refused");
    CHECK(b.told == std::vector{5, 6});
    CHECK(b.next() == "");
    CHECK(b.queue.total().refused == 2);
    // One place is enough for a look-up to begin, whatever else hangs.
    b.end(0);
    CHECK(b.next() == "late");
}

TEST_CASE("one_whose_turn_has_come_is_looked_up_however_late", "[resolver]") {
    look_up_bench b;
    for (const char* host : {"silent1", "silent2", "good"}) b.begin(host);
    b.now += 10s;
    CHECK(b.next() == "good");
}

TEST_CASE("fresh_answer_is_not_that_of_a_look_up_that_has_begun", "[resolver]") {
    look_up_bench b;
    REQUIRE(b.begin("a") == "a");
    CHECK(b.ask("a", true) == admission::waits);
    CHECK(b.ask("a", true) == admission::joined);  // this one has not begun
    CHECK(b.next() == "a");
    CHECK(b.ask("a") == admission::joined);
    SECTION("each has its own askers") {
        b.end(0);
        CHECK(b.told == std::vector{1});
        b.end(0);
        CHECK(b.told == std::vector{2, 3, 4});
    }
    SECTION("a name has two look-ups at most") {
        b.now += 2s;  // so that it is not the places that lack
        CHECK(b.ask("a", true) == admission::waits);
        CHECK(b.next() == "");
        b.end(0);
        CHECK(b.next() == "a");
    }
}

TEST_CASE("question_without_memory_has_not_been_asked", "[resolver]") {
    look_up_bench b;
    const std::string long_name(100, 'x');
    const auto refused = until_memory_lasts([&] { b.queue.asked(long_name, 1, false, b.now); },
                                            [&] { CHECK_FALSE(b.queue.anybody_waits()); });
    CHECK(refused > 2);
    CHECK(b.next() == long_name);
    {
        const scarce_memory none(0);
        b.now += 2s;
        b.end(0);  // that it was slow is not remembered
    }
    CHECK(b.told.size() == 1);
    CHECK(b.begin(long_name) == long_name);
}
