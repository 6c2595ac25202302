// Bad options are refused with the field and the rule; good ones pass, at their bounds too.
#include <limits>
#include <string>

#include "hotpool/policy/pool_options.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

std::string refusal(const pool_options& options) {
    return refusal_of([&] { validate(options); });
}

}  // namespace

TEST_CASE("bad_option_is_refused_by_name_and_rule", "[policy]") {
    struct {
        pool_options options;
        const char* field;
        const char* rule;
    } const table[] = {
        {{.max_connections = 0}, "max_connections", "must be 1 or more"},
        {{.max_connections = 4, .min_idle = 5}, "min_idle", "must be at most max_connections"},
        {{.max_idle = 1, .min_idle = 2}, "min_idle", "must be at most max_idle"},
        {{.max_idle = 0, .min_idle = 1}, "min_idle", "must be at most max_idle"},
        {{.get_timeout = -1ns}, "get_timeout", "must not be negative"},
        {{.connect_timeout = 0s}, "connect_timeout", "must be more than 0"},
        {{.connect_timeout = -1s}, "connect_timeout", "must be more than 0"},
        {{.idle_timeout = -1ns}, "idle_timeout", "must not be negative"},
        {{.max_lifetime = -1ns}, "max_lifetime", "must not be negative"},
        {{.lifetime_jitter = -0.01}, "lifetime_jitter", "must be from 0 to 1"},
        {{.lifetime_jitter = 1.01}, "lifetime_jitter", "must be from 0 to 1"},
        {{.lifetime_jitter = infinite}, "lifetime_jitter", "must be from 0 to 1"},
        {{.lifetime_jitter = not_a_number}, "lifetime_jitter", "must be from 0 to 1"},
        {{.health_check_interval = -1ns}, "health_check_interval", "must not be negative"},
        {{.health_check_timeout = 0s}, "health_check_timeout", "must be more than 0"},
        {{.health_check_timeout = duration::min()}, "health_check_timeout", "must be more than 0"},
        {{.check_after_idle = -1ns}, "check_after_idle", "must not be negative"},
        {{.rest_after_idle = -1ns}, "rest_after_idle", "must not be negative"},
        {{.drain_timeout = 0s}, "drain_timeout", "must be more than 0"},
        {{.backoff_first = 0s}, "backoff_first", "must be more than 0"},
        {{.backoff_first = 10ms, .backoff_limit = 9ms}, "backoff_limit", "must be at least backoff_first"},
    };
    for (const auto& row : table)
        CHECK(refusal(row.options) == std::string("hotpool::pool_options::") + row.field + " " + row.rule);
}

TEST_CASE("good_options_pass_at_their_bounds", "[policy]") {
    const pool_options table[] = {
        {},
        {.max_connections = 1, .max_idle = 0, .max_waiters = 0},
        {.max_connections = no_limit, .max_waiters = no_limit},
        {.max_connections = 4, .max_idle = 4, .min_idle = 4},
        {.get_timeout = 0s, .idle_timeout = 0s, .max_lifetime = 0s, .health_check_interval = 0s},
        {.check_after_idle = 0s, .rest_after_idle = 0s, .drain_limit_bytes = 0},
        {.lifetime_jitter = 0.0},
        {.lifetime_jitter = 1.0},
        {.connect_timeout = 1ns, .health_check_timeout = 1ns, .drain_timeout = 1ns},
        {.backoff_first = 1s, .backoff_limit = 1s},
        {.get_timeout = duration::max(), .connect_timeout = duration::max(), .idle_timeout = duration::max()},
    };
    for (const pool_options& options : table) CHECK(refusal(options) == "accepted");
}
