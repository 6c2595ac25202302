// The gate and the turn list under contention.
#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "hotpool/connection/gate.hpp"
#include "hotpool/connection/turn_list.hpp"
#include "support/catch.hpp"

using namespace hotpool::detail;

TEST_CASE("each_park_is_claimed_exactly_once_by_contending_wakers", "[gate][thread]") {
    static constexpr int goal = 20000;
    // Parks again whenever it is resumed; what it counts is its owner's alone, as an operation's state is.
    struct operation final : waiting_op {
        explicit operation(gate& where) : g(where) {}
        void resume(wake) override {
            ++resumed;
            park();
        }
        void park() {
            for (;;) {
                if (resumed + told >= goal) {
                    done.store(true);
                    return;
                }
                if (!g.park(*this)) return;
                ++told;
            }
        }
        gate& g;
        int resumed = 0;
        int told = 0;
        std::atomic<bool> done{false};
    };

    gate g;
    operation op(g);
    constexpr std::uint64_t serial = 3;
    g.begin(serial);
    std::atomic<int> claims{0};
    const auto waker = [&](auto claim) {
        return std::thread([&, claim] {
            while (!op.done.load())
                if (waiting_op* mine = claim()) {
                    claims.fetch_add(1);
                    mine->resume(wake::ready);
                }
        });
    };
    std::vector<std::thread> wakers;
    wakers.push_back(waker([&] { return g.claim_on_event(); }));
    wakers.push_back(waker([&] { return g.claim_to_cancel(serial); }));
    wakers.push_back(waker([&] { return g.claim_on_timer(serial); }));
    wakers.push_back(waker([&] { return g.claim_on_hint(); }));
    op.park();
    for (std::thread& t : wakers) t.join();
    CHECK(op.resumed == claims.load());
    CHECK(op.resumed + op.told == goal);
}

TEST_CASE("every_push_to_the_turn_list_is_followed_by_a_visit", "[turn_list][thread]") {
    struct item {
        void add_ref() { references.fetch_add(1); }
        void release() { references.fetch_sub(1); }
        std::atomic<int> references{0};
        std::atomic<bool> in_turn{false};
        item* next_in_turn = nullptr;
        std::atomic<int> wishes{0};  // raised before a push, seen by the visit
        int visits = 0;              // by one visitor at a time
    };
    std::vector<item> items(8);
    turn_list<item> list;
    std::atomic<int> to_empty{0};  // pushes that found the list empty
    std::atomic<int> pushing{3};
    std::vector<std::thread> pushers;
    for (int t = 0; t < 3; ++t)
        pushers.emplace_back([&, t] {
            for (std::size_t i = 0; i < 30000; ++i) {
                item& one = items[(i * 7 + static_cast<std::size_t>(t)) % items.size()];
                one.wishes.fetch_add(1, std::memory_order_relaxed);
                if (list.push(one)) to_empty.fetch_add(1);
            }
            pushing.fetch_sub(1);
        });
    // One visitor, told as `net::post` would tell it: once for each push into an empty list.
    bool last = false;
    while (!last) {
        last = pushing.load() == 0;
        for (int due = to_empty.exchange(0); due > 0; --due)
            list.for_each_taken(
                [](item& one) {
                    ++one.visits;
                    one.wishes.store(0, std::memory_order_relaxed);
                },
                [] {});
        if (!last) std::this_thread::yield();
    }
    for (std::thread& t : pushers) t.join();
    for (const item& one : items) {
        CHECK(one.references == 0);
        CHECK_FALSE(one.in_turn);
        CHECK(one.visits > 0);
        CHECK(one.wishes == 0);
    }
}
