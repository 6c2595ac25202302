// The addresses of an origin: which is chosen, which is ejected, which comes back.
#include <chrono>
#include <string>
#include <vector>

#include "hotpool/endpoint_pool.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

ip_endpoint at(const char* text) { return {ip_address::parse(text).value(), 80}; }

constexpr time_point start{1h};
const pool_options usual{
    .resolve_interval = 60s, .absent_grace = 0s, .ejection_failures = 2, .ejection_time = 30s, .ejection_limit = 100s};

template <class Balance = least_leased>
std::string plan(endpoint_pool<Balance>& pool, time_point now = start, const endpoint_filter& allows = nullptr) {
    std::string order;
    for (const endpoint_ptr& e : pool.plan(now, 0.0, allows)) order += e->where.address.to_string() + ' ';
    return order;
}

template <class Balance = least_leased>
endpoint_pool<Balance> pool_of(const endpoint_list& list) {
    endpoint_pool<Balance> pool;
    pool.answer_came(list, start, usual);
    return pool;
}
endpoint_state& one(const endpoint_pool<>& pool, std::size_t i) { return *pool.endpoints().at(i); }

bool fail(endpoint_pool<>& pool, std::size_t i, time_point now = start) {
    return pool.failed(one(pool, i), one(pool, i).failures, now, usual);
}

}  // namespace

TEST_CASE("families_take_turns_beginning_with_the_preferred_one", "[endpoints]") {
    auto pool = pool_of({at("2001:db8::1"), at("2001:db8::2"), at("192.0.2.1"), at("192.0.2.2"), at("192.0.2.3")});
    CHECK(plan(pool) == "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 192.0.2.3 ");
    CHECK(plan(pool) == "2001:db8::2 192.0.2.1 2001:db8::1 192.0.2.2 192.0.2.3 ");
}

TEST_CASE("balance_decides_among_the_addresses_of_one_family", "[endpoints]") {
    const endpoint_list three{at("192.0.2.1"), at("192.0.2.2"), at("192.0.2.3")};
    SECTION("the fewest leases, then the fewest connections, then in turn") {
        auto pool = pool_of(three);
        one(pool, 0).load = {2, 2};
        one(pool, 1).load = {1, 9};
        one(pool, 2).load = {1, 3};
        CHECK(plan(pool).starts_with("192.0.2.3 "));
        one(pool, 2).load = {1, 9};
        CHECK(plan(pool).starts_with("192.0.2.2 "));
        CHECK(plan(pool).starts_with("192.0.2.3 "));
    }
    SECTION("round robin") {
        auto pool = pool_of<round_robin>(three);
        CHECK(plan(pool).starts_with("192.0.2.1 "));
        CHECK(plan(pool).starts_with("192.0.2.2 "));
        CHECK(plan(pool).starts_with("192.0.2.3 "));
        CHECK(plan(pool).starts_with("192.0.2.1 "));
    }
    SECTION("random") {
        const endpoint_load loads[3]{};
        CHECK(random_choice().choose(loads, 0, 0.0) == 0);
        CHECK(random_choice().choose(loads, 0, 0.5) == 1);
        CHECK(random_choice().choose(loads, 0, 0.999) == 2);
    }
}

TEST_CASE("slow_addresses_come_last", "[endpoints]") {
    auto pool = pool_of({at("2001:db8::1"), at("192.0.2.1")});
    one(pool, 0).stalled = 1;
    CHECK(plan(pool) == "192.0.2.1 2001:db8::1 ");
}

TEST_CASE("forbidden_addresses_are_left_out", "[endpoints]") {
    auto pool = pool_of({at("192.0.2.1"), at("192.0.2.2")});
    const endpoint_filter no_first = [](const ip_address& a, time_point) { return a != at("192.0.2.1").address; };
    const endpoint_filter nobody = [](const ip_address&, time_point) { return false; };
    CHECK(plan(pool, start, no_first) == "192.0.2.2 ");
    CHECK(plan(pool, start, nobody).empty());
    CHECK(pool.all_filtered(start, nobody));
    CHECK_FALSE(pool.all_filtered(start, no_first));
}

TEST_CASE("answer_keeps_what_is_known_of_addresses_that_stay", "[endpoints]") {
    auto pool = pool_of({at("192.0.2.1"), at("192.0.2.2"), at("192.0.2.2")});
    REQUIRE(pool.endpoints().size() == 2);
    const endpoint_ptr left = pool.endpoints()[0];
    one(pool, 1).load.connections = 3;
    CHECK(pool.answer_came({at("192.0.2.3"), at("192.0.2.2")}, start, usual) == std::vector{left});
    CHECK_FALSE(left->listed);
    CHECK(one(pool, 1).load.connections == 3);
    CHECK(pool.answer_came({at("192.0.2.2"), at("192.0.2.3"), at("192.0.2.4")}, start, usual).empty());
}

TEST_CASE("answer_is_used_while_it_is_renewed_and_not_for_ever", "[endpoints]") {
    endpoint_pool<> pool;
    CHECK_FALSE(pool.is_known(start, usual));
    CHECK(pool.wants_answer(start, true));
    CHECK_FALSE(pool.wants_answer(start, false));
    CHECK(pool.ask_started(start, usual).number == 1);
    CHECK_FALSE(pool.wants_answer(start, true));
    pool.answer_came({at("192.0.2.1")}, start, usual);
    CHECK(pool.is_known(start + 59s, usual));
    CHECK_FALSE(pool.wants_answer(start + 59s, true));
    CHECK(pool.wants_answer(start + 60s, true));
    CHECK(pool.is_known(start + 60s, usual));
    pool.answer_failed(start + 61s, 1s);
    CHECK_FALSE(pool.wants_answer(start + 61s, true));
    CHECK(pool.wants_answer(start + 62s, true));
    CHECK(pool.is_known(start + 24h - 1s, usual));
    CHECK_FALSE(pool.is_known(start + 24h, usual));
    SECTION("the source says that there is no such name: not for long") {
        pool.answer_failed(start + 70s, 1s, true);
        pool.answer_failed(start + 71s, 1s, false);
        CHECK(pool.is_known(start + 119s, usual));
        CHECK_FALSE(pool.is_known(start + 120s, usual));
        pool.answer_came({at("192.0.2.1")}, start + 130s, usual);
        CHECK(pool.is_known(start + 24h, usual));
    }
    SECTION("an interval longer than a day") {
        const pool_options rarely{.resolve_interval = 20h};
        CHECK(pool.is_known(start + 39h, rarely));
        CHECK_FALSE(pool.is_known(start + 40h, rarely));
    }
}

TEST_CASE("answers_count_in_the_order_of_their_questions", "[endpoints]") {
    endpoint_pool<> pool;
    const auto come = [&](std::uint64_t question, const char* address) {
        auto merged = hotpool::detail::address_list::merge({at(address)}, pool.list());
        pool.answer_came(question, merged, start, usual);
    };
    const endpoint_question first = pool.ask_started(start, usual);
    CHECK(first.number == 1);
    CHECK_FALSE(first.fresh);
    CHECK(pool.ask_due() == start + usual.connect_timeout);
    CHECK_FALSE(pool.is_lost(start + usual.connect_timeout - 1ns));
    CHECK(pool.is_lost(start + usual.connect_timeout));
    pool.answer_failed(start, 1s);
    CHECK_FALSE(pool.is_lost(start + 1h));
    CHECK(pool.counts(1));
    const endpoint_question second = pool.ask_started(start, usual);
    CHECK_FALSE(second.fresh);
    CHECK_FALSE(pool.is_under_way(1));
    come(1, "192.0.2.1");
    CHECK(pool.is_under_way(2));  // the new one goes on
    come(2, "192.0.2.2");
    CHECK_FALSE(pool.is_under_way(2));
    CHECK_FALSE(pool.counts(1));

    CHECK(pool.ask_started(start, usual).number == 3);
    pool.answer_demanded(true);
    CHECK_FALSE(pool.is_under_way(3));
    CHECK_FALSE(pool.counts(3));
    CHECK(pool.wants_answer(start, true));
    CHECK(pool.ask_started(start, usual).fresh);
    CHECK_FALSE(pool.ask_started(start, usual).fresh);  // a look-up that is under way now will do
}

TEST_CASE("demanded_answer_is_asked_for_at_once_and_a_new_network_waits_for_it", "[endpoints]") {
    auto pool = pool_of({at("192.0.2.1")});
    pool.answer_demanded(false);
    CHECK(pool.wants_answer(start, true));
    CHECK(pool.is_known(start, usual));
    pool.answer_demanded(true);
    CHECK_FALSE(pool.is_known(start, usual));
}

TEST_CASE("fixed_endpoints_are_never_asked_for", "[endpoints]") {
    endpoint_pool<> pool;
    pool.endpoints_fixed({at("192.0.2.1")});
    CHECK(pool.is_known(start + 24h, usual));
    pool.answer_demanded(true);
    CHECK(pool.is_known(start, usual));
    CHECK_FALSE(pool.wants_answer(start + 24h, true));
}

TEST_CASE("failures_in_a_row_eject_an_address_longer_each_time", "[endpoints]") {
    auto pool = pool_of({at("192.0.2.1"), at("192.0.2.2")});
    CHECK_FALSE(fail(pool, 0));
    CHECK(fail(pool, 0));
    CHECK(one(pool, 0).standing == endpoint_standing::ejected);
    CHECK(plan(pool) == "192.0.2.2 ");
    CHECK(pool.trial_due() == start + 30s);
    CHECK(pool.begin_trial(start + 29s, nullptr, usual) == nullptr);
    const endpoint_ptr tried = pool.begin_trial(start + 30s, nullptr, usual);
    REQUIRE(tried != nullptr);
    CHECK(pool.begin_trial(start + 30s, nullptr, usual) == nullptr);
    CHECK(plan(pool) == "192.0.2.2 ");  // not before the trial has gone well

    SECTION("a trial that fails") {
        pool.failed(*tried, tried->failures, start + 31s, usual);
        CHECK(tried->standing == endpoint_standing::ejected);
        CHECK(tried->ejected_until == start + 31s + 60s);
        REQUIRE(pool.begin_trial(start + 91s, nullptr, usual) != nullptr);
        pool.failed(*tried, tried->failures, start + 91s, usual);
        CHECK(tried->ejected_until == start + 91s + 90s);
        REQUIRE(pool.begin_trial(start + 181s, nullptr, usual) != nullptr);
        pool.failed(*tried, tried->failures, start + 181s, usual);
        CHECK(tried->ejected_until == start + 181s + 100s);
    }
    SECTION("a trial that goes well") {
        CHECK(pool.opened(*tried, start + 31s, usual));
        CHECK_FALSE(pool.opened(*tried, start + 31s, usual));
        CHECK(plan(pool).size() > std::string("192.0.2.2 ").size());
        fail(pool, 0, start + 40s);
        CHECK(fail(pool, 0, start + 40s));
        CHECK(tried->ejected_until == start + 40s + 60s);  // it had not been good for long
    }
    SECTION("a trial that goes well, and comes to nothing") {
        CHECK(pool.opened(*tried, start + 31s, usual));
        CHECK(fail(pool, 0, start + 31s + 900ms));  // without another chance
    }
    SECTION("a trial that goes well, and serves") {
        CHECK(pool.opened(*tried, start + 31s, usual));
        pool.served(*tried);
        CHECK_FALSE(fail(pool, 0, start + 31s + 900ms));
    }
    SECTION("a good time makes it begin anew") {
        pool.opened(*tried, start + 31s, usual);
        fail(pool, 0, start + 131s);
        CHECK(fail(pool, 0, start + 131s));
        CHECK(tried->ejected_until == start + 131s + 30s);
    }
    SECTION("a trial that says nothing is made again") {
        pool.trial_dropped(*tried);
        CHECK(pool.begin_trial(start + 31s, nullptr, usual) == tried);
    }
}

TEST_CASE("success_between_failures_starts_the_count_anew", "[endpoints]") {
    auto pool = pool_of({at("192.0.2.1"), at("192.0.2.2")});
    CHECK_FALSE(fail(pool, 0));
    pool.served(one(pool, 0));
    CHECK_FALSE(fail(pool, 0));
    CHECK(fail(pool, 0));
}

TEST_CASE("attempts_under_way_together_fail_once", "[endpoints]") {
    auto pool = pool_of({at("192.0.2.1"), at("192.0.2.2")});
    for (int i = 0; i < 5; ++i) CHECK_FALSE(pool.failed(one(pool, 0), 0, start, usual));
    CHECK(one(pool, 0).failures_in_a_row == 1);
}

TEST_CASE("last_usable_address_is_never_ejected", "[endpoints]") {
    auto pool = pool_of({at("192.0.2.1"), at("192.0.2.2")});
    fail(pool, 0);
    CHECK(fail(pool, 0));
    for (int i = 0; i < 20; ++i) CHECK_FALSE(fail(pool, 1));
    CHECK(plan(pool) == "192.0.2.2 ");
    // Even when it leaves the list, something is left to try.
    pool.answer_came({at("192.0.2.1")}, start, usual);
    CHECK(plan(pool) == "192.0.2.1 ");
}
