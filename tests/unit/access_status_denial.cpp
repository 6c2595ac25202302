// Denial by response status: how long, the one trial, and what readmits.
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

#include <hotpool/access/status_denial.hpp>

#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

ip_address address(std::string_view text) { return ip_address::parse(text).value(); }

const ip_address peer = address("192.0.2.1");
const ip_address other = address("192.0.2.2");
constexpr time_point start{1000s};

status_denial_options usual() {
    return {.statuses = {403, 429},
            .deny_for = 10s,
            .deny_for_limit = 35s,
            .trial_timeout = 5s,
            .forget_after = 100s,
            .max_addresses = 3};
}

/// A machine whose `peer` was denied at `start`, with a clock.
struct denied_peer {
    status_denial machine{usual()};
    time_point now = start;

    denied_peer() { CHECK(seen(403) == denial_change::denied); }
    denial_change seen(std::uint16_t status) { return machine.response_seen(peer, status, now); }
    admission use() { return machine.use_requested(peer, now); }
    denial_state state() const { return machine.state(peer, now); }
    /// Until the denial is over and `peer` has its trial.
    void begin_trial(duration denied_for) {
        now += denied_for - 1ns;
        CHECK(state() == denial_state::denied);
        now += 1ns;
        CHECK(state() == denial_state::on_probation);
        CHECK(use() == admission::trial);
    }
};

std::string refusal(const status_denial_options& options) {
    try {
        status_denial{options};
        return "";
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
}

}  // namespace

TEST_CASE("without_statuses_no_address_is_ever_denied", "[access]") {
    status_denial machine{status_denial_options{}};
    for (const std::uint16_t status : std::initializer_list<std::uint16_t>{200, 403, 429, 500})
        CHECK(machine.response_seen(peer, status, start) == denial_change::none);
    CHECK(machine.use_requested(peer, start) == admission::granted);
    CHECK(machine.size() == 0);
}

TEST_CASE("only_a_listed_status_denies_and_only_the_address_that_it_came_from", "[access]") {
    status_denial machine{usual()};
    CHECK(machine.response_seen(peer, 200, start) == denial_change::none);
    CHECK(machine.response_seen(peer, 404, start) == denial_change::none);
    CHECK(machine.state(peer, start) == denial_state::admitted);
    CHECK(machine.response_seen(peer, 429, start) == denial_change::denied);
    CHECK(machine.state(peer, start) == denial_state::denied);
    CHECK(machine.use_requested(peer, start) == admission::refused);
    CHECK(machine.use_requested(other, start) == admission::granted);
    CHECK(machine.use_requested(address("::ffff:192.0.2.1"), start) == admission::refused);
    CHECK(machine.use_requested(address("::ffff:192.0.2.2"), start) == admission::granted);
}

TEST_CASE("what_was_under_way_when_the_address_was_denied_changes_nothing", "[access]") {
    denied_peer t;
    t.now += 5s;
    CHECK(t.seen(403) == denial_change::none);
    CHECK(t.seen(200) == denial_change::none);
    CHECK(t.machine.trial_failed(peer, t.now) == denial_change::none);
    t.now = start + 10s;
    CHECK(t.state() == denial_state::on_probation);
}

TEST_CASE("an_address_on_probation_has_exactly_one_trial_at_a_time", "[access]") {
    denied_peer t;
    t.begin_trial(10s);
    CHECK(t.state() == denial_state::on_trial);
    CHECK(t.use() == admission::refused);
    CHECK(t.use() == admission::refused);
}

TEST_CASE("a_trial_that_succeeds_readmits_and_forgets_everything", "[access]") {
    denied_peer t;
    t.begin_trial(10s);
    CHECK(t.seen(404) == denial_change::readmitted);
    CHECK(t.state() == denial_state::admitted);
    CHECK(t.use() == admission::granted);
    CHECK(t.machine.size() == 0);
    CHECK(t.seen(200) == denial_change::none);
    CHECK(t.seen(403) == denial_change::denied);
    t.begin_trial(10s);
}

TEST_CASE("each_failed_trial_doubles_the_denial_up_to_its_limit", "[access]") {
    denied_peer t;
    t.begin_trial(10s);
    CHECK(t.seen(429) == denial_change::denied_longer);
    t.begin_trial(20s);
    CHECK(t.machine.trial_failed(peer, t.now) == denial_change::denied_longer);
    t.begin_trial(35s);
    CHECK(t.seen(403) == denial_change::denied_longer);
    t.begin_trial(35s);
    CHECK(t.seen(200) == denial_change::readmitted);
}

TEST_CASE("a_listed_status_during_probation_is_a_failure_another_status_no_success", "[access]") {
    denied_peer t;
    t.now += 10s;
    CHECK(t.seen(200) == denial_change::none);
    CHECK(t.state() == denial_state::on_probation);
    CHECK(t.seen(403) == denial_change::denied_longer);
    t.begin_trial(20s);
}

TEST_CASE("a_trial_that_is_given_up_leaves_room_for_another_at_once", "[access]") {
    denied_peer t;
    t.begin_trial(10s);
    t.machine.trial_abandoned(peer, t.now);
    CHECK(t.state() == denial_state::on_probation);
    CHECK(t.use() == admission::trial);
    CHECK(t.seen(403) == denial_change::denied_longer);
    t.machine.trial_abandoned(peer, t.now);
    CHECK(t.state() == denial_state::denied);
}

TEST_CASE("a_trial_nobody_reports_on_does_not_count", "[access]") {
    denied_peer t;
    t.begin_trial(10s);
    t.now += 5s - 1ns;
    CHECK(t.state() == denial_state::on_trial);
    t.now += 1ns;
    CHECK(t.state() == denial_state::on_probation);
    CHECK(t.use() == admission::trial);
    CHECK(t.seen(403) == denial_change::denied_longer);
    t.begin_trial(20s);
}

TEST_CASE("probation_nobody_asks_for_comes_to_an_end", "[access]") {
    denied_peer t;
    t.now += 10s + 100s - 1ns;
    CHECK(t.state() == denial_state::on_probation);
    t.machine.time_passed(t.now);
    CHECK(t.machine.size() == 1);
    t.now += 1ns;
    CHECK(t.state() == denial_state::admitted);
    CHECK(t.use() == admission::granted);
    CHECK(t.seen(403) == denial_change::denied);
    t.begin_trial(10s);
    t.machine.time_passed(t.now + 5s + 100s);
    CHECK(t.machine.size() == 0);
}

TEST_CASE("a_full_table_denies_no_further_address_until_it_forgets_one", "[access]") {
    status_denial machine{usual()};
    for (const char* text : {"192.0.2.1", "192.0.2.2", "::1"})
        CHECK(machine.response_seen(address(text), 403, start) == denial_change::denied);
    CHECK(machine.response_seen(address("::2"), 403, start + 109s) == denial_change::table_full);
    CHECK(machine.use_requested(address("::2"), start + 109s) == admission::granted);
    CHECK(machine.use_requested(address("::1"), start + 109s) == admission::trial);
    CHECK(machine.response_seen(address("::2"), 403, start + 110s) == denial_change::denied);
    CHECK(machine.size() == 2);
}

TEST_CASE("an_address_can_be_readmitted_by_hand", "[access]") {
    denied_peer t;
    t.machine.forget(peer);
    CHECK(t.use() == admission::granted);
    t.machine.forget(peer);
}

TEST_CASE("the_same_link_local_address_on_two_interfaces_is_two", "[access]") {
    status_denial machine{usual()};
    machine.response_seen(address("fe80::1%3"), 403, start);
    CHECK(machine.use_requested(address("fe80::1%3"), start) == admission::refused);
    CHECK(machine.use_requested(address("fe80::1%4"), start) == admission::granted);
}

TEST_CASE("the_longest_times_there_are_do_no_harm", "[access]") {
    auto options = usual();
    options.deny_for = options.deny_for_limit = options.trial_timeout = options.forget_after = duration::max();
    status_denial machine{options};
    machine.response_seen(peer, 403, start);
    CHECK(machine.state(peer, never - 1ns) == denial_state::denied);
}

TEST_CASE("options_out_of_range_are_refused_with_their_names", "[access]") {
    const auto with = [](auto change) {
        auto options = usual();
        change(options);
        return refusal(options);
    };
    CHECK(with([](auto&) {}).empty());
    CHECK(with([](auto& o) { o.statuses = {300, 599}; }).empty());
    CHECK(with([](auto& o) { o.statuses = {403, 299}; }).find("::statuses ") != std::string::npos);
    CHECK(with([](auto& o) { o.statuses = {600}; }).find("::statuses ") != std::string::npos);
    CHECK(with([](auto& o) { o.deny_for = 0s; }).find("::deny_for ") != std::string::npos);
    CHECK(with([](auto& o) { o.deny_for = 36s; }).find("::deny_for_limit ") != std::string::npos);
    CHECK(with([](auto& o) { o.trial_timeout = 0s; }).find("::trial_timeout ") != std::string::npos);
    CHECK(with([](auto& o) { o.forget_after = 0s; }).find("::forget_after ") != std::string::npos);
    CHECK(with([](auto& o) { o.max_addresses = 0; }).find("::max_addresses ") != std::string::npos);
}
