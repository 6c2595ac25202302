// The heap of deadlines against a linear search.
#include <algorithm>
#include <deque>
#include <vector>

#include "hotpool/base/deadline_heap.hpp"
#include "hotpool/base/random.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

struct item : base::heap_hook {};

time_point at(std::uint64_t ms) { return time_point{std::chrono::milliseconds(ms)}; }

}  // namespace

TEST_CASE("empty_heap_is_never_due", "[base]") {
    base::deadline_heap<item> heap;
    CHECK(heap.empty());
    CHECK(heap.top() == nullptr);
    CHECK(heap.top_key() == never);
    CHECK(heap.check());
}

TEST_CASE("heap_hands_out_the_earliest_first", "[base]") {
    base::deadline_heap<item> heap;
    std::deque<item> items(100);
    base::random_source dice(3);
    for (item& i : items) heap.insert(i, at(dice.next() % 50));
    REQUIRE(heap.check());
    time_point last = at(0);
    while (item* top = heap.top()) {
        CHECK(top->key >= last);
        CHECK(heap.top_key() == top->key);
        last = top->key;
        heap.remove(*top);
        CHECK_FALSE(top->in_heap());
    }
    CHECK(heap.empty());
}

TEST_CASE("heap_agrees_with_a_linear_search_whatever_is_done", "[base]") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        base::random_source dice(seed);
        base::deadline_heap<item> heap;
        std::deque<item> items(1 + dice.next() % 40);
        std::vector<item*> inside;
        for (int step = 0; step < 400; ++step) {
            item& one = items[dice.next() % items.size()];
            const time_point key = at(dice.next() % 30);
            if (!one.in_heap()) {
                heap.insert(one, key);
                inside.push_back(&one);
            } else if (dice.next() % 2 == 0) {
                heap.rekey(one, key);
            } else {
                heap.remove(one);
                inside.erase(std::find(inside.begin(), inside.end(), &one));
            }
            time_point earliest = never;
            for (const item* i : inside) earliest = std::min(earliest, i->key);
            const bool agrees =
                heap.check() && heap.size() == inside.size() && heap.top_key() == earliest &&
                std::all_of(inside.begin(), inside.end(), [](const item* i) { return i->in_heap(); });
            if (!agrees) FAIL("seed " << seed << ", step " << step);
        }
    }
}

TEST_CASE("heap_notices_a_key_changed_behind_its_back", "[base]") {
    base::deadline_heap<item> heap;
    std::deque<item> items(3);
    for (std::size_t i = 0; i < 3; ++i) heap.insert(items[i], at(10 + i));
    items[2].key = at(1);
    CHECK_FALSE(heap.check());
}

TEST_CASE("heap_inserts_without_allocation_up_to_what_was_reserved", "[base]") {
    base::deadline_heap<item> heap;
    std::deque<item> items(64);
    heap.reserve_for(items.size());
    const auto before = testing::allocations();
    for (item& i : items) heap.insert(i, at(5));
    for (item& i : items) heap.remove(i);
    CHECK(testing::allocations() == before);
}
