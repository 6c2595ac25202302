// The table of a slot's life against a list written on its own, and the refusal of every other step.
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "hotpool/manager/slot_table.hpp"
#include "support/catch.hpp"
#include "support/machine_bench.hpp"

#if __has_include(<sys/wait.h>) && __has_include(<unistd.h>) && !defined(NDEBUG)
#    include <sys/wait.h>
#    include <unistd.h>

#    include <csignal>
#    define HOTPOOL_TEST_ASSERTIONS 1
#else
#    define HOTPOOL_TEST_ASSERTIONS 0
#endif

using namespace hotpool;
using namespace hotpool::test;

namespace {

constexpr slot_state all_states[] = {slot_state::vacant, slot_state::opening, slot_state::idle,
                                     slot_state::leased, slot_state::probing, slot_state::closing};

constexpr std::pair<slot_state, slot_state> allowed_steps[] = {
    {slot_state::vacant, slot_state::opening},   // an opening begins
    {slot_state::opening, slot_state::vacant},   // it failed, was aborted or deferred
    {slot_state::opening, slot_state::idle},     // it succeeded and nobody waited
    {slot_state::opening, slot_state::leased},   // it succeeded and somebody waited
    {slot_state::opening, slot_state::probing},  // it succeeded and is probed before anyone gets it
    {slot_state::opening, slot_state::closing},  // it succeeded and is not wanted any more
    {slot_state::idle, slot_state::leased},      // a caller asked
    {slot_state::idle, slot_state::probing},     // watched, rested or probed
    {slot_state::idle, slot_state::closing},     // too old, too many, closed by the peer, stopped
    {slot_state::leased, slot_state::idle},      // put back
    {slot_state::leased, slot_state::leased},    // put back while somebody waited
    {slot_state::leased, slot_state::closing},   // put back unfit
    {slot_state::leased, slot_state::vacant},    // detached
    {slot_state::probing, slot_state::idle},     // back from watch, rest or probe
    {slot_state::probing, slot_state::leased},   // back while somebody waited
    {slot_state::probing, slot_state::closing},  // found unfit
    {slot_state::probing, slot_state::vacant},   // detached by a prober
    {slot_state::closing, slot_state::vacant},   // closed
};

bool is_allowed(slot_state from, slot_state to) {
    return std::find(std::begin(allowed_steps), std::end(allowed_steps), std::pair{from, to}) !=
           std::end(allowed_steps);
}

/// Brings a slot of `bench` into `state`.
slot<int>& slot_in(machine_bench<>& bench, slot_state state) {
    auto& s = bench.leased();
    if (state == slot_state::leased) return s;
    if (state == slot_state::closing || state == slot_state::vacant || state == slot_state::opening)
        bench.put(s, {.retire = retire_reason::discarded});
    else
        bench.put(s);
    if (state == slot_state::probing) bench.machine.tend_started(s);
    if (state == slot_state::vacant || state == slot_state::opening) bench.close_all();
    if (state == slot_state::opening) bench.get();
    bench.settle();
    REQUIRE(s.state == state);
    return s;
}

#if HOTPOOL_TEST_ASSERTIONS
/// Whether `step` ends the process by an assertion; tried in a child.
template <class Step>
bool is_refused(Step step) {
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);
        ::close(STDERR_FILENO);
        step();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
#endif

}  // namespace

TEST_CASE("life_of_a_slot_is_this_table_and_no_other", "[manager]") {
    for (const slot_state from : all_states)
        for (const slot_state to : all_states) {
            CAPTURE(from, to);
            CHECK(may_follow(from, to) == is_allowed(from, to));
        }
    static_assert(may_follow(slot_state::vacant, slot_state::opening));
    static_assert(!may_follow(slot_state::vacant, slot_state::idle));
}

TEST_CASE("every_allowed_step_happens", "[manager]") {
    const auto goes = [&](slot_state from, slot_state to, auto step) {
        CAPTURE(from, to);
        machine_bench<> one{{.max_connections = 1, .max_waiters = 1}};
        slot<int>& s = slot_in(one, from);
        step(one, s);
        one.settle();
        CHECK(s.state == to);
        CHECK(one.count(to) == (to == slot_state::vacant ? 0 : 1));
        CHECK(one.count(from) == (from == to ? 1 : 0));
    };
    using enum slot_state;
    goes(vacant, opening, [](auto& b, auto&) { b.get(); });
    goes(opening, vacant, [](auto& b, auto&) { b.machine.stop_requested(errc::pool_closed), b.fail(); });
    goes(opening, idle, [](auto& b, auto&) { b.cancel(b.last_caller()), b.open(); });
    goes(opening, leased, [](auto& b, auto&) { b.open(); });
    goes(opening, probing, [](auto& b, auto&) {
        b.cancel(b.last_caller()), b.machine.options_changed({.max_connections = 1, .probe_new = true}, b.now),
            b.open();
    });
    goes(opening, closing, [](auto& b, auto&) { b.machine.stop_requested(errc::pool_closed), b.open(); });
    goes(idle, leased, [](auto& b, auto&) { b.get(); });
    goes(idle, probing, [](auto& b, auto& s) { b.machine.tend_started(s); });
    goes(idle, closing, [](auto& b, auto& s) { b.machine.idle_failed(s, retire_reason::peer_closed); });
    goes(leased, idle, [](auto& b, auto& s) { b.put(s); });
    goes(leased, leased, [](auto& b, auto& s) { b.get(), b.put(s); });
    goes(leased, closing, [](auto& b, auto& s) { b.put(s, {.retire = retire_reason::not_clean}); });
    goes(leased, vacant, [](auto& b, auto& s) { b.machine.lease_detached(s); });
    goes(probing, idle, [](auto& b, auto& s) { b.machine.tend_finished(s, b.now); });
    goes(probing, leased, [](auto& b, auto& s) { b.get(), b.machine.tend_finished(s, b.now); });
    goes(probing, closing,
         [](auto& b, auto& s) { b.machine.tend_finished(s, b.now, retire_reason::unsolicited_bytes); });
    goes(closing, vacant, [](auto& b, auto&) { b.close_all(); });
}

#if HOTPOOL_TEST_ASSERTIONS
TEST_CASE("every_other_step_is_refused", "[manager]") {
    for (const slot_state from : all_states)
        for (const slot_state to : all_states) {
            CAPTURE(from, to);
            slot_table<int> table;
            slot<int>& s = table.take_vacant();
            // The shortest way to each state.
            if (from != slot_state::vacant) table.enter(s, slot_state::opening);
            if (from == slot_state::probing) table.enter(s, slot_state::idle);
            if (s.state != from) table.enter(s, from);
            if (is_allowed(from, to)) {
                table.enter(s, to);
                CHECK(table.count(to) == 1);
            } else {
                CHECK(is_refused([&] { table.enter(s, to); }));
            }
        }
}

TEST_CASE("answer_that_does_not_fit_the_state_is_refused", "[manager]") {
    machine_bench<> bench;
    auto& leased = bench.leased();
    auto& idle = bench.idle_slot();
    auto& machine = bench.machine;
    CHECK(is_refused([&] { machine.lease_returned(idle, bench.now); }));
    CHECK(is_refused([&] { machine.slot_opened(leased, bench.now); }));
    CHECK(is_refused([&] { machine.opening_failed(leased, bench.now, {}); }));
    CHECK(is_refused([&] { machine.opening_deferred(idle); }));
    CHECK(is_refused([&] { machine.tend_finished(idle, bench.now); }));
    CHECK(is_refused([&] { machine.probe_finished(idle, bench.now, true); }));
    CHECK(is_refused([&] { machine.slot_closed(leased); }));
    CHECK(is_refused([&] { machine.lease_detached(idle); }));
    CHECK(is_refused([&] { machine.deadline_changed(idle, bench.now); }));
    REQUIRE(machine.tend_started(idle));
    CHECK(is_refused([&] { machine.lease_detached(idle); }));
    CHECK(is_refused([&] { machine.probe_finished(idle, bench.now, true); }));
}
#endif

TEST_CASE("slots_are_used_again_and_their_memory_starts_anew", "[manager]") {
    machine_bench<> bench{{.max_connections = 2}};
    auto& s = bench.leased();
    s.resource = 42;
    bench.put(s, {.retire = retire_reason::discarded});
    CHECK(s.resource == 42);
    bench.close_all();
    CHECK(s.resource == 0);
    auto& again = bench.leased();
    CHECK(&again == &s);
    CHECK(again.uses == 1);
    CHECK(again.retire == retire_reason::none);
}

TEST_CASE("for_each_slot_visits_what_is_not_vacant", "[manager]") {
    machine_bench<> bench;
    bench.put_all(bench.leased_many(3));
    bench.leased();
    bench.machine.reclaim_idle();
    bench.settle();
    bench.close_all();
    std::size_t visited = 0;
    bench.machine.for_each_slot([&](const auto&) { ++visited; });
    CHECK(visited == bench.machine.counts().total());
    CHECK(visited == 2);
}

TEST_CASE("every_retire_reason_has_a_label_of_its_own", "[manager]") {
    for (std::size_t i = 0; i < retire_reason_count; ++i) {
        const std::string label = to_string(static_cast<retire_reason>(i));
        CHECK(label != "unknown");
        CHECK(label.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos);
        for (std::size_t j = 0; j < i; ++j) CHECK(label != to_string(static_cast<retire_reason>(j)));
    }
    CHECK(std::string(to_string(static_cast<retire_reason>(retire_reason_count))) == "unknown");
}
