// What an acceptor does as a whole, told in sentences: its parts have tests of their own.
#include <cerrno>
#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <system_error>

#include "hotpool/inbound/acceptor_machine.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

struct caller : base::list_hook<caller> {};
struct drainer : base::list_hook<drainer> {};
using machine_type = acceptor_machine<default_policies, caller, drainer>;
using order = machine_type::order_type;

constexpr time_point start{100h};
const ip_endpoint listener{*ip_address::parse("198.51.100.1"), 443};

ip_endpoint peer(const std::string& address) { return {*ip_address::parse(address), 50'000}; }

acceptor_options options() {
    acceptor_options o;
    o.resources.check_interval = 0s;
    o.alarm.min_events = 0;
    o.health = {.errors_to_block = 2, .window = 10s, .block_for = 30s};
    o.life.idle_timeout = 60s;
    return o;
}

struct bench {
    explicit bench(const acceptor_options& o = options()) : machine(o, 1, start, 1, 1) { machine.listen(true); }
    ~bench() {
        machine.closed();
        for (accepted_peer& c : connections)
            if (c.state() != life_state::closed) machine.ended(c, close_reason::aborted, now);
        CHECK(machine.check());
    }

    /// Null if he is refused.
    accepted_peer* connect(const std::string& from = "192.0.2.1", bool handshakes = false) {
        admission_verdict verdict = machine.connection_offered(0, listener, peer(from), now);
        if (!verdict.admitted()) return nullptr;
        accepted_peer& c = connections.emplace_back(peer(from), verdict.ticket);
        machine.admitted(c, handshakes, now);
        return &c;
    }
    accepted_peer& open(const std::string& from = "192.0.2.1") {
        accepted_peer* const c = connect(from);
        REQUIRE(c != nullptr);
        machine.opened(*c, false, now);
        return *c;
    }
    /// What is asked for, as text, until there is nothing more.
    std::string orders() {
        std::string all;
        const auto add = [&](const std::string& what) { all += (all.empty() ? "" : " ") + what; };
        for (order next; machine.has_order(); next = {}) {
            REQUIRE(machine.next_order(next));
            for (const inbound_event& e : next.events) add(to_string(e.kind));
            if (next.action) {
                static const char* const tasks[] = {"none", "ping", "tell", "close", "abort"};
                add(std::string(tasks[static_cast<int>(next.action.task)]) +
                    (next.action.reason != close_reason::none ? std::string(":") + to_string(next.action.reason) : ""));
            }
            if (next.to_go) add("go");
            if (next.answer.waiter) add(next.answer.connection ? "answer" : "answer:" + next.answer.error.message());
            if (next.drained.drainer) add(next.drained.error ? "drained:late" : "drained:");
            if (next.listeners == gate_task::stop) add("stop");
            if (next.listeners == gate_task::resume) add("resume");
            if (next.read_usage) add("usage");
        }
        order none;
        CHECK_FALSE(machine.next_order(none));
        return all;
    }
    std::string after(duration since) {
        now += since;
        machine.time_passed(now);
        return orders();
    }

    machine_type machine;
    std::deque<accepted_peer> connections;
    time_point now = start;
};

}  // namespace

TEST_CASE("a_connection_comes_is_accepted_and_ends", "[inbound]") {
    bench b;
    caller c;
    b.machine.waiter_came(c);
    CHECK(b.orders().empty());
    accepted_peer& one = b.open();
    CHECK(b.orders() == "connection_opened answer");
    CHECK(b.machine.stats().now.open == 1);
    CHECK(b.machine.stats().ready == 0);
    b.machine.ended(one, close_reason::finished, b.now);
    CHECK(b.orders() == "connection_ended");
    CHECK(b.machine.stats().now.total() == 0);
    CHECK(b.machine.stats().total.closed_for(close_reason::finished) == 1);
    CHECK_FALSE(b.machine.is_over());  // more may come
}

TEST_CASE("one_that_ends_before_anybody_took_it_is_not_handed_out", "[inbound]") {
    bench b;
    accepted_peer& one = b.open();
    CHECK(b.machine.stats().ready == 1);
    b.machine.ended(one, close_reason::peer_closed, b.now);
    caller c;
    b.machine.waiter_came(c);
    CHECK(b.orders() == "connection_opened connection_ended");
}

TEST_CASE("who_is_refused_is_counted_and_told_of", "[inbound]") {
    acceptor_options o = options();
    o.admission.max_connections_per_group = 1;
    bench b(o);
    CHECK(b.connect() != nullptr);
    CHECK(b.connect() == nullptr);
    CHECK(b.orders() == "connection_refused");
    CHECK(b.machine.stats().total.refused_for(refuse_reason::group_connections) == 1);
    CHECK(b.connect("192.0.2.2") != nullptr);
}

TEST_CASE("who_was_admitted_and_cannot_be_kept_leaves_no_trace_but_a_count", "[inbound]") {
    bench b;
    drainer d;
    admission_verdict verdict = b.machine.connection_offered(0, listener, peer("192.0.2.1"), b.now);
    REQUIRE(verdict.admitted());
    b.machine.drain_requested(d, 1h, b.now);
    CHECK(b.orders() == "draining stop");  // he is waited for
    b.machine.not_kept(verdict.ticket);
    CHECK(b.orders() == "drained: drained");
    b.machine.not_kept(verdict.ticket);
    CHECK(b.machine.stats().total.refused_for(refuse_reason::resources) == 1);
}

TEST_CASE("a_drain_tells_everyone_waits_and_cuts", "[inbound]") {
    bench b;
    drainer first, second;
    accepted_peer& one = b.open();
    b.orders();
    b.machine.drain_requested(first, 10s, b.now);
    CHECK(b.orders() == "draining stop tell");
    CHECK(b.connect() == nullptr);
    b.orders();
    SECTION("everyone leaves") {
        b.machine.ended(one, close_reason::finished, b.now);
        CHECK(b.orders() == "connection_ended drained: drained");
        CHECK(b.machine.stats().total.closed_for(close_reason::drained) == 1);
        CHECK(b.machine.is_over());
    }
    SECTION("time is up") {
        CHECK(b.after(9s).empty());
        CHECK(b.machine.next_due() == start + 10s);
        CHECK(b.after(1s) == "abort:drain_timed_out");
        b.machine.ended(one, close_reason::drain_timed_out, b.now);
        CHECK(b.orders() == "connection_ended drained:late drained");
    }
    SECTION("the earliest end counts") {
        b.machine.drain_requested(second, 1h, b.now);
        CHECK(b.orders() == "stop");
        b.machine.drain_requested(second, 0s, b.now);
        CHECK(b.machine.next_due() == b.now);
        b.machine.drainer_left(second);
    }
    SECTION("a limit below zero is none at all, and one without end is never") {
        b.machine.drain_requested(second, duration::min(), b.now);
        CHECK(b.machine.next_due() == b.now);
        b.machine.drain_requested(second, duration::max(), b.now);
        CHECK(b.machine.next_due() == b.now);
    }
}

TEST_CASE("whoever_closes_cuts_everyone", "[inbound]") {
    bench b;
    caller c;
    drainer d;
    accepted_peer& one = b.open();
    accepted_peer* const two = b.connect("192.0.2.2", true);
    b.machine.waiter_came(c);
    b.orders();
    b.machine.waiter_came(c);
    b.machine.closed();
    b.machine.closed();
    b.machine.drain_requested(d, 1h, b.now);
    CHECK(b.orders() == "stop abort:acceptor_closed abort:acceptor_closed answer:" +
                            make_error_code(errc::acceptor_closed).message());
    b.machine.ended(one, close_reason::acceptor_closed, b.now);
    b.machine.ended(*two, close_reason::acceptor_closed, b.now);
    CHECK(b.orders() == "connection_ended connection_ended drained: drained");
}

TEST_CASE("a_group_that_fails_too_often_is_kept_out_for_a_time", "[inbound]") {
    bench b;
    accepted_peer& good = b.open();
    b.orders();
    for (int i = 0; i < 2; ++i) {
        accepted_peer* const bad = b.connect("192.0.2.1", true);
        REQUIRE(bad != nullptr);
        b.machine.handshake_failed(*bad, errc::handshake_failed, b.now);
        b.machine.ended(*bad, close_reason::handshake_failed, b.now);
    }
    CHECK(b.orders() == "handshake_failed connection_ended handshake_failed group_blocked connection_ended");
    CHECK(b.machine.stats().blocked_groups == 1);
    CHECK(b.connect() == nullptr);
    // Who is there, and behaves, goes on.
    CHECK(good.state() == life_state::open);
    CHECK(b.machine.request_offered(good, nullptr, metering::on, b.now).admitted());
    const ip_address same = good.peer.address;
    CHECK(b.machine.request_offered(good, &same, metering::on, b.now).refused == refuse_reason::blocked);
    b.open("192.0.2.2");
    b.machine.ended(good, close_reason::finished, b.now);
    b.orders();
    SECTION("until that is over") {
        CHECK(b.after(29s).empty());
        CHECK(b.machine.next_due() <= start + 30s);
        CHECK(b.after(1s) == "group_recovered");
        CHECK(b.connect() != nullptr);
    }
    SECTION("until somebody ends it") {
        b.machine.unblock_requested(peer_group(*ip_address::parse("192.0.2.1")), b.now);
        CHECK(b.orders() == "group_recovered");
        b.machine.unblock_requested(peer_group(*ip_address::parse("192.0.2.1")), b.now);
        CHECK(b.orders().empty());
        b.open();
        CHECK(b.orders() == "connection_opened");
        CHECK(b.after(30s).empty());  // said once
    }
    CHECK(b.machine.stats().blocked_groups == 0);
}

TEST_CASE("what_leaves_before_its_first_byte_is_no_error", "[inbound]") {
    acceptor_options o = options();
    o.alarm.min_events = 1;
    bench b(o);
    accepted_peer& good = b.open();
    for (int i = 0; i < 100; ++i) {
        accepted_peer* const looked = b.connect("192.0.2.1", i % 2 == 0);
        REQUIRE(looked != nullptr);
        if (i % 2 != 0) b.machine.opened(*looked, false, b.now);
        b.machine.ended(*looked, close_reason::unused, b.now);
    }
    CHECK(b.machine.stats().total.closed_for(close_reason::unused) == 100);
    for (const std::uint64_t n : b.machine.stats().total.handshake_failures) CHECK(n == 0);
    CHECK(b.machine.stats().blocked_groups == 0);
    CHECK_FALSE(b.machine.stats().alarm);
    CHECK(good.state() == life_state::open);
    CHECK(b.orders().find("handshake_failed") == std::string::npos);
}

TEST_CASE("a_connection_that_is_never_used_is_no_error_a_request_that_takes_too_long_is", "[inbound]") {
    bench b;
    const bool asks = GENERATE(false, true);
    for (int i = 0; i < 2; ++i) {
        accepted_peer& c = b.open();
        b.machine.request_awaited(c, b.now);
        if (asks) CHECK(b.machine.request_begun(c, b.now) == close_reason::none);
        b.machine.ended(c, close_reason::request_timed_out, b.now);
    }
    CHECK(b.machine.stats().blocked_groups == (asks ? 1u : 0u));
}

TEST_CASE("a_block_by_the_program_ends_who_is_there_unless_it_says_otherwise", "[inbound]") {
    bench b;
    accepted_peer& one = b.open();
    b.orders();
    const peer_group group(one.peer.address);
    CHECK(b.machine.block_requested(group, 1h, block_reach::newcomers, b.now) == block_result::blocked);
    CHECK(b.orders() == "group_blocked");
    CHECK(b.connect() == nullptr);
    CHECK(b.machine.request_offered(one, nullptr, metering::on, b.now).admitted());
    CHECK(b.machine.block_requested(group, 1h, block_reach::everyone, b.now) == block_result::blocked);
    CHECK(b.orders() == "connection_refused group_blocked close:group_blocked");
    CHECK(b.machine.request_offered(one, nullptr, metering::on, b.now).refused == refuse_reason::blocked);
    // Errors of those who are on their way out make it neither shorter nor milder.
    for (int i = 0; i < 5; ++i) b.machine.handshake_failed(one, errc::handshake_failed, b.now);
    CHECK(b.machine.admission().status(one.peer.address, b.now).blocked_until == b.now + 1h);
}

TEST_CASE("addresses_that_are_handed_out_are_not_mapped", "[inbound]") {
    acceptor_options o = options();
    o.admission.max_connections_per_group = 1;
    bench b(o);
    accepted_peer* const c = b.connect("::ffff:192.0.2.1");
    REQUIRE(c != nullptr);
    CHECK(c->peer.to_string() == "192.0.2.1:50000");
    CHECK(c->group.to_string() == "192.0.2.1/32");
    CHECK(b.connect("::ffff:192.0.2.1") == nullptr);
    order next;
    REQUIRE(b.machine.next_order(next));
    REQUIRE(next.events.size() == 1);
    CHECK(next.events[0].peer.to_string() == "192.0.2.1:50000");
    CHECK(next.events[0].group.to_string() == "192.0.2.1/32");
}

TEST_CASE("the_errors_of_a_trusted_proxy_are_its_clients", "[inbound]") {
    acceptor_options o = options();
    o.admission.proxies = trusted_proxies({*ip_block::parse("192.0.2.0/24")});
    bench b(o);
    for (int i = 0; i < 5; ++i) {
        accepted_peer& c = b.open();
        b.machine.ended(c, close_reason::protocol_error, b.now);
    }
    CHECK(b.machine.stats().blocked_groups == 0);
}

TEST_CASE("who_was_refused_lingers_and_a_drain_waits_for_that", "[inbound]") {
    acceptor_options o = options();
    o.max_lingering_refusals = 2;
    o.life.linger_timeout = 2s;
    o.life.max_linger_bytes = 1000;
    bench b(o);
    refused_peer one, two, three;
    CHECK(b.machine.refusal_lingers(one, b.now) == 1000);
    CHECK(b.machine.refusal_lingers(two, b.now) == 1000);
    CHECK(b.orders().empty());
    CHECK(b.machine.refusal_lingers(three, b.now) == 1000);
    CHECK(b.orders() == "go");
    CHECK(b.machine.stats().lingering_refusals == 2);
    CHECK(b.machine.stats().total.refusals_cut == 1);
    CHECK(b.machine.refusal_left(two));
    CHECK_FALSE(b.machine.refusal_left(two));
    drainer d;
    b.machine.drain_requested(d, 10s, b.now);
    CHECK(b.orders() == "draining stop");
    SECTION("until it is over") {
        CHECK(b.machine.next_due() == b.now + 2s);
        CHECK(b.after(2s) == "go drained: drained");
    }
    SECTION("and not beyond its own limit") {
        drainer hasty;
        b.machine.drain_requested(hasty, 1s, b.now);
        b.orders();
        CHECK(b.after(1s) == "go drained: drained drained:");
    }
    SECTION("or everything ends") {
        b.machine.closed();
        CHECK(b.orders() == "stop go drained: drained");
        CHECK(b.machine.refusal_lingers(three, b.now) == 0);
    }
}

TEST_CASE("without_time_or_bytes_nobody_lingers_who_was_refused", "[inbound]") {
    acceptor_options o = options();
    SECTION("time") { o.life.linger_timeout = 0s; }
    SECTION("bytes") { o.life.max_linger_bytes = 0; }
    SECTION("places") { o.max_lingering_refusals = 0; }
    bench b(o);
    refused_peer r;
    CHECK(b.machine.refusal_lingers(r, b.now) == 0);
    CHECK(b.machine.stats().lingering_refusals == 0);
}

TEST_CASE("newcomers_are_refused_while_resources_are_short", "[inbound]") {
    acceptor_options o = options();
    o.resources.check_interval = 1s;
    bench b(o);
    CHECK(b.orders() == "usage");
    b.machine.usage_read({89, 100, 0, 0}, b.now);
    accepted_peer& last = b.open();
    CHECK(b.connect() == nullptr);
    CHECK(b.orders() == "resources_short connection_opened connection_refused");
    for (int i = 0; i < 4; ++i) b.machine.usage_read({84, 100, 0, 0}, b.now);
    CHECK(b.orders() == "resources_recovered");
    CHECK(b.connect() != nullptr);
    b.machine.ended(last, close_reason::finished, b.now);
}

TEST_CASE("a_listener_is_paused_lost_and_reopened", "[inbound]") {
    bench b;
    const auto failed = [&](int error) {
        return b.machine.accept_failed(0, listener, {error, std::system_category()}, b.now);
    };
    CHECK(failed(EAGAIN) == accept_verdict::wait);
    CHECK(b.orders().empty());
    CHECK(failed(EMFILE) == accept_verdict::pause);
    CHECK(b.orders() == "accepting_paused");
    CHECK(b.after(1s) == "resume");
    CHECK(b.connect() != nullptr);
    CHECK(b.orders() == "accepting_resumed");
    caller c;
    b.machine.waiter_came(c);
    CHECK(failed(EBADF) == accept_verdict::dead);
    CHECK(b.orders() == "listener_lost answer:" + make_error_code(errc::listener_lost).message());
    CHECK(b.after(1s) == "resume");
    CHECK(b.machine.resumption_of(0) == accept_resumption::reopen);
    b.machine.reopened(0, listener, {}, b.now);
    CHECK(b.orders() == "listener_reopened");
    CHECK(b.machine.stats().total.accept_errors == 2);
    CHECK(b.machine.stats().total.accept_pauses == 1);
}
