// The small parts of the connection manager, each on its own.
#include <algorithm>
#include <vector>

#include "hotpool/manager/departures.hpp"
#include "hotpool/manager/idle_set.hpp"
#include "hotpool/manager/leases.hpp"
#include "hotpool/manager/pool_end.hpp"
#include "hotpool/manager/upkeep.hpp"
#include "support/catch.hpp"
#include "support/names.hpp"

using namespace hotpool;
using namespace hotpool::detail;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{1h};

/// A ledger with slots in whatever state a test wants.
struct books_of_a_test : ledger<int> {
    slot<int>& in(slot_state state) {
        slot<int>& s = slots.take_vacant();
        for (const slot_state next : {slot_state::opening, slot_state::idle, state})
            if (s.state != state && may_follow(s.state, next)) slots.enter(s, next);
        REQUIRE(s.state == state);
        return s;
    }
};

}  // namespace

// --- idle_set

TEST_CASE("idle_connections_stand_in_the_order_they_were_put_back", "[manager]") {
    books_of_a_test books;
    idle_set<int> idle;
    CHECK(idle.from(idle_end::newest) == nullptr);
    auto& a = books.in(slot_state::idle);
    auto& b = books.in(slot_state::idle);
    auto& probed = books.in(slot_state::idle);
    idle.add_newest(a);
    idle.add_newest(b);
    idle.add_oldest(probed);
    CHECK(idle.from(idle_end::newest) == &b);
    CHECK(idle.from(idle_end::oldest) == &probed);
    std::vector<slot<int>*> seen;
    idle.for_each([&](slot<int>& s) {
        seen.push_back(&s);
        idle.remove(s);  // it may
    });
    CHECK(seen == std::vector<slot<int>*>{&probed, &a, &b});
    CHECK(idle.size() == 0);
}

TEST_CASE("tended_connection_keeps_its_place_and_is_passed_over", "[manager]") {
    books_of_a_test books;
    idle_set<int> idle;
    auto& a = books.in(slot_state::idle);
    auto& b = books.in(slot_state::idle);
    idle.add_newest(a);
    idle.add_newest(b);
    books.slots.enter(b, slot_state::probing);
    CHECK(idle.from(idle_end::newest) == &a);
    books.slots.enter(b, slot_state::idle);
    CHECK(idle.from(idle_end::newest) == &b);
    CHECK(idle.size() == 2);
}

// --- upkeep

TEST_CASE("what_a_connection_is_taken_out_for_says_what_is_asked_of_the_driver", "[manager]") {
    struct {
        probe_kind kind;
        slot_state from;
        slot_task task;
        bool tended;
        std::uint64_t probes, rests;
    } const table[] = {
        {probe_kind::watch, slot_state::idle, slot_task::none, true, 0, 0},
        {probe_kind::rest, slot_state::idle, slot_task::rest, true, 0, 1},
        {probe_kind::health, slot_state::idle, slot_task::probe, false, 1, 0},
        {probe_kind::validation, slot_state::opening, slot_task::probe, false, 1, 0},
    };
    for (const auto& row : table) {
        books_of_a_test books;
        upkeep<int> care;
        auto& s = books.in(row.from);
        care.begin(books, s, row.kind);
        CHECK(s.state == slot_state::probing);
        CHECK(s.probing == row.kind);
        CHECK(s.task == row.task);
        CHECK(care.tending() == (row.tended ? 1 : 0));
        CHECK(care.validating() == (row.kind == probe_kind::validation ? 1 : 0));
        CHECK(s.is_out() == !row.tended);
        CHECK(books.counters.probes == row.probes);
        CHECK(books.counters.rests == row.rests);
        CHECK(care.end(s) == row.kind);
        CHECK(care.tending() + care.validating() == 0);
        CHECK(care.end(s) == probe_kind::none);  // no harm
        CHECK(care.check({}));
    }
}

TEST_CASE("probe_that_fails_ends_the_connection_for_what_it_was_made_for", "[manager]") {
    for (const auto& [kind, why] : {std::pair{probe_kind::health, retire_reason::probe_failed},
                                    std::pair{probe_kind::validation, retire_reason::validation_failed}})
        for (const bool healthy : {false, true}) {
            books_of_a_test books;
            upkeep<int> care;
            auto& s = books.in(kind == probe_kind::health ? slot_state::idle : slot_state::opening);
            care.begin(books, s, kind);
            s.lease_deadline = start;
            CHECK(care.probed(books, s, start, healthy) == (healthy ? retire_reason::none : why));
            CHECK(s.task == slot_task::none);
            CHECK(s.lease_deadline == never);
            CHECK(s.proven_at == start);
            CHECK(books.counters.probe_failures == (healthy ? 0 : 1));
        }
}

// --- leases

TEST_CASE("lease_begins_changes_its_deadline_and_ends", "[manager]") {
    using lease_part = leases<int>;
    books_of_a_test books;
    auto& s = books.in(slot_state::idle);
    lease_part::begin(books, s, start, start + 5s, 2s);
    CHECK(s.state == slot_state::leased);
    CHECK(s.uses == 1);
    CHECK(books.counters.leases == 1);
    CHECK(books.counters.reuses == 0);
    CHECK(books.slots.next_due() == start + 5s);  // the deadline comes first, whatever the leak
    lease_part::deadline_changed(books, s, never, false);
    CHECK(timetable::out_due(s) == start + 2s);
    lease_part::leak(books, s);
    CHECK(s.task == slot_task::report_leak);
    lease_part::left_to_the_pool(books, s);
    CHECK(s.task == slot_task::none);
    CHECK(timetable::out_due(s) == never);
    lease_part::expire(books, s, start + 2s);
    lease_part::deadline_changed(books, s, start + 9s, true);
    CHECK(s.task == slot_task::expire_lease);  // it stays so
    lease_part::deadline_changed(books, s, start + 9s, false);
    CHECK(s.task == slot_task::none);  // it was for the deadline before
    lease_part::end(books, s);
    CHECK(timetable::out_due(s) == never);
    books.slots.enter(s, slot_state::idle);
    lease_part::begin(books, s, start, never, 0s);
    CHECK(books.counters.reuses == 1);
    CHECK(timetable::out_due(s) == never);
}

TEST_CASE("cut_reaches_everybody_who_is_out_once", "[manager]") {
    books_of_a_test books;
    upkeep<int> care;
    auto& leased = books.in(slot_state::leased);
    auto& reported = books.in(slot_state::leased);
    leases<int>::leak(books, reported);
    auto& cut = books.in(slot_state::leased);
    leases<int>::expire(books, cut, start);
    auto& probed = books.in(slot_state::idle);
    care.begin(books, probed, probe_kind::health);
    books.slots.drop_task(probed);
    auto& tended = books.in(slot_state::idle);
    care.begin(books, tended, probe_kind::watch);
    auto& idle = books.in(slot_state::idle);
    leases<int>::cut_all(books, start);
    for (const slot<int>* s : {&leased, &reported, &cut, &probed}) CHECK(s->task == slot_task::expire_lease);
    CHECK(tended.task == slot_task::none);
    CHECK(idle.task == slot_task::none);
}

// --- departures

TEST_CASE("retired_connection_is_counted_told_and_closed_once", "[manager]") {
    books_of_a_test books;
    books.events.listen(true);
    auto& s = books.in(slot_state::idle);
    departures<int>::retire(books, s, retire_reason::budget);
    CHECK(s.state == slot_state::closing);
    CHECK(s.task == slot_task::close);
    CHECK(s.retire == retire_reason::budget);
    CHECK(books.counters.retired_for(retire_reason::budget) == 1);
    const auto told = books.events.take();
    REQUIRE(told.size() == 1);
    CHECK(told[0].kind == pool_event_kind::connection_ended);
    CHECK(told[0].reason == retire_reason::budget);
}

TEST_CASE("address_is_blamed_for_what_is_its_fault", "[manager]") {
    slot<int> s;
    s.uses = 1;
    const auto blamed = [&](retire_reason why) { return departures<int>::blames_address(s, why); };
    CHECK_FALSE(blamed(retire_reason::lease_deadline));  // there is none
    s.endpoint = std::make_shared<endpoint_state>();
    CHECK(blamed(retire_reason::lease_deadline));
    CHECK(blamed(retire_reason::validation_failed));
    CHECK(blamed(retire_reason::transport_error));
    s.uses = 2;
    CHECK_FALSE(blamed(retire_reason::transport_error));  // it was good once
    for (const auto why :
         {retire_reason::none, retire_reason::probe_failed, retire_reason::peer_closed, retire_reason::cancelled})
        CHECK_FALSE(blamed(why));
}

TEST_CASE("connection_that_is_to_end_early_ends_at_the_earlier_time", "[manager]") {
    books_of_a_test books;
    const auto end_at = [](slot<int>& s, time_point at) {
        return departures<int>::end_at(s, at, retire_reason::rotated);
    };
    auto& idle = books.in(slot_state::idle);
    idle.dies_at = start + 5s;
    CHECK(end_at(idle, start + 9s));
    CHECK(idle.dies_at == start + 5s);
    CHECK(idle.dies_for == retire_reason::max_lifetime);
    CHECK(end_at(idle, start));
    CHECK(idle.dies_at == start);
    CHECK(idle.dies_for == retire_reason::rotated);
    auto& opening = books.in(slot_state::opening);
    CHECK(end_at(opening, start));
    CHECK(opening.retire == retire_reason::rotated);
    opening.retire = retire_reason::none;
    opening.dialling = std::make_unique<dial<slot<int>>>();
    CHECK_FALSE(end_at(opening, start));  // it leads nowhere yet
    CHECK_FALSE(end_at(books.in(slot_state::closing), start));
}

// --- pool_end

TEST_CASE("stop_takes_the_later_reason_and_the_earlier_deadline", "[manager]") {
    pool_end end;
    CHECK_FALSE(end.is_stopped());
    CHECK_FALSE(end.time_passed(start));
    CHECK(end.cut(start + 1s) == start + 1s);
    end.requested(errc::pool_draining, start + 5s);
    CHECK(end.reason() == retire_reason::drained);
    CHECK(end.due() == start + 5s);
    end.requested(errc::pool_closed, start + 9s);
    CHECK(end.why() == errc::pool_closed);
    CHECK(end.reason() == retire_reason::pool_closed);
    CHECK(end.due() == start + 5s);
    CHECK_FALSE(end.time_passed(start + 5s - 1ns));
    CHECK_FALSE(end.is_overdue());
    CHECK(end.time_passed(start + 6s));
    CHECK_FALSE(end.time_passed(start + 7s));  // said once
    CHECK(end.is_overdue());
    CHECK(end.due() == never);
    CHECK(end.cut(start + 20s) == start + 6s);
    CHECK(end.cut(start + 2s) == start + 2s);
}

TEST_CASE("stop_without_a_deadline_is_never_overdue", "[manager]") {
    pool_end end;
    end.requested(errc::pool_draining, never);
    CHECK_FALSE(end.time_passed(never - 1ns));
    CHECK(end.cut(never) == never);
}
