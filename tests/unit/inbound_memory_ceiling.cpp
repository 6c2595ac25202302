// Who is to go when requests and replies take too much memory.
#include <chrono>
#include <deque>
#include <random>
#include <vector>

#include "hotpool/inbound/memory_ceiling.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{100h};

/// Holders that keep nothing any more at the end.
struct ceiling_bench {
    explicit ceiling_bench(std::size_t bytes) : ceiling(bytes) {}
    ~ceiling_bench() {
        for (memory_holder& h : holders) ceiling.keeps(h, 0, false, start);
        CHECK(ceiling.kept() == 0);
        CHECK(ceiling.leaving() == 0);
    }
    memory_holder& keep(std::size_t bytes, time_point since, bool in_use = false) {
        holders.emplace_back();
        ceiling.keeps(holders.back(), bytes, in_use, since);
        return holders.back();
    }

    memory_ceiling ceiling;
    std::deque<memory_holder> holders;
};

}  // namespace

TEST_CASE("nobody_leaves_below_the_ceiling", "[inbound]") {
    ceiling_bench b(1000);
    b.keep(400, start);
    b.keep(600, start);
    CHECK(b.ceiling.next_to_leave(start + 1h) == nullptr);
    CHECK(b.ceiling.kept() == 1000);
    ceiling_bench none(0);
    none.keep(static_cast<std::size_t>(-1) / 2, start);
    CHECK(none.ceiling.next_to_leave(start + 1h) == nullptr);
}

TEST_CASE("who_has_kept_most_for_longest_leaves_first", "[inbound]") {
    ceiling_bench b(1000);
    SECTION("the larger of two that came together") {
        b.keep(300, start);
        memory_holder& larger = b.keep(800, start);
        CHECK(b.ceiling.next_to_leave(start + 1s) == &larger);
    }
    SECTION("the older of two that are as large") {
        memory_holder& older = b.keep(600, start);
        b.keep(600, start + 1s);
        CHECK(b.ceiling.next_to_leave(start + 2s) == &older);
    }
    SECTION("a stalled one before a larger one that is quick") {
        memory_holder& stalled = b.keep(200, start);
        b.keep(900, start + 10s);
        CHECK(b.ceiling.next_to_leave(start + 10s + 10ms) == &stalled);
    }
    SECTION("what has grown counts since it began") {
        memory_holder& grown = b.keep(1, start);
        b.keep(600, start + 5s);
        b.ceiling.keeps(grown, 600, false, start + 9s);
        CHECK(b.ceiling.next_to_leave(start + 9s) == &grown);
    }
}

TEST_CASE("who_is_leaving_makes_room_and_leaves_once", "[inbound]") {
    ceiling_bench b(1000);
    memory_holder& first = b.keep(700, start);
    memory_holder& second = b.keep(700, start + 1s);
    b.keep(700, start + 2s);
    CHECK(b.ceiling.next_to_leave(start + 3s) == &first);
    CHECK(b.ceiling.next_to_leave(start + 3s) == &second);
    CHECK(b.ceiling.next_to_leave(start + 3s) == nullptr);
    CHECK(b.ceiling.leaving() == 1400);
    b.ceiling.keeps(first, 0, false, start + 4s);
    CHECK(b.ceiling.leaving() == 700);
    b.ceiling.keeps(first, 200, false, start + 4s);  // as another one: it is not leaving any more
    CHECK(b.ceiling.leaving() == 700);
    CHECK(b.ceiling.kept() == 1600);
    CHECK(b.ceiling.next_to_leave(start + 4s) == nullptr);
}

TEST_CASE("what_is_in_use_is_counted_and_left_alone", "[inbound]") {
    ceiling_bench b(1000);
    memory_holder& used = b.keep(5000, start, true);
    memory_holder& small = b.keep(10, start + 1s);
    CHECK(b.ceiling.next_to_leave(start + 1s) == &small);
    CHECK(b.ceiling.next_to_leave(start + 1s) == nullptr);
    b.ceiling.keeps(used, 5000, false, start + 2s);
    CHECK(b.ceiling.next_to_leave(start + 2s) == &used);
}

TEST_CASE("who_was_to_leave_and_stays_is_replaced_by_another", "[inbound]") {
    ceiling_bench b(1000);
    memory_holder& first = b.keep(700, start);
    memory_holder& second = b.keep(700, start + 1s);
    CHECK(b.ceiling.next_to_leave(start + 3s) == &first);
    b.ceiling.keeps(first, 700, true, start + 3s);
    CHECK(b.ceiling.next_to_leave(start + 3s) == nullptr);
    b.ceiling.stays(first);
    CHECK(b.ceiling.leaving() == 0);
    CHECK(b.ceiling.next_to_leave(start + 3s) == &second);
}

TEST_CASE("random_holders_are_added_up_right", "[inbound]") {
    std::mt19937 random(1);
    ceiling_bench b(50'000);
    for (int i = 0; i < 50; ++i) b.holders.emplace_back();
    std::vector<memory_holder*> leaving;
    time_point now = start;
    for (int round = 0; round < 20'000; ++round) {
        now += 1ms;
        memory_holder& h = b.holders[random() % b.holders.size()];
        b.ceiling.keeps(h, random() % 3 == 0 ? 0 : random() % 5000, random() % 4 == 0, now);
        std::erase_if(leaving, [](const memory_holder* l) { return l->bytes() == 0; });
        while (memory_holder* const next = b.ceiling.next_to_leave(now)) leaving.push_back(next);
        std::size_t kept = 0, on_the_way = 0;
        for (const memory_holder& each : b.holders) kept += each.bytes();
        for (const memory_holder* each : leaving) on_the_way += each->bytes();
        REQUIRE(b.ceiling.kept() == kept);
        REQUIRE(b.ceiling.leaving() == on_the_way);
    }
}
