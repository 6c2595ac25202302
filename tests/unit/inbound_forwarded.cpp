// The client behind trusted proxies, by `X-Forwarded-For` and `Forwarded`.
#include <initializer_list>
#include <string>
#include <string_view>

#include <hotpool/http/fields_view.hpp>
#include <hotpool/inbound/forwarded.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::inbound;

namespace {

constexpr auto xff = forwarded_field::x_forwarded_for;
constexpr auto fwd = forwarded_field::forwarded;

ip_address address(std::string_view text) { return ip_address::parse(text).value(); }

const trusted_proxies& inner() {
    static const trusted_proxies proxies{{ip_block{"10.0.0.0/8"}, ip_block{"2001:db8:a::/48"}}};
    return proxies;
}

/// The client of a request that came from 10.0.0.1, a trusted proxy, unless said otherwise.
std::string client(forwarded_field field, std::initializer_list<std::string_view> lines,
                   std::string_view peer = "10.0.0.1") {
    client_finder finder{address(peer), field, inner()};
    for (const std::string_view line : lines) finder.line_received(line);
    return finder.client().to_string();
}

}  // namespace

TEST_CASE("without_field_lines_the_peer_is_the_client", "[inbound]") {
    CHECK(client(xff, {}) == "10.0.0.1");
    CHECK(client(fwd, {}, "192.0.2.1") == "192.0.2.1");
}

TEST_CASE("from_anybody_but_a_trusted_proxy_the_fields_are_ignored", "[inbound]") {
    CHECK(client(xff, {"198.51.100.1"}, "192.0.2.1") == "192.0.2.1");
    CHECK(client(fwd, {"for=198.51.100.1"}, "192.0.2.1") == "192.0.2.1");
    client_finder nobody{address("10.0.0.1"), xff, trusted_proxies{}};
    nobody.line_received("198.51.100.1");
    CHECK(nobody.client() == address("10.0.0.1"));
}

TEST_CASE("the_last_address_that_is_no_trusted_proxy_is_the_client", "[inbound]") {
    CHECK(client(xff, {"198.51.100.1"}) == "198.51.100.1");
    CHECK(client(xff, {"198.51.100.1, 10.0.0.2"}) == "198.51.100.1");
    CHECK(client(xff, {"198.51.100.1, 10.0.0.2,10.0.0.3"}) == "198.51.100.1");
    // What the client made up itself.
    CHECK(client(xff, {"203.0.113.9, 198.51.100.1"}) == "198.51.100.1");
    CHECK(client(xff, {"10.9.9.9, 198.51.100.1, 10.0.0.2"}) == "198.51.100.1");
    CHECK(client(xff, {"rubbish\x01, 198.51.100.1"}) == "198.51.100.1");
    CHECK(client(fwd, {"for=203.0.113.9, for=198.51.100.1;by=10.0.0.2, for=10.0.0.2"}) == "198.51.100.1");
}

TEST_CASE("a_trusted_proxy_may_name_an_ipv6_client_and_be_one", "[inbound]") {
    CHECK(client(xff, {"2001:db8::1"}) == "2001:db8::1");
    CHECK(client(xff, {"2001:db8::1, 2001:db8:a::5"}, "2001:db8:a::6") == "2001:db8::1");
    CHECK(client(xff, {"198.51.100.1"}, "::ffff:10.0.0.1") == "198.51.100.1");
    CHECK(client(xff, {"198.51.100.1, ::ffff:10.0.0.2"}) == "198.51.100.1");
    CHECK(client(fwd, {"for=\"[2001:db8::1]\""}) == "2001:db8::1");
}

TEST_CASE("if_all_hops_are_trusted_the_first_of_them_is_the_client", "[inbound]") {
    CHECK(client(xff, {"10.0.0.4, 10.0.0.3, 10.0.0.2"}) == "10.0.0.4");
    CHECK(client(xff, {"10.0.0.4", "10.0.0.3, 10.0.0.2"}) == "10.0.0.4");
    CHECK(client(fwd, {"for=10.0.0.4, for=10.0.0.3"}) == "10.0.0.4");
}

TEST_CASE("repeated_lines_are_one_list", "[inbound]") {
    CHECK(client(xff, {"203.0.113.9", "198.51.100.1"}) == "198.51.100.1");
    CHECK(client(xff, {"203.0.113.9, 198.51.100.1", "10.0.0.3, 10.0.0.2"}) == "198.51.100.1");
    CHECK(client(xff, {"203.0.113.9", "198.51.100.1, 10.0.0.3", "10.0.0.2"}) == "198.51.100.1");
    CHECK(client(fwd, {"for=203.0.113.9", "for=198.51.100.1", "for=10.0.0.2"}) == "198.51.100.1");
}

TEST_CASE("an_element_that_names_no_address_ends_the_search_at_the_proxy_that_wrote_it", "[inbound]") {
    for (const std::string_view bad : {"unknown",
                                       "_hidden",
                                       "",
                                       " ",
                                       "300.1.2.3",
                                       "198.51.100.01",
                                       "198.51.100.1:",
                                       "198.51.100.1:65536",
                                       "198.51.100.1:+1",
                                       "198.51.100.1:123456",
                                       "198.51.100.1 10.0.0.1",
                                       "[198.51.100.1]",
                                       "[2001:db8::1",
                                       "2001:db8::1]",
                                       "[2001:db8::1]x",
                                       "[2001:db8::1]:",
                                       "[]",
                                       "fe80::1%1",
                                       "[fe80::1%1]",
                                       "\"198.51.100.1\"",
                                       "for=198.51.100.1",
                                       "unix:",
                                       "198.51.100.1/32"}) {
        INFO(bad);
        const std::string element{bad};
        CHECK(client(xff, {element}) == "10.0.0.1");
        CHECK(client(xff, {"203.0.113.9, " + element}) == "10.0.0.1");
        CHECK(client(xff, {"203.0.113.9, " + element + ", 10.0.0.2"}) == "10.0.0.2");
        CHECK(client(xff, {"203.0.113.9", element, "10.0.0.2"}) == "10.0.0.2");
        CHECK(client(xff, {element + ", 198.51.100.1"}) == "198.51.100.1");
    }
}

TEST_CASE("a_port_behind_an_address_makes_no_difference", "[inbound]") {
    CHECK(client(xff, {"198.51.100.1:0"}) == "198.51.100.1");
    CHECK(client(xff, {"198.51.100.1:65535, 10.0.0.2:80"}) == "198.51.100.1");
    CHECK(client(xff, {"[2001:db8::1]:443"}) == "2001:db8::1");
    CHECK(client(xff, {"[2001:db8::1]"}) == "2001:db8::1");
    CHECK(client(fwd, {"for=\"198.51.100.1:4711\""}) == "198.51.100.1");
    CHECK(client(fwd, {"for=\"[2001:db8::1]:4711\""}) == "2001:db8::1");
    CHECK(client(fwd, {"for=\"198.51.100.1:_x-1.y\""}) == "198.51.100.1");
}

TEST_CASE("of_an_element_of_forwarded_the_for_parameter_counts", "[inbound]") {
    CHECK(client(fwd, {"for=198.51.100.1;proto=https;by=203.0.113.43"}) == "198.51.100.1");
    CHECK(client(fwd, {"proto=https;host=\"a, b;c=\\\"d\\\"\";FOR=198.51.100.1"}) == "198.51.100.1");
    CHECK(client(fwd, {"for=\"198.51.100.1\";;proto=http;"}) == "198.51.100.1");
    CHECK(client(fwd, {"for=203.0.113.9, for=198.51.100.1;host=\"a\\\",b\""}) == "198.51.100.1");
    CHECK(client(fwd, {"for=203.0.113.9, for=198.51.100.1;host=\"a\\\\\""}) == "198.51.100.1");
    CHECK(client(fwd, {"for=203.0.113.9, for=198.51.100.1;host=\"a,for=192.0.2.9\""}) == "198.51.100.1");
}

TEST_CASE("an_element_of_forwarded_that_breaks_the_grammar_ends_the_search", "[inbound]") {
    for (const std::string_view bad : {"",
                                       ";",
                                       "proto=https",
                                       "for",
                                       "for=",
                                       "=198.51.100.1",
                                       "for=198.51.100.1;for=198.51.100.1",
                                       "for=198.51.100.1; proto=http",
                                       "for =198.51.100.1",
                                       "for= 198.51.100.1",
                                       "for=198.51.100.1 ;proto=http",
                                       "for=198.51.100.1:80",
                                       "for=[2001:db8::1]",
                                       "for=\"2001:db8::1\"",
                                       "for=\"[198.51.100.1]\"",
                                       "for=unknown",
                                       "for=_hidden",
                                       "for=\"198.51.100.1",
                                       "for=198.51.100.1\"",
                                       "for=\"198.51.100.1\"x",
                                       "for=\"198.51.100.\\1\"",
                                       "for=\"198.51.100.1\";by",
                                       "for=\"198.51.100.1:_\"",
                                       "for=\"198.51.100.1:_a b\"",
                                       "198.51.100.1",
                                       "for=198.51.100.1;by=\"\\\"",
                                       "for=198.51.100.1;by=\"\x01\"",
                                       "for=\" 198.51.100.1\""}) {
        INFO(bad);
        const std::string element{bad};
        CHECK(client(fwd, {element}) == "10.0.0.1");
        CHECK(client(fwd, {"for=203.0.113.9", element, "for=10.0.0.2"}) == "10.0.0.2");
        CHECK(client(fwd, {element, "for=198.51.100.1"}) == "198.51.100.1");
    }
}

TEST_CASE("a_quotation_mark_that_the_client_left_open_does_not_swallow_what_proxies_wrote", "[inbound]") {
    for (const std::string_view made_up :
         {"for=\"", "for=\"x\\", "for=\"a, for=203.0.113.9", "\"", "\\\"", "for=\\\""}) {
        INFO(made_up);
        const std::string front = std::string{made_up} + ", ";
        CHECK(client(fwd, {front + "for=198.51.100.1"}) == "198.51.100.1");
        CHECK(client(fwd, {front + "for=\"[2001:db8::1]:80\""}) == "2001:db8::1");
        CHECK(client(fwd, {front + "for=198.51.100.1, for=10.0.0.2;host=\"a\\\\\""}) == "198.51.100.1");
    }
}

TEST_CASE("only_the_field_that_is_believed_is_read_in_whatever_case_wherever_it_stands", "[inbound]") {
    const http::fields_view fields{
        "Forwarded: for=203.0.113.9\r\nX-Forwarded-For: 203.0.113.8\r\nHost: a\r\nx-forwarded-for: "
        "198.51.100.1, "
        "10.0.0.2\r\nX-Forwarded-Form: 203.0.113.7\r\n"};
    CHECK(client_address(address("10.0.0.1"), fields, xff, inner()) == address("198.51.100.1"));
    CHECK(client_address(address("10.0.0.1"), fields, fwd, inner()) == address("203.0.113.9"));
    CHECK(client_address(address("192.0.2.1"), fields, fwd, inner()) == address("192.0.2.1"));
    CHECK(client_address(address("10.0.0.1"), http::fields_view{}, fwd, inner()) == address("10.0.0.1"));
}

TEST_CASE("finding_the_client_allocates_nothing", "[inbound]") {
    const http::fields_view fields{"Forwarded: for=203.0.113.9;by=x, for=\"[2001:db8::1]:1\", for=10.0.0.7\r\n"};
    const ip_address peer = address("10.0.0.1");
    (void)inner();
    const auto before = test::allocations();
    const ip_address found = client_address(peer, fields, fwd, inner());
    CHECK(test::allocations() == before);
    CHECK(found == address("2001:db8::1"));
}
