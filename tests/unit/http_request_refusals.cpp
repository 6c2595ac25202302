// Requests that the builder refuses: the error names the part, and nothing is written.
#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/request_builder.hpp"
#include "support/catch.hpp"

#include <span>
#include <string>
#include <string_view>

using namespace hotpool;

namespace {

void check_refused(const request_builder& request, errc wanted) {
    CHECK(make_error_code(request.error()) == make_error_code(wanted));
    CHECK(make_error_code(request.error()) == condition::bad_request);
    base::byte_buffer out;
    CHECK(request.write_head(out, "example.com") == wanted);
    CHECK(out.empty());
}

request_builder get() { return {"GET", "/"}; }
request_builder post() { return {"POST", "/"}; }

std::size_t pull_nothing(std::span<char>) { return 0; }

}  // namespace

TEST_CASE("a_method_that_is_not_a_token_is_refused") {
    for (const std::string_view method : {"", " ", "GET ", " GET", "G T", "GET\r\n", "G(T", "GET:", "G\x80T"})
        check_refused({method, "/"}, errc::invalid_method);
    check_refused({std::string_view("G\0T", 3), "/"}, errc::invalid_method);
}

TEST_CASE("a_target_of_no_form_that_the_method_allows_is_refused") {
    for (const std::string_view target : {"",
                                          "index.html",
                                          "/a b",
                                          "/a\r\nX: y",
                                          "/\n",
                                          "/\x7f",
                                          "/\xc3\xa4",
                                          "/a#b",
                                          "*",
                                          "?q",
                                          "http:/a",
                                          "http://",
                                          "http:///path",
                                          "://a/",
                                          "1http://a/",
                                          "ht tp://a/",
                                          "http://user@a/",
                                          "http://a:0/",
                                          "http://a:b/",
                                          "http://[::1/",
                                          "example.com:443"})
        check_refused({"GET", target}, errc::invalid_target);
    check_refused({"GET", std::string_view("/\0", 2)}, errc::invalid_target);
    for (const std::string_view target : {"/", "*", "a", "a:", "a:x", "a:65536", ":443", "http://a:443/", "u@a:443"})
        check_refused({"CONNECT", target}, errc::invalid_target);
    CHECK(request_builder("OPTIONS", "*").error() == errc{});
    CHECK(request_builder("OPTIONS", "/*").error() == errc{});
    check_refused({"OPTIONS", "**"}, errc::invalid_target);
}

TEST_CASE("a_field_name_that_is_not_a_token_is_refused") {
    for (const std::string_view name : {"", " A", "A ", "A B", "A:", "A\r\nB", "A\n", "\xc3\xa4", "A(b)"}) {
        check_refused(get().header(name, "x"), errc::invalid_field_name);
        check_refused(get().set_header(name, "x"), errc::invalid_field_name);
    }
    check_refused(get().header(std::string_view("A\0", 2), "x"), errc::invalid_field_name);
}

TEST_CASE("a_field_value_with_a_control_character_is_refused") {
    for (int c = 0; c < 256; ++c) {
        CAPTURE(c);
        const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        const std::string value = "a" + std::string(1, static_cast<char>(c)) + "b";
        CHECK(get().header("A", value).error() == (control ? errc::invalid_field_value : errc{}));
        CHECK(get().set_header("A", value).error() == (control ? errc::invalid_field_value : errc{}));
    }
    check_refused(get().header("A", "b\r\nC: d"), errc::invalid_field_value);
    check_refused(get().header("A", "\r"), errc::invalid_field_value);
    check_refused(get().header("A", "b\n"), errc::invalid_field_value);
}

TEST_CASE("fields_that_only_the_library_can_write_truthfully_are_refused") {
    check_refused(post().header("Transfer-Encoding", "chunked"), errc::reserved_field);
    check_refused(post().header("transfer-encoding", "identity"), errc::reserved_field);
    check_refused(post().set_header("TRANSFER-ENCODING", "gzip"), errc::reserved_field);
    check_refused(post().header("Expect", "100-continue"), errc::reserved_field);
}

TEST_CASE("host_is_one_valid_host") {
    for (const std::string_view host :
         {"", "a b", "a/b", "a,b", "u@a", "a:", "a:0", "a:65536", "::1", "[::1", "[a]", "a%zz", "http://a"})
        check_refused(get().header("Host", host), errc::invalid_host);
    for (const std::string_view host : {"a", "a:1", "a.b-c_d:65535", "127.0.0.1", "[::1]", "[::1]:8080", "a%20b"})
        CHECK(get().header("Host", host).error() == errc{});
    check_refused(get().header("Host", "a").header("host", "a"), errc::repeated_field);
    CHECK(get().header("Host", "a").set_header("host", "b").error() == errc{});
}

TEST_CASE("content_length_is_one_true_number") {
    for (const std::string_view length : {"", "x", "-5", "+5", "5,5", "5 5", "18446744073709551616"})
        check_refused(post().body("hello").header("Content-Length", length), errc::invalid_field_value);
    check_refused(post().body("hello").header("Content-Length", "4"), errc::body_length_mismatch);
    check_refused(post().header("Content-Length", "4").body("hello"), errc::body_length_mismatch);
    check_refused(post().header("Content-Length", "4"), errc::body_length_mismatch);
    check_refused(post().body_source(pull_nothing, 5).header("Content-Length", "4"), errc::body_length_mismatch);
    check_refused(post().body("hello").header("Content-Length", "5").header("Content-Length", "5"),
                  errc::repeated_field);
    CHECK(get().header("Content-Length", "0").error() == errc{});
    CHECK(post().body("hello").header("Content-Length", "4").set_header("Content-Length", "5").error() == errc{});
}

TEST_CASE("trace_and_connect_have_no_body") {
    check_refused(request_builder{"TRACE", "/"}.body("x"), errc::body_not_allowed);
    check_refused(request_builder{"CONNECT", "a:443"}.body("x"), errc::body_not_allowed);
    check_refused(request_builder{"TRACE", "/"}.body_source(pull_nothing), errc::body_not_allowed);
    CHECK(request_builder{"TRACE", "/"}.body("").error() == errc{});
    CHECK(get().body("x").error() == errc{});
}

TEST_CASE("the_first_refusal_is_remembered") {
    check_refused(request_builder{"G T", "bad"}.header("bad name", "x"), errc::invalid_method);
    check_refused(get().header("A", "\n").header("bad name", "x").set_header("A", "fine"), errc::invalid_field_value);
}

TEST_CASE("every_refusal_of_the_builders_own_has_a_name_and_a_message") {
    for (auto e = errc::invalid_method; e <= errc::body_not_replayable;
         e = static_cast<errc>(static_cast<int>(e) + 1)) {
        CHECK(make_error_code(e) == condition::bad_request);
        CHECK(make_error_code(e).message() != make_error_code(errc{}).message());
    }
}
