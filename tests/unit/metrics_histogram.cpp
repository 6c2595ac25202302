// The histogram against a sorted list.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hotpool/base/random.hpp"
#include "hotpool/metrics/histogram.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using metrics::histogram;

namespace {

constexpr double shares[] = {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 1.0};

/// The value that the share of all does not exceed.
std::uint64_t exact_quantile(const std::vector<std::uint64_t>& sorted, double share) {
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
    return sorted[rank == 0 ? 0 : rank - 1];
}

}  // namespace

TEST_CASE("empty_histogram_has_nothing_to_say", "[metrics]") {
    const histogram h;
    CHECK(h.count() == 0);
    CHECK(h.sum() == 0);
    CHECK(h.max() == 0);
    for (const double share : shares) CHECK(h.quantile(share) == 0);
    CHECK(h.count_below(std::uint64_t{1} << 31) == 0);
}

TEST_CASE("quantiles_are_within_an_eighth_and_never_too_low", "[metrics]") {
    base::random_source dice(11);
    for (int run = 0; run < 200; ++run) {
        histogram h;
        std::vector<std::uint64_t> values(1 + dice.next() % 500);
        std::uint64_t sum = 0;
        for (std::uint64_t& v : values) {
            v = dice.next() % (std::uint64_t{1} << (1 + dice.next() % 32));
            h.record(v);
            sum += v;
        }
        std::sort(values.begin(), values.end());
        CHECK(h.count() == values.size());
        CHECK(h.sum() == sum);
        CHECK(h.max() == values.back());
        for (const double share : shares) {
            const std::uint64_t exact = exact_quantile(values, share), told = h.quantile(share);
            CAPTURE(run, share, exact, told);
            CHECK(told >= exact);
            CHECK(told <= exact + exact / 8);
        }
        for (unsigned power = 0; power <= 31; ++power) {
            const std::uint64_t bound = std::uint64_t{1} << power;
            const auto below = std::lower_bound(values.begin(), values.end(), bound) - values.begin();
            CHECK(h.count_below(bound) == static_cast<std::uint64_t>(below));
        }
    }
}

TEST_CASE("values_beyond_the_last_bucket_count_in_it", "[metrics]") {
    histogram h;
    h.record(~std::uint64_t{0});
    h.record((std::uint64_t{1} << 32) - 1);
    CHECK(h.count() == 2);
    CHECK(h.max() == ~std::uint64_t{0});
    CHECK(h.quantile(1.0) == ~std::uint64_t{0});
    CHECK(h.count_below(std::uint64_t{1} << 31) == 0);
}

TEST_CASE("merged_histograms_have_seen_what_both_have", "[metrics]") {
    base::random_source dice(12);
    histogram both, one, other;
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t value = dice.next() >> dice.next() % 64;
        both.record(value);
        (i % 3 == 0 ? one : other).record(value);
    }
    one.merge(other);
    CHECK(one == both);
}
