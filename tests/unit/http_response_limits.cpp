// Every limit at its bound and one over.
#include "support/catch.hpp"
#include "unit/http_collect.hpp"
#include "unit/http_corpus.hpp"

#include <stdexcept>
#include <string>
#include <string_view>

using namespace hotpool;
using namespace hotpool::test;

namespace {

std::string repeat(std::size_t times, std::string_view text) {
    std::string all;
    while (times-- > 0) all += text;
    return all;
}

/// Checks that `text` passes under `bounds` and fails under `tighter`, in any pieces.
void check_bound(const std::string& text, const http::limits& bounds, const http::limits& tighter, errc wanted) {
    const situation passing{.bounds = bounds};
    CHECK(deliver_whole(text, passing).complete);
    CHECK(pieces_do_not_matter(text, passing));
    const situation failing{.bounds = tighter};
    CHECK(deliver_whole(text, failing).error == wanted);
    CHECK(pieces_do_not_matter(text, failing));
}

}  // namespace

TEST_CASE("a_head_may_be_as_large_as_max_head_bytes") {
    const std::string text = "HTTP/1.1 204 No Content\r\nA: " + std::string(100, 'x') + "\r\n\r\n";
    check_bound(text, {.max_head_bytes = text.size()}, {.max_head_bytes = text.size() - 1}, errc::head_too_large);
    check_bound(text, {.max_head_bytes = text.size()}, {.max_head_bytes = text.size() - 2}, errc::head_too_large);
    check_bound(text, {.max_head_bytes = text.size()}, {.max_head_bytes = 64}, errc::head_too_large);
}

TEST_CASE("a_line_without_an_end_is_refused_as_soon_as_it_exceeds_max_head_bytes") {
    const http::limits bounds{.max_head_bytes = 64};
    for (std::string text : {std::string("HTTP/1.1 200 "), ok(""), ok("A: ")}) {
        text.resize(64, 'a');
        CHECK(deliver_whole(text, {.bounds = bounds}).error == errc{});
        text += 'a';
        CHECK(deliver_whole(text, {.bounds = bounds}).error == errc::head_too_large);
        CHECK(deliver_bytewise(text, {.bounds = bounds}).error == errc::head_too_large);
    }
}

TEST_CASE("a_malformed_line_that_ends_beyond_max_head_bytes_is_too_large_in_any_pieces") {
    for (const std::string_view line : {"A : b", "A: \x01", ": x", " x"}) {
        std::string text = ok(line);
        text.resize(70, 'a');
        text += "\r\n\r\n";
        const situation when{.bounds = {.max_head_bytes = 64}};
        CHECK(deliver_whole(text, when).error == errc::head_too_large);
        CHECK(pieces_do_not_matter(text, when));
    }
}

TEST_CASE("interim_heads_share_max_head_bytes_with_the_final_head") {
    const std::string interim = "HTTP/1.1 100 Continue\r\n\r\n";
    const std::string text = repeat(3, interim) + "HTTP/1.1 204 No Content\r\n\r\n";
    check_bound(text, {.max_head_bytes = text.size()}, {.max_head_bytes = text.size() - 1}, errc::head_too_large);
}

TEST_CASE("a_head_may_have_as_many_fields_as_max_fields") {
    const std::string text = "HTTP/1.1 204 No Content\r\n" + repeat(5, "A: b\r\n") + "\r\n";
    check_bound(text, {.max_fields = 5}, {.max_fields = 4}, errc::too_many_fields);
    const std::string interim = "HTTP/1.1 100 Continue\r\n" + repeat(5, "A: b\r\n") + "\r\n";
    check_bound(interim + text, {.max_fields = 5}, {.max_fields = 4}, errc::too_many_fields);
}

TEST_CASE("as_many_interim_responses_as_max_interim_responses_may_come") {
    const std::string text = repeat(3, "HTTP/1.1 102 Processing\r\n\r\n") + "HTTP/1.1 204 No Content\r\n\r\n";
    check_bound(text, {.max_interim_responses = 3}, {.max_interim_responses = 2}, errc::too_many_interim_responses);
    const situation none{.bounds = {.max_interim_responses = 0}};
    CHECK(deliver_whole("HTTP/1.1 204 No Content\r\n\r\n", none).complete);
    CHECK(deliver_whole(text, none).error == errc::too_many_interim_responses);
}

TEST_CASE("a_chunk_line_may_be_as_large_as_max_chunk_line_bytes") {
    const std::string line = "1;" + std::string(30, 'e') + "\r\n";
    const std::string text = in_chunks(line + "a\r\n0\r\n\r\n");
    check_bound(text, {.max_chunk_line_bytes = line.size()}, {.max_chunk_line_bytes = line.size() - 1},
                errc::chunk_line_too_large);
    const std::string endless = in_chunks(std::string(19, '0'));
    CHECK(deliver_whole(endless, {.bounds = {.max_chunk_line_bytes = 19}}).error == errc{});
    CHECK(deliver_whole(endless, {.bounds = {.max_chunk_line_bytes = 18}}).error == errc::chunk_line_too_large);
}

TEST_CASE("the_trailer_fields_together_may_be_as_large_as_max_trailer_bytes") {
    const std::string trailer = repeat(4, "Name: value\r\n");
    const std::string text = in_chunks("0\r\n" + trailer + "\r\n");
    check_bound(text, {.max_trailer_bytes = trailer.size()}, {.max_trailer_bytes = trailer.size() - 1},
                errc::trailer_too_large);
    const std::string without = in_chunks("0\r\n\r\n");
    CHECK(deliver_whole(without, {.bounds = {.max_trailer_bytes = 0}}).complete);
    CHECK(deliver_whole(text, {.bounds = {.max_trailer_bytes = 0}}).error == errc::trailer_too_large);
    const std::string tiny = in_chunks("0\r\na:\r\n\r\n");
    check_bound(tiny, {.max_trailer_bytes = 4}, {.max_trailer_bytes = 3}, errc::trailer_too_large);
    check_bound(tiny, {.max_trailer_bytes = 4}, {.max_trailer_bytes = 0}, errc::trailer_too_large);
}

TEST_CASE("a_body_may_be_as_large_as_max_body_bytes") {
    const http::limits five{.max_body_bytes = 5};
    const http::limits four{.max_body_bytes = 4};
    check_bound(ok("Content-Length: 5\r\n\r\nhello"), five, four, errc::body_too_large);
    check_bound(in_chunks("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), five, four, errc::body_too_large);
    const std::string until_close = ok("\r\nhello");
    CHECK(deliver_whole(until_close, {.bounds = five, .eof = true}).body == "hello");
    CHECK(deliver_bytewise(until_close, {.bounds = five, .eof = true}).body == "hello");
    CHECK(deliver_whole(until_close, {.bounds = four, .eof = true}).error == errc::body_too_large);
    CHECK(deliver_bytewise(until_close, {.bounds = four, .eof = true}).error == errc::body_too_large);
}

TEST_CASE("a_declared_length_beyond_max_body_bytes_is_refused_before_any_of_the_body_comes") {
    response_parser parser({.max_body_bytes = 4});
    CHECK(parser.parse(ok("Content-Length: 5\r\n\r\n")).error == errc::body_too_large);
    parser.start(request_kind::plain);
    parser.limit_body(5);
    CHECK(parser.parse(ok("Content-Length: 5\r\n\r\n")).event == parse_event::head);
}

TEST_CASE("a_length_that_no_body_follows_is_not_bounded") {
    const situation when{.kind = request_kind::head, .bounds = {.max_body_bytes = 0}};
    CHECK(deliver_whole(ok("Content-Length: 5\r\n\r\n"), when).complete);
}

TEST_CASE("an_unlimited_body_may_declare_any_length") {
    response_parser parser;
    parser.limit_body(http::unlimited);
    parser.start(request_kind::plain);
    const std::string most = ok("Content-Length: 18446744073709551615\r\n\r\n");
    CHECK(parser.parse(most).event == parse_event::head);
    CHECK(parser.remaining_body_hint() == 18446744073709551615u);

    parser.start(request_kind::plain);
    REQUIRE(parser.parse(chunked_head).event == parse_event::head);
    for (int chunk = 0; chunk < 3; ++chunk) {
        CHECK(parser.parse("ffff\r\n" + std::string(0xffff, 'x')).piece.size() == 0xffff);
        CHECK(parser.parse("\r\n").event == parse_event::need_more);
    }
    CHECK(parser.parse("ffffffffffffffff\r\nx").piece == "x");
}

TEST_CASE("limits_out_of_range_are_refused_by_field_and_rule") {
    using http::limits;
    const auto complaint = [](const limits& bounds) -> std::string {
        try {
            bounds.validate();
        } catch (const std::invalid_argument& e) {
            return e.what();
        }
        return "";
    };
    CHECK(complaint({}) == "");
    CHECK(complaint({.max_head_bytes = 64}) == "");
    CHECK(complaint({.max_head_bytes = 63}) == "limits.max_head_bytes: must be 64 to 16777216");
    CHECK(complaint({.max_head_bytes = 16777216}) == "");
    CHECK(complaint({.max_head_bytes = 16777217}) == "limits.max_head_bytes: must be 64 to 16777216");
    CHECK(complaint({.max_fields = 0}) == "limits.max_fields: must be 1 to 65536");
    CHECK(complaint({.max_fields = 65537}) == "limits.max_fields: must be 1 to 65536");
    CHECK(complaint({.max_interim_responses = 0}) == "");
    CHECK(complaint({.max_chunk_line_bytes = 17}) == "limits.max_chunk_line_bytes: must be 18 to 65536");
    CHECK(complaint({.max_chunk_line_bytes = 18}) == "");
    CHECK(complaint({.max_chunk_line_bytes = 65537}) == "limits.max_chunk_line_bytes: must be 18 to 65536");
    CHECK(complaint({.max_trailer_bytes = 0}) == "");
    CHECK(complaint({.max_trailer_bytes = 16777217}) == "limits.max_trailer_bytes: must be 0 to 16777216");
    CHECK(complaint({.max_body_bytes = http::unlimited}) == "");
}
