// Blocks of addresses: how they are written, what is refused and why, what is in them.
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

#include <hotpool/base/ip_block.hpp>

#include "support/catch.hpp"

using hotpool::ip_address;
using hotpool::ip_block;

namespace {

ip_address address(std::string_view text) { return ip_address::parse(text).value(); }

/// What the constructor says about `text`; empty if it takes it.
std::string refusal(std::string_view text) {
    try {
        ip_block{text};
        return "";
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
}

bool says(const std::string& message, std::string_view part) { return message.find(part) != std::string::npos; }

/// A bit of an address, counted from its first.
bool bit(const ip_address& a, unsigned at) {
    const unsigned byte = a.is_v4() ? a.v4_bytes()[at / 8] : a.v6_bytes()[at / 8];
    return ((byte >> (7 - at % 8)) & 1u) != 0;
}

/// Addresses that differ late, so that prefixes of every length tell them apart.
ip_address random_address(std::mt19937& random, bool v6) {
    ip_address::v6_bytes_type bytes{};
    const std::size_t size = v6 ? 16 : 4;
    const std::size_t first = random() % size;
    for (std::size_t i = first; i < size; ++i) bytes[i] = static_cast<unsigned char>(random());
    if (v6) return ip_address{bytes};
    return ip_address{ip_address::v4_bytes_type{bytes[0], bytes[1], bytes[2], bytes[3]}};
}

}  // namespace

TEST_CASE("a_block_is_an_address_and_a_prefix_length_the_full_one_if_none_is_said", "[ip_block]") {
    const struct {
        std::string_view text;
        std::string_view full;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"192.0.2.1", "192.0.2.1/32"},
        {"192.0.2.1/32", "192.0.2.1/32"},
        {"192.0.2.254/31", "192.0.2.254/31"},
        {"128.0.0.0/1", "128.0.0.0/1"},
        {"2001:db8::/32", "2001:db8::/32"},
        {"::/0", "::/0"},
        {"::1", "::1/128"},
        {"fe80::/10", "fe80::/10"},
        {"2001:DB8::8/125", "2001:db8::8/125"},
    };
    for (const auto& c : cases) {
        INFO(c.text);
        const auto block = ip_block::parse(c.text);
        REQUIRE(block);
        CHECK(block->to_string() == c.full);
        CHECK(ip_block{c.full} == *block);
    }
    CHECK(ip_block{address("192.0.2.0"), 24} == ip_block{"192.0.2.0/24"});
    CHECK(ip_block{address("fe80::1%3")} == ip_block{"fe80::1"});
    CHECK(ip_block{} == ip_block{"0.0.0.0/0"});
}

TEST_CASE("what_is_almost_a_block_is_refused_and_the_rule_is_named", "[ip_block]") {
    const struct {
        std::string_view text;
        std::string_view rule;
    } cases[] = {
        {"", "IP address"},
        {"/8", "IP address"},
        {"10/8", "IP address"},
        {"10.0.0.0 /8", "IP address"},
        {"example.com/8", "IP address"},
        {"10.0.0.0/", "prefix length"},
        {"10.0.0.0/ 8", "prefix length"},
        {"10.0.0.0/8 ", "prefix length"},
        {"10.0.0.0/+8", "prefix length"},
        {"10.0.0.0/-8", "prefix length"},
        {"10.0.0.0/08", "prefix length"},
        {"10.0.0.0/0008", "prefix length"},
        {"10.0.0.0/8/8", "prefix length"},
        {"10.0.0.0/255.0.0.0", "prefix length"},
        {"10.0.0.0/x", "prefix length"},
        {"::/4294967296", "prefix length"},
        {"10.0.0.0/33", "at most 32"},
        {"10.0.0.0/128", "at most 32"},
        {"::/129", "at most 128"},
        {"10.0.0.1/8", "behind its prefix"},
        {"10.0.0.1/31", "behind its prefix"},
        {"0.0.0.1/0", "behind its prefix"},
        {"2001:db8::1/32", "behind its prefix"},
        {"2001:db8::1/127", "behind its prefix"},
        {"8000::/0", "behind its prefix"},
        {"fe80::1%3", "zone"},
        {"fe80::%3/10", "zone"},
    };
    for (const auto& c : cases) {
        INFO(c.text << " -> " << refusal(c.text));
        CHECK(says(refusal(c.text), c.rule));
        CHECK(says(refusal(c.text), "\"" + std::string(c.text) + "\""));
        CHECK_FALSE(ip_block::parse(c.text));
    }
    CHECK_THROWS_AS((ip_block{address("10.0.0.1"), 8}), std::invalid_argument);
    CHECK_THROWS_AS((ip_block{address("10.0.0.0"), 33}), std::invalid_argument);
    CHECK_THROWS_AS((ip_block{address("fe80::%3"), 10}), std::invalid_argument);
}

TEST_CASE("a_block_has_its_first_and_its_last_address_and_neither_neighbour", "[ip_block]") {
    const struct {
        std::string_view block, before, first, last, behind;
    } cases[] = {
        {"10.0.0.0/8", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
        {"192.0.2.8/30", "192.0.2.7", "192.0.2.8", "192.0.2.11", "192.0.2.12"},
        {"192.0.2.8", "192.0.2.7", "192.0.2.8", "192.0.2.8", "192.0.2.9"},
        {"2001:db8::/33", "2001:db7:ffff::", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", "2001:db8:8000::"},
        {"::/0", "0.0.0.0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "255.255.255.255"},
        {"0.0.0.0/0", "::", "0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"},
    };
    for (const auto& c : cases) {
        INFO(c.block);
        const ip_block block{c.block};
        CHECK_FALSE(block.contains(address(c.before)));
        CHECK(block.contains(address(c.first)));
        CHECK(block.contains(address(c.last)));
        CHECK_FALSE(block.contains(address(c.behind)));
    }
    CHECK(ip_block{"fe80::/10"}.contains(address("fe80::1%3")));
}

TEST_CASE("a_block_of_ipv4_mapped_addresses_means_the_ipv4_block", "[ip_block]") {
    CHECK(ip_block{"::ffff:10.0.0.0/104"}.unmapped() == ip_block{"10.0.0.0/8"});
    CHECK(ip_block{"::ffff:0:0/96"}.unmapped() == ip_block{"0.0.0.0/0"});
    CHECK(ip_block{"::ffff:192.0.2.1"}.unmapped() == ip_block{"192.0.2.1"});
    for (const char* other : {"10.0.0.0/8", "::fffe:0:0/95", "::/0", "::/96", "2001:db8::/104"})
        CHECK(ip_block{other}.unmapped() == ip_block{other});
}

TEST_CASE("prefixes_of_every_length_agree_with_a_count_of_bits", "[ip_block]") {
    std::mt19937 random{7};
    for (int round = 0; round < 300; ++round) {
        const bool v6 = round % 2 == 0;
        const ip_address a = random_address(random, v6);
        const ip_address b = random_address(random, v6);
        unsigned common = 0;
        while (common < a.bits() && bit(a, common) == bit(b, common)) ++common;
        bool agree = true;
        for (unsigned length = 0; length <= a.bits(); ++length) {
            const ip_block block = ip_block::around(a, length);
            agree = agree && block.contains(a) && block.contains(b) == (length <= common);
            agree = agree && (block == ip_block::around(b, length)) == (length <= common);
            agree = agree && ip_block{block.to_string()} == block;
        }
        INFO(a.to_string() << ' ' << b.to_string());
        CHECK(agree);
    }
}
