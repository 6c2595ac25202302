// Several pools under one budget.
#include <cstddef>
#include <deque>
#include <utility>

#include "support/budget_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Three pools, and who has asked them for a connection.
struct budget_stage : pools_under_budget {
    explicit budget_stage(std::size_t room, const pool_options& options = {}) : pools_under_budget(room, 3, options) {}

    got<mock_pool>& ask(std::size_t i, duration timeout = 10s) {
        pool(i).async_get(timeout, answers.emplace_back().handler());
        turn();
        return answers.back();
    }
    void idle(std::size_t i) {
        auto& a = ask(i);
        CHECK(a.lease);
        pool(i).put(std::move(a.lease));
        turn();
    }

    std::deque<got<mock_pool>> answers;
};

}  // namespace

TEST_CASE("pool_without_room_gets_that_of_anothers_idle_connection", "[pool][budget]") {
    budget_stage s(1);
    s.idle(0);
    auto& b = s.ask(1);
    CHECK(b.lease);
    CHECK(retired(s.pool(0), retire_reason::budget) == 1);
    CHECK(s.budget->used() == 1);
    s.pool(1).put(std::move(b.lease));
    CHECK(s.ask(0).lease);  // and back again
}

TEST_CASE("connection_put_back_makes_room_for_a_caller_of_another_pool", "[pool][budget]") {
    budget_stage s(1);
    auto& a = s.ask(0);
    auto& b = s.ask(1);
    CHECK(a.lease);
    CHECK_FALSE(b.done());
    CHECK(s.pool(1).stats().now == connection_counts{.waiting = 1});
    s.pool(0).put(std::move(a.lease));
    s.turn();
    CHECK(b.lease);
    CHECK(retired(s.pool(0), retire_reason::budget) == 1);
}

TEST_CASE("callers_of_its_own_get_a_returned_connection_first", "[pool][budget]") {
    budget_stage s(1);
    auto& a = s.ask(0);
    auto& b = s.ask(1);
    auto& c = s.ask(0);
    s.pool(0).put(std::move(a.lease));
    s.turn();
    CHECK(c.lease);
    CHECK_FALSE(b.done());
    s.pool(0).put(std::move(c.lease));
    s.turn();
    CHECK(b.lease);
}

TEST_CASE("pools_are_served_in_the_order_of_asking", "[pool][budget]") {
    budget_stage s(1);
    auto& a = s.ask(0);
    auto& c = s.ask(2);
    auto& b = s.ask(1);
    a.lease.discard();
    s.turn();
    CHECK(c.lease);
    CHECK_FALSE(b.done());
    c.lease.discard();
    s.turn();
    CHECK(b.lease);
}

TEST_CASE("pool_that_gave_up_waiting_costs_no_other_its_connection", "[pool][budget]") {
    budget_stage s(1);
    auto& a = s.ask(0);
    auto& b = s.ask(1, 10ms);
    CHECK(run_until(s.io, [&] { return b.done(); }));
    CHECK(b.error == errc::get_timed_out);
    s.pool(0).put(std::move(a.lease));
    s.turn();
    CHECK(s.pool(0).stats().now == connection_counts{.idle = 1});
    CHECK(s.ask(0).lease.reused());
    // It may ask again.
    s.answers.clear();
    s.turn();
    CHECK(s.ask(1).lease);
}

TEST_CASE("pool_destroyed_in_the_queue_is_passed_over", "[pool][budget]") {
    budget_stage s(1);
    auto& a = s.ask(0);
    auto& b = s.ask(1);
    auto& c = s.ask(2);
    s.pools[1].reset();
    s.turn();
    CHECK(b.error == errc::pool_closed);
    a.lease.discard();
    s.turn();
    CHECK(c.lease);
}

TEST_CASE("pool_destroyed_with_a_lease_keeps_its_room_until_it_ends", "[pool][budget]") {
    budget_stage s(1);
    auto& a = s.ask(0);
    auto& b = s.ask(1);
    s.pools[0].reset();
    s.turn();
    CHECK(s.budget->used() == 1);
    CHECK_FALSE(b.done());
    a.lease = {};
    s.turn();
    CHECK(b.lease);
}

TEST_CASE("failed_openings_give_their_room_back_and_take_no_others", "[pool][budget]") {
    budget_stage s(2, {.backoff_first = 1ms, .backoff_limit = 1ms});
    s.idle(0);
    s.net.opens_at_once = false;
    for (int i = 0; i < 4; ++i) {
        auto& b = s.ask(1);
        CHECK(run_until(s.io, [&] { return s.net.pending() == 1; }));
        CHECK(s.budget->used() == 2);
        s.net.openings.back().fail();
        s.turn();
        CHECK(b.error == errc::connect_refused);
        CHECK(s.budget->used() == 1);
    }
    // Pool 1 always had room of its own.
    CHECK(s.pool(0).stats().now == connection_counts{.idle = 1});
}

TEST_CASE("several_callers_of_one_pool_are_served_as_room_comes", "[pool][budget]") {
    budget_stage s(3);
    std::array<got<mock_pool>*, 3> held{};
    for (auto& h : held) h = &s.ask(0);
    std::array<got<mock_pool>*, 3> waiting{};
    for (auto& w : waiting) w = &s.ask(1);
    for (std::size_t i = 0; i < 3; ++i) {
        s.pool(0).put(std::move(held[i]->lease));
        s.turn();
        CHECK(waiting[i]->lease);
    }
    CHECK(s.pool(1).stats().now.leased == 3);
}

TEST_CASE("warm_and_min_idle_take_nobodys_connection", "[pool][budget]") {
    budget_stage s(2);
    s.idle(0);
    s.idle(1);
    std::error_code warm;
    s.pool(2).async_warm(2, [&](std::error_code e) { warm = e; });
    s.turn();
    CHECK(warm == errc::warm_incomplete);
    s.pool(2).set_options({.min_idle = 1});
    for (int i = 0; i < 5; ++i) s.turn();
    CHECK(s.pool(0).stats().now == connection_counts{.idle = 1});
    CHECK(s.pool(1).stats().now == connection_counts{.idle = 1});
    // But they come in when there is room.
    s.net.links[0]->finish();
    CHECK(run_until(s.io, [&] { return s.pool(2).stats().now.idle == 1; }));
    CHECK(s.budget->used() == 2);
}

TEST_CASE("random_use_of_three_pools_never_exceeds_the_budget_and_serves_all", "[pool][budget]") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        base::random_source dice(seed);
        budget_stage s(1 + dice.next() % 4, {.max_connections = 3, .backoff_first = 1us, .backoff_limit = 1us});
        std::deque<mock_pool::lease_type> leases;
        std::deque<std::size_t> owners;
        int asked = 0, answered = 0;
        const auto ask = [&] {
            const std::size_t i = dice.next() % 3;
            ++asked;
            s.pool(i).async_get(10s, [&, i](std::error_code error, mock_pool::lease_type lease) {
                ++answered;
                if (error) return;
                leases.push_back(std::move(lease));
                owners.push_back(i);
            });
        };
        const auto end_one = [&] {
            if (leases.empty()) return;
            auto lease = std::move(leases.front());
            const std::size_t owner = owners.front();
            leases.pop_front();
            owners.pop_front();
            if (dice.next() % 4 == 0) return lease.discard();
            s.pool(owner).put(std::move(lease));
        };
        for (int step = 0; step < 400; ++step) {
            s.net.opens_at_once = dice.next() % 4 != 0;
            switch (dice.next() % 5) {
                case 0:
                case 1: ask(); break;
                case 2: end_one(); break;
                case 3:
                    if (!s.net.openings.empty()) s.net.openings[dice.next() % s.net.openings.size()].succeed();
                    break;
                case 4:
                    if (!s.net.openings.empty()) s.net.openings[dice.next() % s.net.openings.size()].fail();
                    break;
            }
            s.turn();
        }
        // Everybody is answered once all give back what they get.
        s.net.opens_at_once = true;
        const bool all = run_until(s.io, [&] {
            for (mock_opening& o : s.net.openings) o.succeed();
            end_one();
            return answered == asked;
        });
        CHECK(all);
        CHECK(answered == asked);
        leases.clear();
    }
}
