// The gate: what parks there is claimed once, and what finds nobody parked is kept for whom it is meant.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hotpool/connection/gate.hpp"
#include "support/catch.hpp"

using namespace hotpool::detail;

namespace {

struct operation final : waiting_op {
    void resume(wake) override { ++resumed; }
    int resumed = 0;
};

constexpr std::uint64_t serial = 7;

enum class event { ready, cancel, other_cancel, expire, timer, other_timer };
constexpr std::array all_events{event::ready,  event::cancel, event::other_cancel,
                                event::expire, event::timer,  event::other_timer};

waiting_op* happen(gate& g, event e) {
    switch (e) {
        case event::ready: return g.claim_on_event();
        case event::cancel: return g.claim_to_cancel(serial);
        case event::other_cancel: return g.claim_to_cancel(serial - 1);
        case event::expire: return g.claim_to_expire();
        case event::timer: return g.claim_on_timer(serial);
        case event::other_timer: return g.claim_on_timer(serial + 1);
    }
    return nullptr;
}
bool concerns(event e) { return e != event::other_cancel && e != event::other_timer; }

std::optional<wake> kept(event e) {
    switch (e) {
        case event::ready: return wake::ready;
        case event::cancel: return wake::cancelled;
        case event::expire: return wake::expired;
        case event::timer: return wake::timer;
        default: return std::nullopt;
    }
}
/// The most serious of two reasons that were kept.
std::optional<wake> more_serious(event a, event b) {
    for (const wake w : {wake::cancelled, wake::expired, wake::ready, wake::timer})
        if (kept(a) == w || kept(b) == w) return w;
    return std::nullopt;
}

}  // namespace

TEST_CASE("first_event_claims_the_parked_operation_and_later_ones_come_too_late", "[gate]") {
    for (const event first : all_events)
        for (const event second : all_events) {
            CAPTURE(int(first), int(second));
            gate g;
            operation op;
            g.begin(serial);
            REQUIRE_FALSE(g.park(op));
            CHECK((happen(g, first) == &op) == concerns(first));
            CHECK((happen(g, second) == &op) == (concerns(second) && !concerns(first)));
            CHECK(op.resumed == 0);
        }
}

TEST_CASE("event_while_the_operation_runs_is_kept_for_its_next_park", "[gate]") {
    for (const event e : all_events) {
        CAPTURE(int(e));
        gate g;
        operation op;
        g.begin(serial);
        CHECK(happen(g, e) == nullptr);
        CHECK(g.park(op) == kept(e));
        // Told once.
        if (kept(e)) CHECK_FALSE(g.park(op));
        CHECK(g.claim_on_hint() == &op);
    }
}

TEST_CASE("of_two_kept_events_the_more_serious_is_told", "[gate]") {
    for (const event first : all_events)
        for (const event second : all_events) {
            CAPTURE(int(first), int(second));
            gate g;
            operation op;
            g.begin(serial);
            CHECK(happen(g, first) == nullptr);
            CHECK(happen(g, second) == nullptr);
            CHECK(g.park(op) == more_serious(first, second));
        }
}

TEST_CASE("next_operation_forgets_interruptions_but_not_readiness", "[gate]") {
    for (const event e : all_events) {
        CAPTURE(int(e));
        gate g;
        operation op;
        g.begin(serial);
        happen(g, e);
        g.begin(serial + 2);
        CHECK(g.has_fired() == (e == event::ready));
        CHECK(g.park(op) == (e == event::ready ? std::optional(wake::ready) : std::nullopt));
    }
}

TEST_CASE("late_cancellation_of_an_earlier_operation_changes_nothing", "[gate]") {
    gate g;
    operation op;
    g.begin(serial);
    g.begin(serial + 1);
    CHECK(g.claim_to_cancel(serial) == nullptr);
    CHECK(g.claim_on_timer(serial) == nullptr);
    CHECK_FALSE(g.park(op));
    CHECK(g.claim_to_cancel(serial) == nullptr);
    CHECK(g.claim_on_timer(serial) == nullptr);
    CHECK(g.claim_to_cancel(serial + 1) == &op);
}

TEST_CASE("one_readiness_wait_is_armed_at_a_time", "[gate]") {
    gate g;
    operation op;
    CHECK_FALSE(g.is_armed());
    CHECK(g.arm());
    CHECK_FALSE(g.arm());
    g.begin(serial);
    CHECK(g.is_armed());
    CHECK(g.claim_on_event() == nullptr);
    CHECK_FALSE(g.is_armed());
    CHECK(g.has_fired());
    g.clear_fired();
    CHECK_FALSE(g.has_fired());
    CHECK_FALSE(g.park(op));
    CHECK(g.arm());
}

TEST_CASE("claim_unarmed_takes_only_whom_no_wait_would_wake", "[gate]") {
    gate g;
    operation op;
    g.begin(serial);
    CHECK(g.claim_unarmed() == nullptr);
    CHECK_FALSE(g.park(op));
    g.arm();
    CHECK(g.claim_unarmed() == nullptr);
    CHECK(g.claim_on_event() == &op);
    CHECK_FALSE(g.park(op));
    CHECK(g.claim_unarmed() == &op);
}

TEST_CASE("hint_of_another_gate_is_kept_and_leaves_the_wait_armed", "[gate]") {
    gate g;
    operation op;
    g.begin(serial);
    g.arm();
    CHECK(g.claim_on_hint() == nullptr);
    CHECK(g.is_armed());
    CHECK(g.park(op) == wake::ready);
    CHECK_FALSE(g.park(op));
    CHECK(g.claim_on_hint() == &op);
    CHECK(g.is_armed());
    CHECK_FALSE(g.has_fired());
}
