// Openings that come to nothing: connections that end before they have served anyone.
#include <vector>

#include "support/catch.hpp"
#include "support/machine_bench.hpp"
#include "support/names.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

struct even_backoff {
    duration pause(unsigned failures, double) const noexcept {
        return std::min<duration>(10ms * (1 << (failures - 1)), 1280ms);
    }
};
struct even_backoff_policies : default_policies {
    using backoff = even_backoff;
};
using vain_bench = machine_bench<even_backoff_policies>;

/// What a peer may do to a new connection, and what it is called as the failure of an opening.
struct spoiling {
    retire_reason why;
    errc as_opening;
};
const std::vector<spoiling> all_spoilings{
    {retire_reason::peer_closed, errc::closed_unserved},
    {retire_reason::transport_error, errc::closed_unserved},
    {retire_reason::unsolicited_bytes, errc::spoke_unasked},
    {retire_reason::certificate_refused, errc::client_certificate_refused},
};

/// Lets time pass, while whatever is opened is spoiled at once.
int openings_within(vain_bench& bench, duration span, retire_reason why) {
    int opened = 0;
    for (const time_point end = bench.now + span; bench.now < end; bench.wait(1ms)) {
        while (bench.asked(slot_task::open) != 0) {
            auto& s = bench.open();
            ++opened;
            bench.machine.idle_failed(s, why);
            bench.settle();
        }
        bench.close_all();
    }
    return opened;
}

/// Of a machine whose connections lead to two addresses.
struct two_addresses {
    connection_manager<int, even_backoff_policies> machine;
    connection_manager<int, even_backoff_policies>::action next;
    std::vector<connection_manager<int, even_backoff_policies>::slot_type*> attempts;
    time_point now{1h};

    explicit two_addresses(const pool_options& options) : machine(options) {
        machine.use_endpoints(
            endpoint_list{{*ip_address::parse("192.0.2.1"), 80}, {*ip_address::parse("192.0.2.2"), 80}});
        settle();
    }
    void settle() {
        while (machine.next_action(next, now)) {
            if (next.task == slot_task::open) attempts.push_back(next.slot);
            if (next.task == slot_task::close) machine.slot_closed(*next.slot);
        }
    }
    const endpoint_state& address(std::size_t i) const { return *machine.endpoints()[i]; }
};

}  // namespace

TEST_CASE("peer_that_spoils_each_new_connection_slows_the_pool_down", "[manager]") {
    for (const auto& row : all_spoilings) {
        CAPTURE(row.why);
        vain_bench bench{{.min_idle = 3}};
        CHECK(openings_within(bench, 2s, row.why) < 25);
        CHECK(bench.machine.last_open_error() == row.as_opening);
        // What nobody has used yet may be closed in order: whoever asks is served all the same.
        const bool may = row.why == retire_reason::peer_closed;
        CHECK(bench.machine.failing() == (may ? std::error_code() : make_error_code(row.as_opening)));
        CHECK(bench.get().error == (may ? std::error_code() : make_error_code(row.as_opening)));
        CHECK(make_error_code(row.as_opening) == condition::open_failed);
    }
}

TEST_CASE("new_connections_that_fail_their_validation_are_failed_openings", "[manager]") {
    vain_bench bench{{.min_idle = 1, .health_check_timeout = 5s, .probe_new = true}};
    int opened = 0;
    for (int round = 0; round < 6; ++round) {
        auto& s = bench.open();
        ++opened;
        REQUIRE(bench.take(slot_task::probe) == &s);
        bench.now += 3s;  // however long that has taken
        bench.machine.probe_finished(s, bench.now, false);
        bench.settle();
        CHECK(bench.asked(slot_task::open) == 0);
        CHECK(bench.machine.next_due() == bench.now + even_backoff().pause(static_cast<unsigned>(opened), 0));
        bench.close_all();
        bench.wait(2s);
    }
    CHECK(bench.machine.last_open_error() == errc::probe_failed);
}

TEST_CASE("peer_that_is_well_and_ends_its_connection_with_the_probe_is_no_bad_origin", "[manager]") {
    const retire_reason over =
        GENERATE(retire_reason::connection_close, retire_reason::peer_closed, retire_reason::transport_error,
                 retire_reason::unsolicited_bytes, retire_reason::body_not_drained, retire_reason::not_clean);
    CAPTURE(to_string(over));
    vain_bench bench{{.min_idle = 1, .probe_new = true, .breaker_failures = 3}};
    for (unsigned round = 1; round <= 6; ++round) {
        auto& s = bench.open();
        REQUIRE(bench.take(slot_task::probe) == &s);
        bench.machine.probe_finished(s, bench.now, true, over);
        bench.settle();
        CHECK(bench.asked(slot_task::open) == 0);
        CHECK(bench.machine.next_due() ==
              bench.now + even_backoff().pause(round, 0));  // those nobody asks for are paced
        bench.close_all();
        bench.wait(2s);
    }
    CHECK(bench.retired_for(over) == 6);
    CHECK(bench.machine.counters().probe_failures == 0);
    CHECK_FALSE(bench.machine.last_open_error());
    CHECK_FALSE(bench.machine.failing());
}

TEST_CASE("life_of_a_nanosecond_does_not_make_the_pool_spin", "[manager]") {
    struct {
        pool_options options;
        errc as_opening;
    } const table[] = {
        {{.min_idle = 2, .max_lifetime = 1ns}, errc::lifetime_over},
        {{.min_idle = 2, .idle_timeout = 1ns}, errc::idle_timed_out},
    };
    for (const auto& row : table) {
        vain_bench bench{row.options};
        int opened = 0;
        for (int i = 0; i < 2000; ++i) {
            while (bench.asked(slot_task::open) != 0) bench.open(), ++opened;
            bench.wait(1ms);
            bench.close_all();
        }
        CHECK(opened > 5);
        CHECK(opened < 25);
        CHECK(bench.machine.last_open_error() == row.as_opening);
        CHECK_FALSE(bench.machine.failing());  // nobody but this pool is to blame

        auto& w = bench.get();  // whoever asks gets one, at once
        bench.open();
        CHECK(w.granted != nullptr);
    }
}

TEST_CASE("server_that_closes_what_nobody_uses_is_no_bad_origin", "[manager]") {
    vain_bench bench{{.min_idle = 2}};
    for (int round = 0; round < 20; ++round) {
        auto& one = bench.open();
        auto& other = bench.open();
        bench.wait(1s);
        for (auto* s : {&one, &other}) {
            bench.machine.idle_failed(*s, retire_reason::peer_closed);
            bench.settle();
        }
        bench.close_all();
        REQUIRE(bench.asked(slot_task::open) == 2);  // in their place, at once
        CHECK_FALSE(bench.machine.failing());
        CHECK_FALSE(bench.machine.last_open_error());
    }
}

TEST_CASE("connection_that_has_served_may_end_as_it_likes", "[manager]") {
    vain_bench bench{{.min_idle = 1}};
    auto& s = bench.open();
    SECTION("a caller") {
        REQUIRE(bench.get().granted == &s);
        bench.fail();  // of the one that is to replace it
        bench.wait(10ms);
        bench.put(s);
        bench.machine.idle_failed(s, retire_reason::peer_closed);
    }
    SECTION("a caller, with its last response") {
        REQUIRE(bench.get().granted == &s);
        bench.fail();
        bench.wait(10ms);
        bench.put(s, {.retire = retire_reason::connection_close, .delivered = true});
    }
    SECTION("a caller who read from it as from a stream") {
        REQUIRE(bench.get().granted == &s);
        bench.fail();
        bench.wait(10ms);
        bench.put(s, {.retire = retire_reason::peer_closed, .delivered = true});
    }
    bench.settle();
    bench.fail();
    CHECK(bench.machine.next_due() == bench.now + 10ms);  // the first failure in a row
}

TEST_CASE("connection_that_breaks_under_its_first_caller_was_opened_for_nothing", "[manager]") {
    vain_bench bench{{.breaker_failures = 3}};
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(bench.machine.failing());
        auto& w = bench.get();
        REQUIRE(w.waiting);
        bench.wait(1s);
        bench.open();
        bench.put(*w.granted, {.retire = retire_reason::peer_closed});
        bench.close_all();
    }
    CHECK(bench.machine.failing() == errc::closed_unserved);
    CHECK(bench.get().error == errc::closed_unserved);

    bench.wait(1s);
    bench.open();  // the next one that is opened lets callers in again
    CHECK_FALSE(bench.machine.failing());
    auto& s = *bench.get().granted;
    SECTION("and comes to nothing as well") {
        bench.put(s, {.retire = retire_reason::peer_closed});
        CHECK(bench.machine.failing() == errc::closed_unserved);
    }
    SECTION("and serves") {
        bench.put(s);
        bench.machine.idle_failed(s, retire_reason::peer_closed);
        bench.settle();
        CHECK_FALSE(bench.machine.failing());
    }
}

TEST_CASE("callers_go_on_asking_while_others_are_served", "[manager]") {
    vain_bench bench;
    bench.leased();
    for (int i = 0; i < 20; ++i) {
        auto& w = bench.get();
        REQUIRE(bench.count(slot_state::opening) == 1);  // at once
        bench.open();
        bench.put(*w.granted, {.retire = retire_reason::transport_error});
        bench.close_all();
    }
    CHECK_FALSE(bench.machine.failing());
    CHECK(bench.machine.last_open_error() == errc::closed_unserved);
}

TEST_CASE("end_that_the_program_wants_is_no_failure", "[manager]") {
    enum class wish { another_network, other_options, throws_away };
    for (const wish w : {wish::another_network, wish::other_options, wish::throws_away}) {
        vain_bench bench{{.min_idle = 1}};
        for (int i = 0; i < 20; ++i) {
            REQUIRE(bench.asked(slot_task::open) == 1);  // at once, each time
            auto& s = bench.open();
            if (w == wish::another_network) bench.machine.network_changed(bench.now);
            if (w == wish::other_options)
                bench.machine.end_early([](const auto&) { return true; }, retire_reason::rotated, bench.now, 0s);
            if (w == wish::throws_away) {
                REQUIRE(bench.machine.try_lease(bench.now) == &s);
                bench.put(s, {.retire = retire_reason::discarded});
            }
            bench.settle();
            bench.close_all();
        }
        CHECK_FALSE(bench.machine.failing());
        CHECK_FALSE(bench.machine.last_open_error());
    }
}

TEST_CASE("address_that_spoils_its_new_connections_is_ejected", "[manager][endpoints]") {
    two_addresses bench({.min_idle = 2, .ejection_failures = 3});
    for (int i = 0; i < 60 && bench.machine.counters().ejections == 0; ++i) {
        for (auto* s : std::exchange(bench.attempts, {})) {
            bench.machine.slot_opened(*s, bench.now);
            if (s->endpoint.get() == &bench.address(0)) bench.machine.idle_failed(*s, retire_reason::transport_error);
        }
        bench.settle();
        bench.now += 50ms;
        bench.machine.time_passed(bench.now);
        bench.settle();
    }
    CHECK(bench.address(0).standing == endpoint_standing::ejected);
    CHECK(bench.address(1).standing == endpoint_standing::usable);
    CHECK_FALSE(bench.machine.failing());
}

TEST_CASE("connections_that_are_spoiled_together_are_one_failure", "[manager]") {
    vain_bench bench{{.min_idle = 8, .breaker_failures = 2}};
    std::vector<vain_bench::slot_type*> all;
    while (bench.asked(slot_task::open) != 0) all.push_back(&bench.open());
    REQUIRE(all.size() == 8);
    for (auto* s : all) {
        bench.machine.idle_failed(*s, retire_reason::peer_closed);
        bench.settle();
    }
    CHECK_FALSE(bench.machine.failing());
    bench.wait(10ms);
    CHECK(bench.asked(slot_task::open) == 1);  // and then one by one
}

// --- policies that make no sense

namespace {

struct hasty {
    duration pause(unsigned, double) const noexcept { return -1h; }
};
struct sleepy {
    duration pause(unsigned, double) const noexcept { return duration::max(); }
};
struct stillborn {
    duration life(double) const noexcept { return duration::min(); }
};
struct restless {
    duration limit(std::optional<std::chrono::seconds>) const noexcept { return -1s; }
};
struct narrow : per_host_limits {
    using per_host_limits::per_host_limits;
    std::size_t room(const connection_counts&) const noexcept { return 0; }
};
struct boundless : per_host_limits {
    using per_host_limits::per_host_limits;
    std::size_t room(const connection_counts&) const noexcept { return no_limit; }
};
struct mean : per_host_limits {
    using per_host_limits::per_host_limits;
    bool may_idle(const connection_counts&) const noexcept { return false; }
};
struct with_hasty : default_policies {
    using backoff = hasty;
};
struct with_sleepy : default_policies {
    using backoff = sleepy;
};
struct with_stillborn : default_policies {
    using max_lifetime = stillborn;
};
struct with_restless : default_policies {
    using idle_timeout = restless;
};
struct with_narrow : default_policies {
    using per_host_limits = narrow;
};
struct with_boundless : default_policies {
    using per_host_limits = boundless;
};
struct with_mean : default_policies {
    using per_host_limits = mean;
};

template <class Policies>
int opened_for_nobody_in_a_second() {
    machine_bench<Policies> bench{{.min_idle = 1}};
    int opened = 0;
    for (int i = 0; i < 1000; ++i) {
        for (int at_once = 0; bench.asked(slot_task::open) != 0; ++at_once) {
            REQUIRE(at_once < 10);
            bench.open();
            ++opened;
        }
        bench.wait(1ms);
        bench.close_all();
    }
    return opened;
}

}  // namespace

TEST_CASE("pause_of_a_backoff_policy_is_a_millisecond_at_least_and_an_hour_at_most", "[manager]") {
    machine_bench<with_hasty> hurry{{.min_idle = 1}};
    hurry.fail();
    CHECK(hurry.asked(slot_task::open) == 0);
    CHECK(hurry.machine.next_due() == hurry.now + 1ms);
    machine_bench<with_sleepy> sleep{{.min_idle = 1}};
    sleep.fail();
    CHECK(sleep.machine.next_due() == sleep.now + 1h);
}

TEST_CASE("caller_is_served_whatever_the_policy_says_of_the_life_of_connections", "[manager]") {
    machine_bench<with_stillborn> bench;
    auto& w = bench.get();
    bench.open();
    CHECK(w.granted != nullptr);
    CHECK(opened_for_nobody_in_a_second<with_stillborn>() < 20);
}

TEST_CASE("policies_that_keep_nothing_do_not_make_the_pool_spin", "[manager]") {
    CHECK(opened_for_nobody_in_a_second<with_restless>() < 20);
    CHECK(opened_for_nobody_in_a_second<with_mean>() < 20);
    machine_bench<with_restless> bench;
    auto& w = bench.get();
    bench.open();
    CHECK(w.granted != nullptr);
}

TEST_CASE("caller_who_could_never_be_served_is_refused_by_name", "[manager]") {
    machine_bench<with_narrow> bench{{.min_idle = 1}};
    CHECK(bench.get().error == errc::no_room);
    CHECK(bench.asked(slot_task::open) == 0);
    CHECK(bench.machine.counters().refusals == 1);
}

TEST_CASE("room_without_bound_ends_at_max_connections", "[manager]") {
    machine_bench<with_boundless> bench{{.max_connections = 3}};
    for (int i = 0; i < 8; ++i) bench.get();
    CHECK(bench.asked(slot_task::open) == 3);
}
