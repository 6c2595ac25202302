// Whose place a newcomer gets where every handshake is taken.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "hotpool/inbound/acceptor_machine.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

struct nobody_waits : base::list_hook<nobody_waits> {};
struct nobody_drains : base::list_hook<nobody_drains> {};
using half_open_machine = acceptor_machine<default_policies, nobody_waits, nobody_drains>;

constexpr time_point half_open_start{100h};

acceptor_options with_handshakes(std::size_t most) {
    acceptor_options o;
    o.resources.check_interval = 0s;
    o.admission.max_connections_per_group = 0;
    o.admission.max_connections = 0;
    o.admission.max_handshakes = most;
    o.admission.max_groups = 200'000;
    return o;
}

/// Connections in their handshake, a tick after one another.
struct crowded_port {
    explicit crowded_port(const acceptor_options& o) : machine(o, 1, half_open_start, 1, 1) {}
    ~crowded_port() {
        for (accepted_peer& c : all)
            if (c.state() != life_state::closed) machine.ended(c, close_reason::aborted, now);
        CHECK(machine.check());
    }

    accepted_peer* connect(const ip_address& from) {
        now += 1us;
        admission_verdict verdict = machine.connection_offered(0, {}, {from, 1}, now);
        if (!verdict.admitted()) return nullptr;
        accepted_peer& c = all.emplace_back(ip_endpoint{from, 1}, verdict.ticket);
        machine.admitted(c, true, now);
        return &c;
    }
    accepted_peer* connect(const std::string& from) { return connect(*ip_address::parse(from)); }
    /// Ends who is to be cut, as a driver does.
    std::vector<accepted_peer*> cut() {
        std::vector<accepted_peer*> gone;
        half_open_machine::order_type next;
        for (; machine.next_order(next); next = {}) {
            if (!next.action) continue;
            CHECK(next.action.task == life_task::abort);
            CHECK(next.action.reason == close_reason::half_open);
            gone.push_back(static_cast<accepted_peer*>(next.action.connection));
            machine.ended(*gone.back(), close_reason::aborted, now);
        }
        return gone;
    }

    half_open_machine machine;
    std::deque<accepted_peer> all;
    time_point now = half_open_start;
};

ip_address network(std::uint32_t n) {
    const auto byte = [n](int shift) { return static_cast<unsigned char>(n >> shift); };
    return ip_address{ip_address::v6_bytes_type{0x20, 1, 0xd, 0xb8, byte(24), byte(16), byte(8), byte(0)}};
}

using goes = std::vector<accepted_peer*>;

}  // namespace

TEST_CASE("a_newcomer_gets_the_place_of_the_oldest_of_the_group_that_holds_most", "[inbound]") {
    crowded_port p(with_handshakes(5));
    accepted_peer* const early = p.connect("192.0.2.1");
    goes many;
    for (int i = 0; i < 3; ++i) many.push_back(p.connect("192.0.2.2"));
    p.connect("192.0.2.1");
    CHECK(p.cut().empty());
    REQUIRE(p.connect("192.0.2.3") != nullptr);
    CHECK(p.cut() == goes{many[0]});
    CHECK(many[0]->reason() == close_reason::half_open);
    // Two groups have two now: the one that began first pays.
    REQUIRE(p.connect("192.0.2.4") != nullptr);
    CHECK(p.cut() == goes{early});
    CHECK(p.machine.stats().total.closed_for(close_reason::half_open) == 2);
    CHECK(p.machine.stats().total.refused_for(refuse_reason::half_open) == 0);
    CHECK(p.machine.stats().now.half_open() == 5);
}

TEST_CASE("a_group_that_would_hold_most_pays_for_its_newcomer_itself", "[inbound]") {
    crowded_port p(with_handshakes(4));
    accepted_peer* const other = p.connect("192.0.2.9");
    p.connect("192.0.2.9");
    accepted_peer* const first = p.connect("192.0.2.1");
    accepted_peer* const second = p.connect("192.0.2.1");
    REQUIRE(p.connect("192.0.2.1") != nullptr);
    CHECK(p.cut() == goes{first});
    REQUIRE(p.connect("192.0.2.1") != nullptr);
    CHECK(p.cut() == goes{second});
    // With as many as another, the older one goes.
    crowded_port q(with_handshakes(3));
    accepted_peer* const older = q.connect("192.0.2.9");
    q.connect("192.0.2.9");
    q.connect("192.0.2.1");
    REQUIRE(q.connect("192.0.2.1") != nullptr);
    CHECK(q.cut() == goes{older});
    CHECK(other->state() != life_state::closed);
}

TEST_CASE("who_has_shaken_hands_or_has_left_pays_no_more", "[inbound]") {
    crowded_port p(with_handshakes(3));
    accepted_peer* const open = p.connect("192.0.2.1");
    accepted_peer* const left = p.connect("192.0.2.1");
    accepted_peer* const stays = p.connect("192.0.2.1");
    p.machine.opened(*open, true, p.now);
    p.machine.handshake_failed(*left, errc::handshake_closed, p.now);
    p.machine.ended(*left, close_reason::handshake_failed, p.now);
    for (int i = 0; i < 2; ++i) REQUIRE(p.connect("192.0.2.2") != nullptr);
    CHECK(p.cut().empty());
    REQUIRE(p.connect("192.0.2.3") != nullptr);
    CHECK(p.cut().front()->peer.address == *ip_address::parse("192.0.2.2"));
    CHECK(stays->state() == life_state::handshaking);
    CHECK(open->state() == life_state::open);
}

TEST_CASE("one_that_gave_its_place_and_is_through_all_the_same_is_not_handed_out", "[inbound]") {
    crowded_port p(with_handshakes(1));
    accepted_peer* const one = p.connect("192.0.2.1");
    REQUIRE(p.connect("192.0.2.2") != nullptr);
    p.machine.opened(*one, true, p.now);  // on another thread, before it was cut
    CHECK(p.machine.stats().ready == 0);
    CHECK(p.cut() == goes{one});
    CHECK(p.machine.stats().total.closed_for(close_reason::half_open) == 1);
    CHECK(p.machine.stats().total.opened == 0);
}

TEST_CASE("nobody_pays_for_a_newcomer_who_is_refused_for_something_else", "[inbound]") {
    acceptor_options o = with_handshakes(1);
    o.admission.max_connections = 2;
    crowded_port p(o);
    accepted_peer* const one = p.connect("192.0.2.1");
    p.machine.admission().access().deny(*ip_address::parse("192.0.2.66"));
    CHECK(p.connect("192.0.2.66") == nullptr);
    CHECK(p.cut().empty());
    p.machine.opened(*one, true, p.now);
    p.connect("192.0.2.2");
    CHECK(p.connect("192.0.2.3") == nullptr);
    CHECK(p.machine.stats().total.refused_for(refuse_reason::total_connections) == 1);
    p.cut();
}

TEST_CASE("a_flood_from_a_hundred_thousand_networks_leaves_good_clients_their_round_trips", "[inbound]") {
    constexpr std::size_t places = 256;
    crowded_port p(with_handshakes(places));
    std::uint32_t next = 0;
    const auto flood = [&](std::size_t connections) {
        for (std::size_t i = 0; i < connections; ++i) REQUIRE(p.connect(network(next++)) != nullptr);
        p.cut();
    };
    flood(1000);
    int served = 0;
    while (next < 100'000) {
        accepted_peer* const good = p.connect("192.0.2.1");
        REQUIRE(good != nullptr);
        // Each of three round trips lets eighty others in.
        for (int trip = 0; trip < 3; ++trip) flood(80);
        REQUIRE(good->state() == life_state::handshaking);
        p.machine.opened(*good, true, p.now);
        p.machine.ended(*good, close_reason::finished, p.now);
        ++served;
    }
    CHECK(served > 400);
    CHECK(p.machine.stats().now.half_open() == places - 1);
    // Nobody is blamed whose place somebody else got.
    CHECK(p.machine.stats().blocked_groups == 0);
    CHECK_FALSE(p.machine.stats().alarm);
}

TEST_CASE("the_line_agrees_with_one_that_is_looked_through_and_allocates_nothing", "[inbound]") {
    std::mt19937 random(7);
    for (int round = 0; round < 20; ++round) {
        const std::size_t most = 1 + random() % 12;
        crowded_port p(with_handshakes(most));
        std::vector<accepted_peer*> here;
        const auto count_of = [&](const peer_group& g) {
            return std::count_if(here.begin(), here.end(), [&](accepted_peer* c) { return c->group == g; });
        };
        for (int step = 0; step < 400; ++step) {
            const ip_address from = network(static_cast<std::uint32_t>(random() % 5));
            if (random() % 4 == 0 && !here.empty()) {
                const std::size_t place = random() % here.size();
                p.machine.opened(*here[place], true, p.now);
                here.erase(here.begin() + static_cast<std::ptrdiff_t>(place));
                continue;
            }
            accepted_peer* wanted = nullptr;
            if (here.size() == most) {
                const peer_group own = group_of(from);
                const auto rank = [&](accepted_peer* c) { return count_of(c->group) + (c->group == own); };
                for (accepted_peer* c : here)  // the oldest first
                    if (wanted == nullptr || rank(c) > rank(wanted)) wanted = c;
            }
            std::uint64_t allocated = test::allocations();
            admission_verdict verdict = p.machine.connection_offered(0, {}, {from, 1}, p.now += 1us);
            CHECK(test::allocations() == allocated);
            REQUIRE(verdict.admitted());
            accepted_peer& c = p.all.emplace_back(ip_endpoint{from, 1}, verdict.ticket);
            allocated = test::allocations();
            p.machine.admitted(c, true, p.now);
            CHECK(test::allocations() == allocated);
            const goes gone = p.cut();
            REQUIRE(gone == (wanted == nullptr ? goes{} : goes{wanted}));
            here.erase(std::remove(here.begin(), here.end(), wanted), here.end());
            here.push_back(&c);
        }
    }
}
