// Random responses in random pieces, against what they were made from and against themselves in one piece.
#include "support/catch.hpp"
#include "unit/http_collect.hpp"
#include "unit/http_corpus.hpp"
#include "unit/http_random.hpp"

#include <cstddef>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;

namespace {

class generator : public random_messages {
public:
    using random_messages::random_messages;

    /// @param wanted what the response must be read as
    std::string response(outcome& wanted) {
        seen_head head{static_cast<int>(200 + up_to(3)), 1, text_of(words, up_to(12)), {}};
        for (std::size_t count = up_to(12); count > 0; --count)
            head.fields.emplace_back("X-" + text_of(names, up_to(30)), text_of(words, up_to(50)));
        wanted.body = text_of(bytes, up_to(300));
        const bool in_chunks = coin();
        if (in_chunks)
            head.fields.emplace_back("Transfer-Encoding", "chunked");
        else
            head.fields.emplace_back("Content-Length", std::to_string(wanted.body.size()));
        if (!in_chunks) wanted.content_length = wanted.body.size();
        wanted.kind = in_chunks ? body_kind::chunked : body_kind::length;

        std::string text = "HTTP/1.1 " + std::to_string(head.status) + " " + head.reason + "\r\n";
        for (auto& [name, value] : head.fields) {
            text += name + ":" + text_of(" \t", up_to(2)) + value + text_of(" \t", up_to(2)) + "\r\n";
            if (name.starts_with("X-") && up_to(7) == 0) text += folded(value);
        }
        text += "\r\n";
        text += in_chunks ? chunks(wanted.body) : wanted.body;
        wanted.head = head;
        wanted.complete = wanted.keep_alive = true;
        wanted.consumed = text.size();
        return text;
    }

private:
    /// More lines of a field. @param value becomes what it is with them
    std::string folded(std::string& value) {
        std::string text;
        for (std::size_t lines = 1 + up_to(2); lines > 0; --lines) {
            const std::string more = text_of(words, 1 + up_to(9));
            text += text_of(" \t", 1 + up_to(2)) + more + text_of(" \t", up_to(2)) + "\r\n";
            value += (value.empty() ? "" : " ") + more;
        }
        return text;
    }

    static constexpr std::string_view names = "abcdefghijklmnopqrstuvwxyz-_09";
    static constexpr std::string_view words = "abcXYZ019.;=/\"\xc3\xa4";
    static constexpr std::string_view bytes{"\r\n0aZ\0;:5 ", 10};
};

}  // namespace

TEST_CASE("random_responses_in_random_pieces_are_read_as_they_were_made") {
    generator random(1);
    for (int round = 0; round < 2000; ++round) {
        outcome wanted;
        const std::string text = random.response(wanted);
        CAPTURE(round, text);
        REQUIRE(deliver_whole(text) == wanted);
        REQUIRE(deliver(text, random.cuts(text.size())) == wanted);
    }
}

TEST_CASE("damaged_responses_are_read_the_same_in_random_pieces") {
    generator random(2);
    std::size_t refused = 0;
    for (int round = 0; round < 4000; ++round) {
        outcome unused;
        std::string text = random.response(unused);
        for (std::size_t times = random.up_to(3); times > 0; --times) text = random.damage(text);
        CAPTURE(round, text);
        const situation when{.eof = true};
        const outcome whole = deliver_whole(text, when);
        REQUIRE((whole.complete || whole.error != errc{}));
        REQUIRE(deliver(text, random.cuts(text.size()), when) == whole);
        refused += whole.error != errc{};
    }
    CHECK(refused > 1000);
    CHECK(refused < 3000);
}
