// A request leaves whole, in whatever portions the socket takes it.
#include "hotpool/exchange/request_writer.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "support/catch.hpp"

using namespace hotpool;
using hotpool::detail::request_writer;

namespace {

/// Yields `text` in portions of at most `portion` bytes.
http::body_source yielding(std::string text, std::size_t portion) {
    return [text = std::move(text), portion, at = std::size_t{0}](std::span<char> room) mutable {
        const std::size_t size = std::min({room.size(), portion, text.size() - at});
        std::memcpy(room.data(), text.data() + at, size);
        at += size;
        return size;
    };
}

/// The bytes that a socket gets that takes `portion` at a time.
struct sent {
    std::string bytes;
    std::error_code error;
};

sent send(const request_builder& request, std::size_t portion, std::size_t first_portion = 0,
          const http::field_block* defaults = nullptr) {
    request_writer writer;
    sent result;
    if (const errc e = writer.start(request, "host", defaults); e != errc{}) return {"", e};
    if (first_portion == 0) first_portion = portion;
    for (;;) {
        if ((result.error = writer.refill())) return result;
        if (writer.at_rest()) break;
        const std::string offered = std::string(writer.front()) + std::string(writer.body());
        REQUIRE(!offered.empty());
        const std::size_t taken = std::min(offered.size(), std::exchange(first_portion, portion));
        result.bytes += offered.substr(0, taken);
        writer.wrote(taken);
    }
    CHECK(writer.written() == result.bytes.size());
    CHECK(writer.complete() == !writer.withheld());
    return result;
}

std::string body_of(std::string_view bytes) { return std::string(bytes.substr(bytes.find("\r\n\r\n") + 4)); }

std::string unchunked(std::string_view bytes) {
    std::string body;
    for (;;) {
        const std::size_t line_end = bytes.find("\r\n");
        const std::size_t size = std::stoul(std::string(bytes.substr(0, line_end)), nullptr, 16);
        if (size == 0) return bytes.substr(line_end) == "\r\n\r\n" ? body : "no end";
        body += bytes.substr(line_end + 2, size);
        bytes.remove_prefix(line_end + 2 + size + 2);
    }
}

}  // namespace

TEST_CASE("request_without_body_is_its_head", "[exchange]") {
    CHECK(send(request_builder("GET", "/"), 1000).bytes ==
          "GET / HTTP/1.1\r\nHost: host\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("text_body_follows_the_head_from_where_it_lies", "[exchange]") {
    request_builder request("POST", "/");
    request.body("some text");
    request_writer writer;
    REQUIRE(writer.start(request, "host", nullptr) == errc{});
    CHECK(writer.body().data() == request.body_view().data());
    CHECK(send(request, 1000).bytes ==
          "POST / HTTP/1.1\r\nHost: host\r\nConnection: keep-alive\r\nContent-Length: 9\r\n\r\nsome text");
}

TEST_CASE("defaults_are_sent_with_the_request", "[exchange]") {
    http::field_block defaults;
    REQUIRE(defaults.append("User-Agent", "x") == errc{});
    CHECK(send(request_builder("GET", "/"), 1000, 0, &defaults).bytes.find("\r\nUser-Agent: x\r\n") !=
          std::string::npos);
}

TEST_CASE("refused_request_gives_no_bytes", "[exchange]") {
    const sent nothing = send(request_builder("GET", "/ /"), 1000);
    CHECK(nothing.error == errc::invalid_target);
    CHECK(nothing.bytes.empty());
}

TEST_CASE("partial_writes_at_every_split_give_the_same_bytes", "[exchange]") {
    const auto all_splits = [](auto make) {
        const std::string whole = send(make(), 100'000).bytes;
        for (std::size_t first = 1; first <= whole.size(); ++first)
            CHECK((send(make(), 100'000, first).bytes == whole));
        CHECK((send(make(), 1).bytes == whole));
    };
    all_splits([] { return request_builder("GET", "/"); });
    all_splits([] { return request_builder("PUT", "/").body("some text"); });
    all_splits([] { return request_builder("PUT", "/").body_source(yielding("some text", 4)); });
    all_splits([] { return request_builder("PUT", "/").body_source(yielding("some text", 4), 9); });
}

TEST_CASE("source_of_unknown_length_is_sent_in_chunks", "[exchange]") {
    const std::string text(50'000, 's');
    for (const std::size_t portion : {std::size_t{1'000}, std::size_t{50'000}}) {
        const sent all = send(request_builder("POST", "/").body_source(yielding(text, portion)), 777);
        CHECK_FALSE(all.error);
        CHECK((unchunked(body_of(all.bytes)) == text));
    }
    CHECK(body_of(send(request_builder("POST", "/").body_source(yielding("", 1)), 777).bytes) == "0\r\n\r\n");
    CHECK(body_of(send(request_builder("POST", "/").body_source(yielding("abc", 2)), 777).bytes) ==
          "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
}

TEST_CASE("source_of_known_length_is_sent_as_it_is", "[exchange]") {
    const std::string text(50'000, 's');
    const sent all = send(request_builder("POST", "/").body_source(yielding(text, 9'999), text.size()), 777);
    CHECK_FALSE(all.error);
    CHECK((body_of(all.bytes) == text));
    CHECK(body_of(send(request_builder("POST", "/").body_source(yielding("", 1), 0), 777).bytes).empty());
}

TEST_CASE("source_that_breaks_its_promise_of_length_fails", "[exchange]") {
    const auto promise = [](std::uint64_t length, std::size_t portion) {
        return send(request_builder("POST", "/").body_source(yielding("0123456789", portion), length), 777);
    };
    for (const std::size_t portion : {std::size_t{1}, std::size_t{10}}) {
        CHECK(promise(11, portion).error == errc::body_length_mismatch);
        const sent excess = promise(9, portion);
        CHECK(excess.error == errc::body_length_mismatch);
        CHECK(body_of(excess.bytes).size() <= 9);  // what is too much does not leave
        CHECK_FALSE(promise(10, portion).error);
    }
}

TEST_CASE("failure_of_the_source_is_reported", "[exchange]") {
    const auto failing = [](std::span<char> room, std::error_code& error) -> std::size_t {
        room[0] = 'x';
        error = std::make_error_code(std::errc::io_error);
        return 1;
    };
    for (const auto length : {std::optional<std::uint64_t>{}, std::optional<std::uint64_t>{5}}) {
        const sent begun = send(request_builder("POST", "/").body_source(failing, length), 777);
        CHECK(begun.error == std::errc::io_error);
        CHECK(body_of(begun.bytes).empty());
    }
    const auto throwing = [](std::span<char>) -> std::size_t { throw std::bad_alloc(); };
    CHECK(send(request_builder("POST", "/").body_source(throwing), 777).error == errc::body_source_failed);
}

TEST_CASE("body_is_withheld_until_it_is_released", "[exchange]") {
    const auto check = [](request_builder request, std::string_view on_the_wire) {
        request.expect_continue();
        request_writer writer;
        REQUIRE(writer.start(request, "host", nullptr) == errc{});
        CHECK(writer.withheld());
        CHECK_FALSE(writer.refill());
        CHECK(writer.body().empty());
        CHECK(writer.front().ends_with("Expect: 100-continue\r\n\r\n"));
        writer.wrote(writer.front().size());
        CHECK(writer.at_rest());
        CHECK_FALSE(writer.complete());

        writer.release_body();
        CHECK_FALSE(writer.complete());
        std::string body;
        for (;;) {
            REQUIRE_FALSE(writer.refill());
            if (writer.at_rest()) break;
            const std::string offered = std::string(writer.front()) + std::string(writer.body());
            body += offered;
            writer.wrote(offered.size());
        }
        CHECK(body == on_the_wire);
        CHECK(writer.complete());
    };
    check(request_builder("PUT", "/").body("text"), "text");
    check(request_builder("PUT", "/").body_source(yielding("text", 9)), "4\r\ntext\r\n0\r\n\r\n");
    check(request_builder("PUT", "/").body_source(yielding("text", 9), 4), "text");
}

TEST_CASE("writer_starts_afresh", "[exchange]") {
    request_builder request("PUT", "/");
    request.body("text");
    request_writer writer;
    REQUIRE(writer.start(request, "host", nullptr) == errc{});
    const std::string head(writer.front());
    writer.wrote(head.size() + 2);
    REQUIRE(writer.start(request, "host", nullptr) == errc{});
    CHECK(writer.written() == 0);
    CHECK(writer.front() == head);
    CHECK(writer.body() == "text");
}
