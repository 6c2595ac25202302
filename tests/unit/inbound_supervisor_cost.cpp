// What must cost nothing: sweeps with nothing due, bytes and requests of many connections, allocations.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "hotpool/inbound/connection_supervisor.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{100h};
constexpr std::size_t many = 10'000;

/// Ten thousand open connections, idle since `start`.
class crowd {
public:
    explicit crowd(const life_options& options = {.idle_timeout = 60s}) : machine(options) {
        for (std::size_t i = 0; i < many; ++i) {
            machine.accepted(all[i], start);
            machine.opened(all[i], start);
        }
    }
    ~crowd() {
        for (std::size_t i = 0; i < many; ++i) machine.ended(all[i], close_reason::finished);
    }

    connection_supervisor<> machine;
    const std::unique_ptr<supervised[]> all = std::make_unique<supervised[]>(many);
};

}  // namespace

TEST_CASE("sweep_over_idle_connections_looks_at_none_until_one_is_due", "[inbound]") {
    crowd c;
    const time_point begin = c.machine.next_deadline();
    // What was accepted comes up once when its handshake would have been late.
    for (duration t = 0s; t < 60s; t += 10ms) c.machine.time_passed(start + t);
    CHECK(begin == start + 10s);
    CHECK(c.machine.counters().examined == many);
    CHECK_FALSE(c.machine.has_action());
    c.machine.time_passed(start + 60s);
    CHECK(c.machine.counters().examined == 2 * many);
    CHECK(c.machine.counts().draining == many);
}

TEST_CASE("sweep_costs_what_expires", "[inbound]") {
    crowd c;
    c.machine.time_passed(start + 20s);
    const std::uint64_t before = c.machine.counters().examined;
    for (std::size_t i = 3; i < many; ++i) c.machine.bytes_seen(c.all[i], start + 59s);
    for (std::size_t i = 3; i < 6; ++i) c.machine.request_begun(c.all[i], start + 21s);
    for (duration t = 20s; t < 60s; t += 10ms) c.machine.time_passed(start + t);
    CHECK(c.machine.counters().examined - before == 6);  // requests that took too long, then their lingering ends
    CHECK(c.machine.counts().draining == 3);
    CHECK(c.machine.check());
}

TEST_CASE("requests_and_bytes_move_nothing_in_the_wheel", "[inbound]") {
    crowd c;
    c.machine.time_passed(start + 20s);
    supervised& one = c.all[7];
    c.machine.request_begun(one, start + 21s);
    c.machine.request_ended(one, start + 21s);
    const auto* const place = one.link;
    const time_point key = one.key;
    for (int i = 0; i < 1000; ++i) {
        const time_point now = start + 22s + i * 1ms;
        c.machine.bytes_seen(one, now);
        c.machine.request_begun(one, now);
        c.machine.request_received(one, now);
        c.machine.reply_progressed(one, now);
        c.machine.request_ended(one, now);
    }
    CHECK(one.link == place);
    CHECK(one.key == key);
}

TEST_CASE("life_of_a_connection_allocates_nothing", "[inbound]") {
    crowd c;
    const auto before = test::allocations();
    supervised one;
    c.machine.accepted(one, start);
    c.machine.handshake_begun(one);
    c.machine.opened(one, start);
    c.machine.request_begun(one, start);
    c.machine.request_ended(one, start);
    c.machine.time_passed(start + 100s);
    while (c.machine.next_action()) {
    }
    c.machine.time_passed(start + 200s);
    c.machine.ended(one, close_reason::finished);
    CHECK(test::allocations() == before);
}
