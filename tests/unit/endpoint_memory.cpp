// Lists of addresses for which there is no memory: nothing has changed then.
#include <vector>

#include "hotpool/endpoint_pool.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

ip_endpoint at(const char* text) { return {ip_address::parse(text).value(), 80}; }

constexpr time_point start{1h};
const pool_options usual{.resolve_interval = 60s, .absent_grace = 0s};

}  // namespace

TEST_CASE("answer_without_memory_leaves_the_addresses_as_they_were", "[endpoints]") {
    endpoint_pool<> pool;
    pool.answer_came({at("192.0.2.1"), at("192.0.2.2")}, start, usual);
    pool.ask_started(start, usual);
    const endpoint_list next{at("192.0.2.2"), at("192.0.2.3"), at("192.0.2.4")};
    const std::vector<endpoint_ptr> before = pool.endpoints();
    std::size_t left = 0;
    const auto refused =
        until_memory_lasts([&] { left = pool.answer_came(next, start + 1s, usual).size(); },
                           [&] {
                               CHECK(pool.endpoints() == before);
                               CHECK(before[0]->listed);
                               CHECK(pool.ask_due() == start + 10s);  // when the question under way is lost
                           });
    CHECK(refused > 3);
    CHECK(left == 1);
    CHECK_FALSE(before[0]->listed);
    CHECK(pool.endpoints().size() == 3);
    CHECK(pool.ask_due() == start + 61s);
}

TEST_CASE("plan_without_memory_takes_no_turn_and_absolves_nobody", "[endpoints]") {
    endpoint_pool<round_robin> pool;
    pool.answer_came({at("192.0.2.1"), at("192.0.2.2")}, start, usual);
    for (const endpoint_ptr& e : pool.endpoints()) e->standing = endpoint_standing::ejected;
    std::vector<endpoint_ptr> plan;
    const auto refused = until_memory_lasts([&] { plan = pool.plan(start, 0.0, nullptr); },
                                            [&] {
                                                for (const endpoint_ptr& e : pool.endpoints())
                                                    CHECK(e->standing == endpoint_standing::ejected);
                                            });
    CHECK(refused == 3);
    REQUIRE(plan.size() == 2);
    CHECK(plan[0] == pool.endpoints()[0]);
    CHECK(plan[0]->standing == endpoint_standing::usable);
}

TEST_CASE("times_of_addresses_overflow_nowhere", "[endpoints]") {
    for (const duration longest : {duration::max(), duration::max() - 1ns, duration::max() / 2 + 1ns}) {
        const pool_options o{.resolve_interval = longest,
                             .ejection_failures = 1,
                             .ejection_time = longest,
                             .ejection_limit = duration::max()};
        endpoint_pool<> pool;
        pool.answer_came({at("192.0.2.1"), at("192.0.2.2")}, start, o);
        CHECK(pool.is_known(start + 1h, o));
        CHECK(pool.ask_due() >= start + 1h);
        endpoint_state& e = *pool.endpoints()[0];
        for (int i = 0; i < 3; ++i) {
            pool.failed(e, e.failures, start, o);
            CHECK(e.standing == endpoint_standing::ejected);
            CHECK(e.ejected_until > start + 1h);
            e.standing = endpoint_standing::trial;
            pool.trial_put_off(e, start, o);
            CHECK(e.ejected_until > start + 1h);
            e.standing = endpoint_standing::usable;
        }
    }
}
