// The bytes of replies.
#include "hotpool/inbound/reply.hpp"
#include "hotpool/response_parser.hpp"
#include "support/catch.hpp"

#include <memory>
#include <string>
#include <string_view>

using namespace hotpool;
using inbound::reply;
using inbound::reply_writer;

namespace {

std::string bytes_of(const reply& r, const reply_writer& how = {}) {
    base::byte_buffer out;
    how.write_head(out, r);
    out.append(how.body_of(r));
    return std::string(out.view());
}

}  // namespace

TEST_CASE("a_reply_is_its_status_line_its_length_its_fields_and_its_body") {
    CHECK(bytes_of(reply(200).header("Content-Type", " text/plain ").body("hello")) ==
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello");
    CHECK(bytes_of(reply()) == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    CHECK(bytes_of(reply(299).body("x")) == "HTTP/1.1 299 \r\nContent-Length: 1\r\n\r\nx");
}

TEST_CASE("a_shared_body_is_sent_as_one_of_its_own") {
    const auto text = std::make_shared<const std::string>("shared");
    reply r;
    r.body("own").body(text);
    CHECK(r.shared_body() == text);
    CHECK(bytes_of(r) == "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nshared");
    r.body("own again");
    CHECK(r.shared_body() == nullptr);
    CHECK(bytes_of(r) == "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nown again");
}

TEST_CASE("what_the_connection_does_next_is_said_where_it_must_be") {
    CHECK(bytes_of(reply(), {.keep_alive = false}) ==
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK(bytes_of(reply(), {.http_1_0 = true}) ==
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(bytes_of(reply(), {.keep_alive = false, .http_1_0 = true}) ==
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

TEST_CASE("head_is_told_the_length_of_the_body_that_it_does_not_get") {
    CHECK(bytes_of(reply().body("hello"), {.head_only = true}) == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
}

TEST_CASE("204_and_304_have_neither_body_nor_length") {
    CHECK(bytes_of(reply(204).body("hello")) == "HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(bytes_of(reply(304).header("ETag", "\"a\"").body("hello"), {.head_only = true}) ==
          "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n");
}

TEST_CASE("what_must_not_be_sent_is_remembered") {
    const auto error_of = [](std::string_view name, std::string_view value) {
        return make_error_code(reply().header(name, value).header("Fine", "x").error());
    };
    CHECK(error_of("A", "b") == std::error_code(0, hotpool_category()));
    CHECK(error_of("A b", "c") == errc::invalid_field_name);
    CHECK(error_of("A", "b\r\nC: d") == errc::invalid_field_value);
    CHECK(error_of("content-Length", "1") == errc::reserved_field);
    CHECK(error_of("Transfer-Encoding", "chunked") == errc::reserved_field);
    CHECK(error_of("Connection", "upgrade") == errc::reserved_field);
    for (const unsigned status : {0u, 100u, 101u, 199u, 600u, 1000u})
        CHECK(make_error_code(reply(status).error()) == errc::bad_status_code);
}

TEST_CASE("the_response_parser_reads_every_reply_as_it_was_meant") {
    for (unsigned status = 200; status < 600; ++status) {
        for (const bool keep_alive : {true, false}) {
            CAPTURE(status, keep_alive);
            const reply r = std::move(reply(status).header("A", "b").body("hello"));
            const std::string text = bytes_of(r, {.keep_alive = keep_alive});
            response_parser parser;
            const parse_result head = parser.parse(text);
            REQUIRE(head.event == parse_event::head);
            CHECK(parser.status() == status);
            CHECK(parser.keep_alive() == keep_alive);
            CHECK(parser.head().fields(text).find("a") == "b");
            const std::string_view rest = std::string_view(text).substr(head.consumed);
            CHECK(rest == (status == 204 || status == 304 ? "" : "hello"));
        }
    }
}
