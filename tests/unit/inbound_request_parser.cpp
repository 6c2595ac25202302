// Requests that the parser accepts and refuses, whatever pieces they come in.
#include "support/catch.hpp"
#include "unit/inbound_request_collect.hpp"
#include "unit/inbound_request_corpus.hpp"

#include <set>
#include <string>
#include <string_view>

using namespace hotpool;
using namespace hotpool::test;
using inbound::refusal_status;
using inbound::request_parser;

TEST_CASE("accepted_requests_are_read_as_they_are_meant_in_any_pieces") {
    for (const accepted_request& r : accepted_requests()) {
        CAPTURE(r.sentence);
        const request_outcome got = deliver_request(r.text);
        CHECK(got.error == errc{});
        REQUIRE(got.complete.size() == 1);
        CHECK(got.complete[0] == r.wanted);
        CHECK(got.consumed == r.text.size());
        CHECK(request_pieces_do_not_matter(r.text));
    }
}

TEST_CASE("pipelined_requests_are_read_one_behind_the_other_in_any_pieces") {
    for (const accepted_request& r : accepted_requests()) {
        CAPTURE(r.sentence);
        const std::string text = r.text + get("\r\n") + r.text + "GET";
        const request_outcome got = deliver_request(text);
        CHECK(got.error == errc{});
        REQUIRE(got.complete.size() == 3);
        CHECK(got.complete[0] == r.wanted);
        CHECK(got.complete[2] == r.wanted);
        CHECK(got.consumed == text.size() - 3);
        CHECK(request_pieces_do_not_matter(text));
    }
}

TEST_CASE("refused_requests_are_refused_for_their_own_reason_in_any_pieces") {
    for (const refused_request& r : refused_requests()) {
        CAPTURE(r.text);
        const request_outcome got = deliver_request(r.text);
        CHECK(make_error_code(got.error) == make_error_code(r.error));
        CHECK(make_error_code(got.error) == condition::bad_client);
        CHECK(got.complete.empty());
        CHECK(request_pieces_do_not_matter(r.text));
        CHECK(deliver_request(r.text + "and more").error == r.error);
        CHECK(deliver_request(get("\r\n") + r.text).complete.size() == 1);
    }
}

TEST_CASE("every_refusal_has_its_status") {
    for (const refused_request& r : refused_requests()) {
        CAPTURE(r.text);
        const std::set<unsigned> statuses{400, 417, 501, 505};
        CHECK(statuses.count(refusal_status(r.error)) == 1);
    }
    CHECK(refusal_status(errc::bad_line_ending) == 400);
    CHECK(refusal_status(errc::length_with_transfer_encoding) == 400);
    CHECK(refusal_status(errc::body_too_large) == 413);
    CHECK(refusal_status(errc::request_line_too_large) == 414);
    CHECK(refusal_status(errc::bad_expectation) == 417);
    CHECK(refusal_status(errc::head_too_large) == 431);
    CHECK(refusal_status(errc::too_many_fields) == 431);
    CHECK(refusal_status(errc::bad_method) == 501);
    CHECK(refusal_status(errc::bad_transfer_encoding) == 501);
    CHECK(refusal_status(errc::identity_transfer_encoding) == 501);
    CHECK(refusal_status(errc::bad_version) == 505);
}

TEST_CASE("a_request_is_bounded_in_each_of_its_parts_to_the_byte") {
    const auto error_of = [](const std::string& text, const http::limits& bounds) {
        CAPTURE(text, bounds.max_request_line_bytes);
        CHECK(request_pieces_do_not_matter(text, bounds));
        return deliver_request(text, {}, bounds).error;
    };
    SECTION("its line") {
        const std::string line = "GET /" + std::string(80, 'a') + " HTTP/1.1\r\n";
        const std::string text = line + "Host: a\r\n\r\n";
        CHECK(error_of(text, {.max_request_line_bytes = line.size()}) == errc{});
        CHECK(error_of(text, {.max_request_line_bytes = line.size() - 1}) == errc::request_line_too_large);
        CHECK(error_of(text, {.max_head_bytes = line.size() - 1}) == errc::request_line_too_large);
        CHECK(error_of(std::string(100, 'G'), {.max_request_line_bytes = 100}) == errc::request_line_too_large);
        CHECK(error_of(std::string(99, 'G'), {.max_request_line_bytes = 100}) == errc{});
    }
    SECTION("its head") {
        const std::string text = get("A: " + std::string(80, 'b') + "\r\n\r\n");
        CHECK(error_of(text, {.max_head_bytes = text.size()}) == errc{});
        CHECK(error_of(text, {.max_head_bytes = text.size() - 1}) == errc::head_too_large);
        CHECK(error_of(text + "more", {.max_head_bytes = text.size()}) == errc{});
    }
    SECTION("the number of its fields") {
        CHECK(error_of(get("A: b\r\n\r\n"), {.max_fields = 2}) == errc{});
        CHECK(error_of(get("A: b\r\n\r\n"), {.max_fields = 1}) == errc::too_many_fields);
    }
    SECTION("its body") {
        CHECK(error_of(post("Content-Length: 5\r\n\r\nhello"), {.max_body_bytes = 5}) == errc{});
        CHECK(error_of(post("Content-Length: 5\r\n\r\nhello"), {.max_body_bytes = 4}) == errc::body_too_large);
        CHECK(error_of(post_chunks("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), {.max_body_bytes = 5}) == errc{});
        CHECK(error_of(post_chunks("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), {.max_body_bytes = 4}) == errc::body_too_large);
    }
    SECTION("its chunk lines and trailers") {
        const std::string chunk = "1;" + std::string(20, 'x') + "\r\n";
        CHECK(error_of(post_chunks(chunk + "a\r\n0\r\n\r\n"), {.max_chunk_line_bytes = chunk.size()}) == errc{});
        CHECK(error_of(post_chunks(chunk), {.max_chunk_line_bytes = chunk.size() - 1}) == errc::chunk_line_too_large);
        CHECK(error_of(post_chunks("0\r\nA: b\r\n\r\n"), {.max_trailer_bytes = 5}) == errc::trailer_too_large);
        CHECK(error_of(post_chunks("0\r\nA: b\r\n\r\n"), {.max_trailer_bytes = 6}) == errc{});
    }
}

TEST_CASE("only_capital_letters_with_and_are_methods") {
    for (int c = 0; c < 256; ++c) {
        if (c == ' ' || c == '\n') continue;
        CAPTURE(c);
        const char letter = static_cast<char>(c);
        const bool good = (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        const errc otherwise = http::is_token_char(letter) ? errc::bad_method : errc::bad_request_line;
        const std::string text = "A" + std::string(1, letter) + "B / HTTP/1.1\r\nHost: a\r\n\r\n";
        CHECK(deliver_request(text).error == (good ? errc{} : otherwise));
    }
}

TEST_CASE("only_visible_ascii_without_is_in_a_target") {
    for (int c = 0; c < 256; ++c) {
        if (c == '\n') continue;
        CAPTURE(c);
        const bool good = c > 0x20 && c < 0x7f && c != '#';
        const errc otherwise = c == ' ' ? errc::bad_request_line : errc::bad_target;
        const std::string text = "GET /a" + std::string(1, static_cast<char>(c)) + "b HTTP/1.1\r\nHost: a\r\n\r\n";
        CHECK(deliver_request(text).error == (good ? errc{} : otherwise));
    }
}

TEST_CASE("a_peer_that_speaks_something_else_is_refused_at_its_first_byte") {
    request_parser parser;
    CHECK_FALSE(parser.begun());
    CHECK(parser.parse({}).event == parse_event::need_more);
    CHECK_FALSE(parser.begun());
    CHECK(parser.parse("\x16").error == errc::bad_request_line);
}

TEST_CASE("a_refused_request_stays_refused_until_the_next_start") {
    request_parser parser;
    CHECK(parser.parse("(").error == errc::bad_request_line);
    CHECK(parser.parse(get("\r\n")).error == errc::bad_request_line);
    CHECK(parser.parse(get("\r\n")).consumed == 0);
    CHECK_FALSE(parser.complete());
    parser.start();
    const parse_result head = parser.parse(get("\r\n"));
    CHECK(head.event == parse_event::head);
    CHECK(parser.complete());
    CHECK(parser.parse("x").event == parse_event::end);
    CHECK(parser.parse("x").consumed == 0);
}

TEST_CASE("the_empty_line_in_front_belongs_to_the_request_not_to_its_head") {
    request_parser parser;
    const std::string text = "\r\n" + get("\r\n");
    const parse_result head = parser.parse(text);
    REQUIRE(head.event == parse_event::head);
    CHECK(head.consumed == text.size());
    CHECK(head.piece == get("\r\n"));
    CHECK(parser.head().target(head.piece) == "/");
}

TEST_CASE("an_empty_line_alone_is_passed_over_and_begins_nothing") {
    request_parser parser;
    CHECK(parser.parse("\r").consumed == 0);
    CHECK_FALSE(parser.begun());
    const parse_result r = parser.parse("\r\n");
    CHECK(r.event == parse_event::need_more);
    CHECK(r.consumed == 2);
    CHECK_FALSE(parser.begun());
    CHECK(parser.parse("").event == parse_event::need_more);
    CHECK_FALSE(parser.begun());
    CHECK(parser.parse("G").event == parse_event::need_more);
    CHECK(parser.begun());
    CHECK(parser.parse(get("\r\n")).event == parse_event::head);
}

TEST_CASE("the_body_is_handed_out_where_it_lies_and_how_much_is_to_come_is_told_where_it_is_known") {
    request_parser parser;
    const std::string text = post("Content-Length: 10\r\nExpect: 100-continue\r\n\r\n0123456");
    const parse_result head = parser.parse(text);
    REQUIRE(head.event == parse_event::head);
    CHECK(parser.remaining_body_hint() == 10);
    CHECK(parser.expects_continue());
    const std::string_view rest = std::string_view(text).substr(head.consumed);
    CHECK(parser.parse(rest).piece.data() == rest.data());
    CHECK(parser.remaining_body_hint() == 3);
    CHECK(parser.parse({}).event == parse_event::need_more);
    CHECK(parser.parse("789GET").consumed == 3);
    CHECK(parser.complete());
    CHECK_FALSE(parser.expects_continue());

    parser.start();
    REQUIRE(parser.parse(post_chunks("5")).event == parse_event::head);
    CHECK(parser.remaining_body_hint() == 0);
    CHECK_FALSE(parser.complete());
}

TEST_CASE("every_refusal_of_the_request_parsers_own_is_met_by_a_test") {
    std::set<errc> met{errc::request_line_too_large};
    for (const refused_request& r : refused_requests()) met.insert(r.error);
    for (auto e = errc::bad_request_line; e <= errc::bad_expectation; e = static_cast<errc>(static_cast<int>(e) + 1)) {
        CAPTURE(make_error_code(e).message());
        CHECK(met.count(e) == 1);
    }
}
