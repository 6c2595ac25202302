// A heap against a list that is looked through.
#include <algorithm>
#include <deque>
#include <random>
#include <vector>

#include "hotpool/base/skew_heap.hpp"
#include "support/catch.hpp"

using namespace hotpool;

namespace {

struct heaped : base::heap_hook<heaped> {
    explicit heaped(int n) : number(n) {}
    int number;
};
struct smaller {
    bool operator()(const heaped& a, const heaped& b) const { return a.number < b.number; }
};

}  // namespace

TEST_CASE("the_first_of_a_heap_is_the_least_whatever_comes_and_goes") {
    std::mt19937 random(1);
    for (int round = 0; round < 50; ++round) {
        base::skew_heap<heaped, smaller> heap;
        CHECK(heap.first() == nullptr);
        std::deque<heaped> all;
        std::vector<heaped*> in;
        for (int step = 0; step < 300; ++step) {
            if (in.empty() || random() % 5 < 3) {
                in.push_back(&all.emplace_back(static_cast<int>(random() % 100)));
                heap.insert(*in.back());
            } else {
                const std::size_t place = random() % in.size();
                heap.remove(*in[place]);
                in.erase(in.begin() + static_cast<std::ptrdiff_t>(place));
            }
            const auto least = std::min_element(in.begin(), in.end(),
                                                [](const heaped* a, const heaped* b) { return a->number < b->number; });
            REQUIRE((heap.first() == nullptr) == in.empty());
            if (!in.empty()) REQUIRE(heap.first()->number == (*least)->number);
        }
        int before = -1;
        while (heaped* const next = heap.first()) {
            REQUIRE(next->number >= before);
            before = next->number;
            heap.remove(*next);
            in.erase(std::find(in.begin(), in.end(), next));
        }
        CHECK(in.empty());
    }
}
