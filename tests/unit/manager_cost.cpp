// What must cost nothing: sweeps with nothing due, lending among many idle connections, allocations.
#include <cstddef>
#include <utility>
#include <vector>

#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/machine_bench.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

constexpr std::size_t many = 10'000;
constexpr pool_options for_many{
    .max_connections = many + 1, .idle_timeout = 60s, .rest_after_idle = 1s, .max_openings = many + 1};

using machine_type = connection_manager<int>;

/// A driver that opens and closes at once, and whose own lists cost nothing after the first round.
class quick_driver {
public:
    explicit quick_driver(machine_type& machine) : machine_(machine) {}

    void fill(std::size_t n, time_point now) {
        machine_.warm_requested(n);
        perform(now);
    }
    void perform(time_point now) {
        asked_.clear();
        machine_type::action next;
        while (machine_.next_action(next, now)) asked_.push_back(next);
        for (const auto& one : asked_) {
            if (one.task == slot_task::open) machine_.slot_opened(*one.slot, now);
            if (one.task == slot_task::close) machine_.slot_closed(*one.slot);
        }
    }

private:
    machine_type& machine_;
    std::vector<machine_type::action> asked_;
};

void fill(machine_type& machine, std::size_t n, time_point now) { quick_driver(machine).fill(n, now); }

/// Where every slot stands in the order of deadlines.
std::vector<std::pair<time_point, base::wheel_hook**>> places(machine_type& machine) {
    std::vector<std::pair<time_point, base::wheel_hook**>> found;
    machine.for_each_slot([&](const slot<int>& s) { found.emplace_back(s.key, s.link); });
    return found;
}

}  // namespace

TEST_CASE("sweep_with_nothing_due_looks_at_no_slot", "[manager]") {
    const time_point start{1h};
    machine_type machine(for_many);
    fill(machine, many, start);
    REQUIRE(machine.counts().idle == many);
    for (int i = 0; i < 100; ++i) machine.time_passed(start + 1s - 1ns);
    CHECK(machine.counters().examined == 0);
    CHECK(machine.check());
}

TEST_CASE("sweep_looks_at_what_is_due_and_nothing_else", "[manager]") {
    const time_point start{1h};
    machine_type machine(for_many, 1, false);
    fill(machine, many, start);
    slot<int>* old[3];
    for (auto& s : old) s = machine.try_lease(start);
    for (auto* s : old) machine.lease_returned(*s, start, {.idle_hint = 12s});
    machine.time_passed(start + 10s - 1ns);
    CHECK(machine.counters().examined == 0);
    machine.time_passed(start + 10s);
    CHECK(machine.counters().examined == 3);
    CHECK(machine.counts().closing == 3);
    CHECK(machine.counts().idle == many - 3);
}

TEST_CASE("lending_among_many_idle_connections_moves_no_deadline", "[manager]") {
    const time_point start{1h};
    machine_type machine(for_many);
    fill(machine, many, start);
    const auto before = places(machine);
    for (int i = 1; i <= 1000; ++i) {
        const time_point now = start + i * 100us;
        slot<int>* a = machine.try_lease(now);
        slot<int>* b = machine.try_lease(now);
        machine.lease_returned(*a, now);
        machine.lease_returned(*b, now);
    }
    CHECK(places(machine) == before);
    CHECK(machine.counters().examined == 0);
}

TEST_CASE("hot_connection_is_looked_at_once_per_deadline_not_once_per_use", "[manager]") {
    time_point now{1h};
    machine_type machine(for_many);
    fill(machine, 1, now);
    for (int i = 0; i < 10'000; ++i) {
        now += 1ms;
        machine.lease_returned(*machine.try_lease(now), now);
        machine.time_passed(now);
    }
    CHECK(machine.counters().examined <= 10);  // ten seconds at one second of rest_after_idle
    CHECK(machine.counters().rests == 0);
}

TEST_CASE("lend_and_return_allocate_nothing", "[manager]") {
    const time_point start{1h};
    for (const std::size_t idle : {std::size_t{1}, many}) {
        machine_type machine(for_many);
        quick_driver driver(machine);
        driver.fill(idle, start);
        const auto before = allocations();
        for (int i = 0; i < 1000; ++i) {
            const time_point now = start + i * 10ms;
            slot<int>* s = machine.try_lease(now, now + 1s);
            machine.lease_returned(*s, now);
            driver.perform(now);
        }
        CHECK(allocations() == before);
    }
}

TEST_CASE("waiting_and_being_handed_a_connection_allocate_nothing_in_steady_state", "[manager]") {
    time_point now{1h};
    machine_type machine({.max_connections = 1});
    quick_driver driver(machine);
    driver.fill(1, now);
    slot<int>* s = machine.try_lease(now);
    std::uint64_t before = 0;
    for (int i = 0; i < 1000; ++i) {
        if (i == 1) before = allocations();
        now += 1ms;
        machine_type::waiter_type w;
        machine.get_requested(w, now, now + 10s);
        driver.perform(now);
        machine.lease_returned(*s, now);
        driver.perform(now);
        s = w.granted;
    }
    CHECK(allocations() == before);
}

TEST_CASE("opening_and_closing_allocate_nothing_once_the_slots_exist", "[manager]") {
    time_point now{1h};
    machine_type machine({.max_connections = 4, .max_requests = 1});
    quick_driver driver(machine);
    std::uint64_t before = 0;
    for (int i = 0; i < 100; ++i) {
        if (i == 1) before = allocations();
        now += 1ms;
        driver.fill(4, now);
        while (slot<int>* s = machine.try_lease(now)) machine.lease_returned(*s, now);
        driver.perform(now);
    }
    CHECK(machine.counters().opened == 400);
    CHECK(machine.counts() == connection_counts{});
    CHECK(allocations() == before);
}
