// When something is due for a slot, and what: a table.
#include "hotpool/manager/timetable.hpp"
#include "support/catch.hpp"
#include "support/names.hpp"

using namespace hotpool;
using namespace hotpool::detail;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{1h};
const timetable usual({.health_check_interval = 10s, .rest_after_idle = 2s}, true);

/// Put back at `start`, good for 60 s, old after five minutes.
slot<int> idle_slot() {
    slot<int> s;
    s.state = slot_state::idle;
    s.idle_since = s.proven_at = start;
    s.idle_limit = 60s;
    s.dies_at = start + 300s;
    return s;
}
template <class Change>
slot<int> idle_but(Change change) {
    slot<int> s = idle_slot();
    change(s);
    return s;
}
template <class Change>
slot<int> leased_but(Change change) {
    slot<int> s;
    s.state = slot_state::leased;
    change(s);
    return s;
}

}  // namespace

TEST_CASE("earliest_of_a_slots_times_is_due_and_says_what_is_to_be_done", "[manager]") {
    struct row {
        const char* when;
        slot<int> s;
        time_point due;
        due_matter what;
    };
    std::vector<row> table;
    const auto add = [&](const char* when, slot<int> s, time_point due, due_matter what) {
        table.push_back({when, std::move(s), due, what});
    };
    add("idle: it rests first", idle_slot(), start + 2s, due_matter::rest);
    add("rested: it is probed", idle_but([](auto& s) { s.rested = true; }), start + 10s, due_matter::probe);
    add("probed later than put back", idle_but([](auto& s) { s.rested = true, s.proven_at = start + 5s; }), start + 15s,
        due_matter::probe);
    add("its limit comes before the probe", idle_but([](auto& s) { s.rested = true, s.idle_limit = 4s; }), start + 4s,
        due_matter::end);
    add("so does its end", idle_but([](auto& s) { s.dies_at = start + 1s; }), start + 1s, due_matter::end);
    add("all at once: the end counts", idle_but([](auto& s) { s.dies_at = start + 2s; }), start + 2s, due_matter::end);
    add("lent without deadline", leased_but([](auto&) {}), never, due_matter::nothing);
    add("with one", leased_but([](auto& s) { s.lease_deadline = start + 5s; }), start + 5s, due_matter::deadline);
    add("with a leak", leased_but([](auto& s) { s.leak_at = start + 3s; }), start + 3s, due_matter::leak);
    add("with both: the deadline, even if it is later",
        leased_but([](auto& s) { s.lease_deadline = start + 5s, s.leak_at = start + 3s; }), start + 5s,
        due_matter::deadline);
    add("with a task", leased_but([](auto& s) { s.lease_deadline = start + 5s, s.task = slot_task::expire_lease; }),
        never, due_matter::nothing);
    for (const probe_kind kind : {probe_kind::health, probe_kind::validation})
        add("probed: as a lease", leased_but([&](auto& s) {
                s.state = slot_state::probing, s.probing = kind, s.lease_deadline = start + 5s;
            }),
            start + 5s, due_matter::deadline);
    for (const probe_kind kind : {probe_kind::watch, probe_kind::rest})
        add("tended: nothing", idle_but([&](auto& s) { s.state = slot_state::probing, s.probing = kind; }), never,
            due_matter::nothing);
    add("closing: nothing", idle_but([](auto& s) { s.state = slot_state::closing; }), never, due_matter::nothing);
    add("opening by itself", idle_but([](auto& s) { s.state = slot_state::opening; }), never, due_matter::nothing);
    add("opening to an address", idle_but([](auto& s) {
            s.state = slot_state::opening;
            s.dialling = std::make_unique<dial<slot<int>>>();
            s.dialling->decide_at = start + 7s;
        }),
        start + 7s, due_matter::opening);

    for (const row& r : table) {
        CAPTURE(r.when);
        CHECK(usual.due(r.s) == r.due);
        if (r.due == never) continue;
        CHECK(usual.examine(r.s, r.due - 1ns) == due_matter::nothing);
        CHECK(usual.examine(r.s, r.due) == r.what);
        CHECK(usual.examine(r.s, r.due + 1h) == (r.s.state == slot_state::idle ? due_matter::end : r.what));
    }
}

TEST_CASE("connection_put_back_is_due_when_the_table_says", "[manager]") {
    for (const bool rests : {false, true})
        for (const duration interval : {duration(0s), duration(1s), duration(30s)})
            for (const duration limit : {duration(500ms), duration(60s), duration::max()}) {
                const timetable times({.health_check_interval = interval, .rest_after_idle = 2s}, rests);
                slot<int> s = idle_slot();
                s.idle_limit = limit;
                s.rested = !rests;
                CHECK(times.put_back_due(s, start) == times.due(s));
            }
}

TEST_CASE("idle_connection_expires_by_its_end_or_its_limit", "[manager]") {
    const slot<int> s = idle_slot();
    CHECK(timetable::expired(s, start + 60s - 1ns) == retire_reason::none);
    CHECK(timetable::expired(s, start + 60s) == retire_reason::idle_timeout);
    CHECK(timetable::expired(s, start + 300s) == retire_reason::max_lifetime);
    CHECK(timetable::expired(idle_but([](auto& x) { x.idle_limit = duration::max(), x.dies_at = never; }),
                             never - 1ns) == retire_reason::none);
}
