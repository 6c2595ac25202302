// The guard of descriptors and memory: when newcomers are refused, and when no longer.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "hotpool/base/random.hpp"
#include "hotpool/inbound/resource_guard.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr resource_options shares{
    .refuse_descriptors_at = 0.75, .resume_descriptors_at = 0.5, .refuse_memory_at = 0.5, .resume_memory_at = 0.25};

resource_usage descriptors(std::size_t used) { return {.descriptors_used = used, .descriptors_limit = 100}; }
resource_usage memory(std::size_t used) { return {.memory_used_bytes = used, .memory_limit_bytes = 1000}; }

std::string complaint(const resource_options& options) {
    return refusal_of([&] { resource_guard{options}; });
}

}  // namespace

TEST_CASE("guard_refuses_from_one_share_on_and_resumes_below_another", "[inbound]") {
    resource_guard g(shares);
    CHECK(g.usage_read(descriptors(74)) == resource_change::none);
    CHECK(g.state() == resource_state::ample);
    CHECK(g.usage_read(descriptors(75)) == resource_change::became_short);
    CHECK(g.state() == resource_state::descriptors_short);
    CHECK(g.usage_read(descriptors(50)) == resource_change::none);
    CHECK(g.state() == resource_state::descriptors_short);
    CHECK(g.usage_read(descriptors(49)) == resource_change::recovered);
    CHECK(g.state() == resource_state::ample);
}

TEST_CASE("guard_follows_connections_between_two_looks", "[inbound]") {
    resource_guard g(shares);
    g.usage_read(descriptors(73));
    CHECK(g.descriptor_taken() == resource_change::none);
    CHECK(g.descriptor_taken() == resource_change::became_short);
    for (int i = 0; i < 25; ++i) CHECK(g.descriptor_given_back() == resource_change::none);
    CHECK(g.descriptor_given_back() == resource_change::recovered);
    CHECK(g.usage() == descriptors(49));
}

TEST_CASE("guard_of_memory_is_independent_of_descriptors", "[inbound]") {
    resource_guard g(shares);
    CHECK(g.usage_read(memory(499)) == resource_change::none);
    CHECK(g.usage_read(memory(500)) == resource_change::became_short);
    CHECK(g.state() == resource_state::memory_short);
    resource_usage both = memory(249);
    both.descriptors_used = both.descriptors_limit = 8;
    CHECK(g.usage_read(both) == resource_change::none);  // short of something else now
    CHECK(g.state() == resource_state::descriptors_short);
    both.descriptors_used = 1;
    CHECK(g.usage_read(both) == resource_change::recovered);
}

TEST_CASE("what_is_not_known_guards_nothing", "[inbound]") {
    resource_guard g(shares);
    CHECK(g.usage_read({.descriptors_used = 1'000'000, .memory_used_bytes = 1'000'000}) == resource_change::none);
    CHECK(g.descriptor_given_back() == resource_change::none);
    resource_guard untold(shares);
    CHECK(untold.descriptor_given_back() == resource_change::none);
    CHECK(untold.usage().descriptors_used == 0);
}

TEST_CASE("what_cannot_be_read_any_more_is_as_it_was", "[inbound]") {
    // Files of /proc cannot be opened once descriptors are out.
    resource_guard g(shares);
    const resource_usage full{
        .descriptors_used = 75, .descriptors_limit = 100, .memory_used_bytes = 500, .memory_limit_bytes = 1000};
    CHECK(g.usage_read(full) == resource_change::became_short);
    CHECK(g.usage_read({.descriptors_limit = 100, .memory_limit_bytes = 1000}) == resource_change::none);
    CHECK(g.usage() == full);
}

TEST_CASE("guard_agrees_with_its_rule_whatever_is_told", "[inbound]") {
    base::random_source dice(5);
    resource_guard g(shares);
    resource_usage usage;
    bool few = false, little = false;
    for (int step = 0; step < 100'000; ++step) {
        const bool before = few || little;
        resource_change told;
        switch (dice.next() % 4) {
            case 0:
                usage = {1 + dice.next() % 100, dice.next() % 8 == 0 ? 0u : 100u, 1 + dice.next() % 1000,
                         dice.next() % 8 == 0 ? 0u : 1000u};
                told = g.usage_read(usage);
                break;
            case 1:
                ++usage.descriptors_used;
                told = g.descriptor_taken();
                break;
            default:
                if (usage.descriptors_used != 0) --usage.descriptors_used;
                told = g.descriptor_given_back();
        }
        const auto used = static_cast<double>(usage.descriptors_used),
                   held = static_cast<double>(usage.memory_used_bytes);
        few = usage.descriptors_limit != 0 && (few ? used >= 50 : used >= 75);
        little = usage.memory_limit_bytes != 0 && (little ? held >= 250 : held >= 500);
        const bool after = few || little;
        if (g.state() != (little ? resource_state::memory_short
                          : few  ? resource_state::descriptors_short
                                 : resource_state::ample))
            FAIL("state at step " << step);
        if (told != (before == after ? resource_change::none
                     : after         ? resource_change::became_short
                                     : resource_change::recovered))
            FAIL("change at step " << step);
    }
}

TEST_CASE("shares_out_of_range_are_refused_by_name", "[inbound]") {
    const auto names = [](const resource_options& options, const std::string& field) {
        CHECK(complaint(options).find("resource_options::" + field + " must") != std::string::npos);
    };
    CHECK(complaint({}) == "accepted");
    CHECK(complaint({.refuse_descriptors_at = 1, .refuse_memory_at = 1, .check_interval = 0s}) == "accepted");
    names({.refuse_descriptors_at = 1.1}, "refuse_descriptors_at");
    names({.resume_descriptors_at = -0.1}, "resume_descriptors_at");
    names({.refuse_memory_at = std::numeric_limits<double>::quiet_NaN()}, "refuse_memory_at");
    names({.resume_memory_at = 2}, "resume_memory_at");
    names({.refuse_descriptors_at = 0.5, .resume_descriptors_at = 0.6}, "resume_descriptors_at");
    names({.refuse_memory_at = 0.5, .resume_memory_at = 0.6}, "resume_memory_at");
    names({.check_interval = -1s}, "check_interval");
}
