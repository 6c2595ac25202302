// Who gets which connection, when accepting pauses and goes on, and what those are told who get none.
#include <cerrno>
#include <chrono>
#include <deque>
#include <system_error>

#include "hotpool/inbound/accept_gate.hpp"
#include "hotpool/inbound/admission.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

struct caller : base::list_hook<caller> {};
struct drainer : base::list_hook<drainer> {};
using gate = accept_gate<caller, drainer>;

constexpr time_point start{100h};

std::error_code system(int error) { return {error, std::system_category()}; }

/// A gate with connections that were admitted.
struct bench {
    explicit bench(std::size_t listeners = 1, acceptor_options options = {}) : machine(listeners, options) {}
    ~bench() {
        for (accepted_peer& c : connections) {
            machine.connection_gone(c);
            admitted.connection_ended(c.ticket);
        }
    }
    accepted_peer& connection() {
        const ip_endpoint from{*ip_address::parse("192.0.2.1"), 1};
        admission_verdict verdict = admitted.connection_offered(from.address, start);
        return connections.emplace_back(from, verdict.ticket);
    }
    /// What the next caller is told; it must be `wanted`.
    std::error_code told(caller& wanted, bool more_may_come = false) {
        REQUIRE(machine.has_answer(more_may_come));
        const gate::answer a = machine.next_answer(more_may_come);
        CHECK(a.waiter == &wanted);
        CHECK((a.connection == nullptr) == static_cast<bool>(a.error));
        return a.error;
    }

    admission admitted{{.max_connections_per_group = 0}, start, 1};
    gate machine;
    std::deque<accepted_peer> connections;
};

}  // namespace

TEST_CASE("connections_and_callers_meet_in_the_order_in_which_they_came", "[inbound]") {
    bench b;
    caller first, second;
    CHECK_FALSE(b.machine.has_answer(false));
    b.machine.waiter_came(first);
    CHECK_FALSE(b.machine.has_answer(false));
    accepted_peer& one = b.connection();
    accepted_peer& two = b.connection();
    b.machine.connection_opened(one);
    b.machine.connection_opened(two);
    CHECK(b.machine.ready() == 2);
    gate::answer a = b.machine.next_answer(false);
    CHECK(a.waiter == &first);
    CHECK(a.connection == &one);
    CHECK_FALSE(one.is_ready);
    CHECK_FALSE(b.machine.has_answer(false));
    b.machine.waiter_came(second);
    a = b.machine.next_answer(false);
    CHECK(a.waiter == &second);
    CHECK(a.connection == &two);
    CHECK(b.machine.ready() == 0);
}

TEST_CASE("who_leaves_gets_nothing_and_takes_nothing_along", "[inbound]") {
    bench b;
    caller first, second;
    b.machine.waiter_came(first);
    b.machine.waiter_came(second);
    b.machine.waiter_left(first);
    accepted_peer& gone = b.connection();
    accepted_peer& stays = b.connection();
    b.machine.connection_opened(gone);
    b.machine.connection_opened(stays);
    b.machine.connection_gone(gone);
    b.machine.connection_gone(gone);  // once more does nothing
    const gate::answer a = b.machine.next_answer(false);
    CHECK(a.waiter == &second);
    CHECK(a.connection == &stays);
    CHECK_FALSE(b.machine.has_answer(false));
}

TEST_CASE("accepting_is_held_back_while_nobody_takes_what_is_there", "[inbound]") {
    bench b(2, {.max_ready = 2, .accepts_per_turn = 7});
    CHECK(b.machine.may_accept(0) == 7);
    accepted_peer& one = b.connection();
    accepted_peer& two = b.connection();
    b.machine.connection_opened(one);
    CHECK(b.machine.may_accept(0) == 7);
    b.machine.connection_opened(two);
    CHECK_FALSE(b.machine.has_task());
    SECTION("nobody was held back, nobody goes on") {
        b.machine.connection_gone(one);
        CHECK_FALSE(b.machine.has_task());
    }
    SECTION("room is made by a caller") {
        CHECK(b.machine.may_accept(0) == 0);
        CHECK(b.machine.may_accept(1) == 0);
        caller c;
        b.machine.waiter_came(c);
        CHECK_FALSE(b.told(c));
        CHECK(b.machine.next_task() == gate_task::resume);
        CHECK_FALSE(b.machine.has_task());
        CHECK(b.machine.resumption_of(0) == accept_resumption::watch);
        CHECK(b.machine.may_accept(0) == 7);
    }
    SECTION("room is made by one that ends") {
        CHECK(b.machine.may_accept(0) == 0);
        b.machine.connection_gone(two);
        CHECK(b.machine.next_task() == gate_task::resume);
    }
    SECTION("room is made by other limits") {
        CHECK(b.machine.may_accept(0) == 0);
        b.machine.options_changed({.max_ready = 3, .accepts_per_turn = 1});
        CHECK(b.machine.next_task() == gate_task::resume);
        CHECK(b.machine.may_accept(0) == 1);
    }
}

TEST_CASE("a_listener_that_fails_pauses_and_goes_on", "[inbound]") {
    bench b(2, {.accept_errors = {.first = 50ms, .limit = 80ms}});
    CHECK(b.machine.next_due() == never);
    CHECK(b.machine.accept_failed(0, system(EAGAIN), start).verdict == accept_verdict::wait);
    CHECK(b.machine.accept_failed(0, system(ECONNABORTED), start).verdict == accept_verdict::go_on);
    CHECK(b.machine.may_accept(0) != 0);
    const accept_answer said = b.machine.accept_failed(0, system(EMFILE), start);
    CHECK(said.verdict == accept_verdict::pause);
    CHECK(said.pause == 50ms);
    CHECK(b.machine.may_accept(0) == 0);
    CHECK(b.machine.may_accept(1) != 0);
    CHECK(b.machine.resumption_of(0) == accept_resumption::later);
    CHECK(b.machine.resumption_of(1) == accept_resumption::watch);
    CHECK(b.machine.next_due() == start + 50ms);
    b.machine.time_passed(start + 49ms);
    CHECK_FALSE(b.machine.has_task());
    b.machine.time_passed(start + 50ms);
    CHECK(b.machine.next_task() == gate_task::resume);
    CHECK(b.machine.next_due() == never);
    CHECK(b.machine.resumption_of(0) == accept_resumption::watch);
    CHECK(b.machine.accept_failed(0, system(EMFILE), start + 50ms).pause == 80ms);
    b.machine.time_passed(start + 1s);
    CHECK(b.machine.accepted(0));        // it had been put off
    CHECK_FALSE(b.machine.accepted(0));  // not any more
}

TEST_CASE("callers_hear_of_it_when_no_listener_is_left", "[inbound]") {
    bench b(2, {.accept_errors = {.first = 50ms, .limit = 50ms}});
    caller first, second, third;
    CHECK(b.machine.accept_failed(0, system(EBADF), start).verdict == accept_verdict::dead);
    b.machine.waiter_came(first);
    b.machine.waiter_came(second);
    CHECK_FALSE(b.machine.has_answer(false));  // one still listens
    CHECK(b.machine.accept_failed(1, system(EBADF), start + 1ms).verdict == accept_verdict::dead);
    CHECK(b.told(first) == errc::listener_lost);
    CHECK(b.told(second) == errc::listener_lost);
    b.machine.waiter_came(third);
    CHECK_FALSE(b.machine.has_answer(false));  // all were told
    b.machine.time_passed(start + 50ms);
    CHECK(b.machine.next_task() == gate_task::resume);
    CHECK(b.machine.resumption_of(0) == accept_resumption::reopen);
    CHECK(b.machine.resumption_of(1) == accept_resumption::later);
    SECTION("and wait on if one is reopened") {
        b.machine.reopened(0, {}, start + 50ms);
        CHECK(b.machine.resumption_of(0) == accept_resumption::watch);
        CHECK_FALSE(b.machine.has_answer(false));
    }
    SECTION("it is tried again after a pause") {
        b.machine.reopened(0, system(EADDRINUSE), start + 50ms);
        CHECK(b.machine.resumption_of(0) == accept_resumption::later);
        CHECK(b.machine.next_due() == start + 51ms);  // the other one
        b.machine.time_passed(start + 51ms);
        CHECK(b.machine.next_due() > start + 51ms);
        CHECK(b.machine.next_due() <= start + 100ms);
    }
    SECTION("one that is reopened after all were closed is closed again") {
        b.machine.closed();
        CHECK(b.machine.next_task() == gate_task::stop);
        b.machine.reopened(0, {}, start + 50ms);
        CHECK(b.machine.next_task() == gate_task::stop);
    }
}

TEST_CASE("a_drain_hands_out_what_is_there_and_then_refuses", "[inbound]") {
    bench b;
    caller first, second;
    drainer d;
    accepted_peer& c = b.connection();
    b.machine.connection_opened(c);
    b.machine.drainer_came(d);
    b.machine.drain_begun(start + 1s, start);
    CHECK(b.machine.next_task() == gate_task::take_rest);
    CHECK(b.machine.may_accept(0) != 0);
    CHECK_FALSE(b.machine.has_drained(true));
    b.machine.accept_failed(0, system(EAGAIN), start);
    CHECK(b.machine.next_task() == gate_task::stop);
    CHECK(b.machine.may_accept(0) == 0);
    b.machine.waiter_came(first);
    b.machine.waiter_came(second);
    CHECK_FALSE(b.told(first, true));
    CHECK_FALSE(b.machine.has_answer(true));  // somebody is in his handshake
    CHECK(b.told(second, false) == errc::acceptor_draining);
    CHECK_FALSE(b.machine.has_drained(false));
    REQUIRE(b.machine.has_drained(true));
    SECTION("in time") {
        const gate::drained over = b.machine.next_drained();
        CHECK(over.drainer == &d);
        CHECK_FALSE(over.error);
        CHECK(over.is_first);
    }
    SECTION("not in time") {
        b.machine.drain_cut();
        CHECK(b.machine.next_drained().error == errc::drain_timed_out);
    }
    SECTION("whoever asks later is told as well, and is not the first") {
        b.machine.next_drained();
        drainer late;
        CHECK_FALSE(b.machine.has_drained(true));
        b.machine.drainer_came(late);
        CHECK_FALSE(b.machine.next_drained().is_first);
    }
    SECTION("whoever leaves is not told") {
        b.machine.drainer_left(d);
        CHECK_FALSE(b.machine.has_drained(true));
    }
}

TEST_CASE("who_waits_at_any_listening_socket_is_accepted_when_a_drain_begins", "[inbound]") {
    bench b(4, {.backlog = 10, .accepts_per_turn = 7});
    const auto fail = [&](std::size_t listener, int error) { b.machine.accept_failed(listener, system(error), start); };
    fail(1, EMFILE);  // it may go by now
    fail(2, EBADF);
    b.machine.drain_begun(start + 1s, start);
    CHECK(b.machine.next_task() == gate_task::take_rest);
    CHECK(b.machine.may_accept(0) == 7);
    CHECK(b.machine.may_accept(1) == 7);
    CHECK(b.machine.may_accept(2) == 0);
    for (int i = 0; i < 6; ++i) b.machine.accepted(0);
    CHECK(b.machine.may_accept(0) == 5);
    fail(0, ECONNABORTED);
    CHECK(b.machine.may_accept(0) == 4);
    fail(0, EAGAIN);
    CHECK(b.machine.may_accept(0) == 0);
    fail(1, EMFILE);
    CHECK(b.machine.takes_rest());
    CHECK_FALSE(b.machine.has_task());
    CHECK(b.machine.next_due() == start + 1s);
    SECTION("until none is left") { fail(3, EAGAIN); }
    SECTION("until time is up") { b.machine.time_passed(start + 1s); }
    SECTION("until there is no time at all") { b.machine.drain_begun(start, start); }
    CHECK_FALSE(b.machine.takes_rest());
    CHECK(b.machine.next_task() == gate_task::stop);
    CHECK(b.machine.next_due() == never);
}

TEST_CASE("a_closed_gate_refuses_everyone_and_stays_closed", "[inbound]") {
    bench b(1, {.max_ready = 1});
    caller c, later;
    b.machine.waiter_came(c);
    b.machine.closed();
    CHECK(b.told(c, true) == errc::acceptor_closed);
    b.machine.drain_begun(start + 1s, start);
    CHECK(b.machine.is_closed());
    b.machine.next_task();
    b.machine.waiter_came(later);
    CHECK(b.told(later) == errc::acceptor_closed);
    // What would make accepting go on does not.
    b.machine.options_changed({});
    b.machine.time_passed(start + 1h);
    CHECK_FALSE(b.machine.has_task());
}
