// Responses that the parser refuses, and the reason it gives.
#include "support/catch.hpp"
#include "unit/http_collect.hpp"
#include "unit/http_corpus.hpp"

#include <set>
#include <string>
#include <string_view>

using namespace hotpool;
using namespace hotpool::test;

namespace {

void check_refused(const std::string& text, errc wanted, const situation& when) {
    CAPTURE(text);
    const outcome got = deliver_whole(text, when);
    CHECK(make_error_code(got.error) == make_error_code(wanted));
    CHECK_FALSE(got.complete);
    CHECK(pieces_do_not_matter(text, when));
    CHECK(deliver_whole(text + "and more", when).error == wanted);
}

}  // namespace

TEST_CASE("malformed_heads_are_refused_for_their_own_reason_whatever_pieces_they_come_in") {
    for (const refused_response& r : refused_responses()) check_refused(r.text, r.error, r.when);
}

TEST_CASE("malformed_chunks_are_refused_for_their_own_reason_whatever_pieces_they_come_in") {
    for (const refused_response& r : refused_chunks()) check_refused(in_chunks(r.text), r.error, r.when);
}

TEST_CASE("every_control_character_is_refused_where_it_stands") {
    for (int c = 0; c < 256; ++c) {
        CAPTURE(c);
        const bool control = c < 0x20 || c == 0x7f;
        if (c == '\r' || c == '\n') continue;
        const std::string tail = std::string(1, static_cast<char>(c)) + "z\r\nContent-Length: 0\r\n\r\n";
        const auto error_of = [](const std::string& text) { return deliver_whole(text).error; };
        const bool bad = control && c != '\t';
        CHECK(error_of("HTTP/1.1 200 a" + tail) == (bad ? errc::bad_reason : errc{}));
        CHECK(error_of("HTTP/1.1 200 OK\r\nName: a" + tail) == (bad ? errc::bad_field_value : errc{}));
        const std::string filler(40, 'f');  // long enough for every way of scanning
        CHECK(error_of("HTTP/1.1 200 OK\r\nName: " + filler + tail) == (bad ? errc::bad_field_value : errc{}));
    }
}

TEST_CASE("only_tokens_are_field_names") {
    const std::string_view delimiters = "\"(),/;<=>?@[\\]{}";
    for (int c = 0x21; c < 256; ++c) {
        if (c == ':') continue;
        CAPTURE(c);
        const bool good = c < 0x7f && delimiters.find(static_cast<char>(c)) == std::string_view::npos;
        for (const std::string_view around : {"", "n", "a-rather-long-name-for-a-field"}) {
            const std::string name = std::string(around) + static_cast<char>(c) + std::string(around);
            const outcome got = deliver_whole("HTTP/1.1 200 OK\r\n" + name + ": v\r\nContent-Length: 0\r\n\r\n");
            CHECK(got.error == (good ? errc{} : errc::bad_field_name));
            if (good) CHECK(got.head->fields.front().first == name);
        }
    }
}

TEST_CASE("a_refusal_stands_until_the_next_start") {
    response_parser parser;
    CHECK(parser.parse("nonsense").error == errc::bad_status_line);
    const std::string good = "HTTP/1.1 204 No Content\r\n\r\n";
    CHECK(parser.parse(good).error == errc::bad_status_line);
    CHECK(parser.parse(good).consumed == 0);
    CHECK(parser.finish().error == errc::bad_status_line);
    parser.start(request_kind::plain);
    CHECK(parser.parse(good).event == parse_event::head);
}

TEST_CASE("the_end_of_the_connection_before_the_first_byte_leaves_the_response_missing") {
    response_parser parser;
    CHECK_FALSE(parser.begun());
    CHECK(parser.parse({}).event == parse_event::need_more);
    CHECK_FALSE(parser.begun());
    CHECK(parser.finish().error == errc::response_missing);
}

TEST_CASE("the_end_of_the_connection_inside_a_response_truncates_it") {
    for (const accepted_response& r : accepted_responses()) {
        CAPTURE(r.sentence);
        const std::size_t head_end = r.text.rfind("\r\n\r\n") + 4;
        const std::size_t first_good = r.when.eof ? head_end : r.text.size();
        for (std::size_t size = 1; size < first_good; ++size) {
            collector reader(r.when);
            reader.receive(std::string_view(r.text).substr(0, size));
            REQUIRE_FALSE(reader.done());
            reader.close();
            REQUIRE(reader.finish().error == errc::response_truncated);
        }
    }
}

TEST_CASE("a_peer_that_speaks_something_else_is_refused_at_the_first_byte_that_tells") {
    response_parser parser;
    CHECK(parser.parse("HTT").event == parse_event::need_more);
    CHECK(parser.begun());
    CHECK(parser.parse("HTTq").error == errc::bad_status_line);
}

TEST_CASE("every_refusal_of_the_parsers_own_is_met_by_a_test_here_or_in_the_limits") {
    std::set<errc> met{errc::head_too_large,    errc::too_many_fields,      errc::too_many_interim_responses,
                       errc::trailer_too_large, errc::chunk_line_too_large, errc::body_too_large};
    for (const refused_response& r : refused_responses()) met.insert(r.error);
    for (const refused_response& r : refused_chunks()) met.insert(r.error);
    for (auto e = errc::bad_status_line; e <= errc::body_too_large; e = static_cast<errc>(static_cast<int>(e) + 1)) {
        CAPTURE(make_error_code(e).message());
        CHECK(met.count(e) == 1);
        CHECK(make_error_code(e) == condition::bad_response);
    }
}
