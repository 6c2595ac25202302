// Random requests in random pieces, against what they were made from and against themselves in one piece.
#include "support/catch.hpp"
#include "unit/http_random.hpp"
#include "unit/inbound_request_collect.hpp"

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

    /// @param wanted what the request must be read as
    std::string request(seen_request& wanted) {
        static constexpr std::string_view methods[] = {"GET", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"};
        wanted = {};
        wanted.method = methods[up_to(5)];
        wanted.target = "/" + text_of("abc/?&=%20.~-_", up_to(60));
        wanted.version_minor = up_to(9) != 0;
        wanted.fields.emplace_back("Host", coin() ? "example.com" : "[::1]:8080");
        for (std::size_t count = up_to(10); count > 0; --count)
            wanted.fields.emplace_back("X-" + text_of("abcdefgXYZ-_09", up_to(30)),
                                       text_of("abcXYZ019.;=/\"\xc3\xa4", up_to(50)));
        if (coin()) wanted.fields.emplace_back("Connection", coin() ? "close" : "keep-alive");
        const bool says = wanted.fields.back().first == "Connection";
        wanted.keep_alive = says ? wanted.fields.back().second == "keep-alive" : wanted.version_minor == 1;
        const std::size_t kind = up_to(2);
        if (kind != 0) wanted.body = text_of({"\r\n0aZ\0;:5 ", 10}, up_to(300));
        if (kind == 1) wanted.fields.emplace_back("Content-Length", std::to_string(wanted.body.size()));
        if (kind == 2 && wanted.version_minor == 0) wanted.body.clear();
        const bool in_chunks = kind == 2 && wanted.version_minor == 1;
        if (in_chunks) wanted.fields.emplace_back("Transfer-Encoding", "chunked");
        wanted.kind = in_chunks ? body_kind::chunked : kind == 1 ? body_kind::length : body_kind::none;

        std::string text =
            wanted.method + " " + wanted.target + (wanted.version_minor == 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
        for (const auto& [name, value] : wanted.fields)
            text += name + ":" + text_of(" \t", up_to(2)) + value + text_of(" \t", up_to(2)) + "\r\n";
        return text + "\r\n" + (in_chunks ? chunks(wanted.body) : wanted.body);
    }
};

}  // namespace

TEST_CASE("random_requests_several_on_a_connection_are_read_in_random_pieces_as_they_were_made") {
    generator random(1);
    for (int round = 0; round < 1000; ++round) {
        request_outcome wanted;
        std::string text;
        for (std::size_t count = 1 + random.up_to(3); count > 0; --count) {
            wanted.complete.emplace_back();
            text += random.request(wanted.complete.back());
        }
        wanted.consumed = text.size();
        CAPTURE(round, text);
        REQUIRE(deliver_request(text) == wanted);
        REQUIRE(deliver_request(text, random.cuts(text.size())) == wanted);
    }
}

TEST_CASE("damaged_requests_are_read_the_same_in_random_pieces") {
    generator random(2);
    std::size_t refused = 0;
    for (int round = 0; round < 4000; ++round) {
        seen_request unused;
        std::string text = random.request(unused);
        for (std::size_t times = random.up_to(3); times > 0; --times) text = random.damage(text);
        CAPTURE(round, text);
        const request_outcome whole = deliver_request(text);
        REQUIRE(deliver_request(text, random.cuts(text.size())) == whole);
        refused += whole.error != errc{};
    }
    CHECK(refused > 1000);
    CHECK(refused < 3000);
}
