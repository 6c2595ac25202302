// The budget alone: what it grants, to whom, in which order.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "hotpool/connection_budget.hpp"
#include "hotpool/pool/budget_share.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

constexpr duration turn = 100ms;

struct pool final : connection_budget::member {
    pool(char n, std::string& calls) : name(n), log(&calls) {}
    void budget_calls() noexcept override { *log += name; }
    char name;
    std::string* log;
};

struct stage {
    explicit stage(std::size_t room) : budget(room, turn) {
        for (const char name : {'a', 'b', 'c'}) {
            pools.push_back(std::make_unique<pool>(name, calls));
            budget.join(*pools.back());
        }
    }
    ~stage() {
        for (const auto& p : pools) budget.leave(*p, now);
    }
    bool acquire(std::size_t i, bool pressing = true) { return budget.acquire(*pools[i], {pressing, leases}, now); }
    /// A grant is taken, or free room, and the connection is open.
    void open(std::size_t i, int n = 1) {
        while (n-- > 0) {
            REQUIRE(acquire(i));
            budget.opened(*pools[i], now);
        }
    }
    void release(std::size_t i) { budget.release(*pools[i], false, now); }
    bool press(std::size_t i) { return budget.press(*pools[i], leases, now); }
    void idle(std::size_t i) { pools[i]->longest_idle(now); }
    void busy(std::size_t i) { pools[i]->longest_idle(never); }
    bool is_called(std::size_t i) const { return pools[i]->is_called(true); }
    /// Its idle connection, if it is to go, goes.
    bool gives_idle(std::size_t i) {
        if (!budget.promise_idle(*pools[i], now)) return false;
        busy(i);
        budget.release(*pools[i], true, now);
        return true;
    }
    /// A connection comes back to where somebody waits for it; it goes if it has to.
    bool gives_returned(std::size_t i) {
        if (!pools[i]->claim().take_returned()) return false;
        budget.release(*pools[i], true, now);
        return true;
    }
    bool has_grant(std::size_t i) const { return pools[i]->has_grant(); }

    time_point now = time_point{} + 1h;
    std::uint64_t leases = 0;  // of whoever asks
    std::string calls;
    connection_budget budget;
    std::vector<std::unique_ptr<pool>> pools;
};

}  // namespace

TEST_CASE("budget_of_nothing_is_refused", "[budget]") {
    CHECK_THROWS_AS(connection_budget(0), std::invalid_argument);
    CHECK_THROWS_AS(connection_budget(1, 999us), std::invalid_argument);
    CHECK(connection_budget(7).max_connections() == 7);
    CHECK(connection_budget(7).turn() == 100ms);
}

TEST_CASE("budget_grants_up_to_its_limit_and_takes_back", "[budget]") {
    stage s(2);
    s.open(0);
    s.open(1);
    CHECK(s.budget.used() == 2);
    CHECK_FALSE(s.acquire(2));
    CHECK(s.budget.used() == 2);
    s.release(0);
    CHECK(s.calls == "c");
    CHECK(s.has_grant(2));
    CHECK(s.budget.used() == 2);
    s.open(2);
    CHECK_FALSE(s.has_grant(2));
    s.release(1);
    s.release(2);
    CHECK(s.budget.used() == 0);
}

TEST_CASE("budget_serves_in_the_order_of_asking_and_each_pool_once", "[budget]") {
    stage s(1);
    s.open(0);
    CHECK_FALSE(s.acquire(2));
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    s.release(0);
    s.open(2);
    s.release(2);
    s.open(1);
    s.release(1);
    CHECK(s.calls == "cb");
    CHECK(s.budget.used() == 0);
}

TEST_CASE("free_room_is_not_taken_ahead_of_the_queue", "[budget]") {
    stage s(1);
    s.open(0);
    CHECK_FALSE(s.acquire(1));
    s.release(0);
    CHECK_FALSE(s.acquire(2));
    CHECK(s.acquire(1));
}

TEST_CASE("callers_come_before_warming_and_min_idle", "[budget]") {
    stage s(1);
    s.open(0);
    CHECK_FALSE(s.acquire(1, false));
    CHECK_FALSE(s.acquire(2, true));
    s.release(0);
    CHECK(s.has_grant(2));
    s.open(2);
    s.release(2);
    CHECK(s.has_grant(1));
}

TEST_CASE("only_pressing_requests_call_the_others_for_an_idle_connection", "[budget]") {
    stage s(1);
    s.open(0);
    s.idle(0);
    CHECK_FALSE(s.acquire(1, false));
    CHECK(s.calls.empty());
    CHECK_FALSE(s.is_called(0));
    CHECK_FALSE(s.gives_idle(0));
    CHECK_FALSE(s.acquire(1, true));  // in the same queue, but pressing now
    CHECK(s.calls == "a");
    CHECK(s.is_called(0));
    CHECK(s.gives_idle(0));
    CHECK_FALSE(s.is_called(0));
    CHECK(s.calls == "ab");
    CHECK(s.has_grant(1));
}

TEST_CASE("idle_connection_that_was_wanted_and_is_gone_is_looked_for_elsewhere", "[budget]") {
    stage s(2);
    s.open(0);
    s.open(1);
    s.idle(0);
    s.now += 1ms;
    s.idle(1);
    CHECK_FALSE(s.acquire(2));
    CHECK(s.calls == "a");
    CHECK(s.budget.promise_idle(*s.pools[0], s.now));
    CHECK_FALSE(s.budget.promise_idle(*s.pools[1], s.now));  // one is enough
    s.busy(0);
    s.budget.promise_broken(s.now);
    CHECK(s.calls == "ab");
    s.busy(1);
    s.idle(0);  // here it is again, and there it was lent
    CHECK_FALSE(s.gives_idle(1));
    CHECK(s.calls == "aba");
    CHECK(s.gives_idle(0));
    CHECK(s.has_grant(2));
}

TEST_CASE("longest_idle_connection_of_all_is_the_one_that_goes", "[budget]") {
    // Three idle times, in every order.
    const std::array<std::array<int, 3>, 6> orders{{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}};
    for (const duration step : {1ms, 1000ms}) {
        for (const auto& order : orders) {
            connection_budget budget(3, turn);
            std::string calls;
            std::array<pool, 3> rich{{{'0', calls}, {'1', calls}, {'2', calls}}};
            pool poor('p', calls);
            time_point now = time_point{} + 1h;
            budget.join(poor);
            for (pool& p : rich) {
                budget.join(p);
                CHECK(budget.acquire(p, {}, now));
            }
            for (const int i : order) {
                now += step;
                rich[static_cast<std::size_t>(i)].longest_idle(now);
            }
            std::string expected;
            for (const int i : order) {
                pool& p = rich[static_cast<std::size_t>(i)];
                CHECK_FALSE(budget.acquire(poor, {.pressing = true}, now));
                expected += p.name;
                CHECK(calls == expected);
                for (pool& other : rich)
                    if (&other != &p) CHECK_FALSE(budget.promise_idle(other, now));
                CHECK(budget.promise_idle(p, now));
                p.longest_idle(never);
                budget.release(p, true, now);
                expected += 'p';
                CHECK(budget.acquire(poor, {.pressing = true}, now));
                budget.opened(poor, now);
                budget.release(poor, false, now);  // it has no more than they have, the next time
                CHECK(budget.acquire(p, {}, now));
            }
            for (pool& p : rich) budget.leave(p, now);
            budget.leave(poor, now);
        }
    }
}

TEST_CASE("pool_that_has_just_become_idle_offers_what_a_caller_elsewhere_wants", "[budget]") {
    stage s(1);
    s.open(0);
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.pools[0]->is_called(false));
    CHECK(s.calls.empty());
    s.idle(0);
    CHECK(s.is_called(0));
    CHECK(s.gives_idle(0));
    CHECK(s.has_grant(1));
}

TEST_CASE("pool_with_a_caller_for_a_fresh_connection_gives_up_one_of_its_own", "[budget]") {
    stage s(1);
    s.open(0);
    s.idle(0);
    CHECK_FALSE(s.acquire(0));
    CHECK(s.calls == "a");
    CHECK(s.gives_idle(0));
    CHECK(s.has_grant(0));
}

TEST_CASE("caller_who_comes_to_a_queued_pool_presses_for_it", "[budget]") {
    stage s(1);
    s.open(0);
    s.idle(0);
    CHECK_FALSE(s.acquire(1, false));
    CHECK_FALSE(s.pools[1]->is_pressing());
    CHECK(s.press(1));
    CHECK(s.pools[1]->is_pressing());
    CHECK(s.calls == "a");
    CHECK_FALSE(s.press(2));  // it is not queued
}

TEST_CASE("pool_with_two_more_gives_what_comes_back_to_a_caller_elsewhere", "[budget]") {
    stage s(4);
    s.open(0, 4);
    CHECK_FALSE(s.acquire(0));  // it has callers of its own, who were first
    CHECK_FALSE(s.acquire(1));
    CHECK(s.gives_returned(0));
    CHECK_FALSE(s.gives_returned(0));  // one was wanted
    s.open(1);
    CHECK_FALSE(s.acquire(1));
    CHECK(s.gives_returned(0));
    s.open(1);
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(0));
    CHECK_FALSE(s.gives_returned(0));  // two each
    CHECK_FALSE(s.gives_returned(1));
}

TEST_CASE("pools_that_are_both_served_exchange_nothing", "[budget]") {
    stage s(4);
    s.open(0, 2);
    s.open(1, 2);
    CHECK_FALSE(s.acquire(0));
    CHECK_FALSE(s.acquire(1));
    for (int i = 0; i < 100; ++i) {
        s.now += turn / 4;
        ++s.leases;
        CHECK(s.press(0));
        CHECK(s.press(1));
        CHECK_FALSE(s.gives_returned(0));
        CHECK_FALSE(s.gives_returned(1));
    }
}

TEST_CASE("pool_that_does_not_keep_what_it_gets_costs_no_more_in_a_turn_than_stays", "[budget]") {
    stage s(8);
    s.open(0, 8);
    int given = 0;
    for (int i = 0; i < 100; ++i) {
        CHECK_FALSE(s.acquire(0));
        CHECK_FALSE(s.acquire(1));
        if (!s.gives_returned(0)) break;
        ++given;
        s.open(1);
        s.release(1);  // its server closed it
        s.open(0);     // who was first in the queue
    }
    CHECK(given <= 8);
    CHECK(given >= 4);
    s.now += turn;
    s.press(1);
    CHECK(s.gives_returned(0));
}

TEST_CASE("where_there_are_fewer_connections_than_pools_they_take_turns", "[budget]") {
    stage s(1);
    s.open(0);
    std::string served;
    for (int round = 0; round < 6; ++round) {
        const std::size_t has = static_cast<std::size_t>(round) % 3;
        for (std::size_t i = 0; i < 3; ++i) {
            const std::size_t next = (has + 1 + i) % 3;  // who lost it asks last
            if (next != has) s.acquire(next);
        }
        CHECK_FALSE(s.gives_returned(has));
        s.now += turn - 1ms;
        for (std::size_t i = 0; i < 3; ++i) s.press(i);
        CHECK_FALSE(s.gives_returned(has));
        s.now += 1ms;
        for (std::size_t i = 0; i < 3; ++i) s.press(i);
        CHECK(s.gives_returned(has));
        const std::size_t gets = (has + 1) % 3;
        CHECK(s.has_grant(gets));
        s.open(gets);
    }
}

TEST_CASE("connection_opened_a_moment_ago_does_not_go", "[budget]") {
    stage s(1);
    CHECK(s.acquire(0));
    CHECK_FALSE(s.acquire(1));
    s.now += 2 * turn;  // it took long to open
    s.budget.opened(*s.pools[0], s.now);
    CHECK(s.press(1));
    CHECK_FALSE(s.gives_returned(0));
    s.now += turn;
    CHECK(s.press(1));
    CHECK(s.gives_returned(0));
}

TEST_CASE("pool_gives_up_no_more_hot_connections_in_a_turn_than_it_had", "[budget]") {
    // Two pools with one caller each, and room for one connection.
    stage s(1);
    s.open(0);
    int exchanges = 0;
    std::size_t has = 0;
    for (std::size_t request = 0; request < 1000; ++request) {
        s.acquire(1 - has);
        s.idle(has);
        if (s.gives_idle(has)) {
            ++exchanges;
            has = 1 - has;
            s.open(has);
        } else {
            s.busy(has);
        }
        s.now += 1ms;
        if (request % 25 == 0) s.press(1 - has);
    }
    CHECK(exchanges <= 22);  // in ten turns
    CHECK(exchanges >= 10);
}

TEST_CASE("connections_that_nobody_wants_at_home_go_at_once", "[budget]") {
    stage s(3);
    s.open(0, 3);
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(s.acquire(1));
        s.idle(0);
        CHECK(s.gives_idle(0));
        s.open(1);
    }
    CHECK_FALSE(s.acquire(0));
    s.idle(1);
    CHECK(s.gives_idle(1));
    s.open(0);
    // What it gets back it may keep for the rest of the turn.
    CHECK_FALSE(s.acquire(1));
    s.idle(0);
    CHECK_FALSE(s.gives_idle(0));
    s.now += turn;
    ++s.leases;
    CHECK(s.press(1));
    CHECK(s.gives_idle(0));
}

TEST_CASE("pool_whose_own_connections_never_come_back_starves_and_gets_one", "[budget]") {
    stage s(4);
    s.open(0, 3);  // lent for good
    s.open(1);
    s.now += turn;
    CHECK_FALSE(s.acquire(0));
    CHECK_FALSE(s.gives_returned(1));
    s.now += turn;
    CHECK(s.press(0));
    CHECK(s.gives_returned(1));
    CHECK(s.has_grant(0));
}

TEST_CASE("pool_that_does_not_answer_is_passed_over_for_a_caller_who_starves", "[budget]") {
    stage s(2);
    s.open(0);
    s.open(1);
    s.idle(0);
    s.now += 1ms;
    s.idle(1);
    CHECK_FALSE(s.acquire(2));
    CHECK(s.calls == "a");
    s.now += turn;
    CHECK(s.press(2));
    CHECK(s.calls == "ab");
    CHECK(s.gives_idle(1));
    CHECK(s.has_grant(2));
    CHECK_FALSE(s.gives_idle(0));  // too late
}

TEST_CASE("connection_goes_to_whom_it_was_wanted_for", "[budget]") {
    stage s(7);
    s.open(0, 4);
    s.open(1, 3);
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    CHECK(s.gives_returned(0));
    CHECK(s.calls == "c");
    s.release(1);  // but what comes free by itself goes in the order of asking
    CHECK(s.has_grant(1));
}

TEST_CASE("connection_given_up_for_a_caller_who_left_goes_to_the_next", "[budget]") {
    for (const bool destroyed : {false, true}) {
        stage s(3);
        s.open(0, 3);
        CHECK_FALSE(s.acquire(1));
        CHECK(s.pools[0]->claim().take_returned());
        CHECK_FALSE(s.acquire(2));
        if (destroyed)
            s.budget.leave(*s.pools[1], s.now);
        else
            s.budget.withdraw(*s.pools[1], s.now);
        s.budget.release(*s.pools[0], true, s.now);
        CHECK(s.calls == "c");
        CHECK(s.has_grant(2));
        CHECK_FALSE(s.gives_returned(0));
    }
}

TEST_CASE("what_is_no_longer_wanted_is_not_taken", "[budget]") {
    stage s(3);
    s.open(0, 3);
    CHECK_FALSE(s.acquire(1));
    s.budget.withdraw(*s.pools[1], s.now);
    CHECK_FALSE(s.gives_returned(0));
    s.idle(0);
    CHECK_FALSE(s.is_called(0));
    CHECK(s.budget.used() == 3);
}

TEST_CASE("pool_that_has_left_promises_nothing", "[budget]") {
    stage s(1);
    s.open(0);
    s.idle(0);
    CHECK_FALSE(s.acquire(1));
    s.budget.leave(*s.pools[0], s.now);
    CHECK_FALSE(s.gives_idle(0));
    s.release(0);
    CHECK(s.has_grant(1));
}

TEST_CASE("pool_that_leaves_while_it_gives_one_up_still_gives_it", "[budget]") {
    stage s(3);
    s.open(0, 3);
    CHECK_FALSE(s.acquire(1));
    CHECK(s.pools[0]->claim().take_returned());
    s.budget.leave(*s.pools[0], s.now);
    s.budget.release(*s.pools[0], true, s.now);
    CHECK(s.has_grant(1));
    CHECK(s.budget.used() == 3);
    s.release(0);
    s.release(0);
    CHECK(s.budget.used() == 1);
}

TEST_CASE("pool_has_one_errand_at_a_time", "[budget]") {
    using detail::budget_errand;
    using detail::budget_standing;
    using detail::next_errand;
    const budget_standing queued{.waits_for_room = true, .needs_room = true};
    CHECK(next_errand({}) == budget_errand::none);
    CHECK(next_errand({.waits_for_room = true}) == budget_errand::withdraw);
    CHECK(next_errand(queued) == budget_errand::none);
    budget_standing s = queued;
    s.is_pressing = true;  // but its callers have gone
    CHECK(next_errand(s) == budget_errand::withdraw);
    s.has_caller = true;
    CHECK(next_errand(s) == budget_errand::none);
    s.is_press_due = true;
    CHECK(next_errand(s) == budget_errand::press);
    s.is_press_due = s.is_pressing = false;
    CHECK(next_errand(s) == budget_errand::press);
    CHECK(next_errand({.has_grant = true}) == budget_errand::return_grants);
    CHECK(next_errand({.has_grant = true, .is_asking = true}) == budget_errand::none);
    CHECK(next_errand({.is_called = true}) == budget_errand::promise_idle);
    CHECK(next_errand({.waits_for_room = true, .has_grant = true, .is_called = true, .is_busy = true}) ==
          budget_errand::none);
}

TEST_CASE("pool_that_withdraws_is_not_granted", "[budget]") {
    stage s(1);
    s.open(0);
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    s.budget.withdraw(*s.pools[1], s.now);
    s.budget.withdraw(*s.pools[1], s.now);
    CHECK(s.is_called(0));
    s.release(0);
    CHECK(s.calls == "c");
    CHECK_FALSE(s.is_called(0));
}

TEST_CASE("grants_that_are_not_needed_go_to_the_next", "[budget]") {
    stage s(1);
    s.open(0);
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    s.release(0);
    CHECK(s.calls == "b");
    s.budget.return_grants(*s.pools[1], 0, s.now);
    CHECK(s.calls == "bc");
    CHECK_FALSE(s.has_grant(1));
    s.budget.withdraw(*s.pools[2], s.now);
    CHECK(s.budget.used() == 0);
}

TEST_CASE("pool_that_has_left_is_passed_over_and_leaves_its_grants", "[budget]") {
    stage s(1);
    s.open(0);
    CHECK_FALSE(s.acquire(1));
    CHECK_FALSE(s.acquire(2));
    s.release(0);
    s.budget.leave(*s.pools[1], s.now);
    CHECK(s.calls == "bc");
    s.budget.leave(*s.pools[2], s.now);
    CHECK(s.budget.used() == 0);
    s.open(0);
    CHECK_FALSE(s.acquire(1));  // nobody is queued that cannot be called
    CHECK_FALSE(s.budget.is_queued(*s.pools[1]));
    s.release(0);
}

TEST_CASE("budget_is_never_exceeded_by_contending_pools", "[budget][thread]") {
    constexpr std::size_t room = 3;
    connection_budget budget(room, 1ms);
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
            const auto now = [] { return clock_type::now(); };
            for (int i = 0; i < 5000; ++i) {
                const bool mine = budget.acquire(me, {.pressing = i % 2 == 0}, now());
                if (budget.used() > room) exceeded = true;
                if (mine && i % 2 == 0) budget.opened(me, now());
                const bool returned = mine && i % 5 == 0 && me.claim().take_returned();
                me.longest_idle(mine && !returned ? now() : never);
                const bool promised = !returned && me.is_called(mine) && budget.promise_idle(me, now());
                if (promised && !mine) budget.promise_broken(now());
                if (mine) budget.release(me, promised || returned, now());
                if (i % 3 == 0) budget.withdraw(me, now());
            }
            budget.leave(me, now());
            const int calls = me.calls;
            std::this_thread::yield();
            if (me.calls != calls) exceeded = true;
        });
    for (std::thread& t : threads) t.join();
    CHECK_FALSE(exceeded);
    CHECK(budget.used() == 0);
}
