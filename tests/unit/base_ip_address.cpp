// IP addresses: what is one, what is refused, how it is written.
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>

#include <hotpool/base/ip_address.hpp>

#include "support/catch.hpp"

using hotpool::ip_address;
using hotpool::ip_endpoint;

namespace {

ip_address address(std::string_view text) {
    const auto parsed = ip_address::parse(text);
    INFO(text);
    REQUIRE(parsed);
    return *parsed;
}

}  // namespace

static_assert(std::is_trivially_copyable_v<ip_address> && sizeof(ip_address) <= 24);
static_assert(!std::is_convertible_v<ip_address::v4_bytes_type, ip_address>);
static_assert(ip_address{ip_address::v6_bytes_type{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4}}.unmapped() ==
              ip_address{ip_address::v4_bytes_type{1, 2, 3, 4}});

TEST_CASE("an_address_is_written_as_it_is_read_in_its_shortest_form", "[ip_address]") {
    const struct {
        std::string_view text;
        std::string_view shortest;
    } cases[] = {
        {"0.0.0.0", "0.0.0.0"},
        {"192.0.2.1", "192.0.2.1"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"::1", "::1"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"2001:db8::1:0:0:1", "2001:db8::1:0:0:1"},
        {"0000:0000:0000:0000:0000:0000:0000:0001", "::1"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"::ffff:c000:201", "::ffff:192.0.2.1"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"fe80::1%3", "fe80::1%3"},
        {"fe80::1%4294967295", "fe80::1%4294967295"},
    };
    for (const auto& c : cases) {
        CHECK(address(c.text).to_string() == c.shortest);
        CHECK(address(c.shortest) == address(c.text));
    }
}

TEST_CASE("what_is_almost_an_address_is_refused", "[ip_address]") {
    const std::string_view refused[] = {
        "",
        " ",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        ".1.2.3",
        "1..2.3",
        "256.1.1.1",
        "1.2.3.04",
        "01.2.3.4",
        "0x1.2.3.4",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3.4\n",
        "1.2.3.4/8",
        "1.2.3.4:80",
        "1.2.3.4%1",
        "+1.2.3.4",
        "1.2.3.-4",
        "1.2.3.4a",
        ":",
        ":::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "1:2:3:4:5:6:7:8::",
        "::12345",
        "::g",
        ":1::",
        "1:::",
        "[::1]",
        "::1 ",
        " ::1",
        "::1/64",
        "::1.2.3",
        "::1.2.3.256",
        "1.2.3.4::",
        "::1.2.3.4:5",
        "fe80::1%",
        "fe80::1%eth0",
        "fe80::1%0",
        "fe80::1%03",
        "fe80::1%-1",
        "fe80::1%+1",
        "fe80::1%4294967296",
        "fe80::1%1%2",
        "fe80::1% 1",
        "%1",
        "localhost",
        "example.com",
    };
    for (const std::string_view text : refused) {
        INFO(text);
        CHECK_FALSE(ip_address::parse(text));
    }
    CHECK_FALSE(ip_address::parse(std::string_view{"1.2.3.4\0", 8}));
    CHECK_FALSE(ip_address::parse(std::string_view{"1.2.3.4\0.5", 10}));
    CHECK_FALSE(ip_address::parse(std::string_view{"::1\0", 4}));
    CHECK_FALSE(ip_address::parse(std::string(1000, '1')));
}

TEST_CASE("parsing_reads_nothing_behind_its_text", "[ip_address]") {
    const std::string_view longer = "192.0.2.17";
    CHECK(ip_address::parse(longer.substr(0, 9)) == address("192.0.2.1"));
}

TEST_CASE("an_address_knows_its_family_and_its_bytes", "[ip_address]") {
    const ip_address v4{ip_address::v4_bytes_type{192, 0, 2, 1}};
    CHECK(v4 == address("192.0.2.1"));
    CHECK(v4.is_v4());
    CHECK_FALSE(v4.is_v6());
    CHECK(v4.bits() == 32);
    CHECK(v4.v4_bytes() == ip_address::v4_bytes_type{192, 0, 2, 1});

    const ip_address::v6_bytes_type bytes{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    const ip_address v6{bytes, 3};
    CHECK(v6 == address("fe80::1%3"));
    CHECK(v6.is_v6());
    CHECK(v6.bits() == 128);
    CHECK(v6.v6_bytes() == bytes);
    CHECK(v6.scope_id() == 3);
    CHECK(ip_address{} == address("0.0.0.0"));
}

TEST_CASE("an_ipv4_mapped_address_is_another_one_until_it_is_unmapped", "[ip_address]") {
    const ip_address mapped = address("::ffff:192.0.2.1");
    CHECK(mapped.is_v6());
    CHECK(mapped.is_v4_mapped());
    CHECK(mapped != address("192.0.2.1"));
    CHECK(mapped.unmapped() == address("192.0.2.1"));
    CHECK(address("::ffff:192.0.2.1%3").unmapped() == address("192.0.2.1"));

    for (const char* other : {"192.0.2.1", "::192.0.2.1", "::fffe:192.0.2.1", "1::ffff:192.0.2.1", "fe80::1%3"})
        CHECK(address(other).unmapped() == address(other));
}

TEST_CASE("addresses_order_by_family_bytes_and_scope_and_hash_by_all_of_them", "[ip_address]") {
    const std::string_view ordered[] = {"0.0.0.0", "0.0.0.1", "1.0.0.0",   "255.255.255.255", "::",    "::1",
                                        "100::",   "fe80::1", "fe80::1%1", "fe80::1%2",       "ff00::"};
    std::unordered_set<std::size_t> hashes;
    for (const std::string_view text : ordered) hashes.insert(std::hash<ip_address>{}(address(text)));
    for (std::size_t i = 1; i < std::size(ordered); ++i) CHECK(address(ordered[i - 1]) < address(ordered[i]));
    CHECK(hashes.size() == std::size(ordered));
}

TEST_CASE("an_endpoint_is_an_address_and_a_port", "[ip_address]") {
    const ip_endpoint v4{address("192.0.2.1"), 80};
    const ip_endpoint v6{address("::1"), 443};
    CHECK(v4.to_string() == "192.0.2.1:80");
    CHECK(v6.to_string() == "[::1]:443");
    CHECK(ip_endpoint{address("fe80::1%3"), 1}.to_string() == "[fe80::1%3]:1");
    CHECK(v4 == ip_endpoint{address("192.0.2.1"), 80});
    CHECK(v4 != ip_endpoint{address("192.0.2.1"), 81});
    CHECK(v4 < ip_endpoint{address("192.0.2.1"), 81});
    CHECK(v4 < v6);
    CHECK(std::hash<ip_endpoint>{}(v4) != std::hash<ip_endpoint>{}(ip_endpoint{address("192.0.2.1"), 81}));
}

TEST_CASE("common_leading_bits_are_counted_to_the_first_that_differs", "[ip_address]") {
    using hotpool::common_prefix_bits;
    CHECK(common_prefix_bits(address("10.0.0.0"), address("10.0.0.0")) == 32);
    CHECK(common_prefix_bits(address("10.0.0.0"), address("10.0.0.1")) == 31);
    CHECK(common_prefix_bits(address("10.0.0.0"), address("10.0.128.0")) == 16);
    CHECK(common_prefix_bits(address("0.0.0.0"), address("128.0.0.0")) == 0);
    CHECK(common_prefix_bits(address("::"), address("::")) == 128);
    CHECK(common_prefix_bits(address("::"), address("::1")) == 127);
    CHECK(common_prefix_bits(address("2001:db8::"), address("2001:db9::")) == 31);
    CHECK(common_prefix_bits(address("fe80::1%3"), address("fe80::1%4")) == 128);
}
