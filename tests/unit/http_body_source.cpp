// Streamed request bodies: where they come from and how they are chunked.
#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/http/body_source.hpp"
#include "hotpool/http/chunk_writer.hpp"
#include "hotpool/request_builder.hpp"
#include "support/catch.hpp"
#include "unit/http_collect.hpp"
#include "unit/http_corpus.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

using namespace hotpool;
using http::body_source;

namespace {

std::string read_all(const body_source& source, std::error_code& error) {
    std::string all;
    std::array<char, 4> room;
    while (const std::size_t size = source.pull(room, error)) all.append(room.data(), size);
    return all;
}

/// Yields a text again and again, as often as it is rewound.
struct text_reader {
    std::string text;
    std::size_t at = 0;
    std::size_t read(std::span<char> room) {
        const std::size_t size = std::min(room.size(), text.size() - at);
        std::memcpy(room.data(), text.data() + at, size);
        at += size;
        return size;
    }
};

}  // namespace

TEST_CASE("a_source_yields_what_its_callable_writes") {
    text_reader reader{"hello world"};
    const body_source source([&](std::span<char> room) { return reader.read(room); });
    std::error_code error;
    CHECK(read_all(source, error) == "hello world");
    CHECK_FALSE(error);
}

TEST_CASE("a_source_may_own_what_cannot_be_copied") {
    const body_source source([owned = std::make_unique<text_reader>(text_reader{"abc"})](std::span<char> room) {
        return owned->read(room);
    });
    std::error_code error;
    CHECK(read_all(source, error) == "abc");
}

TEST_CASE("a_source_says_that_it_failed") {
    std::error_code error;
    const body_source reports([](std::span<char>, std::error_code& e) {
        e = std::make_error_code(std::errc::io_error);
        return std::size_t{1};
    });
    CHECK(read_all(reports, error).empty());
    CHECK(error == std::errc::io_error);

    const body_source throws([](std::span<char>) -> std::size_t { throw std::runtime_error("broken"); });
    CHECK(read_all(throws, error).empty());
    CHECK(error == errc::body_source_failed);

    const body_source lies([](std::span<char> room) { return room.size() + 1; });
    CHECK(read_all(lies, error).empty());
    CHECK(error == errc::body_source_failed);

    const body_source fine([](std::span<char>) { return std::size_t{0}; });
    CHECK(read_all(fine, error).empty());
    CHECK_FALSE(error);
}

TEST_CASE("a_source_can_be_replayed_only_if_it_has_a_way_back") {
    text_reader reader{"hello"};
    const auto pull = [&](std::span<char> room) { return reader.read(room); };
    const auto rewind = [&] {
        reader.at = 0;
        return true;
    };
    request_builder request{"PUT", "/"};
    request.body_source(pull);
    CHECK_FALSE(request.replayable());
    CHECK(request.rewind() == errc::body_not_replayable);

    request.body_source({pull, rewind}, 5);
    CHECK(request.replayable());
    std::error_code error;
    CHECK(read_all(request.source(), error) == "hello");
    CHECK(read_all(request.source(), error).empty());
    CHECK(request.rewind() == errc{});
    CHECK(read_all(request.source(), error) == "hello");

    request.body_source({pull, [] { return false; }});
    CHECK(request.rewind() == errc::body_not_replayable);
    request.body_source({pull, []() -> bool { throw std::runtime_error("broken"); }});
    CHECK(request.rewind() == errc::body_not_replayable);
    request.body("hello");
    CHECK(request.rewind() == errc{});
}

TEST_CASE("chunks_are_written_with_their_size_and_nothing_for_no_data") {
    base::byte_buffer out;
    http::append_chunk(out, "hello");
    http::append_chunk(out, "");
    http::append_chunk(out, std::string(26, 'x'));
    out.append(http::last_chunk);
    CHECK(out.view() == "5\r\nhello\r\n1a\r\n" + std::string(26, 'x') + "\r\n0\r\n\r\n");
}

TEST_CASE("a_chunk_filled_in_place_takes_its_size_from_what_was_written") {
    for (const std::size_t room_size : {std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{4096}})
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{15}, std::size_t{16},
                                       std::size_t{255}, std::size_t{256}, std::size_t{4096}}) {
            if (size > room_size) continue;
            CAPTURE(room_size, size);
            std::string data(size, 'd');
            if (!data.empty()) data.front() = '<', data.back() = '>';
            base::byte_buffer out;
            out.append("before");
            const std::size_t written = http::append_chunk(out, room_size, [&](std::span<char> room) {
                CHECK(room.size() == room_size);
                std::memcpy(room.data(), data.data(), data.size());
                return data.size();
            });
            CHECK(written == size);
            base::byte_buffer wanted;
            wanted.append("before");
            http::append_chunk(wanted, data);
            CHECK(out.view() == wanted.view());
        }
}

TEST_CASE("what_the_chunk_writer_writes_the_response_parser_reads") {
    text_reader reader{std::string(10000, 'a') + "\r\n0\r\n\r\n" + std::string(500, 'b')};
    const body_source source([&](std::span<char> room) { return reader.read(room.first(room.size() / 2 + 1)); });
    base::byte_buffer out;
    out.append(test::chunked_head);
    std::error_code error;
    while (http::append_chunk(out, 1000, [&](std::span<char> room) { return source.pull(room, error); }) != 0) {
    }
    out.append(http::last_chunk);
    const test::outcome got = test::deliver_whole(out.view());
    CHECK(got.complete);
    CHECK(got.body == reader.text);
}
