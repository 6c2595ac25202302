// Requests that the builder accepts, and the bytes it makes of them.
#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/request_builder.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace hotpool;

namespace {

std::string head_of(const request_builder& request, const http::field_block* defaults = nullptr) {
    base::byte_buffer out;
    CHECK(request.write_head(out, "example.com", defaults) == errc{});
    return std::string(out.view());
}

/// A source that yields `text` piece by piece.
auto pull_from(std::string text, std::size_t piece = 3) {
    return [text = std::move(text), at = std::size_t{0}, piece](std::span<char> room) mutable {
        const std::size_t size = std::min({piece, room.size(), text.size() - at});
        std::memcpy(room.data(), text.data() + at, size);
        at += size;
        return size;
    };
}

/// A request taken apart in the most simple-minded way, knowing nothing of the builder.
struct naive_request {
    std::string start_line;
    std::vector<std::pair<std::string, std::string>> fields;

    explicit naive_request(std::string text) {
        REQUIRE(text.size() > 4);
        REQUIRE(text.substr(text.size() - 4) == "\r\n\r\n");
        text.resize(text.size() - 2);
        for (bool first = true; !text.empty(); first = false) {
            const std::string line = text.substr(0, text.find("\r\n"));
            text.erase(0, line.size() + 2);
            REQUIRE(line.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
            REQUIRE_FALSE(line.empty());
            if (first) start_line = line;
            if (first) continue;
            const std::size_t colon = line.find(": ");
            REQUIRE(colon != std::string::npos);
            fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
        }
    }

    std::size_t count(std::string_view name) const {
        return static_cast<std::size_t>(
            std::count_if(fields.begin(), fields.end(), [&](const auto& f) { return f.first == name; }));
    }
};

}  // namespace

TEST_CASE("a_request_without_anything_gets_host_and_keep_alive") {
    CHECK(head_of({"GET", "/"}) == "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("fields_are_sent_in_the_order_they_were_added_trimmed") {
    request_builder request{"GET", "/index.html?q=a|b"};
    request.header("Accept", "text/html")
        .header("Cookie", " \ta=1; b=\xc3\xa4\t ")
        .header("Accept", "")
        .header("X", "y");
    CHECK(head_of(request) ==
          "GET /index.html?q=a|b HTTP/1.1\r\nHost: example.com\r\nAccept: text/html\r\nCookie: a=1; "
          "b=\xc3\xa4\r\n"
          "Accept: \r\nX: y\r\nConnection: keep-alive\r\n\r\n");
    CHECK(request.has("ACCEPT"));
    CHECK_FALSE(request.has("Accep"));
}

TEST_CASE("setting_a_field_replaces_all_of_that_name") {
    request_builder request{"GET", "/"};
    request.header("A", "1").header("B", "2").header("a", "3").header("C", "4").set_header("A", "5");
    CHECK(head_of(request) ==
          "GET / HTTP/1.1\r\nHost: example.com\r\nB: 2\r\nC: 4\r\nA: 5\r\nConnection: keep-alive\r\n\r\n");
    request.set_header("a", "6").set_header("D", "7");
    CHECK(head_of(request) ==
          "GET / HTTP/1.1\r\nHost: example.com\r\nB: 2\r\nC: 4\r\na: 6\r\nD: 7\r\nConnection: "
          "keep-alive\r\n\r\n");
}

TEST_CASE("a_host_of_the_callers_own_replaces_the_origins") {
    request_builder request{"GET", "/"};
    request.header("host", "other:8080");
    const naive_request sent(head_of(request));
    CHECK(sent.count("Host") == 0);
    CHECK(sent.fields.front() == std::pair<std::string, std::string>{"host", "other:8080"});
    request.set_header("Host", "[::1]");
    CHECK(head_of(request) == "GET / HTTP/1.1\r\nHost: [::1]\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("a_target_that_names_its_host_decides_the_host_field") {
    CHECK(head_of({"GET", "http://a.example:81/x?y"}) ==
          "GET http://a.example:81/x?y HTTP/1.1\r\nHost: a.example:81\r\nConnection: keep-alive\r\n\r\n");
    CHECK(naive_request(head_of({"GET", "http://a.example?y"})).fields.front().second == "a.example");
    CHECK(naive_request(head_of({"GET", "http://[::1]"})).fields.front().second == "[::1]");
    CHECK(naive_request(head_of({"CONNECT", "a.example:443"})).fields.front().second == "a.example:443");
    CHECK(naive_request(head_of({"OPTIONS", "*"})).fields.front().second == "example.com");
    CHECK(naive_request(head_of({"GET", "/http://b/"})).fields.front().second == "example.com");
}

TEST_CASE("connection_is_the_callers_if_the_caller_sets_it") {
    request_builder request{"GET", "/"};
    CHECK(request.keep_alive());
    request.header("Connection", "TE");
    CHECK(request.keep_alive());
    request.header("connection", "x, Close");
    CHECK_FALSE(request.keep_alive());
    CHECK(head_of(request) == "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: TE\r\nconnection: x, Close\r\n\r\n");
}

TEST_CASE("an_upgrade_is_asked_for_by_its_field_and_named_in_connection") {
    request_builder request{"GET", "/chat"};
    CHECK_FALSE(request.wants_upgrade());
    request.header("Upgrade", "websocket");
    CHECK(request.wants_upgrade());
    CHECK(naive_request(head_of(request)).fields.back().second == "Upgrade");
    request.header("Connection", "keep-alive");
    CHECK_FALSE(request.wants_upgrade());
    request.set_header("Connection", "keep-alive, upgrade");
    CHECK(request.wants_upgrade());
}

TEST_CASE("a_body_as_text_is_sent_with_its_length") {
    request_builder request{"POST", "/"};
    request.body("hello");
    CHECK(head_of(request) ==
          "POST / HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n");
    CHECK(request.body_view() == "hello");
    CHECK(request.content_length() == 5u);
    CHECK(request.replayable());
    CHECK_FALSE(request.is_chunked());
    CHECK_FALSE(request.is_streamed());
    request.header("content-length", "5");
    CHECK(head_of(request) ==
          "POST / HTTP/1.1\r\nHost: example.com\r\ncontent-length: 5\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("only_methods_that_announce_a_body_say_that_there_is_none") {
    for (const std::string_view method : {"POST", "PUT", "PATCH"})
        CHECK(head_of({method, "/"}).find("Content-Length: 0\r\n") != std::string::npos);
    for (const std::string_view method : {"GET", "HEAD", "DELETE", "TRACE", "OPTIONS", "post"})
        CHECK(head_of({method, "/"}).find("Content-Length") == std::string::npos);
}

TEST_CASE("a_streamed_body_is_chunked_unless_its_length_is_known") {
    request_builder request{"POST", "/"};
    request.body_source(pull_from("hello"));
    CHECK(request.is_streamed());
    CHECK(request.is_chunked());
    CHECK(request.content_length() == std::nullopt);
    CHECK(naive_request(head_of(request)).count("Transfer-Encoding") == 1);
    CHECK(naive_request(head_of(request)).count("Content-Length") == 0);

    request.body_source(pull_from("hello"), 5);
    CHECK_FALSE(request.is_chunked());
    CHECK(request.content_length() == 5u);
    CHECK(naive_request(head_of(request)).fields.back() == std::pair<std::string, std::string>{"Content-Length", "5"});

    request.body_source(pull_from("hello")).header("Content-Length", "5");
    CHECK_FALSE(request.is_chunked());
    CHECK(request.content_length() == 5u);
    CHECK(naive_request(head_of(request)).count("Content-Length") == 1);

    request_builder empty{"GET", "/"};
    empty.body_source(pull_from(""), 0);
    CHECK(naive_request(head_of(empty)).fields.back().second == "0");
}

TEST_CASE("the_last_body_given_counts") {
    request_builder request{"POST", "/"};
    request.body_source(pull_from("x"), 1).body("hello");
    CHECK_FALSE(request.is_streamed());
    CHECK(request.content_length() == 5u);
    request.body_source(pull_from("x"));
    CHECK(request.body_view().empty());
    CHECK(request.is_chunked());
}

TEST_CASE("100_continue_is_asked_for_only_with_a_body") {
    request_builder request{"POST", "/"};
    request.expect_continue();
    CHECK_FALSE(request.expects_continue());
    CHECK(naive_request(head_of(request)).count("Expect") == 0);
    request.body("hello");
    CHECK(request.expects_continue());
    CHECK(naive_request(head_of(request)).fields.back() ==
          std::pair<std::string, std::string>{"Expect", "100-continue"});
    request.body_source(pull_from(""), 0);
    CHECK_FALSE(request.expects_continue());
    request.body_source(pull_from(""));
    CHECK(request.expects_continue());
}

TEST_CASE("methods_decide_about_retries_and_about_the_response") {
    for (const std::string_view method : {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
        CHECK(request_builder(method, "/").is_idempotent());
    for (const std::string_view method : {"POST", "PATCH", "get", "PROPFIND"}) {
        request_builder request{method, "/"};
        CHECK_FALSE(request.is_idempotent());
        CHECK(request.header("idempotency-key", "1").is_idempotent());
    }
    CHECK(request_builder("GET", "/").kind() == request_kind::plain);
    CHECK(request_builder("head", "/").kind() == request_kind::plain);
    CHECK(request_builder("HEAD", "/").kind() == request_kind::head);
    CHECK(request_builder("CONNECT", "a:1").kind() == request_kind::connect);
}

TEST_CASE("defaults_are_sent_unless_the_request_has_that_field_or_the_library_writes_it") {
    http::field_block defaults;
    CHECK(defaults.append("User-Agent", "x/1") == errc{});
    CHECK(defaults.append("Accept", "*/*") == errc{});
    request_builder request{"GET", "/"};
    CHECK(head_of(request, &defaults) ==
          "GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: x/1\r\nAccept: */*\r\nConnection: "
          "keep-alive\r\n\r\n");
    request.header("accept", "text/html");
    CHECK(head_of(request, &defaults) ==
          "GET / HTTP/1.1\r\nHost: example.com\r\naccept: text/html\r\nUser-Agent: x/1\r\n"
          "Connection: keep-alive\r\n\r\n");
    const std::string before = head_of(request, &defaults);
    for (const std::string_view managed : {"Host", "CONNECTION", "Content-Length", "transfer-encoding", "Expect"}) {
        CHECK(http::is_managed_field(managed));
        CHECK(defaults.append(managed, "1") == errc{});
        CHECK(head_of(request, &defaults) == before);
    }
}

TEST_CASE("a_reset_request_is_as_good_as_new") {
    request_builder request{"POST", "/a"};
    request.header("A", "b").header("Connection", "close").body("hello").expect_continue().header("bad name", "");
    CHECK(request.error() != errc{});
    request.reset("GET", "/b");
    CHECK(request.error() == errc{});
    CHECK(request.method() == "GET");
    CHECK(request.target() == "/b");
    CHECK(head_of(request) == head_of({"GET", "/b"}));
    request.body_source(pull_from("x"), 1).reset("POST", "/");
    CHECK(head_of(request) == head_of({"POST", "/"}));
}

TEST_CASE("a_copied_request_is_a_request_of_its_own") {
    request_builder request{"GET", "/a"};
    request.header("A", "b");
    request_builder copy = request;
    request.reset("PUT", "/b");
    CHECK(copy.method() == "GET");
    CHECK(copy.target() == "/a");
    CHECK(copy.has("a"));
    const request_builder moved = std::move(copy);
    CHECK(moved.method() == "GET");
    CHECK(head_of(moved) == "GET /a HTTP/1.1\r\nHost: example.com\r\nA: b\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("heads_are_appended_one_behind_the_other") {
    base::byte_buffer out;
    const request_builder request{"GET", "/"};
    CHECK(request.write_head(out, "a") == errc{});
    const std::string first(out.view());
    CHECK(request.write_head(out, "a") == errc{});
    CHECK(out.view() == first + first);
}

TEST_CASE("random_requests_read_back_as_they_were_described") {
    std::mt19937 random(3);
    const auto up_to = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>{0, most}(random); };
    const auto text_of = [&](std::string_view alphabet, std::size_t size) {
        std::string text;
        while (text.size() < size) text += alphabet[up_to(alphabet.size() - 1)];
        return text;
    };
    for (int round = 0; round < 500; ++round) {
        const std::string method = text_of("ABCxyz!-_09", 1 + up_to(6));
        const std::string target = "/" + text_of("abc/?=&%:@~*", up_to(30));
        request_builder request{method, target};
        std::vector<std::pair<std::string, std::string>> wanted{{"Host", "example.com"}};
        for (std::size_t count = up_to(8); count > 0; --count) {
            wanted.emplace_back("x" + text_of("abc-019!", up_to(20)), text_of("abc:;,\"=", up_to(30)));
            request.header(wanted.back().first, " " + wanted.back().second + "\t");
        }
        wanted.emplace_back("Connection", "keep-alive");
        const std::string body = text_of("\r\n ab", up_to(20));
        request.body(body);
        if (!body.empty()) wanted.emplace_back("Content-Length", std::to_string(body.size()));

        REQUIRE(request.error() == errc{});
        const naive_request sent(head_of(request));
        CHECK(sent.start_line == method + " " + target + " HTTP/1.1");
        CHECK(sent.fields == wanted);
    }
}
