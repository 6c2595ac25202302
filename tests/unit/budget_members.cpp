// The budget alone: what it grants, to whom, in which order.
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "hotpool/connection_budget.hpp"
#include "support/catch.hpp"

using hotpool::connection_budget;

namespace {

std::string log_of_grants;

struct pool final : connection_budget::member {
    explicit pool(char n) : name(n) {}
    void budget_granted() override {
        ++granted;
        log_of_grants += name;
    }
    bool reclaim_idle() override {
        ++asked;
        if (idle == 0) return false;
        --idle;
        if (on_reclaim) on_reclaim();
        return true;
    }
    char name;
    int granted = 0;
    int asked = 0;
    int idle = 0;
    std::function<void()> on_reclaim;
};

struct stage {
    explicit stage(std::size_t room) : budget(room) {
        log_of_grants.clear();
        for (const char name : {'a', 'b', 'c'}) {
            pools.push_back(std::make_shared<pool>(name));
            budget.join(pools.back());
        }
    }
    bool acquire(std::size_t i, bool pressing = true) { return budget.acquire(pools[i], pressing); }
    connection_budget budget;
    std::vector<std::shared_ptr<pool>> pools;
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
    CHECK(s.pools[2]->granted == 1);
    CHECK(s.budget.used() == 2);
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
    for (int i = 0; i < 3; ++i) s.budget.release();
    CHECK(log_of_grants == "cb");
    CHECK(s.budget.used() == 0);
}

TEST_CASE("only_pressing_requests_ask_the_others_for_an_idle_connection", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    s.pools[0]->idle = 1;
    CHECK_FALSE(s.acquire(1, false));
    CHECK(s.pools[0]->asked == 0);
    CHECK_FALSE(s.budget.is_pressed());
    CHECK_FALSE(s.acquire(1, true));  // in the same place, but pressing now
    CHECK(s.pools[0]->asked == 1);
    CHECK(s.pools[1]->asked == 0);
    CHECK(s.budget.is_pressed());
    s.budget.release();
    CHECK(log_of_grants == "b");
    CHECK_FALSE(s.budget.is_pressed());
}

TEST_CASE("room_freed_by_a_reclaim_goes_to_the_first_in_the_queue", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(2));
    s.pools[0]->idle = 1;
    s.pools[0]->on_reclaim = [&] { s.budget.release(); };
    CHECK_FALSE(s.acquire(1));
    CHECK(log_of_grants == "c");
    CHECK(s.budget.used() == 1);
    CHECK(s.budget.is_queued(s.pools[1]));
    CHECK_FALSE(s.budget.is_queued(s.pools[2]));
}

TEST_CASE("the_same_pool_is_not_asked_first_each_time", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    s.pools[1]->idle = s.pools[2]->idle = 10;
    for (int i = 0; i < 10; ++i) CHECK_FALSE(s.acquire(0));
    CHECK(s.pools[1]->idle < 10);
    CHECK(s.pools[2]->idle < 10);
}

TEST_CASE("pool_that_withdraws_is_not_granted", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    s.budget.withdraw(s.pools[1]);
    s.budget.withdraw(s.pools[1]);
    CHECK(s.budget.is_pressed());
    s.budget.release();
    CHECK(log_of_grants == "c");
    CHECK_FALSE(s.budget.is_pressed());
}

TEST_CASE("pool_that_ended_in_the_queue_is_passed_over", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    s.pools[1].reset();
    s.budget.release();
    CHECK(log_of_grants == "c");
    s.pools[2].reset();
    s.budget.release();
    CHECK(s.budget.used() == 0);
    CHECK_FALSE(s.budget.is_pressed());
}

TEST_CASE("budget_is_never_exceeded_by_contending_pools", "[budget][thread]") {
    constexpr std::size_t room = 3;
    connection_budget budget(room);
    struct worker final : connection_budget::member {
        void budget_granted() override { budget->release(); }
        bool reclaim_idle() override { return false; }
        connection_budget* budget = nullptr;
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            const auto me = std::make_shared<worker>();
            me->budget = &budget;
            budget.join(me);
            for (int i = 0; i < 5000; ++i) {
                const bool mine = budget.acquire(me, i % 2 == 0);
                if (budget.used() > room) FAIL("exceeded");
                if (mine) budget.release();
                if (i % 3 == 0) budget.withdraw(me);
            }
            budget.withdraw(me);
        });
    for (std::thread& t : threads) t.join();
    CHECK(budget.used() == 0);
    CHECK_FALSE(budget.is_pressed());
}
