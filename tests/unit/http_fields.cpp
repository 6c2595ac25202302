// Field lines: read where they lie, and kept as text to send.
#include "hotpool/http/field_block.hpp"
#include "hotpool/http/fields_view.hpp"
#include "hotpool/http/request_fields.hpp"
#include "support/catch.hpp"

#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using namespace hotpool;
using http::field;
using http::field_block;
using http::fields_view;

static_assert(std::forward_iterator<fields_view::iterator>);

TEST_CASE("a_view_walks_over_its_fields_in_order") {
    const fields_view fields{"A:1\r\nLonger-Name:  two words\t\r\nEmpty:\r\nColons: a:b\r\n"};
    const std::vector<field> wanted{{"A", "1"}, {"Longer-Name", "two words"}, {"Empty", ""}, {"Colons", "a:b"}};
    CHECK(std::vector<field>(fields.begin(), fields.end()) == wanted);
    auto at = fields.begin();
    CHECK((at++)->name == "A");
    CHECK(at->name == "Longer-Name");
    CHECK(std::distance(at, fields.end()) == 3);
}

TEST_CASE("a_view_of_nothing_is_empty") {
    CHECK(fields_view{}.begin() == fields_view{}.end());
    CHECK(fields_view{""}.empty());
    CHECK(fields_view{""}.find("A") == std::nullopt);
}

TEST_CASE("a_field_is_found_by_name_in_any_case_the_first_of_several") {
    const fields_view fields{"Set-Cookie: a\r\nset-cookie: b\r\nCookie: c\r\n"};
    CHECK(fields.find("SET-COOKIE") == "a");
    CHECK(fields.find("cookie") == "c");
    CHECK(fields.find("Cooki") == std::nullopt);
    CHECK(fields.find("") == std::nullopt);
    CHECK(fields.has("Cookie"));
}

TEST_CASE("a_block_keeps_fields_as_they_are_sent") {
    field_block block;
    CHECK(block.append("A", " 1\t") == errc{});
    CHECK(block.append("B", "") == errc{});
    CHECK(block.text() == "A: 1\r\nB: \r\n");
    CHECK(block.has("a"));
    CHECK(block.find("b") == "");
    CHECK_FALSE(block.has("C"));
}

TEST_CASE("a_block_refuses_what_is_no_field_and_stays_as_it_was") {
    field_block block;
    CHECK(block.append("A", "1") == errc{});
    CHECK(block.append("B C", "2") == errc::invalid_field_name);
    CHECK(block.set("A", "2\r\nB: 3") == errc::invalid_field_value);
    CHECK(block.text() == "A: 1\r\n");
}

TEST_CASE("fields_of_a_block_are_replaced_and_erased_by_name") {
    field_block block;
    for (const std::string_view name : {"A", "B", "a", "AB", "A"}) CHECK(block.append(name, name) == errc{});
    block.erase("a");
    CHECK(block.text() == "B: B\r\nAB: AB\r\n");
    CHECK_FALSE(block.has("A"));
    CHECK(block.set("b", "new") == errc{});
    CHECK(block.text() == "AB: AB\r\nb: new\r\n");
    block.erase("C");
    CHECK(block.set("C", "c") == errc{});
    CHECK(block.text() == "AB: AB\r\nb: new\r\nC: c\r\n");
    block.clear();
    CHECK(block.empty());
    CHECK_FALSE(block.has("AB"));
}

TEST_CASE("names_that_are_equal_have_equal_bits_and_common_ones_do_not_meet_those_of_managed_fields") {
    CHECK(http::name_bit("User-Agent") == http::name_bit("USER-AGENT"));
    for (const std::string_view name : {"User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Authorization",
                                        "Cookie", "Content-Type", "Cache-Control", "X-Request-Id", "Referer"})
        CHECK((http::name_bit(name) & http::managed_name_bits) == 0);
}
