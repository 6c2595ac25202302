// A response is collected the same in whatever pieces it arrives.
#include "hotpool/exchange/response_collector.hpp"
#include "hotpool/http/chunk_writer.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "unit/http_collect.hpp"
#include "unit/http_corpus.hpp"

using namespace hotpool;
using namespace hotpool::test;
using hotpool::detail::response_collector;

namespace {

/// What has been collected once the bytes are used up or the response is over.
struct collected {
    bool complete = false;
    errc error{};
    int interim = 0;
    unsigned status = 0;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
    std::string left;  ///< bytes behind the response

    friend bool operator==(const collected&, const collected&) = default;
};

/// A collector fed as a socket feeds it.
class feeder {
public:
    explicit feeder(const situation& s, std::size_t block_bytes = 64)
        : collector_(s.bounds), block_bytes_(block_bytes) {
        collector_.start(s.kind, s.upgrade_requested);
    }

    void feed(std::string_view bytes) {
        while (!bytes.empty() && !over_) {
            char* const room = collector_.room(block_bytes_);
            const std::size_t size = std::min(bytes.size(), collector_.room_size());
            std::memcpy(room, bytes.data(), size);
            collector_.received(size);
            bytes.remove_prefix(size);
            advance();
        }
        result_.left += bytes;
    }
    void close() {
        if (!over_) end(collector_.finish());
    }
    collected finish() {
        if (!result_.complete) return result_;
        result_.left.insert(0, collector_.unparsed());
        const response reply = collector_.take(true);
        result_.status = reply.status();
        for (const http::field& f : reply.headers()) result_.fields.emplace_back(f.name, f.value);
        result_.body = reply.body();
        return result_;
    }

private:
    void advance() {
        for (;;) {
            switch (const auto v = collector_.advance(); v) {
                case response_collector::verdict::need_more: return;
                case response_collector::verdict::interim: ++result_.interim; break;
                case response_collector::verdict::head: break;
                default: return end(v);
            }
        }
    }
    void end(response_collector::verdict v) {
        over_ = true;
        result_.complete = v == response_collector::verdict::complete;
        if (!result_.complete) result_.error = collector_.error();
    }

    response_collector collector_;
    std::size_t block_bytes_;
    collected result_;
    bool over_ = false;
};

collected collect(std::string_view bytes, const situation& s, std::size_t cut = 0) {
    feeder f(s);
    f.feed(bytes.substr(0, cut));
    f.feed(bytes.substr(cut));
    if (s.eof) f.close();
    return f.finish();
}

collected collect_bytewise(std::string_view bytes, const situation& s) {
    feeder f(s);
    for (const char& byte : bytes) f.feed({&byte, 1});
    if (s.eof) f.close();
    return f.finish();
}

std::string in_chunks(std::string_view body, std::size_t chunk_bytes) {
    std::string text(chunked_head);
    for (std::size_t at = 0; at < body.size(); at += chunk_bytes) {
        base::byte_buffer chunk;
        http::append_chunk(chunk, body.substr(at, chunk_bytes));
        text += chunk.view();
    }
    return text += http::last_chunk;
}

std::string pattern(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i % 23);
    return text;
}

}  // namespace

TEST_CASE("every_accepted_response_is_collected_as_the_parser_understands_it", "[exchange]") {
    for (const accepted_response& r : accepted_responses()) {
        CAPTURE(r.sentence);
        const collected whole = collect(r.text, r.when);
        const outcome parsed = deliver_whole(r.text, r.when);
        CHECK(whole.complete);
        CHECK(whole.status == static_cast<unsigned>(r.wanted.status));
        CHECK(whole.body == r.wanted.body);
        CHECK(whole.left.empty());
        CHECK(whole.interim == static_cast<int>(parsed.interim.size()));
        CHECK(whole.fields == parsed.head->fields);
    }
}

TEST_CASE("pieces_make_no_difference_to_what_is_collected", "[exchange]") {
    for (const accepted_response& r : accepted_responses()) {
        CAPTURE(r.sentence);
        const collected whole = collect(r.text, r.when);
        for (std::size_t cut = 1; cut < r.text.size(); ++cut) {
            if (collect(r.text, r.when, cut) == whole) continue;
            CAPTURE(cut);
            FAIL_CHECK("another response");
        }
        CHECK(collect_bytewise(r.text, r.when) == whole);
    }
}

TEST_CASE("bytes_behind_the_response_are_kept_unparsed", "[exchange]") {
    const std::string_view behind = "HTTP/1.1 200 OK\r\n";
    for (const accepted_response& r : accepted_responses()) {
        if (r.wanted.kind == body_kind::until_close) continue;
        CAPTURE(r.sentence);
        const std::string text = std::string(r.text) + std::string(behind);
        const collected whole = collect(text, r.when);
        CHECK(whole.complete);
        CHECK(whole.body == r.wanted.body);
        CHECK(whole.left == behind);
        for (std::size_t cut = 1; cut < text.size(); ++cut)
            if (!(collect(text, r.when, cut) == whole)) FAIL_CHECK("another response when cut at " << cut);
        CHECK(collect_bytewise(text, r.when) == whole);
    }
}

TEST_CASE("refusal_is_the_same_in_whatever_pieces_it_comes", "[exchange]") {
    const auto check = [](std::string_view text, const situation& when, errc expected) {
        CAPTURE(text);
        CHECK(collect(text, when).error == expected);
        for (std::size_t cut = 1; cut < text.size(); ++cut)
            if (collect(text, when, cut).error != expected) FAIL_CHECK("another error when cut at " << cut);
        CHECK(collect_bytewise(text, when).error == expected);
    };
    for (const refused_response& r : refused_responses()) check(r.text, r.when, r.error);
    for (const refused_response& r : refused_chunks())
        check(std::string(chunked_head) + std::string(r.text), r.when, r.error);
}

TEST_CASE("end_of_the_stream_inside_a_response_is_named_by_how_far_it_came", "[exchange]") {
    situation closes = plain;
    closes.eof = true;
    CHECK(collect("", closes).error == errc::response_missing);
    const std::string text = in_chunks("hello", 2);
    for (std::size_t size = 1; size < text.size(); ++size)
        CHECK(collect(std::string_view(text).substr(0, size), closes).error == errc::response_truncated);
}

TEST_CASE("large_bodies_are_collected_whole", "[exchange]") {
    const std::string body = pattern(3'000'000);
    const std::string length = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    for (const std::string& text : {length, in_chunks(body, 7'000), in_chunks(body, 1), in_chunks(body, 3'000'000)}) {
        for (const std::size_t block_bytes : {std::size_t{64}, std::size_t{32 * 1024}}) {
            feeder f(plain, block_bytes);
            f.feed(text);
            const collected all = f.finish();
            CHECK(all.complete);
            CHECK((all.body == body));
        }
    }
}

TEST_CASE("chunked_body_lies_behind_its_head_without_gaps_while_it_grows", "[exchange]") {
    constexpr std::size_t block_bytes = 64 * 1024;
    response_collector collector{http::limits{}};
    collector.start(request_kind::plain, false);
    const char* const begin = collector.room(block_bytes);
    std::string_view text = chunked_head;
    for (std::size_t chunks = 0; chunks < 100; ++chunks) {
        std::memcpy(collector.room(block_bytes), text.data(), text.size());
        collector.received(text.size());
        while (collector.advance() == response_collector::verdict::head) {
        }
        // Only what is kept lies in front of the next byte.
        CHECK(collector.room(block_bytes) == begin + chunked_head.size() + chunks);
        text = "1\r\nx\r\n";
    }
}

TEST_CASE("body_of_known_length_does_not_move_once_its_room_is_there", "[exchange]") {
    constexpr std::size_t block_bytes = 32 * 1024;
    constexpr std::size_t body_bytes = 300'000;
    response_collector collector{http::limits{}};
    collector.start(request_kind::plain, false);
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n";
    std::memcpy(collector.room(block_bytes), head.data(), head.size());
    collector.received(head.size());
    REQUIRE(collector.advance() == response_collector::verdict::head);
    REQUIRE(collector.advance() == response_collector::verdict::need_more);
    const char* const begin = collector.room(block_bytes);
    std::size_t received = 0;
    for (const std::size_t piece : {100'000, 199'000, 900, 99, 1}) {
        CHECK(collector.room(block_bytes) == begin + received);
        CHECK(collector.room_size() >= body_bytes - received + 1);  // a byte too many would show
        std::memset(collector.room(block_bytes), 'x', piece);
        collector.received(piece);
        received += piece;
        const bool last = received == body_bytes;
        CHECK(collector.advance() ==
              (last ? response_collector::verdict::complete : response_collector::verdict::need_more));
    }
}

TEST_CASE("collector_starts_afresh", "[exchange]") {
    response_collector collector{http::limits{}};
    for (int round = 0; round < 2; ++round) {
        collector.start(request_kind::plain, false);
        const std::string_view text =
            round == 0 ? "HTTP/1.1 200 OK\r\nContent-Le" : "HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx";
        std::memcpy(collector.room(64), text.data(), text.size());
        collector.received(text.size());
        while (collector.advance() == response_collector::verdict::head) {
        }
    }
    const response reply = collector.take(true);
    CHECK(reply.status() == 404);
    CHECK(reply.body() == "x");
}
