// Time that does not overflow, a clock that is close, randomness that repeats.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>

#include "hotpool/base/random.hpp"
#include "hotpool/base/time.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

TEST_CASE("after_stays_at_never", "[base]") {
    constexpr time_point start{1h};
    CHECK(base::after(start, 5s) == start + 5s);
    CHECK(base::after(start, 0s) == start);
    CHECK(base::after(start, -5s) == start - 5s);
    CHECK(base::after(start, duration::max()) == never);
    CHECK(base::after(start, duration::max() - 1h) == never);
    CHECK(base::after(start, duration::max() - 1h - 1ns) == never - 1ns);
    CHECK(base::after(never, 1ns) == never);
    CHECK(base::after(never, 0s) == never);
    CHECK(base::after(time_point{}, duration::max()) == never);
    CHECK(base::after(time_point{-5s}, 10s) == time_point{5s});
    CHECK(base::after(time_point{-5s}, duration::max()) == time_point{-5s} + duration::max());
    CHECK(base::after(time_point::min(), 0s) == time_point::min());
    CHECK(base::after(time_point::min(), -1ns) == time_point::min());
    CHECK(base::after(time_point{-5s}, duration::min()) == time_point::min());
    CHECK(base::after(never, duration::min()) == time_point{-1ns});
}

TEST_CASE("times_stays_at_the_longest_duration", "[base]") {
    CHECK(base::times(3s, 2) == 6s);
    CHECK(base::times(3s, 0) == 0s);
    CHECK(base::times(0s, ~std::uint64_t{0}) == 0s);
    CHECK(base::times(1ns, static_cast<std::uint64_t>(duration::max().count())) == duration::max());
    CHECK(base::times(1ns, ~std::uint64_t{0}) == duration::max());
    CHECK(base::times(duration::max(), 1) == duration::max());
    CHECK(base::times(duration::max(), 2) == duration::max());
    CHECK(base::times(duration::max() / 2, 2) == duration::max() - 1ns);
    CHECK(base::times(duration::max() / 2 + 1ns, 2) == duration::max());
}

TEST_CASE("counts_stay_at_their_bounds", "[base]") {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    CHECK(base::sum(2, 3) == 5);
    CHECK(base::sum(most, 0) == most);
    CHECK(base::sum(most, 1) == most);
    CHECK(base::sum(most - 1, 1) == most);
    CHECK(base::sum(most, most) == most);
    CHECK(base::excess(5, 3) == 2);
    CHECK(base::excess(3, 5) == 0);
    CHECK(base::excess(most, 0) == most);
}

TEST_CASE("coarse_time_is_the_steady_clock_a_little_late", "[base]") {
    const time_point before = clock_type::now();
    const time_point coarse = base::coarse_now();
    const time_point after = clock_type::now();
    CHECK(coarse <= after);
    CHECK(coarse > before - 100ms);  // a kernel tick is 1 to 10 ms
    CHECK(base::coarse_now() >= coarse);
}

TEST_CASE("random_numbers_repeat_with_the_seed_and_differ_without", "[base]") {
    base::random_source a(1), b(1), c(2);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
        const auto n = a.next();
        CHECK(n == b.next());
        CHECK(n != c.next());
        seen.insert(n);
    }
    CHECK(seen.size() == 1000);
    CHECK(base::random_source(1234567).next() == 6457827717110365317u);  // the published sequence
}

TEST_CASE("uniform_numbers_fill_zero_to_one", "[base]") {
    base::random_source dice(0);
    int quarter[4] = {};
    for (int i = 0; i < 4000; ++i) {
        const double u = dice.uniform();
        REQUIRE(u >= 0.0);
        REQUIRE(u < 1.0);
        ++quarter[static_cast<int>(u * 4)];
    }
    for (const int n : quarter) {
        CHECK(n > 850);
        CHECK(n < 1150);
    }
}
