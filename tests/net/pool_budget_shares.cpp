// Who gets what of a budget that is too small: busy pools and idle ones, on one loop and on several.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "support/budget_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Gets a connection, keeps it for a while, puts it back, and so on.
template <class Pool>
class budget_worker {
public:
    budget_worker(Pool& pool, net::io_context& io, duration service) : pool_(pool), timer_(io), service_(service) {}
    void start() {
        asked_ = clock_type::now();
        ++pending;
        pool_.async_get(20s, [this](std::error_code error, typename Pool::lease_type lease) {
            --pending;
            longest = std::max<duration>(longest, clock_type::now() - asked_);
            if (error) {
                ++failed;
                return;
            }
            ++served;
            lease_ = std::move(lease);
            timer_.expires_after(service_);
            ++pending;
            timer_.async_wait([this](std::error_code) {
                --pending;
                if (over) {  // the pool may be gone
                    lease_ = {};
                    return;
                }
                pool_.put(std::move(lease_));
                start();
            });
        });
    }

    std::size_t served = 0;
    std::size_t failed = 0;
    int pending = 0;
    duration longest{};
    bool over = false;

private:
    Pool& pool_;
    net::steady_timer timer_;
    duration service_;
    typename Pool::lease_type lease_;
    time_point asked_;
};

template <class Pool>
using budget_crew = std::deque<budget_worker<Pool>>;

template <class Pool>
void hire(budget_crew<Pool>& all, std::size_t n, Pool& pool, net::io_context& io, duration service) {
    for (; n != 0; --n) all.emplace_back(pool, io, service).start();
}
template <class Pool>
bool dismiss(budget_crew<Pool>& all, net::io_context& io) {
    for (auto& w : all) w.over = true;
    return run_until(io,
                     [&] { return std::all_of(all.begin(), all.end(), [](const auto& w) { return w.pending == 0; }); });
}
template <class Pool>
std::size_t sum_served(const budget_crew<Pool>& all) {
    std::size_t n = 0;
    for (const auto& w : all) n += w.served;
    return n;
}

/// Pools whose connections are lent and put back at once.
struct shares_stage : pools_under_budget {
    using pools_under_budget::pools_under_budget;

    mock_pool::lease_type get(std::size_t i) { return test::get(io, pool(i)); }
    void idle(std::size_t i) {
        pool(i).put(get(i));
        turn();
    }
    void pause(duration span) {
        const time_point end = clock_type::now() + span;
        CHECK(run_until(io, [&] { return clock_type::now() >= end; }));
    }
};

std::uint64_t budget_exchanges(const mock_pool& pool) { return retired(pool, retire_reason::budget); }

}  // namespace

TEST_CASE("longest_idle_connection_of_all_pools_is_reclaimed", "[pool][budget]") {
    for (const std::size_t older : {0U, 1U}) {
        shares_stage s(2);
        s.idle(older);
        s.pause(30ms);
        s.idle(1 - older);
        s.pause(30ms);
        CHECK(s.get(2));
        CHECK(budget_exchanges(s.pool(older)) == 1);
        CHECK(budget_exchanges(s.pool(1 - older)) == 0);
    }
}

TEST_CASE("min_idle_keeps_nothing_from_a_caller_of_another_pool", "[pool][budget]") {
    shares_stage s(2);
    s.pool(0).set_options({.min_idle = 2});
    REQUIRE(run_until(s.io, [&] { return s.pool(0).stats().now.idle == 2; }));
    auto one = s.get(1);
    auto two = s.get(1);
    s.turn();
    CHECK(s.pool(0).stats().now == connection_counts{});
    s.pool(1).put(std::move(one));
    s.turn();
    CHECK(s.pool(1).stats().now.idle == 1);  // min_idle takes none either
    auto lease = s.get(2);
    CHECK(budget_exchanges(s.pool(1)) == 1);
    lease.discard();  // and comes in where there is room
    CHECK(run_until(s.io, [&] { return s.pool(0).stats().now.idle == 1; }));
}

TEST_CASE("caller_for_a_fresh_connection_gets_the_room_of_an_idle_one_of_its_own_pool", "[pool][budget]") {
    shares_stage s(1, 1);
    s.idle(0);
    s.pool(0).suspend();  // a caller waits beside it
    got<mock_pool> answer;
    s.pool(0).async_get(answer.handler());
    s.turn();
    CHECK_FALSE(answer.done());
    s.pool(0).resume();
    CHECK(run_until(s.io, [&] { return answer.done(); }));
    CHECK(answer.lease);
}

TEST_CASE("tripped_pool_recovers_beside_a_busy_one", "[pool][budget]") {
    shares_stage s(2, 2, {.breaker_failures = 1, .backoff_first = 20ms, .backoff_limit = 20ms});
    s.net.opens_at_once = false;
    got<mock_pool> answer;
    s.pool(1).async_get(answer.handler());
    s.turn();
    s.net.openings.back().fail();
    s.turn();
    REQUIRE(answer.error == errc::connect_refused);
    REQUIRE(s.pool(1).stats().failing);
    s.net.opens_at_once = true;
    budget_crew<mock_pool> busy;
    hire(busy, 10, s.pool(0), s.io, 1ms);
    CHECK(run_until(s.io, [&] { return !s.pool(1).stats().failing; }));
    s.look();
    CHECK(dismiss(busy, s.io));
}

TEST_CASE("pool_destroyed_while_room_is_being_handed_to_it_passes_it_on", "[pool][budget]") {
    for (const bool closed : {false, true}) {
        shares_stage s(1);
        auto lease = s.get(0);
        got<mock_pool> first, second;
        s.pool(1).async_get(first.handler());
        s.pool(2).async_get(second.handler());
        s.turn();
        lease.discard();  // the first one has it now, and does not know yet
        if (closed)
            s.pool(1).close();
        else
            s.pools[1].reset();
        CHECK(run_until(s.io, [&] { return second.done(); }));
        CHECK(first.error == errc::pool_closed);
        CHECK(second.lease);
    }
}

TEST_CASE("fewer_connections_than_busy_pools_take_turns", "[pool][budget]") {
    shares_stage s(1, 3);
    std::array<budget_crew<mock_pool>, 3> crews;
    for (std::size_t i = 0; i < crews.size(); ++i) hire(crews[i], 4, s.pool(i), s.io, 1ms);
    const time_point began = clock_type::now();
    CHECK(run_until(s.io, [&] {
        s.look();
        return std::all_of(crews.begin(), crews.end(), [](const auto& c) { return sum_served(c) >= 20; });
    }));
    const auto turns = static_cast<std::uint64_t>((clock_type::now() - began) / s.budget->turn()) + 1;
    std::uint64_t exchanges = 0;
    for (std::size_t i = 0; i < 3; ++i) exchanges += budget_exchanges(s.pool(i));
    CHECK(exchanges <= 2 * turns);
    for (auto& crew : crews) CHECK(dismiss(crew, s.io));
}

TEST_CASE("pool_beside_a_saturated_one_is_served_within_a_few_service_times", "[pool][budget]") {
    const descriptor_check no_leak;
    const site<tcp_transport> server;
    for (const std::size_t room : {2U, 4U, 5U}) {
        CAPTURE(room);
        const auto budget = std::make_shared<connection_budget>(room);
        net::io_context io;
        tcp_pool busy = server.pool(io, {}, budget);
        tcp_pool modest = server.pool(io, {}, budget);
        budget_crew<tcp_pool> many, few;
        hire(many, 50, busy, io, 5ms);
        io.run_for(50ms);
        CHECK(busy.stats().now.total() == room);
        hire(few, 1, modest, io, 5ms);
        const time_point began = clock_type::now();
        bool exceeded = false;
        CHECK(run_until(io, [&] {
            exceeded = exceeded || budget->used() > room ||
                       busy.stats().now.total() + modest.stats().now.total() > budget->used() + 2;
            return few.front().served >= 40;
        }));
        CHECK_FALSE(exceeded);
        CHECK(few.front().failed == 0);
        CHECK(few.front().longest < 100ms);  // mostly 5 ms: what comes back next
        CHECK(sum_served(many) > 50);
        const auto turns = static_cast<std::uint64_t>((clock_type::now() - began) / budget->turn()) + 1;
        CHECK(retired(busy, retire_reason::budget) + retired(modest, retire_reason::budget) <= 2 * room * turns);
        CHECK(dismiss(many, io));
        CHECK(dismiss(few, io));
        for (const auto& w : many) CHECK(w.failed == 0);
        busy.close();
        modest.close();
        CHECK(run_dry(io));
        CHECK(budget->used() == 0);
    }
}

TEST_CASE("idle_connection_of_a_loop_that_stands_still_is_not_waited_for", "[pool][budget]") {
    const site<tcp_transport> server;
    const auto budget = std::make_shared<connection_budget>(2);
    net::io_context still, io;
    tcp_pool stuck = server.pool(still, {}, budget);
    tcp_pool other = server.pool(io, {}, budget);
    tcp_pool asking = server.pool(io, {}, budget);
    stuck.put(get(still, stuck));
    std::this_thread::sleep_for(20ms);
    other.put(get(io, other));
    const time_point began = clock_type::now();
    CHECK(get(io, asking));
    CHECK(clock_type::now() - began < 1s);
    CHECK(retired(other, retire_reason::budget) == 1);
    for (tcp_pool* pool : {&stuck, &other, &asking}) pool->close();
    CHECK(run_dry(io));
    CHECK(run_dry(still));
    CHECK(budget->used() == 0);
}

TEST_CASE("busy_pools_on_threads_of_their_own_share_a_budget", "[pool][budget][thread]") {
    const descriptor_check no_leak;
    const site<tcp_transport> server;
    for (const std::size_t room : {1U, 2U, 4U}) {
        CAPTURE(room);
        const auto budget = std::make_shared<connection_budget>(room, 20ms);
        std::atomic<bool> exceeded{false}, over{false};
        std::array<std::atomic<std::size_t>, 3> served{};
        std::array<std::atomic<std::size_t>, 3> failed{};
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < served.size(); ++i)
            threads.emplace_back([&, i] {
                net::io_context io;
                std::optional<tcp_pool> pool;
                pool.emplace(io.get_executor(), server.target(), pool_options{}, tcp_options{}, budget);
                budget_crew<tcp_pool> crew;
                hire(crew, 1 + 8 * i, *pool, io, 1ms);
                while (!over) {
                    io.run_for(2ms);
                    served[i] = sum_served(crew);
                    exceeded = exceeded || budget->used() > room;
                }
                if (i == 2) pool->close();  // while it has asked and is being called
                for (auto& w : crew) w.over = true;
                const time_point limit = clock_type::now() + 5s;
                while (!std::all_of(crew.begin(), crew.end(), [](auto& w) { return w.pending == 0; }) &&
                       clock_type::now() < limit) {
                    io.restart();
                    io.run_for(1ms);
                }
                for (const auto& w : crew) failed[i] += i == 2 ? 0 : w.failed;
                pool.reset();
                io.restart();
                io.run_for(5s);
            });
        const time_point limit = clock_type::now() + 20s;
        const auto all_served = [&] {
            return std::all_of(served.begin(), served.end(), [](const auto& n) { return n >= 30; });
        };
        while (!all_served() && clock_type::now() < limit) std::this_thread::sleep_for(1ms);
        CHECK(all_served());
        over = true;
        for (std::thread& t : threads) t.join();
        CHECK_FALSE(exceeded);
        for (const auto& n : failed) CHECK(n == 0);
        CHECK(budget->used() == 0);
    }
}

TEST_CASE("pools_come_and_go_on_threads_while_others_want_their_connections", "[pool][budget][thread]") {
    const site<tcp_transport> server;
    const auto budget = std::make_shared<connection_budget>(3, 1ms);
    std::atomic<bool> exceeded{false};
    std::atomic<std::size_t> served{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
        threads.emplace_back([&, t] {
            for (int round = 0; round < 15; ++round) {
                net::io_context io;
                std::optional<tcp_pool> pool;
                pool.emplace(io.get_executor(), server.target(), pool_options{}, tcp_options{}, budget);
                budget_crew<tcp_pool> crew;
                hire(crew, 5, *pool, io, 0ms);
                io.run_for(std::chrono::milliseconds(1 + (round * 7 + t * 3) % 12));
                exceeded = exceeded || budget->used() > budget->max_connections();
                for (auto& w : crew) w.over = true;
                served += sum_served(crew);
                if (round % 2 == 0) pool->close();
                pool.reset();
                io.restart();
                io.run_for(5s);  // until all of it has ended
            }
        });
    for (std::thread& t : threads) t.join();
    CHECK_FALSE(exceeded);
    CHECK(served > 0);
    CHECK(budget->used() == 0);
}
