// What other pools under the same budget have a right to: the machine gives it up as it comes back.
#include <atomic>
#include <chrono>

#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;
using detail::budget_claim;

namespace {

struct claim_bench : machine_bench<> {
    explicit claim_bench(const pool_options& options = {}) : machine_bench<>(options) {
        claim.belongs_to(token);
        machine.heed(claim);
    }
    std::atomic<bool> token{false};
    budget_claim claim;
};

}  // namespace

TEST_CASE("connection_that_comes_back_goes_to_another_pool_before_a_caller_of_its_own", "[manager][budget]") {
    claim_bench bench({.max_connections = 2});
    auto slots = bench.leased_many(2);
    auto& waiting = bench.get();
    bench.claim.set(budget_claim::returned);
    bench.token = true;
    bench.put(*slots[0]);
    CHECK(slots[0]->state == slot_state::closing);
    CHECK(slots[0]->retire == retire_reason::budget);
    CHECK(waiting.waiting);
    CHECK_FALSE(bench.token);
    bench.put(*slots[1]);  // one was wanted
    CHECK(waiting.granted == slots[1]);
}

TEST_CASE("connection_is_lent_on_where_nothing_of_it_may_go", "[manager][budget]") {
    for (const bool wanted : {false, true}) {
        claim_bench bench({.max_connections = 1});
        auto& s = bench.leased();
        auto& waiting = bench.get();
        bench.claim.set(wanted ? budget_claim::idle : budget_claim::returned);  // of this pool, if it is idle
        bench.token = wanted;
        bench.put(s);
        CHECK(waiting.granted == &s);
        CHECK(bench.token == wanted);
    }
}

TEST_CASE("connection_opened_for_a_caller_serves_one_before_it_goes", "[manager][budget]") {
    claim_bench bench({.max_connections = 1});
    auto& first = bench.get();
    auto& second = bench.get();
    bench.claim.set(budget_claim::returned);
    bench.token = true;
    auto& s = bench.open();
    CHECK(first.granted == &s);
    bench.put(s);
    CHECK(second.waiting);
    CHECK(s.retire == retire_reason::budget);
}

TEST_CASE("longest_idle_is_that_of_the_oldest_idle_connection", "[manager][budget]") {
    machine_bench<> bench;
    CHECK(bench.machine.longest_idle() == never);
    auto slots = bench.leased_many(2);
    const time_point first = bench.now;
    bench.put(*slots[0]);
    bench.wait(5ms);
    bench.put(*slots[1]);
    CHECK(bench.machine.longest_idle() == first);
    CHECK(bench.machine.reclaim_idle());
    CHECK(bench.machine.longest_idle() == first + 5ms);
    CHECK(bench.machine.reclaim_idle());
    CHECK(bench.machine.longest_idle() == never);
}

TEST_CASE("suspended_pool_needs_no_room", "[manager][budget]") {
    machine_bench<> bench;
    bench.get();
    bench.defer();
    CHECK(bench.machine.needs_room());
    bench.machine.suspended();
    CHECK_FALSE(bench.machine.needs_room());
    bench.machine.resumed(bench.now);
    CHECK(bench.machine.needs_room());
}
