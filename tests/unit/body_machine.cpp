// Reading a body as a machine: every ending of it, in whatever pieces it comes and is taken.
#include "hotpool/exchange/body_machine.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "support/catch.hpp"
#include "unit/http_corpus.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using hotpool::detail::body_machine;
using order = body_machine::order;

namespace {

constexpr time_point noon{1h};

struct read_body {
    std::string text;
    bool complete = false;
    std::error_code failure;
    std::string behind;  ///< bytes behind the body

    friend bool operator==(const read_body&, const read_body&) = default;
};

/// The head of `text` has been read, and `with_head` bytes of what follows.
body_machine after_head_of(std::string_view text, std::size_t with_head = 0) {
    response_parser parser;
    parser.limit_body(http::unlimited);
    parse_result r;
    do {
        r = parser.parse(text);
        text.remove_prefix(r.consumed);
    } while (r.event == parse_event::interim_head);
    REQUIRE(r.event == parse_event::head);
    body_machine body;
    body.start(parser, text.substr(0, with_head), 0s);
    return body;
}
std::string_view behind_head(std::string_view text) { return text.substr(text.find("\r\n\r\n") + 4); }

/// Reads what is left: the peer's `bytes` come cut at `pieces`, and are taken `portion` at a time.
read_body read(body_machine& body, std::string_view bytes, const std::vector<std::size_t>& pieces, std::error_code end,
               std::size_t portion, bool directly = false) {
    read_body result;
    std::size_t come = 0;
    std::string own(16 * 1024, '\0');
    for (;;) {
        switch (body.next()) {
            case order::hand_out: {
                const std::size_t size = std::min(portion, body.piece().size());
                result.text += body.piece().substr(0, size);
                body.piece().remove_prefix(size);
                break;
            }
            case order::receive: {
                if (come == bytes.size()) {
                    if (!end) return result;
                    body.stream_ended(end);
                    break;
                }
                const auto cut = std::find_if(pieces.begin(), pieces.end(), [&](std::size_t at) { return at > come; });
                std::size_t size = bytes.size() - come;
                if (cut != pieces.end()) size = std::min(size, *cut - come);
                if (const std::size_t direct = directly ? body.direct_room(own.size()) : 0; direct != 0) {
                    size = std::min(size, direct);
                    std::memcpy(own.data(), bytes.data() + come, size);
                    body.received_directly({own.data(), size});
                    result.text.append(own, 0, size);
                } else {
                    char* const room = body.room(64);
                    size = std::min(size, body.room_size());
                    std::memcpy(room, bytes.data() + come, size);
                    body.received(size);
                }
                come += size;
                break;
            }
            case order::end:
                result.complete = true;
                result.behind = std::string(body.unparsed()) + std::string(bytes.substr(come));
                return result;
            case order::fail: result.failure = body.failure(); return result;
        }
    }
}

read_body read_whole(std::string_view text, std::error_code end = {}) {
    body_machine body = after_head_of(text);
    return read(body, behind_head(text), {}, end, text.size());
}

/// The same in every two-way split and byte by byte, wherever the head's read ended, however much is taken at once.
bool comes_to_the_same(std::string_view text, std::error_code end, const read_body& expected) {
    const std::string_view rest = behind_head(text);
    for (const std::size_t portion : {text.size(), std::size_t{1}, std::size_t{3}}) {
        for (std::size_t cut = 0; cut <= rest.size(); ++cut) {
            body_machine split = after_head_of(text);
            if (!(read(split, rest, {cut}, end, portion) == expected)) return false;
            body_machine with_head = after_head_of(text, cut);
            if (!(read(with_head, rest.substr(cut), {}, end, portion) == expected)) return false;
        }
        std::vector<std::size_t> each;
        for (std::size_t at = 1; at <= rest.size(); ++at) each.push_back(at);
        body_machine bytewise = after_head_of(text);
        if (!(read(bytewise, rest, each, end, portion) == expected)) return false;
    }
    return true;
}

const std::string length = ok("Content-Length: 11\r\n\r\nhello world");
const std::string chunks = in_chunks("5\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n");
const std::string until_close = ok("\r\nhello world");

}  // namespace

TEST_CASE("body_ends_by_what_the_peer_has_done", "[exchange]") {
    const std::error_code closed = errc::connection_closed;
    const std::error_code reset = errc::connection_reset;
    struct row {
        const char* sentence;
        std::string text;
        std::error_code end;
        read_body expected;
    };
    const std::vector<row> rows{
        {"a length", length, {}, {"hello world", true, {}, ""}},
        {"chunks", chunks, {}, {"hello world", true, {}, ""}},
        {"until the stream ends", until_close, closed, {"hello world", true, {}, ""}},
        {"bytes behind a length", length + "more", {}, {"hello world", true, {}, "more"}},
        {"bytes behind chunks", chunks + "more", {}, {"hello world", true, {}, "more"}},
        {"a silent peer", length.substr(0, length.size() - 1), {}, {"hello worl", false, {}, ""}},
        {"closed inside a length",
         length.substr(0, length.size() - 1),
         closed,
         {"hello worl", false, errc::response_truncated, ""}},
        {"closed inside chunks",
         chunks.substr(0, chunks.size() - 3),
         closed,
         {"hello world", false, errc::response_truncated, ""}},
        {"reset until close", until_close, reset, {"hello world", false, errc::response_truncated, ""}},
        {"reset inside a length",
         length.substr(0, length.size() - 1),
         reset,
         {"hello worl", false, errc::response_truncated, ""}},
        {"no chunk", in_chunks("5\r\nhello\r\nx\r\n"), {}, {"hello", false, errc::bad_chunk_size, ""}},
    };
    for (const row& r : rows) {
        CAPTURE(r.sentence);
        const read_body whole = read_whole(r.text, r.end);
        CHECK(whole.text == r.expected.text);
        CHECK(whole.complete == r.expected.complete);
        CHECK(whole.failure == r.expected.failure);
        CHECK(whole.behind == r.expected.behind);
        CHECK(comes_to_the_same(r.text, r.end, whole));
    }
}

TEST_CASE("every_accepted_body_is_read_as_the_parser_understands_it", "[exchange]") {
    for (const accepted_response& r : accepted_responses()) {
        if (r.when.kind != request_kind::plain || r.when.upgrade_requested || r.wanted.body.empty()) continue;
        if (r.text.find("\r\n\r\n") != r.text.rfind("\r\n\r\n") && r.text.starts_with("HTTP/1.1 1")) continue;
        CAPTURE(r.sentence);
        const std::error_code end = r.when.eof ? make_error_code(errc::connection_closed) : std::error_code();
        const read_body whole = read_whole(r.text, end);
        CHECK(whole.complete);
        CHECK(whole.text == r.wanted.body);
        CHECK(comes_to_the_same(r.text, end, whole));
    }
}

TEST_CASE("large_body_is_read_directly_up_to_its_end_and_not_beyond", "[exchange]") {
    const std::string text(40'000, 'x');
    const std::string all = ok("Content-Length: 40000\r\n\r\n") + text + "more";
    for (const std::size_t with_head : {0, 1, 39'000, 40'000}) {
        body_machine body = after_head_of(all, with_head);
        const read_body r = read(body, behind_head(all).substr(with_head), {10'000, 10'001, 39'999}, {}, 1'000, true);
        CHECK(r.complete);
        CHECK((r.text == text));
        CHECK(r.behind == "more");
        CHECK(body.is_blind() == (with_head < 40'000));
    }
    body_machine small = after_head_of(length);
    CHECK(small.direct_room(100) == 11);
    CHECK(small.direct_room(5) == 0);  // not worth it
    body_machine unknown = after_head_of(chunks);
    CHECK(unknown.direct_room(100'000) == 0);
}

TEST_CASE("interruptions_end_a_body_wherever_it_has_come_to", "[exchange]") {
    const std::string_view rest = behind_head(chunks);
    for (std::size_t come = 0; come < rest.size(); ++come) {
        const auto stopped = [&](auto stop) {
            body_machine body = after_head_of(chunks);
            read(body, rest.substr(0, come), {}, {}, 100);
            stop(body);
            CHECK(body.next() == order::fail);
            CHECK(body.unparsed().empty());
            CHECK(body.next() == order::fail);  // and again
            return std::pair(body.failure(), body.reason());
        };
        CHECK(stopped([](auto& b) { b.cancelled(); }) ==
              std::pair(make_error_code(errc::cancelled), retire_reason::cancelled));
        CHECK(stopped([](auto& b) { b.lease_expired(); }) ==
              std::pair(make_error_code(errc::request_timed_out), retire_reason::lease_deadline));
        CHECK(stopped([](auto& b) { b.silent_too_long(); }) ==
              std::pair(make_error_code(errc::response_stalled), retire_reason::lease_deadline));
        CHECK(stopped([](auto& b) { b.memory_refused(); }) ==
              std::pair(std::make_error_code(std::errc::not_enough_memory), retire_reason::not_clean));
    }
}

TEST_CASE("silence_counts_from_the_last_byte_and_only_while_somebody_reads", "[exchange]") {
    response_parser parser;
    parser.parse(length);
    body_machine body;
    body.start(parser, "he", 2s);
    REQUIRE(body.limits_silence());
    CHECK(body.next() == order::hand_out);
    body.piece() = {};
    CHECK(body.next() == order::receive);
    CHECK(body.waits(noon) == noon + 2s);
    CHECK(body.waits(noon + 1s) == noon + 2s);
    body.room(10)[0] = 'l';
    body.received(1);
    CHECK(body.waits(noon + 1s) == noon + 3s);
    body.reading_begins();
    CHECK(body.waits(noon + 10s) == noon + 12s);
    body.do_not_limit_silence();
    CHECK_FALSE(body.limits_silence());
}

TEST_CASE("what_is_lacking_is_known_at_every_limit", "[exchange]") {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    body_machine body = after_head_of(length, 5);
    CHECK(body.lacks_more_than(0));
    CHECK(body.lacks_more_than(5));
    CHECK_FALSE(body.lacks_more_than(6));
    CHECK_FALSE(body.lacks_more_than(most));
    CHECK_FALSE(after_head_of(chunks).lacks_more_than(0));  // nobody knows
    const std::string vast = ok("Content-Length: 18446744073709551615\r\n\r\nx");
    CHECK(after_head_of(vast, 1).lacks_more_than(most - 2));
    CHECK_FALSE(after_head_of(vast, 1).lacks_more_than(most));
}
