// What admission must not cost: allocations, and memory that grows with the addresses that appear.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <hotpool/inbound/admission.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{1000h};

/// Every fourth number is an IPv6 network, the others IPv4 addresses; no two are one group.
ip_address address(std::uint32_t number) {
    const auto byte = [number](unsigned shift) { return static_cast<unsigned char>(number >> shift); };
    if (number % 4 == 0)
        return ip_address{ip_address::v6_bytes_type{0x20, 1, 0xd, 0xb8, byte(24), byte(16), byte(8), byte(0)}};
    return ip_address{ip_address::v4_bytes_type{byte(24), byte(16), byte(8), byte(0)}};
}

constexpr std::uint32_t special = 0xf0000000;

}  // namespace

TEMPLATE_TEST_CASE("a_verdict_on_a_known_group_allocates_nothing", "[inbound]", fixed_window, sliding_window,
                   token_bucket) {
    basic_admission<TestType> machine{{.max_connections_per_group = 2, .max_requests_per_group = 3}, start, 1};
    for (int i = 0; i < 100; ++i) machine.access().deny(address(special + static_cast<std::uint32_t>(i)), start + 1h);
    for (std::uint32_t i = 0; i < 200; ++i) REQUIRE(machine.request_offered(address(i), start).admitted());

    std::uint64_t admitted = 0, refused = 0, requests = 0, requests_refused = 0, ended = 0;
    std::uint64_t remembered = 0;
    std::uint64_t allocated = test::allocations();
    for (std::uint32_t i = 0; i < 200; ++i) {
        admission_ticket tickets[3];
        for (admission_ticket& ticket : tickets) {
            admission_verdict verdict = machine.connection_offered(address(i), start);
            ++(verdict.admitted() ? admitted : refused);
            ticket = std::move(verdict.ticket);
        }
        machine.handshake_done(tickets[0]);
        for (int n = 0; n < 2; ++n) {
            ++(machine.request_offered(tickets[0], start).admitted() ? requests : requests_refused);
            ++(machine.request_offered(address(i), start).admitted() ? requests : requests_refused);
        }
        const std::uint64_t before_block = test::allocations();
        machine.block(address(i), start + 1min, start);
        remembered += test::allocations() - before_block;  // who is blocked is kept for the day that it is not
        refused += !machine.connection_offered(address(i), start).admitted();
        requests_refused += !machine.client_named(tickets[0], address((i + 1) % 200), start + 2min).admitted();
        for (admission_ticket& ticket : tickets) ended += machine.connection_ended(ticket) == ticket_use::taken;
    }
    allocated = test::allocations() - allocated - remembered;
    CHECK(allocated == 0);
    CHECK(admitted == 400);
    CHECK(refused == 400);
    CHECK(requests == 400);
    CHECK(requests_refused == 400);
    CHECK(ended == 400);
    CHECK(machine.check());
}

TEST_CASE("nor_does_one_on_an_unknown_group_or_a_denied_address", "[inbound]") {
    admission machine{{.max_groups = 100}, start, 1};
    machine.access().deny(address(special), start + 1h);
    std::uint64_t admitted = 0;
    const std::uint64_t before = test::allocations();
    for (std::uint32_t i = 0; i < 1000; ++i) {
        admission_verdict verdict = machine.connection_offered(address(i), start);
        admitted += verdict.admitted();
        machine.connection_ended(verdict.ticket);
        admitted += machine.connection_offered(address(special), start).admitted();
    }
    const std::uint64_t after = test::allocations();
    CHECK(after == before);
    CHECK(admitted == 1000);
}

TEST_CASE("a_million_addresses_stay_under_the_ceiling_and_let_no_group_over_its_limit_in", "[inbound]") {
    constexpr std::uint32_t flood = 1'000'000, each = 50;
    admission machine{{}, start, 1};
    REQUIRE(machine.bytes() <= machine.options().max_groups * admission::bytes_per_group);
    const ip_address full = address(special + 2 * each);
    std::vector<admission_verdict> held;
    for (int i = 0; i < 10; ++i) held.push_back(machine.connection_offered(full, start));
    for (std::uint32_t i = 0; i < each; ++i) {
        for (int request = 0; request < 1000; ++request)
            REQUIRE(machine.request_offered(address(special + i), start).admitted());
        REQUIRE(machine.block(address(special + each + i), start + 1h, start) == block_result::blocked);
    }

    // They never try themselves while the flood passes: nothing but their standing keeps them remembered.
    const std::size_t bytes = machine.bytes();
    std::uint64_t allocated = test::allocations();
    std::uint32_t admitted = 0;
    time_point now = start;
    for (std::uint32_t i = 0; i < flood; ++i) {
        now += 1ms;
        admission_verdict verdict = machine.connection_offered(address(i), now);
        admitted += verdict.admitted() && machine.request_offered(verdict.ticket, now).admitted();
        machine.connection_ended(verdict.ticket);
    }
    allocated = test::allocations() - allocated;
    CHECK(allocated == 0);
    CHECK(admitted == flood);
    CHECK(machine.bytes() == bytes);
    CHECK(machine.counts().groups == machine.options().max_groups);
    CHECK(machine.counts().groups_forgotten == flood + 2 * each + 1 - machine.options().max_groups);
    CHECK(machine.counts().groups_forgotten_over_limit == 0);
    REQUIRE(now < start + 1h);
    for (std::uint32_t i = 0; i < each; ++i) {
        CHECK(machine.request_offered(address(special + i), now).refused == refuse_reason::group_requests);
        CHECK(machine.connection_offered(address(special + each + i), now).refused == refuse_reason::blocked);
    }
    CHECK(machine.connection_offered(full, now).refused == refuse_reason::group_connections);
    for (admission_verdict& verdict : held) CHECK(machine.connection_ended(verdict.ticket) == ticket_use::taken);
    CHECK(machine.check());

    // In the next hour they are groups like others, and make room for them.
    now = start + 1h;
    for (std::uint32_t i = 0; i < 4 * each; ++i) {
        admission_verdict verdict = machine.connection_offered(address(flood + i), now);
        CHECK(verdict.admitted());
        machine.connection_ended(verdict.ticket);
    }
    CHECK(machine.counts().groups_forgotten_over_limit == 0);
    CHECK(machine.request_offered(address(special), now).admitted());
    CHECK(machine.check());
}

TEST_CASE("chains_are_as_short_with_addresses_that_count_up_as_with_any", "[inbound]") {
    // The time to find groups in a chain of all 50,000 would be minutes.
    admission machine{{}, start, 7};
    std::uint64_t admitted = 0;
    for (int round = 0; round < 4; ++round)
        for (std::uint32_t i = 0; i < 50'000; ++i)
            admitted += machine.request_offered(address(i << 8), start).admitted();
    CHECK(admitted == 200'000);
}
