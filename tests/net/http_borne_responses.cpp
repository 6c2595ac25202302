// Responses that break the letter of HTTP, over real sockets: borne with, as the RFCs ask of a client, unless it is strict.
#include <string>
#include <string_view>
#include <vector>

#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

/// Answers each request with `text`, byte by byte if that is wanted.
template <class Side>
stage<Side> answering_oddly(std::string text, bool byte_by_byte) {
    return stage<Side>([text, byte_by_byte](server_connection& c) {
        for (;;) {
            read_request(c);
            if (!byte_by_byte) c.write(text);
            for (std::size_t at = 0; byte_by_byte && at < text.size(); ++at) c.write(text.substr(at, 1));
        }
    });
}

struct odd_response {
    std::string text;
    errc strictly;
};

const std::string folded_response =
    "HTTP/1.1 200 OK\r\nX-Folded: one,\r\n\ttwo \t\r\n   three\r\nContent-Length: 2\r\nLast:\r\n x\r\n\r\nhi";

const std::vector<odd_response>& odd_responses() {
    static const std::vector<odd_response> all{
        {folded_response, errc::bad_field_folding},
        {"HTTP/1.1 700 Odd\r\nContent-Length: 2\r\n\r\nhi", errc::bad_status_code},
        {"HTTP/1.4 200 OK\r\nContent-Length: 2\r\n\r\nhi", errc::bad_version},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nT: a\r\n b\r\n\r\n", errc::bad_trailer},
    };
    return all;
}

}  // namespace

TEMPLATE_TEST_CASE("odd_responses_are_borne_with_and_their_connection_is_reused", "[http]", over_tcp, over_tls) {
    for (const odd_response& odd : odd_responses())
        for (const bool split : {false, true}) {
            CAPTURE(odd.text, split);
            auto s = answering_oddly<TestType>(odd.text, split);
            for (int i = 0; i < 2; ++i) {
                const answer a = send(s, request_builder("GET", "/"), {});
                REQUIRE_FALSE(a.error);
                CHECK(a.body() == "hi");
                CHECK(a.reply.version() == 11);
            }
            CHECK(s.server.accepted() == 1);
        }
    auto s = answering_oddly<TestType>(folded_response, true);
    const answer a = s.fetch(request_builder("GET", "/"));
    CHECK(a.reply.header("x-folded") == "one, two three");
    CHECK(a.reply.header("last") == "x");
    for (const http::field& f : a.reply.headers()) CHECK(f.value.find_first_of("\r\n") == f.value.npos);
    auto odd = answering_oddly<TestType>(odd_responses()[1].text, false);
    CHECK(odd.fetch(request_builder("GET", "/")).reply.status() == 700);
}

TEMPLATE_TEST_CASE("odd_responses_are_refused_where_strictness_is_asked_for", "[http]", over_tcp, over_tls) {
    for (const odd_response& odd : odd_responses()) {
        CAPTURE(odd.text);
        auto s = answering_oddly<TestType>(odd.text, false);
        CHECK(send(s, request_builder("GET", "/"), {.limits = {.strict = true}}).error == odd.strictly);
        CHECK(s.fetch(request_builder("GET", "/"), {.limits = {.strict = true}}).error == odd.strictly);
        CHECK(s.until([&] { return s.pool.stats().now.total() == 0; }));
        CHECK(s.retired(retire_reason::protocol_error) == 2);
    }
}

TEMPLATE_TEST_CASE("a_reader_is_shown_a_folded_head_in_one_line_each", "[http]", over_tcp, over_tls) {
    auto s = answering_oddly<TestType>(folded_response, GENERATE(false, true));
    auto lease = s.get();
    typename stage<TestType>::reader_type reader;
    bool done = false;
    const request_builder get("GET", "/");
    async_start_exchange(lease, get, [&](std::error_code error, typename stage<TestType>::reader_type r) {
        CHECK_FALSE(error);
        reader = std::move(r);
        done = true;
    });
    REQUIRE(s.until([&] { return done; }));
    CHECK(reader.header("X-Folded") == "one, two three");
    std::string body;
    done = false;
    reader.async_read_all([&](std::error_code error, std::string all) {
        CHECK_FALSE(error);
        body = std::move(all);
        done = true;
    });
    REQUIRE(s.until([&] { return done; }));
    CHECK(body == "hi");
}

TEMPLATE_TEST_CASE("a_fold_that_could_hide_where_a_message_ends_is_refused", "[http]", over_tcp, over_tls) {
    struct hidden {
        std::string fields;
        errc error;
    };
    const std::vector<hidden> all{
        {"Content-Length: 2\r\n 0\r\n", errc::bad_field_folding},
        {"Content-Length:\r\n 2\r\n", errc::bad_content_length},
        {"Transfer-Encoding: chunked\r\n , gzip\r\n", errc::bad_field_folding},
        {"Transfer-Encoding:\r\n chunked\r\n", errc::bad_transfer_encoding},
        {"A: b\r\n Content-Length: 2\r\n", errc::bad_field_folding},
        {"A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", errc::bad_field_folding},
        {" A: b\r\nContent-Length: 2\r\n", errc::bad_field_folding},
        {"A: b\r\n \r\nContent-Length: 2\r\n", errc::bad_field_folding},
        {"Transfer-Encoding: identity\r\n", errc::identity_transfer_encoding},
    };
    for (const hidden& h : all) {
        CAPTURE(h.fields);
        auto s = answering_oddly<TestType>("HTTP/1.1 200 OK\r\n" + h.fields + "\r\nhi", true);
        const answer a = s.fetch(request_builder("GET", "/"));
        CHECK(a.error == h.error);
        CHECK(s.ended_for(retire_reason::protocol_error));
    }
}
