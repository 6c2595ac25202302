// The budget alone: what it grants, to whom, in which order.
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "hotpool/connection_budget.hpp"
#include "hotpool/pool/budget_share.hpp"
#include "support/catch.hpp"

using hotpool::connection_budget;

namespace {

struct pool final : connection_budget::member {
    pool(char n, std::string& calls) : name(n), log(&calls) {}
    void budget_calls() noexcept override { *log += name; }
    char name;
    std::string* log;
};

struct stage {
    explicit stage(std::size_t room) : budget(room) {
        for (const char name : {'a', 'b', 'c'}) {
            pools.push_back(std::make_unique<pool>(name, calls));
            budget.join(*pools.back());
        }
    }
    ~stage() {
        for (const auto& p : pools) budget.leave(*p);
    }
    bool acquire(std::size_t i, bool pressing = true) { return budget.acquire(*pools[i], pressing); }
    std::string calls;
    connection_budget budget;
    std::vector<std::unique_ptr<pool>> pools;
};

}  // namespace

TEST_CASE("budget_of_nothing_is_refused", "[budget]") {
    CHECK_THROWS_AS(connection_budget(0), std::invalid_argument);
    CHECK(connection_budget(7).max_connections() == 7);
}

TEST_CASE("budget_grants_up_to_its_limit_and_takes_back", "[budget]") {
    stage s(2);
    CHECK(s.acquire(0));
    CHECK(s.acquire(1));
    CHECK(s.budget.used() == 2);
    CHECK_FALSE(s.acquire(2));
    CHECK(s.budget.used() == 2);
    s.budget.release();
    CHECK(s.calls == "c");
    CHECK(s.pools[2]->has_grant());
    CHECK(s.budget.used() == 2);
    CHECK(s.acquire(2));
    CHECK_FALSE(s.pools[2]->has_grant());
    s.budget.release();
    s.budget.release();
    CHECK(s.budget.used() == 0);
}

TEST_CASE("budget_serves_in_the_order_of_asking_and_each_pool_once", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(2));
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    for (int i = 0; i < 2; ++i) {
        s.budget.release();
        CHECK(s.acquire(i == 0 ? 2 : 1));
    }
    s.budget.release();
    CHECK(s.calls == "cb");
    CHECK(s.budget.used() == 0);
}

TEST_CASE("free_room_is_not_taken_ahead_of_the_queue", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(1));
    s.budget.release();
    CHECK_FALSE(s.acquire(2));
    CHECK(s.acquire(1));
}

TEST_CASE("only_pressing_requests_call_the_others_for_an_idle_connection", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    s.pools[0]->has_idle(true);
    CHECK_FALSE(s.acquire(1, false));
    CHECK(s.calls.empty());
    CHECK_FALSE(s.budget.wants_idle_of(*s.pools[0]));
    CHECK_FALSE(s.budget.promise_idle(*s.pools[0]));
    CHECK_FALSE(s.acquire(1, true));  // in the same place, but pressing now
    CHECK(s.calls == "a");
    CHECK(s.budget.wants_idle_of(*s.pools[0]));
    CHECK(s.budget.promise_idle(*s.pools[0]));
    CHECK_FALSE(s.budget.wants_idle_of(*s.pools[0]));
    s.budget.release(true);
    CHECK(s.calls == "ab");
    CHECK(s.pools[1]->has_grant());
}

TEST_CASE("one_request_costs_one_idle_connection", "[budget]") {
    stage s(2);
    CHECK(s.acquire(0));
    CHECK(s.acquire(1));
    s.pools[0]->has_idle(true);
    s.pools[1]->has_idle(true);
    CHECK_FALSE(s.acquire(2));
    CHECK(s.calls == "ab");
    CHECK(s.budget.promise_idle(*s.pools[1]));
    CHECK_FALSE(s.budget.promise_idle(*s.pools[0]));
    s.budget.promise_broken();
    CHECK(s.budget.wants_idle_of(*s.pools[0]));
    CHECK(s.budget.promise_idle(*s.pools[0]));
    s.budget.release(true);
    CHECK(s.pools[2]->has_grant());
}

TEST_CASE("pool_is_not_asked_for_its_own_sake", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    s.pools[0]->has_idle(true);
    CHECK_FALSE(s.acquire(0));
    CHECK(s.calls.empty());
    CHECK_FALSE(s.budget.promise_idle(*s.pools[0]));
}

TEST_CASE("room_that_is_freed_goes_to_the_first_in_the_queue", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(2));
    CHECK_FALSE(s.acquire(1));
    CHECK(s.budget.promise_idle(*s.pools[0]));
    s.budget.release(true);
    CHECK(s.calls == "c");
    CHECK(s.budget.used() == 1);
    CHECK(s.budget.is_queued(*s.pools[1]));
    CHECK_FALSE(s.budget.is_queued(*s.pools[2]));
}

TEST_CASE("the_same_pool_is_not_called_first_each_time", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    s.pools[1]->has_idle(true);
    s.pools[2]->has_idle(true);
    CHECK_FALSE(s.acquire(0));
    CHECK(s.calls == "bc");
    CHECK(s.budget.promise_idle(*s.pools[1]));
    CHECK_FALSE(s.budget.promise_idle(*s.pools[2]));
    s.budget.release(true);
    CHECK(s.acquire(0));
    s.calls.clear();
    CHECK_FALSE(s.acquire(0));
    CHECK(s.calls == "cb");
}

TEST_CASE("caller_who_comes_to_a_queued_pool_presses_for_it", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    s.pools[0]->has_idle(true);
    CHECK_FALSE(s.acquire(1, false));
    CHECK_FALSE(s.pools[1]->is_pressing());
    CHECK(s.budget.press(*s.pools[1]));
    CHECK(s.pools[1]->is_pressing());
    CHECK(s.calls == "a");
    CHECK_FALSE(s.budget.press(*s.pools[2]));  // it is not queued
}

TEST_CASE("pool_is_called_for_an_idle_connection_each_time_that_one_is_wanted", "[budget]") {
    stage s(2);
    CHECK(s.acquire(0));
    CHECK(s.acquire(1));
    s.pools[0]->has_idle(true);
    s.pools[1]->has_idle(true);
    for (int i = 0; i < 2; ++i) {
        s.calls.clear();
        CHECK_FALSE(s.acquire(2));
        CHECK(s.calls.size() == 2);
        CHECK(s.budget.promise_idle(*s.pools[static_cast<std::size_t>(i)]));
        s.budget.release(true);
        CHECK(s.acquire(2));
    }
}

TEST_CASE("pool_that_has_left_promises_nothing", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    s.pools[0]->has_idle(true);
    CHECK_FALSE(s.acquire(1));
    s.budget.leave(*s.pools[0]);
    CHECK_FALSE(s.budget.promise_idle(*s.pools[0]));
    s.budget.release();
    CHECK(s.pools[1]->has_grant());
}

TEST_CASE("pool_has_one_errand_at_a_time", "[budget]") {
    using hotpool::detail::budget_errand;
    using hotpool::detail::budget_standing;
    using hotpool::detail::next_errand;
    CHECK(next_errand({}) == budget_errand::none);
    CHECK(next_errand({.waits_for_room = true}) == budget_errand::withdraw);
    CHECK(next_errand({.waits_for_room = true, .needs_room = true}) == budget_errand::none);
    CHECK(next_errand({.waits_for_room = true, .needs_room = true, .has_caller = true}) == budget_errand::press);
    CHECK(next_errand({.waits_for_room = true, .needs_room = true, .has_caller = true, .is_pressing = true}) ==
          budget_errand::none);
    CHECK(next_errand({.has_grant = true}) == budget_errand::return_grants);
    CHECK(next_errand({.has_grant = true, .is_asking = true}) == budget_errand::none);
    CHECK(next_errand({.idle_wanted = true}) == budget_errand::promise_idle);
    CHECK(next_errand({.waits_for_room = true, .has_grant = true, .idle_wanted = true, .is_busy = true}) ==
          budget_errand::none);
}

TEST_CASE("pool_that_withdraws_is_not_granted", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    s.budget.withdraw(*s.pools[1]);
    s.budget.withdraw(*s.pools[1]);
    CHECK(s.budget.wants_idle_of(*s.pools[0]));
    s.budget.release();
    CHECK(s.calls == "c");
    CHECK_FALSE(s.budget.wants_idle_of(*s.pools[0]));
}

TEST_CASE("grants_that_are_not_needed_go_to_the_next", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    s.budget.release();
    CHECK(s.calls == "b");
    s.budget.return_grants(*s.pools[1], 0);
    CHECK(s.calls == "bc");
    CHECK_FALSE(s.pools[1]->has_grant());
    s.budget.withdraw(*s.pools[2]);
    CHECK(s.budget.used() == 0);
}

TEST_CASE("pool_that_has_left_is_passed_over_and_leaves_its_grants", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    s.budget.release();
    s.budget.leave(*s.pools[1]);
    CHECK(s.calls == "bc");
    s.budget.leave(*s.pools[2]);
    CHECK(s.budget.used() == 0);
    CHECK_FALSE(s.budget.wants_idle_of(*s.pools[0]));
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(1));  // nobody is queued that cannot be called
    CHECK_FALSE(s.budget.is_queued(*s.pools[1]));
    s.budget.release();
}

TEST_CASE("budget_is_never_exceeded_by_contending_pools", "[budget][thread]") {
    constexpr std::size_t room = 3;
    connection_budget budget(room);
    struct worker final : connection_budget::member {
        void budget_calls() noexcept override { calls.fetch_add(1, std::memory_order_relaxed); }
        std::atomic<int> calls{0};
    };
    std::atomic<bool> exceeded{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            worker me;
            budget.join(me);
            for (int i = 0; i < 5000; ++i) {
                const bool mine = budget.acquire(me, i % 2 == 0);
                if (budget.used() > room) exceeded = true;
                me.has_idle(mine);
                const bool promised = mine && budget.wants_idle_of(me) && budget.promise_idle(me);
                if (mine) budget.release(promised);
                if (i % 3 == 0) budget.withdraw(me);
            }
            budget.leave(me);
            const int calls = me.calls;
            std::this_thread::yield();
            if (me.calls != calls) exceeded = true;
        });
    for (std::thread& t : threads) t.join();
    CHECK_FALSE(exceeded);
    CHECK(budget.used() == 0);
}
