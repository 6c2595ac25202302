// Which group an address is in, how a table keeps it, and whom the trusted proxies are.
#include <cstdint>
#include <random>
#include <span>
#include <stdexcept>
#include <string_view>

#include <hotpool/inbound/group_key.hpp>
#include <hotpool/inbound/peer_group.hpp>
#include <hotpool/inbound/trusted_proxies.hpp>

#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;

namespace {

ip_address address(std::string_view text) { return ip_address::parse(text).value(); }
ip_block block(std::string_view text) { return ip_block{text}; }

}  // namespace

TEST_CASE("a_group_is_an_ipv4_address_or_an_ipv6_network_of_64_bits", "[inbound]") {
    CHECK(group_of(address("192.0.2.1")) == block("192.0.2.1/32"));
    CHECK(group_of(address("192.0.2.1")) != group_of(address("192.0.2.2")));
    CHECK(group_of(address("2001:db8:1:2:3:4:5:6")) == block("2001:db8:1:2::/64"));
    CHECK(group_of(address("2001:db8:1:2::1")) == group_of(address("2001:db8:1:2:ffff::1")));
    CHECK(group_of(address("2001:db8:1:2::1")) != group_of(address("2001:db8:1:3::1")));
}

TEST_CASE("an_ipv4_mapped_address_is_in_the_group_of_its_ipv4_address", "[inbound]") {
    CHECK(group_of(address("::ffff:192.0.2.1")) == block("192.0.2.1/32"));
    CHECK(group_of(address("::ffff:192.0.2.1"), {.v4_prefix_length = 24}) == block("192.0.2.0/24"));
    // Not mapped: the deprecated IPv4-compatible form, and NAT64's prefix.
    CHECK(group_of(address("::192.0.2.1")) == block("::/64"));
    CHECK(group_of(address("64:ff9b::192.0.2.1")) == block("64:ff9b::/64"));
}

TEST_CASE("scopes_do_not_make_groups", "[inbound]") {
    CHECK(group_of(address("fe80::1%2")) == group_of(address("fe80::1%3")));
}

TEST_CASE("prefix_lengths_of_groups_are_options", "[inbound]") {
    const grouping coarse{.v4_prefix_length = 24, .v6_prefix_length = 48};
    CHECK(group_of(address("192.0.2.77"), coarse) == block("192.0.2.0/24"));
    CHECK(group_of(address("2001:db8:1:2::1"), coarse) == block("2001:db8:1::/48"));
    const grouping one{.v4_prefix_length = 0, .v6_prefix_length = 0};
    CHECK(group_of(address("192.0.2.77"), one) == block("0.0.0.0/0"));
    CHECK(group_of(address("2001:db8::1"), one) == block("::/0"));
    const grouping each{.v4_prefix_length = 32, .v6_prefix_length = 128};
    CHECK(group_of(address("2001:db8::1"), each) == block("2001:db8::1"));
}

TEST_CASE("a_grouping_out_of_range_is_refused_by_the_name_of_its_field", "[inbound]") {
    CHECK_NOTHROW(validate(grouping{}));
    CHECK_NOTHROW((validate(grouping{.v4_prefix_length = 0, .v6_prefix_length = 128})));
    CHECK_THROWS_WITH((validate(grouping{.v4_prefix_length = 33})),
                      "hotpool::inbound::grouping::v4_prefix_length must be at most 32");
    CHECK_THROWS_WITH((validate(grouping{.v6_prefix_length = 129})),
                      "hotpool::inbound::grouping::v6_prefix_length must be at most 128");
}

TEST_CASE("a_key_is_that_of_its_group_whatever_the_prefix_lengths", "[inbound]") {
    std::mt19937 random{1};
    for (unsigned length = 0; length <= 128; ++length) {
        const grouping by{.v4_prefix_length = length % 33, .v6_prefix_length = length};
        const group_key_maker key_of{by};
        for (int i = 0; i < 20; ++i) {
            ip_address::v6_bytes_type bytes;
            for (unsigned char& b : bytes) b = static_cast<unsigned char>(random());
            const ip_address v4{ip_address::v4_bytes_type{bytes[0], bytes[1], bytes[2], bytes[3]}};
            const ip_address v6{bytes, length};
            const auto mapped = ip_address::parse("::ffff:" + v4.to_string()).value();
            CHECK(key_of(v4).group() == group_of(v4, by));
            CHECK(key_of(v6).group() == group_of(v6, by));
            CHECK(key_of(mapped) == key_of(v4));
            CHECK(key_of(group_of(v6, by).address()) == key_of(v6));
        }
    }
    const group_key_maker all{grouping{.v4_prefix_length = 0, .v6_prefix_length = 0}};
    CHECK(all(address("0.0.0.0")) != all(address("::")));
}

TEST_CASE("siphash_is_what_its_authors_say", "[inbound]") {
    constexpr sip_hash<2, 4> hash{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    const std::uint64_t words[] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    CHECK(hash({}) == 0x726fdb47dd0e0e31);
    CHECK(hash(std::span{words}.first(1)) == 0x93f5f5799a932462);
    CHECK(hash(words) == 0x3f2acc7f57c29bdb);
}

TEST_CASE("the_hash_of_a_group_depends_on_the_seed_and_on_all_of_the_group", "[inbound]") {
    const group_key_maker key_of{grouping{}};
    const group_hash one{1}, other{2};
    const group_key key = key_of(address("192.0.2.1"));
    CHECK(one(key) == group_hash{1}(key));
    CHECK(one(key) != other(key));
    CHECK(one(key) != one(key_of(address("192.0.2.2"))));
    CHECK(one(key) != one(group_key_maker{grouping{.v4_prefix_length = 31}}(address("192.0.2.1"))));
    CHECK(one(key_of(address("2001:db8::"))) != one(key_of(address("2001:db8:0:1::"))));
    const group_key_maker all{grouping{.v4_prefix_length = 0, .v6_prefix_length = 0}};
    CHECK(one(all(address("0.0.0.0"))) != one(all(address("::"))));
}

TEST_CASE("nobody_is_a_trusted_proxy_unless_named", "[inbound]") {
    CHECK(trusted_proxies{}.empty());
    CHECK_FALSE(trusted_proxies{}.contains(address("127.0.0.1")));
    CHECK_FALSE(trusted_proxies{}.contains(address("::1")));
}

TEST_CASE("trusted_proxies_are_found_by_block_nested_ones_and_both_families_among_one_another", "[inbound]") {
    const trusted_proxies proxies{{block("10.1.0.0/16"), block("192.0.2.7"), block("10.0.0.0/8"),
                                   block("2001:db8::/32"), block("10.0.0.0/8"), block("::ffff:198.51.100.0/120"),
                                   block("10.255.255.255")}};
    CHECK(proxies.size() == 4);
    for (const char* in : {"10.0.0.0", "10.1.2.3", "10.255.255.255", "192.0.2.7", "2001:db8:ffff::1", "198.51.100.200",
                           "::ffff:10.1.2.3", "::ffff:198.51.100.1", "2001:db8::1%7"})
        CHECK(proxies.contains(address(in)));
    for (const char* out : {"9.255.255.255", "11.0.0.0", "192.0.2.6", "192.0.2.8", "2001:db9::1", "198.51.101.0",
                            "::", "0.0.0.0", "255.255.255.255", "::10.1.2.3"})
        CHECK_FALSE(proxies.contains(address(out)));
}

TEST_CASE("all_of_ipv6_does_not_speak_for_ipv4", "[inbound]") {
    const trusted_proxies proxies{{block("::/0")}};
    CHECK(proxies.contains(address("2001:db8::1")));
    CHECK_FALSE(proxies.contains(address("192.0.2.1")));
    CHECK_FALSE(proxies.contains(address("::ffff:192.0.2.1")));
}
