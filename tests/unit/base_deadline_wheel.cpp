// The wheel of deadlines against a linear search.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "hotpool/base/deadline_wheel.hpp"
#include "hotpool/base/random.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

struct item : base::wheel_hook {};

using wheel_type = base::deadline_wheel<item>;

constexpr time_point start{100h};

time_point at(std::uint64_t ms) { return start + std::chrono::milliseconds(ms); }

/// Up to 36 years: every order of magnitude is as likely as any other.
duration some_span(base::random_source& dice) {
    const std::uint64_t limit = std::uint64_t{1} << dice.next() % 61;
    return duration{static_cast<duration::rep>(dice.next() % limit)};
}

/// A wheel, and a list of what is in it.
class random_walk {
public:
    random_walk(std::uint64_t seed, std::size_t items) : dice_(seed), items_(items) {
        if (seed % 2 == 0) wheel_.now_is(now_);
    }

    /// Null as long as wheel and list agree.
    const char* step() {
        const std::uint64_t kind = dice_.next() % 8;
        if (kind > 1) {
            change(items_[dice_.next() % items_.size()]);
        } else {
            // To the earliest, just before it, or anywhere; sometimes a little back, as a coarse clock does.
            const time_point earliest = earliest_inside();
            if (kind == 0 && earliest > now_ && earliest != never)
                now_ = earliest - duration{static_cast<duration::rep>(dice_.next() % 2)};
            else
                now_ = base::after(now_, some_span(dice_) / (dice_.next() % 4 == 0 ? 1 : 4096));
            if (now_ > never - 24h * 365 * 40) now_ = start;
            if (dice_.next() % 8 == 0) now_ -= std::min<duration>(10ms, now_.time_since_epoch());
            if (const char* told = take_all_due()) return told;
        }
        if (!wheel_.check()) return "check()";
        if (wheel_.size() != inside_.size() || wheel_.empty() != inside_.empty()) return "size";
        if (wheel_.next() > earliest_inside()) return "next() too late";
        return nullptr;
    }

private:
    time_point earliest_inside() const {
        time_point earliest = never;
        for (const item* i : inside_) earliest = std::min(earliest, i->key);
        return earliest;
    }
    void change(item& one) {
        const time_point key =
            dice_.next() % 16 == 0 ? now_ - some_span(dice_) / 4 : base::after(now_, some_span(dice_));
        if (!one.in_wheel()) {
            wheel_.insert(one, key);
            inside_.push_back(&one);
        } else if (dice_.next() % 2 == 0) {
            wheel_.rekey(one, key);
        } else {
            wheel_.remove(one);
            std::erase(inside_, &one);
        }
    }
    const char* take_all_due() {
        while (item* i = wheel_.take_due(now_)) {
            if (std::erase(inside_, i) != 1) return "one that is not inside";
            if (i->in_wheel()) return "still inside";
            if (i->key > now_) return "too early";
            if (dice_.next() % 4 == 0) change(items_[dice_.next() % items_.size()]);
        }
        if (earliest_inside() <= now_) return "too late";
        if (wheel_.next() <= now_) return "next() has passed";
        return nullptr;
    }

    base::random_source dice_;
    time_point now_ = start;
    wheel_type wheel_;
    std::deque<item> items_;
    std::vector<item*> inside_;
};

}  // namespace

TEST_CASE("empty_wheel_is_never_due", "[base]") {
    wheel_type wheel;
    CHECK(wheel.empty());
    CHECK(wheel.next() == never);
    CHECK(wheel.take_due(never) == nullptr);
    CHECK(wheel.check());
}

TEST_CASE("wheel_hands_out_what_is_due_and_knows_the_next", "[base]") {
    wheel_type wheel;
    wheel.now_is(start);
    std::deque<item> items(8);
    const duration spans[] = {1ns, 1ms, 1ms + 1ns, 20ms, 1s, 1min, 1h, 24h * 400};
    for (std::size_t i = 0; i < 8; ++i) wheel.insert(items[7 - i], start + spans[7 - i]);
    for (std::size_t i = 0; i < 8; ++i) {
        CAPTURE(i);
        CHECK(wheel.next() == start + spans[i]);
        CHECK(wheel.take_due(start + spans[i] - 1ns) == nullptr);
        CHECK(wheel.take_due(start + spans[i]) == &items[i]);
        CHECK_FALSE(items[i].in_wheel());
        CHECK(wheel.take_due(start + spans[i]) == nullptr);
        CHECK(wheel.check());
    }
    CHECK(wheel.empty());
    CHECK(wheel.next() == never);
}

TEST_CASE("wheel_knows_the_time_of_an_only_element_moved_back", "[base]") {
    wheel_type wheel;
    wheel.now_is(start);
    item only;
    wheel.insert(only, at(1));
    wheel.rekey(only, at(500));
    CHECK(wheel.next() == at(500));
    wheel.remove(only);
    CHECK(wheel.next() == never);
}

TEST_CASE("wheel_takes_every_time_there_is", "[base]") {
    const time_point times[] = {
        time_point::min(), time_point{-1ns}, time_point{}, time_point{1ns}, start - 1h, start, never - 1ns, never};
    for (const time_point begin : {time_point::min(), time_point{}, start, never - 24h * 365, never}) {
        CAPTURE(begin.time_since_epoch().count());
        wheel_type wheel;
        wheel.now_is(begin);
        std::deque<item> items(8);
        for (std::size_t i = 0; i < 8; ++i) wheel.insert(items[i], times[i]);
        REQUIRE(wheel.check());
        for (std::size_t i = 0; i < 8; ++i) {
            CAPTURE(i);
            CHECK(wheel.next() <= times[i]);
            CHECK(wheel.take_due(times[i]) == &items[i]);
            CHECK(wheel.take_due(times[i]) == nullptr);
            CHECK(wheel.check());
        }
        CHECK(wheel.empty());
    }
}

TEST_CASE("wheel_hands_out_the_earliest_first_however_late_it_is_asked", "[base]") {
    wheel_type wheel;
    wheel.now_is(start);
    std::deque<item> items(1000);
    base::random_source dice(3);
    for (item& i : items) wheel.insert(i, start + some_span(dice) / 512);  // not beyond the lap
    time_point last = start;
    while (const item* i = wheel.take_due(never)) {
        CHECK(i->key > last - 2ms);
        last = i->key;
    }
    CHECK(wheel.empty());
}

TEST_CASE("wheel_agrees_with_a_linear_search_whatever_is_done", "[base]") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        random_walk walk(seed, 1 + seed % 40);
        for (int step = 0; step < 1000; ++step)
            if (const char* told = walk.step()) FAIL("seed " << seed << ", step " << step << ": " << told);
    }
}

TEST_CASE("a_crowd_in_the_wheel_is_found_by_a_few_looks", "[base]") {
    wheel_type wheel;
    wheel.now_is(start);
    std::deque<item> items(1000);
    for (item& i : items) wheel.insert(i, at(3'600'000));
    item first;
    wheel.insert(first, at(1));
    REQUIRE(wheel.take_due(at(1)) == &first);
    int looks = 0;
    time_point now = at(1);
    for (; wheel.size() == items.size(); ++looks) {
        REQUIRE(wheel.take_due(now) == nullptr);
        REQUIRE(wheel.next() > now);
        now = wheel.next();
        if (now == at(3'600'000)) REQUIRE(wheel.take_due(now) != nullptr);
    }
    CHECK(looks <= 10);
    while (wheel.take_due(now) != nullptr) {
    }
    CHECK(wheel.empty());
}

TEST_CASE("wheel_notices_a_key_changed_behind_its_back", "[base]") {
    wheel_type wheel;
    wheel.now_is(start);
    std::deque<item> items(3);
    for (std::size_t i = 0; i < 3; ++i) wheel.insert(items[i], at(10 + 10 * i));
    REQUIRE(wheel.check());
    const time_point moved = GENERATE(at(1), at(12));
    items[2].key = moved;
    CHECK_FALSE(wheel.check());
}

TEST_CASE("wheel_allocates_nothing", "[base]") {
    const auto before = test::allocations();
    wheel_type wheel;
    std::array<item, 64> items;
    for (std::size_t i = 0; i < items.size(); ++i) wheel.insert(items[i], at(1ull << i % 40));
    while (wheel.take_due(never) != nullptr) {
    }
    CHECK(test::allocations() == before);
}
