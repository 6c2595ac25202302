// Responses that break the letter of HTTP and are borne with, as the RFCs ask of a client; and refused where that is asked
// for.
#include "support/catch.hpp"
#include "unit/http_collect.hpp"
#include "unit/http_corpus.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;

namespace {

situation strictly(situation when) {
    when.bounds.strict = true;
    return when;
}

/// The fields of a response to HEAD with these lines.
std::vector<std::pair<std::string, std::string>> fields_of(std::string_view lines) {
    const outcome got = deliver_whole(ok(std::string(lines) + "\r\n"), after_head);
    CHECK(got.error == errc{});
    return got.head ? got.head->fields : seen_head{}.fields;
}

using seen_fields = std::vector<std::pair<std::string, std::string>>;

/// Makes one space of several: a fold takes those around it with it.
void collapse_spaces(outcome& seen) {
    const auto collapse = [](seen_head& head) {
        for (auto& [name, value] : head.fields) {
            std::replace(value.begin(), value.end(), '\t', ' ');
            const auto both = [](char a, char b) { return a == ' ' && b == ' '; };
            value.erase(std::unique(value.begin(), value.end(), both), value.end());
        }
    };
    if (seen.head) collapse(*seen.head);
    for (seen_head& head : seen.interim) collapse(head);
}

/// Where the head of `text` ends, its empty line left out.
std::size_t lines_end(const std::string& text) { return text.find("\r\n\r\n") + 2; }

}  // namespace

TEST_CASE("borne_responses_are_read_as_they_are_meant_in_any_pieces") {
    for (const auto& [error, r] : borne_responses()) {
        CAPTURE(r.sentence);
        const outcome got = deliver_whole(r.text, r.when);
        CHECK(make_error_code(got.error) == make_error_code(errc{}));
        CHECK(got.complete);
        REQUIRE(got.head);
        CHECK(got.head->status == r.wanted.status);
        CHECK(got.head->version_minor == (r.text.starts_with("HTTP/1.0") ? 0 : 1));
        CHECK(got.body == r.wanted.body);
        CHECK(got.kind == r.wanted.kind);
        CHECK(got.keep_alive == r.wanted.keep_alive);
        CHECK(got.consumed == r.text.size());
        CHECK(pieces_do_not_matter(r.text, r.when));
    }
}

TEST_CASE("a_strict_parser_refuses_what_is_borne_otherwise_and_nothing_else") {
    for (const auto& [error, r] : borne_responses()) {
        CAPTURE(r.sentence);
        CHECK(make_error_code(deliver_whole(r.text, strictly(r.when)).error) == make_error_code(error));
        CHECK(pieces_do_not_matter(r.text, strictly(r.when)));
    }
    for (const accepted_response& r : accepted_responses()) {
        CAPTURE(r.sentence);
        CHECK(deliver_whole(r.text, strictly(r.when)) == deliver_whole(r.text, r.when));
    }
    for (const refused_response& r : refused_responses()) {
        CAPTURE(r.text);
        const errc got = deliver_whole(r.text, strictly(r.when)).error;
        // Refused for the fold, whatever is wrong behind it.
        const bool folded = r.text.find("\r\n ") != r.text.npos || r.text.find("\r\n\t") != r.text.npos;
        CHECK(make_error_code(got) == make_error_code(folded && got == errc::bad_field_folding ? got : r.error));
    }
}

TEST_CASE("a_folded_line_is_replaced_by_one_space") {
    CHECK(fields_of("A: b\r\n c\r\n") == seen_fields{{"A", "b c"}});
    CHECK(fields_of("A: b \t \r\n\t \tc\r\n") == seen_fields{{"A", "b c"}});
    CHECK(fields_of("A:\r\n b\r\n") == seen_fields{{"A", "b"}});
    CHECK(fields_of("A: \t\r\n b\r\n") == seen_fields{{"A", "b"}});
    CHECK(fields_of("A: b\r\n c \t\r\n") == seen_fields{{"A", "b c"}});
    CHECK(fields_of("A: b\r\n c\r\n d\r\n  e\r\n") == seen_fields{{"A", "b c d e"}});
    CHECK(fields_of("A: b  \t c\r\n d\r\n") == seen_fields{{"A", "b  \t c d"}});
    CHECK(fields_of("A: b\r\n B: c\r\n") == seen_fields{{"A", "b B: c"}});
    CHECK(fields_of("A: \xff\r\n \x80\r\n") == seen_fields{{"A", "\xff \x80"}});
    CHECK(fields_of("A: 1\r\nB: b\r\n c\r\nC: 2\r\nD:\r\n d\r\n e\r\nE:\r\n") ==
          seen_fields{{"A", "1"}, {"B", "b c"}, {"C", "2"}, {"D", "d e"}, {"E", ""}});
    const outcome interim = deliver_whole("HTTP/1.1 103 Hints\r\nLink: <a>,\r\n <b>\r\n\r\n" + ok("\r\n"), after_head);
    REQUIRE(interim.interim.size() == 1);
    CHECK(interim.interim.front() == seen_head{103, 1, "Hints", {{"Link", "<a>, <b>"}}});
}

TEST_CASE("a_folded_head_stays_where_it_is_and_nothing_behind_it_is_touched") {
    std::string text = ok("A: b \r\n c\r\nB: d\r\n\r\n") + "\r\n behind\r\n ";
    response_parser parser;
    parser.start(request_kind::head);
    const std::size_t head_size = text.find("\r\n\r\n") + 4;
    for (std::size_t size = 1; size < head_size; ++size) {
        const std::string before = text;
        REQUIRE(parser.parse(text.data(), size).event == parse_event::need_more);
        REQUIRE(text == before);
    }
    const parse_result step = parser.parse(text.data(), text.size());
    CHECK(step.event == parse_event::head);
    CHECK(step.consumed == head_size);
    CHECK(text == ok("A: b c   \r\nB: d\r\n\r\n") + "\r\n behind\r\n ");
    CHECK(parser.head().fields(text).find("b") == "d");
}

TEST_CASE("a_fold_in_a_window_that_must_not_be_written_to_is_refused") {
    for (const auto& [error, r] : borne_responses()) {
        CAPTURE(r.sentence);
        response_parser parser;
        parser.start(r.when.kind);
        std::string_view window = r.text;
        parse_result step;
        do {
            step = parser.parse(window);
            window.remove_prefix(step.consumed);
        } while (step.event != parse_event::end && step.event != parse_event::failed &&
                 step.event != parse_event::need_more);
        CHECK(step.error == (error == errc::bad_field_folding ? error : errc{}));
    }
}

TEST_CASE("a_fold_is_refused_where_the_window_is_taken_back_before_the_head_is_complete") {
    std::string text = ok("A: b\r\n c\r\n\r\n");
    const std::string before = text;
    response_parser parser;
    REQUIRE(parser.parse(text.data(), text.size() - 2).event == parse_event::need_more);
    CHECK(parser.parse(std::string_view(text)).error == errc::bad_field_folding);
    CHECK(text == before);
}

TEST_CASE("a_fold_at_any_place_is_a_space_or_refused") {
    std::size_t borne = 0;
    for (const accepted_response& r : accepted_responses()) {
        CAPTURE(r.sentence);
        for (const std::string_view fold : {"\r\n ", "\r\n\t", " \r\n \t"}) {
            for (std::size_t at = 0; at <= lines_end(r.text); ++at) {
                CAPTURE(at);
                // At the begin of a line it would be an empty line.
                if (at >= 2 && r.text.substr(at - 2, 2) == "\r\n" && fold.starts_with("\r\n")) continue;
                const auto with = [&](std::string_view text) {
                    return r.text.substr(0, at) + std::string(text) + r.text.substr(at);
                };
                outcome folded = deliver_whole(with(fold), r.when);
                REQUIRE(deliver_bytewise(with(fold), r.when) == folded);
                if (folded.error != errc{}) continue;
                outcome spaced = deliver_whole(with(" "), r.when);
                collapse_spaces(spaced);
                collapse_spaces(folded);
                const bool same_framing = folded.kind == spaced.kind && folded.body == spaced.body &&
                                          folded.content_length == spaced.content_length;
                REQUIRE(same_framing);
                REQUIRE((!folded.keep_alive || spaced.keep_alive));
                // A fold in Connection or Keep-Alive costs the connection; between values it may be one more.
                spaced.consumed = folded.consumed;
                spaced.keep_alive = folded.keep_alive;
                spaced.keep_alive_timeout = folded.keep_alive_timeout;
                REQUIRE(folded == spaced);
                ++borne;
            }
        }
    }
    CHECK(borne > 100);
}

TEST_CASE("folded_lines_count_as_lines_to_every_bound") {
    const std::string text = "HTTP/1.1 204 No Content\r\nA: b\r\n c\r\n d\r\nB: e\r\n\r\n";
    const auto error_under = [&](const std::string& what, const http::limits& bounds) {
        CHECK(pieces_do_not_matter(what, {.bounds = bounds}));
        return make_error_code(deliver_whole(what, {.bounds = bounds}).error);
    };
    CHECK(error_under(text, {.max_fields = 4}) == make_error_code(errc{}));
    CHECK(error_under(text, {.max_fields = 3}) == errc::too_many_fields);
    CHECK(error_under(text, {.max_fields = 2}) == errc::too_many_fields);
    std::string large = "HTTP/1.1 204 No Content\r\nA: b\r\n";
    while (large.size() < 200) large += " c\r\n";
    large += "\r\n";
    CHECK(error_under(large, {.max_head_bytes = large.size()}) == make_error_code(errc{}));
    CHECK(error_under(large, {.max_head_bytes = large.size() - 1}) == errc::head_too_large);
    CHECK(error_under(large, {.max_head_bytes = 100}) == errc::head_too_large);

    const std::string endless = "HTTP/1.1 204 No Content\r\nA: b\r\n " + std::string(100, ' ');
    CHECK(error_under(endless, {.max_head_bytes = 100}) == errc::head_too_large);
    const std::string trailer = in_chunks("0\r\nA: b\r\n c\r\n\r\n");
    CHECK(error_under(trailer, {.max_trailer_bytes = 10}) == make_error_code(errc{}));
    CHECK(error_under(trailer, {.max_trailer_bytes = 9}) == errc::trailer_too_large);
}

TEST_CASE("a_status_beyond_those_of_http_ends_in_nothing_but_a_final_response") {
    for (int status = 600; status <= 999; ++status) {
        const std::string text = "HTTP/1.1 " + std::to_string(status) + " \r\nContent-Length: 2\r\n\r\nhi";
        for (const situation& when : {plain, upgrading, after_connect}) {
            const outcome got = deliver_whole(text, when);
            REQUIRE(got.complete);
            REQUIRE(got.head->status == status);
            REQUIRE(got.body == "hi");
            REQUIRE(got.interim.empty());
            REQUIRE_FALSE(got.switched);
        }
    }
}
