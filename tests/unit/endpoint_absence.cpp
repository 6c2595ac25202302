// Addresses that answers do not name any more, as those of a name that gives out some of its addresses in turn.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "hotpool/endpoint_pool.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{1h};
const pool_options usual{.resolve_interval = 60s};

ip_endpoint at(int n) { return {ip_address::parse("192.0.2." + std::to_string(n)).value(), 80}; }
const endpoint_list both{at(1), at(2)}, second{at(2)};

struct absence_bench {
    std::vector<endpoint_ptr> answer(const endpoint_list& list) { return pool.answer_came(list, now, options); }
    std::vector<ip_endpoint> planned() {
        std::vector<ip_endpoint> all;
        for (const endpoint_ptr& e : pool.plan(now, 0.0, nullptr)) all.push_back(e->where);
        std::sort(all.begin(), all.end());
        return all;
    }
    /// Those that leave by now.
    std::vector<ip_endpoint> leave() {
        std::vector<ip_endpoint> all;
        if (now >= pool.absent_due())
            pool.absence_over(now, options, [&](const endpoint_state& e) { all.push_back(e.where); });
        return all;
    }

    pool_options options = usual;
    endpoint_pool<> pool;
    time_point now = start;
};

}  // namespace

TEST_CASE("absent_address_keeps_its_connections_for_ten_intervals", "[endpoints]") {
    absence_bench bench;
    bench.answer(both);
    const endpoint_ptr first = bench.pool.endpoints()[0];
    CHECK(bench.pool.absent_due() == never);
    bench.now += 60s;
    CHECK(bench.answer(second).empty());
    CHECK(first->listed);
    CHECK_FALSE(first->is_named());
    CHECK(bench.planned() == second);
    CHECK(bench.pool.absent_due() == start + 660s);
    SECTION("while there are answers") {
        for (int i = 0; i < 9; ++i) {
            bench.now += 60s;
            CHECK(bench.answer(second).empty());
            CHECK(bench.leave().empty());
        }
        bench.now += 60s;
        CHECK(bench.answer(second) == std::vector{first});
        CHECK_FALSE(first->listed);
        CHECK(bench.pool.absent_due() == never);
    }
    SECTION("and without one") {
        bench.now = start + 660s - 1ns;
        CHECK(bench.leave().empty());
        bench.now = start + 660s;
        CHECK(bench.leave() == endpoint_list{at(1)});
        CHECK_FALSE(first->listed);
        CHECK(bench.leave().empty());
        CHECK(bench.pool.absent_due() == never);
        CHECK(bench.answer(second).empty());  // it has left once
        CHECK(bench.pool.list()->absent().empty());
    }
}

TEST_CASE("absent_address_that_returns_is_the_same_as_before", "[endpoints]") {
    absence_bench bench;
    bench.answer(both);
    const endpoint_ptr first = bench.pool.endpoints()[0];
    first->load.connections = 3;
    bench.answer(second);
    SECTION("within its grace") { bench.now += 599s; }
    SECTION("after it, before the next answer") {
        bench.now += 600s;
        CHECK(bench.leave().size() == 1);
    }
    CHECK(bench.answer(both).empty());
    REQUIRE(bench.pool.endpoints().size() == 2);
    CHECK(bench.pool.endpoints()[0] == first);
    CHECK(first->is_named());
    CHECK(bench.planned() == both);
    CHECK(bench.pool.absent_due() == never);
    SECTION("and its grace begins anew when it is absent again") {
        bench.now += 60s;
        CHECK(bench.answer(second).empty());
        CHECK(bench.pool.absent_due() == bench.now + 600s);
    }
}

TEST_CASE("grace_of_absent_addresses_is_an_option", "[endpoints]") {
    absence_bench bench;
    SECTION("none") {
        bench.options.absent_grace = 0s;
        bench.answer(both);
        CHECK(bench.answer(second).size() == 1);
        CHECK(bench.pool.list()->absent().empty());
    }
    SECTION("short") {
        bench.options.absent_grace = 5s;
        bench.answer(both);
        bench.answer(second);
        CHECK(bench.pool.absent_due() == start + 5s);
    }
    SECTION("the longest there is") {
        bench.options.absent_grace = duration::max();
        bench.answer(both);
        CHECK(bench.answer(second).empty());
        CHECK(bench.pool.absent_due() == never);
    }
}
