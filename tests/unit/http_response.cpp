// Responses that the parser accepts, and what it makes of them.
#include "support/catch.hpp"
#include "unit/http_collect.hpp"
#include "unit/http_corpus.hpp"

#include <chrono>
#include <string>
#include <string_view>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

TEST_CASE("accepted_responses_are_read_as_they_are_meant") {
    for (const accepted_response& r : accepted_responses()) {
        CAPTURE(r.sentence);
        const outcome got = deliver_whole(r.text, r.when);
        CHECK(got.error == errc{});
        CHECK(got.complete);
        REQUIRE(got.head);
        CHECK(got.head->status == r.wanted.status);
        CHECK(got.body == r.wanted.body);
        CHECK(got.kind == r.wanted.kind);
        CHECK(got.keep_alive == r.wanted.keep_alive);
        CHECK(got.consumed == r.text.size());
    }
}

TEST_CASE("accepted_responses_read_the_same_in_any_two_pieces_and_byte_by_byte") {
    for (const accepted_response& r : accepted_responses()) {
        CAPTURE(r.sentence);
        CHECK(pieces_do_not_matter(r.text, r.when));
    }
}

TEST_CASE("bytes_behind_a_response_are_left_alone") {
    for (const accepted_response& r : accepted_responses()) {
        if (r.when.eof) continue;  // only the end of the connection ends such a body
        CAPTURE(r.sentence);
        for (const std::string_view more : {"HTTP/1.1 200 OK\r\n", "\r\n", "\n", "x"}) {
            const std::string text = r.text + std::string(more);
            const outcome got = deliver_whole(text, r.when);
            CHECK(got == deliver_whole(r.text, r.when));
            CHECK(got.consumed == r.text.size());
            CHECK(pieces_do_not_matter(text, r.when));
        }
    }
}

TEST_CASE("a_head_is_told_with_its_reason_and_its_fields_in_order") {
    const outcome got = deliver_whole(
        "HTTP/1.0 404 Not  Found \r\nServer: x\r\nSet-Cookie: a=1\r\nSet-Cookie:\tb=2; Path=/ \r\nE:\r\n"
        "Content-Length: 0\r\n\r\n");
    const seen_head wanted{
        404,
        0,
        "Not  Found ",
        {{"Server", "x"}, {"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2; Path=/"}, {"E", ""}, {"Content-Length", "0"}}};
    REQUIRE(got.head);
    CHECK(*got.head == wanted);
}

TEST_CASE("a_reason_may_be_empty_or_missing") {
    CHECK(deliver_whole("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").head->reason.empty());
    CHECK(deliver_whole("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").head->reason.empty());
    CHECK(deliver_whole("HTTP/1.1 200  \r\nContent-Length: 0\r\n\r\n").head->reason == " ");
}

TEST_CASE("interim_heads_are_told_one_by_one_before_the_final_head") {
    const std::string_view interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    const outcome got = deliver_whole(std::string(interim) + ok("Content-Length: 0\r\n\r\n"));
    REQUIRE(got.interim.size() == 2);
    CHECK(got.interim[0] == seen_head{100, 1, "Continue", {}});
    CHECK(got.interim[1] == seen_head{103, 1, "Early Hints", {{"Link", "</a>"}}});
    CHECK(got.head->status == 200);
}

TEST_CASE("the_length_is_known_where_no_body_follows") {
    CHECK(deliver_whole(ok("Content-Length: 7\r\n\r\n"), after_head).content_length == 7u);
    CHECK(deliver_whole("HTTP/1.1 304 OK\r\nContent-Length: 7\r\n\r\n").content_length == 7u);
    CHECK(deliver_whole("HTTP/1.1 304 OK\r\n\r\n").content_length == std::nullopt);
}

TEST_CASE("101_and_a_tunnel_switch_the_connection_nothing_else_does") {
    for (const accepted_response& r : accepted_responses()) {
        CAPTURE(r.sentence);
        const bool switching =
            r.wanted.status == 101 || (r.when.kind == request_kind::connect && r.wanted.status < 300);
        CHECK(deliver_whole(r.text, r.when).switched == switching);
    }
}

TEST_CASE("the_keep_alive_timeout_is_taken_where_it_can_be_understood") {
    const auto timeout_of = [](std::string_view fields) {
        const std::string text = ok("Content-Length: 0\r\n" + std::string(fields) + "\r\n");
        const outcome got = deliver_whole(text);
        CHECK(got.complete);
        return got.keep_alive_timeout;
    };
    CHECK(timeout_of("") == std::nullopt);
    CHECK(timeout_of("Keep-Alive: timeout=5\r\n") == 5s);
    CHECK(timeout_of("Keep-Alive: timeout=0\r\n") == 0s);
    CHECK(timeout_of("keep-alive: TIMEOUT=15, max=100\r\n") == 15s);
    CHECK(timeout_of("Keep-Alive: max=100 ,timeout=15\r\n") == 15s);
    CHECK(timeout_of("Keep-Alive: timeout=15\r\nKeep-Alive: timeout=7\r\nKeep-Alive: timeout=9\r\n") == 7s);
    CHECK(timeout_of("Keep-Alive: timeout=2147483647\r\n") == 2147483647s);
    for (const std::string_view malformed : {"", "timeout", "timeout=", "timeout=-1", "timeout=5s", "timeout= 5",
                                             "timeout=2147483648", "timeout=99999999999999999999", "max=5", ",,"})
        CHECK(timeout_of("Keep-Alive: " + std::string(malformed) + "\r\n") == std::nullopt);
}

TEST_CASE("body_bytes_are_handed_out_where_they_lie_all_there_are_at_once") {
    response_parser parser;
    const std::string text = ok("Content-Length: 10\r\n\r\n0123456");
    const parse_result head = parser.parse(text);
    REQUIRE(head.event == parse_event::head);
    CHECK(parser.remaining_body_hint() == 10);
    CHECK_FALSE(parser.complete());

    const std::string_view rest = std::string_view(text).substr(head.consumed);
    const parse_result first = parser.parse(rest);
    CHECK(first.event == parse_event::body);
    CHECK(first.piece.data() == rest.data());
    CHECK(first.piece == "0123456");
    CHECK(first.consumed == 7);
    CHECK(parser.remaining_body_hint() == 3);
    CHECK(parser.parse({}).event == parse_event::need_more);

    const parse_result second = parser.parse("789HTTP/1.1");
    CHECK(second.piece == "789");
    CHECK(second.consumed == 3);
    CHECK(parser.remaining_body_hint() == 0);
    CHECK(parser.complete());
    CHECK(parser.parse("HTTP/1.1").event == parse_event::end);
    CHECK(parser.parse("HTTP/1.1").consumed == 0);
}

TEST_CASE("how_much_is_still_to_come_is_unknown_for_chunks_and_until_close") {
    for (const std::string_view fields : {"Transfer-Encoding: chunked\r\n", ""}) {
        response_parser parser;
        REQUIRE(parser.parse(ok(std::string(fields) + "\r\n")).event == parse_event::head);
        CHECK(parser.remaining_body_hint() == 0);
    }
}

TEST_CASE("the_positions_of_a_head_hold_wherever_its_text_is_moved") {
    response_parser parser;
    std::string text = "HTTP/1.1 200 All right\r\nA: b\r\nContent-Length: 0\r\n\r\n";
    REQUIRE(parser.parse(text).event == parse_event::head);
    const http::response_head head = parser.head();
    const std::string moved = text + "behind";
    text.assign(text.size(), '!');
    CHECK(head.reason(moved) == "All right");
    CHECK(head.fields(moved).find("a") == "b");
    CHECK(head.fields(moved).text() == "A: b\r\nContent-Length: 0\r\n");
}

TEST_CASE("one_parser_reads_one_response_after_another") {
    response_parser parser;
    std::string window = ok("Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
    window += "HTTP/1.1 204 No Content\r\n\r\n" + ok("Content-Length: 1\r\n\r\nb");
    std::string bodies;
    for (const bool last : {false, false, true}) {
        parser.start(request_kind::plain);
        CHECK_FALSE(parser.begun());
        for (;;) {
            const parse_result step = parser.parse(window);
            REQUIRE(step.event != parse_event::failed);
            REQUIRE(step.event != parse_event::need_more);
            bodies += step.piece;
            window.erase(0, step.consumed);
            if (step.event == parse_event::end) break;
        }
        CHECK(parser.keep_alive() == (parser.body() != body_kind::chunked));
        CHECK(window.empty() == last);
    }
    CHECK(bodies == "ab");
}
