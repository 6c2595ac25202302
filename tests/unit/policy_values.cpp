// What the default policies answer, at their bounds above all.
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include "hotpool/policy/policies.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

constexpr double almost_one = 1.0 - 0x1.0p-53;
constexpr double chances[] = {0.0, 0x1.0p-53, 0.25, 0.5, 0.9, almost_one};

max_lifetime lifetime(duration life, double jitter) {
    return max_lifetime({.max_lifetime = life, .lifetime_jitter = jitter});
}
backoff pauses(duration first, duration limit) { return backoff({.backoff_first = first, .backoff_limit = limit}); }

}  // namespace

TEST_CASE("limits_count_connections_in_every_state", "[policy]") {
    const per_host_limits limits({.max_connections = 5, .max_idle = 2, .max_waiters = 3});
    CHECK(limits.room({}) == 5);
    CHECK(limits.room({.opening = 1}) == 4);
    CHECK(limits.room({.idle = 1}) == 4);
    CHECK(limits.room({.leased = 1}) == 4);
    CHECK(limits.room({.probing = 1}) == 4);
    CHECK(limits.room({.closing = 1}) == 4);
    CHECK(limits.room({.waiting = 9}) == 5);
    CHECK(limits.room({1, 1, 1, 1, 1, 0}) == 0);
    CHECK(limits.room({2, 2, 2, 2, 2, 0}) == 0);  // beyond the limit after it was lowered
    CHECK(limits.may_idle({.idle = 1}));
    CHECK_FALSE(limits.may_idle({.idle = 2}));
    CHECK(limits.may_wait({.waiting = 2}));
    CHECK_FALSE(limits.may_wait({.waiting = 3}));
}

TEST_CASE("limits_without_bound_leave_all_the_room_there_is", "[policy]") {
    const per_host_limits limits({.max_connections = no_limit, .max_waiters = no_limit});
    CHECK(limits.room({.leased = 10}) == no_limit - 10);
    CHECK(limits.may_idle({.idle = no_limit - 1}));
    CHECK(limits.may_wait({.waiting = 1'000'000}));
}

TEST_CASE("idle_limit_is_the_sooner_of_option_and_announcement", "[policy]") {
    const idle_timeout idle({.idle_timeout = 60s});
    CHECK(idle.limit({}) == 60s);
    CHECK(idle.limit(61s) == 59s);
    CHECK(idle.limit(62s) == 60s);
    CHECK(idle.limit(63s) == 60s);
    CHECK(idle.limit(3s) == 1s);
    CHECK(idle.limit(2s) <= 0s);
    CHECK(idle.limit(1s) <= 0s);
    CHECK(idle.limit(0s) <= 0s);
}

TEST_CASE("idle_limit_withstands_any_announcement", "[policy]") {
    using std::chrono::seconds;
    const idle_timeout idle({.idle_timeout = 60s}), unlimited({.idle_timeout = 0s});
    for (const seconds hint : {seconds::max(), seconds(9'223'372'038), seconds(24h * 366)}) {
        CAPTURE(hint.count());
        CHECK(idle.limit(hint) == 60s);
        CHECK(unlimited.limit(hint) == duration::max());
    }
    for (const seconds hint : {seconds::min(), seconds::min() + 1s, seconds(-9'223'372'038), seconds(-1)}) {
        CAPTURE(hint.count());
        CHECK(idle.limit(hint) <= 0s);
        CHECK(unlimited.limit(hint) <= 0s);
    }
    CHECK(unlimited.limit({}) == duration::max());
    CHECK(unlimited.limit(10s) == 8s);
}

TEST_CASE("lifetime_stays_within_its_jitter", "[policy]") {
    for (const double jitter : {0.0, 0.1, 0.5, 1.0})
        for (const double chance : chances) {
            CAPTURE(jitter, chance);
            const duration life = lifetime(100s, jitter).life(chance);
            CHECK(life >= 100s * (1.0 - jitter) - 1us);
            CHECK(life <= 100s);
        }
    CHECK(lifetime(100s, 0.0).life(0.3) == 100s);
    CHECK(lifetime(100s, 0.5).life(0.0) == 50s);
    CHECK(lifetime(100s, 0.5).life(0.5) == 75s);
}

TEST_CASE("lifetime_grows_with_chance", "[policy]") {
    duration last{};
    for (const double chance : chances) {
        const duration life = lifetime(100s, 0.4).life(chance);
        CHECK(life >= last);
        last = life;
    }
}

TEST_CASE("lifetime_of_zero_is_without_limit", "[policy]") {
    for (const double chance : chances) CHECK(lifetime(0s, 0.5).life(chance) == duration::max());
}

TEST_CASE("lifetime_does_not_overflow", "[policy]") {
    for (const duration huge : {duration::max(), duration::max() - 1ns, duration::max() / 2})
        for (const double jitter : {0.0, 0.1, 1.0})
            for (const double chance : chances) {
                CAPTURE(huge.count(), jitter, chance);
                const duration life = lifetime(huge, jitter).life(chance);
                CHECK(life >= 0s);
                CHECK(life <= huge);
            }
    CHECK(lifetime(duration::max(), 0.0).life(0.5) > duration::max() / 2);
    CHECK(lifetime(1ns, 0.5).life(0.0) >= 0s);
}

TEST_CASE("connection_is_spent_at_the_limit_and_beyond", "[policy]") {
    const max_requests three({.max_requests = 3}), endless({.max_requests = 0});
    CHECK_FALSE(three.spent(2));
    CHECK(three.spent(3));
    CHECK(three.spent(4));
    CHECK_FALSE(endless.spent(0));
    CHECK_FALSE(endless.spent(std::numeric_limits<std::uint64_t>::max()));
}

TEST_CASE("reuse_orders_choose_their_end", "[policy]") {
    CHECK(reuse_order({}).lend_from(1) == idle_end::newest);
    CHECK(reuse_order({}).lend_from(100) == idle_end::newest);
    CHECK(oldest_first({}).lend_from(100) == idle_end::oldest);
}

TEST_CASE("pause_doubles_up_to_its_limit", "[policy]") {
    const backoff b = pauses(10ms, 5s);
    const duration full[] = {10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1280ms, 2560ms, 5s, 5s};
    unsigned failures = 0;
    for (const duration expected : full) {
        ++failures;
        CAPTURE(failures);
        CHECK(b.pause(failures, 0.0) == expected);
        for (const double chance : chances) {
            CHECK(b.pause(failures, chance) <= expected);
            CHECK(b.pause(failures, chance) >= expected / 2);
        }
    }
    CHECK(b.pause(std::numeric_limits<unsigned>::max(), 0.0) == 5s);
}

TEST_CASE("pause_does_not_overflow", "[policy]") {
    for (const duration limit : {duration::max(), duration::max() - 1ns})
        for (const duration first : {duration{1}, duration{10ms}, limit})
            for (const unsigned failures : {0u, 1u, 2u, 63u, 64u, 1000u})
                for (const double chance : chances) {
                    CAPTURE(limit.count(), first.count(), failures, chance);
                    const duration pause = pauses(first, limit).pause(failures, chance);
                    CHECK(pause >= 0s);
                    CHECK(pause <= limit);
                }
    CHECK(pauses(1ns, duration::max()).pause(1000, 0.0) > duration::max() / 2);
    CHECK(pauses(5s, 5s).pause(9, 0.0) == 5s);
}
