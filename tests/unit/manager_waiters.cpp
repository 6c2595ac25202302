// Those who wait, in two queues and one order.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <vector>

#include "hotpool/base/random.hpp"
#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

using queue_type = waiter_queue<int>;
using caller = queue_type::waiter_type;

constexpr time_point start{1h};

caller& come(std::deque<caller>& all, queue_type& queue, bool fresh_only) {
    caller& w = all.emplace_back();
    w.fresh_only = fresh_only;
    queue.add(w, start, never);
    return w;
}

/// One list, and questions answered by walking it.
struct plain_queue {
    std::list<caller*> all;

    caller* oldest() const { return all.empty() ? nullptr : all.front(); }
    caller* oldest_for(bool used) const {
        for (caller* w : all)
            if (!used || !w->fresh_only) return w;
        return nullptr;
    }
    std::size_t passed_over(bool used) const {
        std::size_t n = 0;
        for (caller* w : all) {
            if (!used || !w->fresh_only) break;
            ++n;
        }
        return n;
    }
};

}  // namespace

TEST_CASE("waiters_of_both_kinds_are_served_in_the_order_they_came", "[manager]") {
    std::deque<caller> all;
    queue_type queue;
    caller& fresh = come(all, queue, true);
    caller& any = come(all, queue, false);
    caller& younger = come(all, queue, true);
    CHECK(queue.size() == 3);
    CHECK(queue.oldest() == &fresh);
    CHECK(queue.oldest_for(true) == &any);
    CHECK(queue.oldest_for(false) == &fresh);
    CHECK(queue.passed_over(true) == 1);
    CHECK(queue.passed_over(false) == 0);
    queue.answer(fresh, {});
    CHECK(queue.oldest() == &any);
    CHECK(queue.oldest_for(false) == &any);
    CHECK(queue.passed_over(true) == 0);
    queue.answer(any, {});
    CHECK(queue.oldest() == &younger);
    CHECK(queue.oldest_for(true) == nullptr);
    CHECK(queue.passed_over(true) == 1);
    CHECK(queue.all_fresh_only());
    CHECK(queue.next_answered() == &fresh);
    CHECK(queue.next_answered() == &any);
    CHECK(queue.next_answered() == nullptr);
    CHECK(queue.check());
}

TEST_CASE("two_queues_answer_like_one_list", "[manager]") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        base::random_source dice(seed);
        std::deque<caller> all;
        queue_type queue;
        plain_queue plain;
        const std::uint64_t fresh_share = seed % 5 * 25;
        for (int i = 0; i < 400; ++i) {
            if (plain.all.empty() || dice.next() % 100 < 55) {
                plain.all.push_back(&come(all, queue, dice.next() % 100 < fresh_share));
            } else {
                // Served by a connection, used or not, or gone from anywhere.
                const std::uint64_t how = dice.next() % 3;
                caller* w = how == 2 ? *std::next(plain.all.begin(),
                                                  static_cast<std::ptrdiff_t>(dice.next() % plain.all.size()))
                                     : plain.oldest_for(how == 1);
                if (w == nullptr) continue;
                plain.all.remove(w);
                if (how == 2)
                    queue.forget(*w);
                else
                    queue.answer(*w, {});
            }
            bool same = queue.size() == plain.all.size() && queue.oldest() == plain.oldest() && queue.check();
            for (const bool used : {false, true})
                same = same && queue.oldest_for(used) == plain.oldest_for(used) &&
                       queue.passed_over(used) == plain.passed_over(used);
            if (!same) FAIL("seed " << seed << ", event " << i);
        }
    }
}

TEST_CASE("nobody_is_looked_at_twice_for_the_sake_of_others", "[manager]") {
    for (const std::size_t many : {std::size_t{10}, std::size_t{10'000}}) {
        std::deque<caller> all;
        queue_type queue;
        for (std::size_t i = 0; i < many; ++i) {
            come(all, queue, false);
            come(all, queue, true);
        }
        while (!queue.all_fresh_only()) queue.answer(*queue.oldest_for(true), {});
        CHECK(queue.passed_over(true) == many);
        CHECK(queue.steps() == many);
        while (!queue.empty()) queue.answer(*queue.oldest(), {});
        CHECK(queue.steps() == many);
    }
}

TEST_CASE("lend_and_return_look_at_no_waiter_that_wants_a_fresh_connection", "[manager]") {
    for (const std::size_t many : {std::size_t{10}, std::size_t{10'000}}) {
        connection_manager<int> machine({.max_connections = 2 * many + 2, .max_waiters = no_limit, .max_openings = 1});
        connection_manager<int>::action next;
        machine.warm_requested(1);
        REQUIRE(machine.next_action(next, start));
        machine.slot_opened(*next.slot, start);
        slot<int>* s = machine.try_lease(start);
        std::deque<caller> all(many);
        for (caller& w : all) {
            w.fresh_only = true;
            REQUIRE(machine.get_requested(w, start, never) == get_outcome::queued);
        }
        // And one behind them that takes any: he is handed the connection past the others.
        caller last;
        const std::uint64_t before = machine.waiters().steps();
        for (int i = 0; i < 1000; ++i) {
            machine.lease_returned(*s, start);
            s = machine.try_lease(start);
            REQUIRE(s != nullptr);
        }
        machine.get_requested(last, start, never);
        machine.lease_returned(*s, start);
        CHECK(last.granted == s);
        CHECK(machine.waiters().steps() == before);
        CHECK(machine.check());
    }
}
