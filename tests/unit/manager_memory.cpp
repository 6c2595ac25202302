// Memory that is refused at its first, second, third ... allocation, in every step of a scripted life: the accounts stay
// exact, everybody is answered once, and the pool goes on.
#include <array>
#include <deque>
#include <new>
#include <string>
#include <vector>

#include "hotpool/connection_manager.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/names.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

ip_endpoint at(const char* text) { return {*ip_address::parse(text), 80}; }

constexpr pool_options busy{.max_connections = 8,
                            .max_waiters = 20,
                            .get_timeout = 20s,
                            .health_check_interval = 5s,
                            .rest_after_idle = 1s,
                            .ejection_failures = 1,
                            .ejection_time = 2s,
                            .leak_after = 3s,
                            .reclaim_leaked = true};

/// A machine and a driver whose own lists allocate nothing.
struct world {
    using manager = connection_manager<int>;
    using slot_type = manager::slot_type;

    explicit world(bool listens) : machine(busy, 3, true) {
        tasks.reserve(100);
        lent.reserve(100);
        callers.resize(20);
        machine.use_endpoints();
        machine.listen(listens);
    }

    manager machine;
    time_point now{1h};
    std::vector<std::pair<slot_type*, slot_task>> tasks;
    std::vector<slot_type*> lent;
    std::deque<manager::waiter_type> callers;
    std::array<int, 20> answers{};
    std::size_t come = 0;
    bool asked = false;
    bool answered_twice = false;
    const endpoint_list three{at("192.0.2.1"), at("192.0.2.2"), at("2001:db8::1")};
    const endpoint_list other_two{at("192.0.2.2"), at("192.0.2.9")};

    void get(bool fresh_only) {
        auto& w = callers[come];
        w.fresh_only = fresh_only;
        if (machine.get_requested(w, now, now + 20s) != get_outcome::queued) answered(w);
        ++come;
    }
    void answered(manager::waiter_type& w) {
        for (std::size_t i = 0; i < callers.size(); ++i)
            if (&callers[i] == &w && ++answers[i] > 1) answered_twice = true;
        if (w.granted != nullptr) lent.push_back(w.granted);
    }
    void settle() {
        manager::action next;
        while (machine.next_action(next, now)) {
            if (next.answered != nullptr)
                answered(*next.answered);
            else if (next.ask)
                asked = true;
            else
                tasks.emplace_back(next.slot, next.task);
        }
        machine.take_events();
    }
    void pass(duration span) {
        now += span;
        machine.time_passed(now);
    }
    slot_type* take(slot_task task) {
        for (auto it = tasks.begin(); it != tasks.end(); ++it) {
            if (it->second != task) continue;
            slot_type* s = it->first;
            tasks.erase(it);
            return s;
        }
        return nullptr;
    }
    void came(const endpoint_list& list) {
        if (std::exchange(asked, false)) machine.endpoints_came(list, now);
    }
    void open() {
        if (slot_type* s = take(slot_task::open)) machine.slot_opened(*s, now);
    }
    void fail() {
        if (slot_type* s = take(slot_task::open)) machine.opening_failed(*s, now, errc::connect_refused);
    }
    void put(retire_reason why) {
        if (lent.empty()) return;
        slot_type* s = lent.back();
        lent.pop_back();
        if (s->state == slot_state::leased) machine.lease_returned(*s, now, {.retire = why});
    }
    /// Everything comes to its end. False when it does not.
    bool finish() {
        machine.stop_requested(errc::pool_closed);
        for (int i = 0; i < 10 && !machine.empty(); ++i) {
            settle();
            tasks.clear();
            std::vector<slot_type*> all;
            machine.for_each_slot([&](slot_type& s) { all.push_back(&s); });
            for (slot_type* s : all) {
                if (s->state == slot_state::opening) machine.opening_failed(*s, now, errc::cancelled);
                if (s->state == slot_state::leased) machine.lease_returned(*s, now);
                if (is_tending(s->probing)) machine.tend_finished(*s, now);
                if (asks_peer(s->probing)) machine.probe_finished(*s, now, true);
                if (s->state == slot_state::closing && s->task == slot_task::none) machine.slot_closed(*s);
            }
        }
        settle();
        for (std::size_t i = 0; i < come; ++i)
            if (answers[i] != 1) return false;
        return machine.empty() && !answered_twice && machine.check();
    }
};

struct step {
    const char* what;
    bool may_allocate;  // without a listener
    void (*take)(world&);
};

const step script[] = {
    {"get", false, [](world& w) { w.get(false), w.get(false), w.get(true); }},
    {"next action: question", true, [](world& w) { w.settle(); }},
    {"answer", true, [](world& w) { w.came(w.three); }},
    {"next action: openings", true, [](world& w) { w.settle(); }},
    {"one is open", false, [](world& w) { w.open(); }},
    {"next action: answers", true, [](world& w) { w.settle(); }},
    {"time: the others are overtaken", true, [](world& w) { w.pass(300ms); }},
    {"next action: races", true, [](world& w) { w.settle(); }},
    {"an opening fails", false, [](world& w) { w.fail(); }},
    {"an opening is deferred", false,
     [](world& w) {
         if (auto* s = w.take(slot_task::open)) w.machine.opening_deferred(*s);
         w.machine.growth_allowed();
     }},
    {"another one fails", false, [](world& w) { w.fail(); }},
    {"next action: what the failures lead to", true, [](world& w) { w.settle(); }},
    {"the rest is open", false, [](world& w) { w.open(), w.open(), w.open(), w.open(); }},
    {"put back", false, [](world& w) { w.put(retire_reason::none), w.put(retire_reason::transport_error); }},
    {"tend", false,
     [](world& w) {
         world::slot_type* idle = nullptr;
         w.machine.for_each_slot([&](auto& s) { idle = s.state == slot_state::idle ? &s : idle; });
         if (idle != nullptr && w.machine.tend_started(*idle)) w.machine.tend_finished(*idle, w.now);
     }},
    {"warm", false, [](world& w) { w.machine.warm_requested(5); }},
    {"next action: warming", true, [](world& w) { w.settle(); }},
    {"all are open", false, [](world& w) { w.open(), w.open(), w.open(), w.open(), w.open(); }},
    {"time: rests, leaks, trials", true, [](world& w) { w.pass(3s); }},
    {"next action: leaks and trials", true, [](world& w) { w.settle(); }},
    {"rested", false,
     [](world& w) {
         while (auto* s = w.take(slot_task::rest)) w.machine.tend_finished(*s, w.now);
     }},
    {"time: probes", true, [](world& w) { w.pass(5s); }},
    {"next action: probes", true, [](world& w) { w.settle(); }},
    {"probed", false,
     [](world& w) {
         while (auto* s = w.take(slot_task::probe)) w.machine.probe_finished(*s, w.now, w.tasks.size() % 2 == 0);
     }},
    {"other addresses are asked for", false, [](world& w) { w.machine.refresh_requested(); }},
    {"next action: question again", true, [](world& w) { w.settle(); }},
    {"another answer", true, [](world& w) { w.came(w.other_two); }},
    {"another network", false, [](world& w) { w.machine.network_changed(w.now); }},
    {"suspended, resumed", false,
     [](world& w) {
         w.machine.suspended();
         w.get(false);
         w.machine.resumed(w.now);
     }},
    {"next action: openings again", true, [](world& w) { w.settle(); }},
    {"no answer", true,
     [](world& w) {
         if (std::exchange(w.asked, false)) w.machine.endpoints_failed(errc::resolve_failed, w.now);
     }},
    {"options", false, [](world& w) { w.machine.options_changed(busy, w.now); }},
    {"time: waits are over", true, [](world& w) { w.pass(20s); }},
    {"next action: the end", true, [](world& w) { w.settle(); }},
};

/// The whole script, memory being short in one step. @return allocations that were refused
std::uint64_t live(bool listens, std::size_t short_in, std::uint64_t calls, std::string& wrong) {
    world w(listens);
    std::uint64_t refused = 0;
    for (std::size_t i = 0; i < std::size(script); ++i) {
        bool threw = false;
        const std::uint64_t before = allocations();
        if (i == short_in) {
            const scarce_memory memory(calls);
            try {
                script[i].take(w);
            } catch (const std::bad_alloc&) {
                threw = true;
            }
        } else {
            script[i].take(w);
        }
        const std::uint64_t taken = allocations() - before;
        if (i == short_in) refused = taken > calls ? taken - calls : 0;
        if (threw) wrong = "an input threw";
        if (!listens && !script[i].may_allocate && taken != 0) wrong = "an input allocated";
        if (!w.machine.check()) wrong = "the accounts are wrong";
        if (!wrong.empty()) {
            wrong += std::string(" in: ") + script[i].what;
            return refused;
        }
    }
    if (!w.finish()) wrong = "somebody was not answered once, or something is left";
    return refused;
}

}  // namespace

TEST_CASE("refused_memory_leaves_the_machine_exact_whenever_it_happens", "[manager]") {
    std::uint64_t places = 0;
    for (const bool listens : {false, true})
        for (std::size_t i = 0; i < std::size(script); ++i)
            for (std::uint64_t calls = 0;; ++calls) {
                std::string wrong;
                const std::uint64_t refused = live(listens, i, calls, wrong);
                if (!wrong.empty()) FAIL(wrong << ", memory short in: " << script[i].what << " after " << calls);
                if (refused == 0) break;
                ++places;
            }
    CHECK(places > 60);  // or the script has grown too quiet
}

TEST_CASE("opening_without_memory_fails_one_waiter_and_the_next_is_served", "[manager]") {
    connection_manager<int> machine({});
    connection_manager<int>::action next;
    connection_manager<int>::waiter_type first, second;
    time_point now{1h};
    machine.use_endpoints(endpoint_list{at("192.0.2.1")});
    machine.get_requested(first, now, never);
    machine.get_requested(second, now, never);
    bool found;
    {
        const scarce_memory none(0);
        found = machine.next_action(next, now);
    }
    REQUIRE(found);
    CHECK(next.answered == &first);
    CHECK(first.error == std::errc::not_enough_memory);
    CHECK(second.waiting);
    CHECK(machine.last_open_error() == std::errc::not_enough_memory);
    CHECK(machine.counters().open_failures == 1);
    CHECK(machine.counters().openings == 0);
    CHECK_FALSE(machine.next_action(next, now));
    now = machine.next_due();  // after a pause, like every failed opening
    REQUIRE(now > time_point(1h));
    machine.time_passed(now);
    REQUIRE(machine.next_action(next, now));
    REQUIRE(next.task == slot_task::open);
    machine.slot_opened(*next.slot, now);
    CHECK(second.granted == next.slot);
    CHECK(machine.check());
}

TEST_CASE("answer_for_which_there_is_no_memory_has_failed_and_is_asked_for_again", "[manager]") {
    connection_manager<int> machine({});
    connection_manager<int>::action next;
    connection_manager<int>::waiter_type caller;
    const time_point now{1h};
    const endpoint_list list{at("192.0.2.1")};
    machine.use_endpoints();
    machine.get_requested(caller, now, never);
    REQUIRE(machine.next_action(next, now));
    REQUIRE(next.ask);
    while (machine.next_action(next, now)) continue;
    {
        const scarce_memory none(0);
        machine.endpoints_came(list, now);
    }
    CHECK(machine.endpoints().empty());
    CHECK(caller.error == std::errc::not_enough_memory);
    CHECK(machine.counters().answers == 0);
    CHECK(machine.counters().failed_answers == 1);
    CHECK(machine.check());
}

TEST_CASE("new_options_for_which_there_is_no_memory_change_nothing", "[manager]") {
    struct hungry_order : reuse_order {
        explicit hungry_order(const pool_options& o) : reuse_order(o), kept(o.max_waiters) {}
        std::vector<int> kept;
    };
    struct hungry : default_policies {
        using reuse_order = hungry_order;
    };
    connection_manager<int, hungry> machine({.max_waiters = 10});
    bool refused = false;
    {
        const scarce_memory none(0);
        try {
            machine.options_changed({.max_connections = 3, .max_waiters = 20}, time_point{1h});
        } catch (const std::bad_alloc&) {
            refused = true;
        }
    }
    CHECK(refused);
    CHECK(machine.options().max_waiters == 10);
    CHECK(machine.options().max_connections == pool_options{}.max_connections);
}
