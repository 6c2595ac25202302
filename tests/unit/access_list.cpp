// The access list: which entry decides, how long, and how many there may be.
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include <hotpool/access_list.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace std::chrono_literals;

namespace {

constexpr access_verdict allowed = access_verdict::allowed;
constexpr access_verdict denied = access_verdict::denied;
constexpr time_point start{1000s};

ip_address address(std::string_view text) { return ip_address::parse(text).value(); }

struct watched_list : access_list {
    using access_list::access_list;
    access_verdict of(std::string_view text, time_point now = start) const { return verdict(address(text), now); }
};

}  // namespace

TEST_CASE("an_address_that_no_entry_speaks_for_has_the_default_verdict", "[access]") {
    CHECK(watched_list{}.of("192.0.2.1") == allowed);
    CHECK(watched_list{}.of("::1") == allowed);
    const watched_list closed{access_options{.default_verdict = denied}};
    CHECK(closed.of("192.0.2.1") == denied);
    CHECK(closed.judge(address("::1"), start) == access_judgement{denied, std::nullopt});
}

TEST_CASE("the_longest_prefix_decides_and_the_judgement_names_it", "[access]") {
    watched_list list;
    list.deny(ip_block{"10.0.0.0/8"});
    list.allow(ip_block{"10.1.0.0/16"});
    list.deny(ip_block{"10.1.2.3"});
    list.deny(ip_block{"2001:db8::/32"});
    list.allow(address("2001:db8::1"));

    CHECK(list.of("9.255.255.255") == allowed);
    CHECK(list.of("10.0.0.0") == denied);
    CHECK(list.of("10.1.2.2") == allowed);
    CHECK(list.of("10.1.2.3") == denied);
    CHECK(list.of("2001:db8::1") == allowed);
    CHECK(list.of("2001:db8::2") == denied);
    CHECK(list.judge(address("10.9.9.9"), start) == access_judgement{denied, ip_block{"10.0.0.0/8"}});
    CHECK(list.judge(address("10.1.9.9"), start) == access_judgement{allowed, ip_block{"10.1.0.0/16"}});
    CHECK(list.judge(address("2001:db8::1"), start) == access_judgement{allowed, ip_block{"2001:db8::1"}});
}

TEST_CASE("a_block_of_everything_stands_before_the_default_in_its_own_family_only", "[access]") {
    watched_list list;
    list.deny(ip_block{"0.0.0.0/0"});
    CHECK(list.of("192.0.2.1") == denied);
    CHECK(list.of("2001:db8::1") == allowed);
    CHECK(list.remove(ip_block{"0.0.0.0/0"}) == access_change::removed);
    list.deny(ip_block{"::/0"});
    CHECK(list.of("192.0.2.1") == allowed);
    CHECK(list.of("2001:db8::1") == denied);
    CHECK(list.of("::ffff:192.0.2.1") == allowed);
}

TEST_CASE("of_two_entries_for_one_block_the_later_one_holds", "[access]") {
    watched_list list;
    CHECK(list.deny(ip_block{"10.0.0.0/8"}) == access_change::added);
    CHECK(list.allow(ip_block{"10.0.0.0/8"}) == access_change::replaced);
    CHECK(list.of("10.0.0.1") == allowed);
    CHECK(list.deny(ip_block{"10.0.0.0/8"}, start + 1s) == access_change::replaced);
    CHECK(list.of("10.0.0.1") == denied);
    CHECK(list.size() == 1);
    // Replaced is gone for good: the end of the later one does not bring it back.
    CHECK(list.of("10.0.0.1", start + 1s) == allowed);
    CHECK(list.judge(address("10.0.0.1"), start + 1s).block == std::nullopt);
}

TEST_CASE("ipv4_mapped_addresses_and_blocks_are_judged_as_ipv4", "[access]") {
    watched_list list;
    list.deny(ip_block{"10.0.0.0/8"});
    CHECK(list.of("::ffff:10.1.2.3") == denied);
    CHECK(list.of("::ffff:11.1.2.3") == allowed);
    CHECK(list.allow(ip_block{"::ffff:10.1.0.0/112"}) == access_change::added);
    CHECK(list.of("10.1.2.3") == allowed);
    CHECK(list.allow(ip_block{"10.1.0.0/16"}) == access_change::replaced);
    CHECK(list.remove(ip_block{"::ffff:10.1.0.0/112"}) == access_change::removed);
    CHECK(list.of("10.1.2.3") == denied);
}

TEST_CASE("scopes_make_no_difference", "[access]") {
    watched_list list;
    list.deny(address("fe80::1%3"));
    CHECK(list.of("fe80::1") == denied);
    CHECK(list.of("fe80::1%7") == denied);
}

TEST_CASE("an_entry_ends_at_its_instant_and_the_next_shorter_prefix_decides", "[access]") {
    watched_list list;
    list.allow(ip_block{"10.0.0.0/8"});
    list.deny(ip_block{"10.1.0.0/16"}, start + 10s);
    CHECK(list.next_expiry() == start + 10s);
    CHECK(list.of("10.1.2.3", start + 10s - 1ns) == denied);
    CHECK(list.judge(address("10.1.2.3"), start + 10s) == access_judgement{allowed, ip_block{"10.0.0.0/8"}});

    list.time_passed(start + 10s - 1ns);
    CHECK(list.size() == 2);
    list.time_passed(start + 10s);
    CHECK(list.size() == 1);
    CHECK(list.next_expiry() == never);
    list.time_passed(time_point::max() - 1ns);
    CHECK(list.size() == 1);
}

TEST_CASE("a_new_end_takes_the_place_of_the_old_one", "[access]") {
    watched_list list;
    list.deny(ip_block{"10.0.0.1"}, start + 10s);
    list.deny(ip_block{"10.0.0.1"}, start + 20s);
    CHECK(list.next_expiry() == start + 20s);
    list.time_passed(start + 10s);
    CHECK(list.of("10.0.0.1", start + 10s) == denied);

    list.deny(ip_block{"10.0.0.1"});
    CHECK(list.next_expiry() == never);
    list.deny(ip_block{"10.0.0.1"}, start + 15s);
    list.time_passed(start + 15s);
    CHECK(list.size() == 0);
}

TEST_CASE("a_full_list_refuses_new_blocks_until_some_have_gone", "[access]") {
    watched_list list{access_options{.max_entries = 2}};
    list.deny(ip_block{"10.0.0.1"}, start + 1s);
    list.deny(ip_block{"10.0.0.2"});
    CHECK(list.deny(ip_block{"10.0.0.3"}) == access_change::full);
    CHECK(list.of("10.0.0.3") == allowed);
    CHECK(list.allow(ip_block{"10.0.0.2"}) == access_change::replaced);
    list.time_passed(start + 1s);
    CHECK(list.deny(ip_block{"10.0.0.3"}) == access_change::added);
    CHECK(list.remove(ip_block{"10.0.0.1"}) == access_change::absent);
    CHECK(list.remove(ip_block{"10.0.0.2"}) == access_change::removed);
    CHECK(list.deny(ip_block{"10.0.0.4"}) == access_change::added);
    CHECK_THROWS_AS(access_list{access_options{.max_entries = 0}}, std::invalid_argument);
}

TEST_CASE("a_verdict_allocates_nothing", "[access]") {
    watched_list list;
    for (unsigned char i = 0; i < 100; ++i) list.deny(ip_address{ip_address::v4_bytes_type{10, 0, i, 1}}, start + 1s);
    list.deny(ip_block{"10.0.0.0/8"});
    const ip_address asked[] = {address("10.0.7.1"), address("11.0.0.1"), address("::ffff:10.0.7.2"), address("::1")};
    const std::uint64_t before = test::allocations();
    std::size_t denials = 0;
    for (const ip_address& a : asked) denials += list.verdict(a, start) == denied;
    CHECK(test::allocations() == before);
    CHECK(denials == 2);
}
