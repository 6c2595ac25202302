// Quotas of requests: what each way of counting admits, to the nanosecond, and when it says to come back.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <random>
#include <type_traits>

#include <hotpool/inbound/request_quota.hpp>

#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

/// An hour began at it, though not a full one since the clock's own beginning.
constexpr time_point hour{5000h + 17min + 3s};

constexpr quota_options per_hour(std::uint32_t requests) { return {requests, 1h, hour}; }

/// One group and its quota.
template <class Quota>
struct group {
    explicit group(const quota_options& o) : quota(o) {}

    bool request(time_point now) {
        if (quota.wait(state, now) > 0s) return false;
        quota.count(state, now);
        return true;
    }
    /// How many of `tries` at one moment are admitted.
    int burst(int tries, time_point now) {
        int admitted = 0;
        while (tries-- > 0) admitted += request(now);
        return admitted;
    }
    duration wait(time_point now) const { return quota.wait(state, now); }
    /// Whether what `wait` says now is the first moment at which a request is admitted.
    bool says_right_moment(time_point now) const {
        const duration w = wait(now);
        return w > 0s && quota.wait(state, now + w - 1ns) == 1ns && quota.wait(state, now + w) == 0s;
    }

    Quota quota;
    typename Quota::state state;
};

struct fits {
    struct state {};
    explicit fits(const quota_options&) {}
    duration wait(const state&, time_point) const noexcept { return {}; }
    void count(state&, time_point) const noexcept {}
};
struct cannot_be_made : fits {
    cannot_be_made() : fits(quota_options{}) {}
};
struct may_throw : fits {
    using fits::fits;
    duration wait(const state&, time_point) const { return {}; }
};
struct says_yes_or_no : fits {
    using fits::fits;
    bool wait(const state&, time_point) const noexcept { return {}; }
};
struct remembers_on_the_heap : fits {
    using fits::fits;
    using state = std::deque<time_point>;
    duration wait(const state&, time_point) const noexcept { return {}; }
    void count(state&, time_point) const noexcept {}
};
static_assert(request_quota<fixed_window> && request_quota<sliding_window> && request_quota<token_bucket>);
static_assert(request_quota<fits>);
static_assert(!request_quota<cannot_be_made>);
static_assert(!request_quota<may_throw>);
static_assert(!request_quota<says_yes_or_no>);
static_assert(!request_quota<remembers_on_the_heap>);

}  // namespace

TEMPLATE_TEST_CASE("a_quota_admits_as_many_as_it_says_and_refuses_the_next", "[inbound]", fixed_window, sliding_window,
                   token_bucket) {
    group<TestType> g{per_hour(1000)};
    CHECK(g.burst(1200, hour + 10min) == 1000);
    CHECK(g.says_right_moment(hour + 10min));
    CHECK(g.wait(hour + 10min) <= 1h + 5min);
}

TEMPLATE_TEST_CASE("what_is_refused_is_not_counted", "[inbound]", fixed_window, sliding_window, token_bucket) {
    group<TestType> g{per_hour(3)};
    CHECK(g.burst(3, hour) == 3);
    const duration wait = g.wait(hour);
    CHECK(g.burst(100, hour + 1min) == 0);
    CHECK(g.wait(hour) == wait);
    CHECK(g.request(hour + wait));
}

TEMPLATE_TEST_CASE("after_a_long_pause_a_quota_is_whole_again", "[inbound]", fixed_window, sliding_window,
                   token_bucket) {
    group<TestType> g{per_hour(10)};
    CHECK(g.burst(20, hour) == 10);
    CHECK(g.burst(20, hour + 24h * 365 * 100) == 10);
}

TEMPLATE_TEST_CASE("a_quota_works_at_the_clocks_beginning_and_before_it", "[inbound]", fixed_window, sliding_window,
                   token_bucket) {
    for (const time_point start : {time_point{}, time_point{-30min}, time_point{-24h * 365}}) {
        group<TestType> g{{10, 1h, time_point{}}};
        CHECK(g.burst(20, start) == 10);
        CHECK(g.says_right_moment(start));
        CHECK(g.burst(20, start + 2h) == 10);
    }
}

TEMPLATE_TEST_CASE("a_lower_limit_holds_at_once_a_higher_one_too", "[inbound]", fixed_window, sliding_window,
                   token_bucket) {
    group<TestType> g{per_hour(100)};
    CHECK(g.burst(50, hour) == 50);
    g.quota = TestType{per_hour(10)};
    // Of a bucket the half that was left, of a window nothing; and as for the other way.
    constexpr bool is_bucket = std::is_same_v<TestType, token_bucket>;
    CHECK(g.burst(100, hour) == (is_bucket ? 5 : 0));
    CHECK(g.says_right_moment(hour));
    g.quota = TestType{per_hour(200)};
    CHECK(g.burst(300, hour) == (is_bucket ? 0 : 150));
    CHECK(g.wait(hour + 18s) == (is_bucket ? 0s : g.wait(hour) - 18s));
}

TEMPLATE_TEST_CASE("with_a_shorter_window_nobody_waits_longer_than_that", "[inbound]", fixed_window, sliding_window,
                   token_bucket) {
    group<TestType> g{{10, 24h, hour}};
    CHECK(g.burst(20, hour + 1min) == 10);
    g.quota = TestType{{10, 1h, hour}};
    const time_point now = hour + 1min;
    CHECK(g.wait(now) <= 1h + 5min);
    // As time passes without requests, the wait becomes shorter instead of starting anew.
    CHECK(g.wait(now + 10min) == (g.wait(now) > 10min ? g.wait(now) - 10min : 0s));
    CHECK(g.burst(20, now + 1h + 5min) >= 1);
}

TEMPLATE_TEST_CASE("a_quota_that_is_told_an_earlier_time_goes_on_counting", "[inbound]", fixed_window, sliding_window,
                   token_bucket) {
    // Two threads may read the clock in one order and be told of in the other.
    for (const duration back : std::initializer_list<duration>{1ns, 1s, 10h}) {
        group<TestType> g{per_hour(4)};
        CHECK(g.burst(2, hour) == 2);
        CHECK(g.burst(2, hour - back) == 2);
        CHECK(g.burst(2, hour - back) == 0);
        CHECK(g.burst(2, hour) == 0);
        CHECK(g.burst(9, hour + 2h) == 4);
    }
}

TEST_CASE("an_hour_of_the_wall_clock_is_found_on_the_steady_one", "[inbound]") {
    using wall = std::chrono::system_clock::time_point;
    const auto at = [](auto since) { return wall{std::chrono::duration_cast<wall::duration>(since)}; };
    CHECK(hour_begun(at(100h), time_point{7h}) == time_point{7h});
    CHECK(hour_begun(at(100h + 59min + 59s), time_point{7h}) == time_point{7h - 59min - 59s});
    CHECK(hour_begun(at(-1s), time_point{7h}) == time_point{7h - 59min - 59s});
}

TEST_CASE("a_fixed_window_resets_exactly_on_the_hour", "[inbound]") {
    group<fixed_window> g{per_hour(2)};
    CHECK(g.burst(5, hour + 1h - 1ns) == 2);
    CHECK(g.wait(hour + 1h - 1ns) == 1ns);
    CHECK(g.wait(hour + 1h) == 0s);
    CHECK(g.burst(5, hour + 1h) == 2);
    CHECK(g.wait(hour + 1h) == 1h);
    CHECK(g.burst(5, hour + 2h - 1ns) == 0);
    CHECK(g.burst(5, hour + 2h) == 2);
}

TEST_CASE("all_fixed_windows_end_together_also_those_before_their_beginning", "[inbound]") {
    for (const duration offset : std::initializer_list<duration>{-5h - 20min, -1ns, 0ns, 1ns, 20min, 700h + 59min}) {
        group<fixed_window> g{per_hour(1)};
        const time_point now = hour + offset;
        CHECK(g.request(now));
        const time_point end = now + g.wait(now);
        CHECK((end - hour) % 1h == 0s);
        CHECK((end > now && end <= now + 1h));
    }
}

TEST_CASE("a_fixed_window_may_be_doubled_around_its_edge_which_is_why_there_are_others", "[inbound]") {
    group<fixed_window> g{per_hour(1000)};
    CHECK(g.burst(1000, hour + 1h - 1ns) + g.burst(1000, hour + 1h) == 2000);
}

TEST_CASE("a_sliding_window_cannot_be_doubled_around_any_edge", "[inbound]") {
    group<sliding_window> g{per_hour(1000)};
    CHECK(g.burst(1000, hour + 1h - 1ns) == 1000);
    CHECK(g.burst(1000, hour + 1h) == 0);
    CHECK(g.burst(1000, hour + 2h - 2ns) == 0);
    // A window later at the earliest, a twelfth of one more at the latest.
    const duration wait = g.wait(hour + 1h - 1ns);
    CHECK((wait >= 1h && wait <= 1h + 5min));
}

TEST_CASE("no_span_of_a_window_has_more_requests_than_a_sliding_window_allows", "[inbound]") {
    std::mt19937_64 random{1};
    for (const duration window : {duration{1h}, duration{1s}, duration{7ns}, duration{1001ns}}) {
        constexpr std::uint32_t limit = 20;
        group<sliding_window> g{{limit, window, hour}};
        std::deque<time_point> admitted;
        time_point now = hour;
        std::size_t most = 0;
        for (int i = 0; i < 20'000; ++i) {
            now += duration{static_cast<duration::rep>(random() % static_cast<std::uint64_t>(window.count() / 5 + 2))} /
                   (random() % 3 == 0 ? 1 : 10);
            if (!g.request(now)) {
                REQUIRE(g.says_right_moment(now));
                continue;
            }
            admitted.push_back(now);
            while (admitted.front() <= now - window) admitted.pop_front();
            most = std::max(most, admitted.size());
        }
        CHECK(most == limit);
    }
}

TEST_CASE("a_sliding_window_gives_back_what_its_oldest_part_had", "[inbound]") {
    group<sliding_window> g{per_hour(10)};
    CHECK(g.burst(4, hour) == 4);
    CHECK(g.burst(10, hour + 30min) == 6);
    CHECK(g.wait(hour + 30min) == 35min);
    CHECK(g.burst(10, hour + 65min - 1ns) == 0);
    CHECK(g.burst(10, hour + 65min) == 4);
    CHECK(g.burst(10, hour + 95min) == 6);
}

TEST_CASE("a_token_bucket_gives_back_one_after_the_other", "[inbound]") {
    group<token_bucket> g{per_hour(1000)};
    CHECK(g.burst(2000, hour) == 1000);
    CHECK(g.wait(hour) == 3600ms);
    CHECK(g.burst(5, hour + 3600ms - 1ns) == 0);
    CHECK(g.burst(5, hour + 3600ms) == 1);
    CHECK(g.burst(5, hour + 3600ms * 4) == 3);
    CHECK(g.burst(2000, hour + 3600ms * 4 + 30min) == 500);
    CHECK(g.burst(2000, hour + 3600ms * 4 + 2h) == 1000);
}

TEST_CASE("a_token_bucket_keeps_the_share_used_under_another_limit_and_the_time_to_refill_in_another_window",
          "[inbound]") {
    const auto left_of_half = [](const quota_options& other) {
        group<token_bucket> g{{100, 1h, hour}};
        CHECK(g.burst(50, hour) == 50);
        g.quota = token_bucket{other};
        return g.burst(2000, hour);
    };
    CHECK(left_of_half({100, 1h, hour}) == 50);
    CHECK(left_of_half({1000, 1h, hour}) == 500);
    CHECK(left_of_half({10, 1h, hour}) == 5);
    CHECK(left_of_half({100, 2h, hour}) == 75);
    CHECK(left_of_half({100, 40min, hour}) == 25);
    CHECK(left_of_half({100, 10min, hour}) == 0);
}

TEST_CASE("a_token_bucket_does_not_drift_however_uneven_its_steps", "[inbound]") {
    // No step is a whole number of nanoseconds: 3600 s / 7, 1 s / 3, 1 us / 999, 10 ns / 7.
    const quota_options uneven[] = {{7, 1h, hour}, {3, 1s, hour}, {999, 1us, hour}, {7, 10ns, hour}};
    for (const quota_options& o : uneven) {
        group<token_bucket> g{o};
        CHECK(g.burst(2000, hour) == static_cast<int>(o.max_requests));
        // Taken as soon as there are any: after each window exactly as many as the limit more, to the nanosecond.
        std::uint64_t admitted = 0;
        time_point now = hour;
        for (int window = 1; window <= 200; ++window) {
            while (g.wait(now) > 0s && now + g.wait(now) <= hour + window * o.window) {
                now += g.wait(now);
                admitted += static_cast<std::uint64_t>(g.burst(10, now));
            }
            REQUIRE(admitted == std::uint64_t{o.max_requests} * static_cast<std::uint64_t>(window));
            REQUIRE(now == hour + window * o.window);
        }
    }
}

TEST_CASE("a_token_bucket_that_is_asked_often_loses_nothing", "[inbound]") {
    group<token_bucket> asked{per_hour(7)}, left_alone{per_hour(7)};
    CHECK(asked.burst(7, hour) + left_alone.burst(7, hour) == 14);
    for (int i = 1; i < 100'000; ++i) (void)asked.wait(hour + i * 5ms);
    for (const duration later : {514s, 515s, 1029s, 3600s})
        CHECK(asked.wait(hour + later) == left_alone.wait(hour + later));
}

TEST_CASE("a_token_bucket_takes_limits_and_windows_at_the_ends_of_their_ranges", "[inbound]") {
    constexpr std::uint32_t most = ~std::uint32_t{0};
    group<token_bucket> longest{{most, 24h * 366, hour}};
    CHECK(longest.burst(100'000, hour) == 100'000);
    group<token_bucket> shortest{{most, 1ns, hour}};
    CHECK(shortest.burst(100'000, hour) == 100'000);
    group<token_bucket> one{{1, 24h * 366, hour}};
    CHECK(one.burst(3, hour) == 1);
    CHECK(one.wait(hour) == 24h * 366);
}
