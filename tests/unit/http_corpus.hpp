// Responses to accept and to refuse, for every test that needs some.
#pragma once

#include "unit/http_collect.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hotpool::test {

inline const situation plain{};
inline const situation after_head{.kind = request_kind::head};
inline const situation after_connect{.kind = request_kind::connect};
inline const situation upgrading{.upgrade_requested = true};
inline const situation closing{.eof = true};

inline constexpr std::string_view chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

inline std::string ok(std::string_view rest) { return "HTTP/1.1 200 OK\r\n" + std::string(rest); }
inline std::string in_chunks(std::string_view rest) { return std::string(chunked_head) + std::string(rest); }

/// What an accepted response must be read as.
struct expectation {
    int status;
    body_kind kind;
    std::string_view body;
    bool keep_alive;
};

struct accepted_response {
    std::string_view sentence;
    expectation wanted;
    std::string text;
    situation when = plain;
};

inline const std::vector<accepted_response>& accepted_responses() {
    using enum body_kind;
    static const std::vector<accepted_response> corpus{
        {"length", {200, length, "hello", true}, ok("Content-Length: 5\r\n\r\nhello")},
        {"length 0", {200, length, "", true}, ok("content-length:0\r\n\r\n")},
        {"length among spaces", {200, length, "hi", true}, ok("CONTENT-LENGTH: \t 2 \t\r\n\r\nhi")},
        {"length with zeros in front", {200, length, "hi", true}, ok("Content-Length: 0002\r\n\r\nhi")},
        {"length said twice", {200, length, "hi", true}, ok("Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi")},
        {"length listed twice", {200, length, "hi", true}, ok("Content-Length: 2, 2\r\n\r\nhi")},
        {"a body like an empty line", {200, length, "\r\n\r\n", true}, ok("Content-Length: 4\r\n\r\n\r\n\r\n")},

        {"close", {200, length, "hi", false}, ok("Content-Length: 2\r\nConnection: close\r\n\r\nhi")},
        {"close in a list", {200, length, "", false}, ok("Content-Length: 0\r\nConnection: a, CLOSE ,b\r\n\r\n")},
        {"words like close", {200, length, "", true}, ok("Content-Length: 0\r\nConnection: closed, clos\r\n\r\n")},
        {"close before keep-alive",
         {200, length, "", false},
         ok("Content-Length: 0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n")},
        {"1.0 closes", {200, length, "hi", false}, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"},
        {"1.0 stays open if it says so",
         {200, length, "hi", true},
         "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nhi"},

        {"chunks", {200, chunked, "hello you", true}, in_chunks("5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n")},
        {"the last chunk only", {200, chunked, "", true}, in_chunks("0\r\n\r\n")},
        {"chunk sizes in any spelling",
         {200, chunked, "a0123456789", true},
         ok("transfer-encoding: Chunked\r\n\r\n001\r\na\r\nA\r\n0123456789\r\n0000\r\n\r\n")},
        {"a chunk like the last one", {200, chunked, "0\r\n\r\n", true}, in_chunks("5\r\n0\r\n\r\n\r\n0\r\n\r\n")},
        {"chunk extensions",
         {200, chunked, "hi", true},
         in_chunks("2;a ; b=c;d = \"e;\\\"\\\\\"\r\nhi\r\n0;last\r\n\r\n")},
        {"trailer fields",
         {200, chunked, "hi", true},
         in_chunks("2\r\nhi\r\n0\r\nDigest: x\r\nContent-Length: 9\r\n\r\n")},
        {"chunks and close",
         {200, chunked, "", false},
         ok("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n")},

        {"until close", {200, until_close, "all of it", false}, ok("\r\nall of it"), closing},
        {"until close, nothing",
         {200, until_close, "", false},
         "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
         closing},

        {"HEAD", {200, none, "", true}, ok("Content-Length: 5\r\n\r\n"), after_head},
        {"HEAD, chunked", {200, none, "", true}, ok("Transfer-Encoding: chunked\r\n\r\n"), after_head},
        {"HEAD, no framing", {200, none, "", true}, ok("\r\n"), after_head},
        {"204", {204, none, "", true}, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"},
        {"304", {304, none, "", true}, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
        {"304, no framing", {304, none, "", true}, "HTTP/1.1 304 Not Modified\r\n\r\n"},

        {"continue", {200, length, "hi", true}, "HTTP/1.1 100 Continue\r\n\r\n" + ok("Content-Length: 2\r\n\r\nhi")},
        {"interim fields do not count for the final head",
         {200, length, "hi", true},
         "HTTP/1.1 103 Early Hints\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
         "HTTP/1.1 102 Processing\r\n\r\n" +
             ok("Content-Length: 2\r\n\r\nhi")},
        {"an upgrade",
         {101, none, "", false},
         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
         upgrading},
        {"an upgrade not granted", {200, length, "", true}, ok("Content-Length: 0\r\n\r\n"), upgrading},
        {"a tunnel", {200, none, "", false}, ok("Content-Length: 5\r\n\r\n"), after_connect},
        {"a tunnel refused",
         {407, length, "no", true},
         "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno",
         after_connect},

        {"empty reason", {204, none, "", true}, "HTTP/1.1 204 \r\n\r\n"},
        {"missing reason", {204, none, "", true}, "HTTP/1.1 204\r\n\r\n"},
        {"reason with obs-text", {204, none, "", true}, "HTTP/1.1 204 \xc3\xa4\t!\r\n\r\n"},
        {"status 599", {599, length, "", true}, "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n"},
        {"odd field names", {200, none, "", true}, ok("!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n"), after_head},
        {"odd field values", {200, none, "", true}, ok("E:\r\nV: \x80\xff \t\"\\:,\x7e\r\n\r\n"), after_head},
    };
    return corpus;
}

struct refused_response {
    errc error;
    std::string text;
    situation when = plain;
};

/// A response that is borne with, and refused where that is asked for.
struct borne_response {
    errc error;  ///< where it is refused
    accepted_response as;
};

inline const std::vector<borne_response>& borne_responses() {
    using enum body_kind;
    using enum errc;
    static const std::vector<borne_response> corpus{
        {bad_field_folding, {"a fold", {200, length, "hi", true}, ok("A: b\r\n c\r\nContent-Length: 2\r\n\r\nhi")}},
        {bad_field_folding,
         {"the last field folded", {200, length, "hi", true}, ok("Content-Length: 2\r\nA: b\r\n\tc\r\n\r\nhi")}},
        {bad_field_folding,
         {"a fold behind nothing", {200, length, "hi", true}, ok("Content-Length: 2\r\nA:\r\n  b\r\n\r\nhi")}},
        {bad_field_folding,
         {"folds one after another",
          {200, length, "hi", true},
          ok("A: \t b \t\r\n \t c\r\n d\r\nB: c\r\n e:f \r\nContent-Length: 2\r\n\r\nhi")}},
        {bad_field_folding,
         {"a fold in an interim head",
          {200, length, "hi", true},
          "HTTP/1.1 103 Early Hints\r\nLink: <a>,\r\n <b>\r\n\r\n" + ok("Content-Length: 2\r\n\r\nhi")}},
        {bad_field_folding,
         {"a folded Connection closes",
          {200, length, "hi", false},
          ok("Connection: keep-alive,\r\n Upgrade\r\nContent-Length: 2\r\n\r\nhi")}},
        {bad_field_folding,
         {"a folded Connection does not keep HTTP/1.0",
          {200, length, "hi", false},
          "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n x\r\nContent-Length: 2\r\n\r\nhi"}},
        {bad_field_folding,
         {"a folded Keep-Alive closes",
          {200, length, "hi", false},
          ok("keep-alive: max=5,\r\n timeout=1\r\nContent-Length: 2\r\n\r\nhi")}},
        {bad_field_folding, {"a fold after HEAD", {200, none, "", true}, ok("A: b\r\n c\r\n\r\n"), after_head}},
        {bad_field_folding, {"a fold of a tunnel", {200, none, "", false}, ok("A: b\r\n c\r\n\r\n"), after_connect}},
        {bad_trailer,
         {"folds in the trailer",
          {200, chunked, "hi", true},
          in_chunks("2\r\nhi\r\n0\r\nA: b\r\n c\r\n\td\r\nB: c\r\n d\r\n\r\n")}},
        {bad_status_code, {"status 600", {600, length, "hi", true}, "HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nhi"}},
        {bad_status_code,
         {"status 999", {999, chunked, "", true}, "HTTP/1.1 999\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}},
        {bad_status_code,
         {"status 604, no framing", {604, until_close, "x", false}, "HTTP/1.1 604 \r\n\r\nx", closing}},
        {bad_status_code,
         {"a tunnel refused by 600",
          {600, length, "", true},
          "HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n",
          after_connect}},
        {bad_version, {"HTTP/1.2", {200, length, "hi", true}, "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nhi"}},
        {bad_version,
         {"HTTP/1.9 in chunks",
          {200, chunked, "", true},
          "HTTP/1.9 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}},
    };
    return corpus;
}

inline const std::vector<refused_response>& refused_responses() {
    using enum errc;
    using namespace std::string_literals;
    using namespace std::string_view_literals;
    static const std::vector<refused_response> corpus{
        {bad_status_line, "\r\nHTTP/1.1 200 OK\r\n\r\n"},
        {bad_status_line, "\nHTTP/1.1 200 OK\r\n\r\n"},
        {bad_status_line, "SSH-2.0-OpenSSH_9.2\r\n"},
        {bad_status_line, "http/1.1 200 OK\r\n\r\n"},
        {bad_status_line, "\x15\x03\x03"},
        {bad_status_line, "HTTP/\r\n\r\n"},
        {bad_status_line, "HTTP/1\r\n\r\n"},
        {bad_status_line, "HTTP/11 200 OK\r\n\r\n"},
        {bad_status_line, "HTTP/1.1\r\n\r\n"},
        {bad_status_line, "HTTP/1.1 20\r\n\r\n"},
        {bad_status_line, "HTTP/1.1\t200 OK\r\n\r\n"},
        {bad_status_line, "HTTP/1.10 200 OK\r\n\r\n"},
        {bad_status_line, "HTTP/1.1 200OK\r\n\r\n"},
        {bad_status_line, "HTTP/1.1 200\tOK\r\n\r\n"},
        {bad_version, "HTTP/2.0 200 OK\r\n\r\n"},
        {bad_version, "HTTP/0.9 200 OK\r\n\r\n"},
        {bad_status_code, "HTTP/1.1 099 OK\r\n\r\n"},
        {bad_status_code, "HTTP/1.1 000 OK\r\n\r\n"},
        {bad_status_code, "HTTP/1.1 1000 OK\r\n\r\n"},
        {bad_status_code, "HTTP/1.1 2000 OK\r\n\r\n"},
        {bad_status_code, "HTTP/1.1 2x0 OK\r\n\r\n"},
        {bad_status_code, "HTTP/1.1  200 OK\r\n\r\n"},
        {bad_status_code, "HTTP/1.1 -20 OK\r\n\r\n"},
        {bad_reason, "HTTP/1.1 200 O\0K\r\n\r\n"s},
        {bad_reason, "HTTP/1.1 200 O\x1bK\r\n\r\n"},
        {bad_reason, "HTTP/1.1 200 OK\x7f\r\n\r\n"},

        {bad_line_ending, "HTTP/1.1 200 OK\n\r\n"},
        {bad_line_ending, "HTTP/1.1 200 O\rK\r\n\r\n"},
        {bad_line_ending, "HTTP/1.1 200 OK\r\r\n\r\n"},
        {bad_line_ending, ok("A: b\n\r\n")},
        {bad_line_ending, ok("A: b\rc\r\n\r\n")},
        {bad_line_ending, ok("A: b\r\r\n\r\n")},
        {bad_line_ending, ok("A\r: b\r\n\r\n")},
        {bad_line_ending, ok("A\n: b\r\n\r\n")},
        {bad_line_ending, ok("\n")},
        {bad_line_ending, ok("\rA: b\r\n\r\n")},

        {bad_field_name, ok("A : b\r\n\r\n")},
        {bad_field_name, ok("A\t: b\r\n\r\n")},
        {bad_field_name, ok(": b\r\n\r\n")},
        {bad_field_name, ok("A\r\n\r\n")},
        {bad_field_name, ok("A(b): c\r\n\r\n")},
        {bad_field_name, ok("\xc3\xa4: c\r\n\r\n")},
        {bad_field_name, ok("A\0: b\r\n\r\n"sv)},
        {bad_field_value, ok("A: b\0c\r\n\r\n"sv)},
        {bad_field_value, ok("A: \x01\r\n\r\n")},
        {bad_field_value, ok("A: b\x7f\r\n\r\n")},
        {bad_field_folding, ok(" A: b\r\n\r\n")},
        {bad_field_folding, ok("\tA: b\r\nA: b\r\n\r\n")},
        {bad_field_folding, ok(" \r\n\r\n")},
        {bad_field_folding, ok("A: b\r\n \r\n\r\n")},
        {bad_field_folding, ok("A: b\r\n \t \r\nB: c\r\n\r\n")},
        {bad_field_folding, ok("A: b\r\n c\r\n \r\n\r\n")},
        {bad_content_length, ok("Content-Length:\r\n 5\r\n\r\nhello")},
        {bad_transfer_encoding, ok("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")},
        {bad_field_folding, ok("Content-Length: 5\r\n 0\r\n\r\nhello")},
        {bad_field_folding, ok("content-length: 5\r\n\t,5\r\n\r\nhello")},
        {bad_field_folding, ok("A: b\r\n c\r\nCONTENT-LENGTH: 5\r\n ;\r\n\r\nhello")},
        {bad_field_folding, ok("Transfer-Encoding: chunked\r\n ,gzip\r\n\r\n")},
        {bad_field_folding, ok("Transfer-Encoding: chunked\r\n x: y\r\n\r\n0\r\n\r\n")},
        {bad_field_folding, ok("A: b\r\n Content-Length: 5\r\n\r\nhello")},
        {bad_field_folding, ok("A:\r\n\tcontent-length : 5\r\n\r\nhello")},
        {bad_field_folding, ok("A: b\r\n  Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello")},
        {bad_field_folding, "HTTP/1.1 100 Continue\r\n A: b\r\n\r\n"},
        {bad_field_folding, "HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n 2\r\n\r\n"},
        {bad_field_name, ok("A\r\n : b\r\n\r\n")},
        {bad_field_name, ok("A\r\n b: c\r\n\r\n")},
        {bad_field_name, ok("A: b\r\n c\r\nd\r\n\r\n")},
        {bad_field_value, ok("A: b\r\n c\x01\r\n\r\n")},
        {bad_field_value, ok("A: b\r\n c\0d\r\n\r\n"sv)},
        {bad_field_value, ok("A: b\r\n \x7f\r\n\r\n")},
        {bad_line_ending, ok("A: b\n c\r\n\r\n")},
        {bad_line_ending, ok("A: b\r c\r\n\r\n")},
        {bad_line_ending, ok("A: b\r\r\n c\r\n\r\n")},
        {bad_line_ending, ok("A: b\r\n c\n\r\n")},
        {bad_line_ending, ok("A: b\r\n c\rd\r\n\r\n")},
        {bad_line_ending, ok("A: b\r\n \r\r\n\r\n")},
        {bad_line_ending, ok("A: b\r\n \n\r\n")},

        {bad_content_length, ok("Content-Length:\r\n\r\n")},
        {bad_content_length, ok("Content-Length: x\r\n\r\n")},
        {bad_content_length, ok("Content-Length: -1\r\n\r\n")},
        {bad_content_length, ok("Content-Length: +1\r\n\r\n")},
        {bad_content_length, ok("Content-Length: 0x1\r\n\r\n")},
        {bad_content_length, ok("Content-Length: 1 1\r\n\r\n")},
        {bad_content_length, ok("Content-Length: 1,\r\n\r\n")},
        {bad_content_length, ok("Content-Length: ,1\r\n\r\n")},
        {bad_content_length, ok("Content-Length: 18446744073709551616\r\n\r\n")},
        {bad_content_length, ok("Content-Length: x\r\n\r\n"), after_head},
        {bad_content_length, "HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n"},
        {bad_content_length, "HTTP/1.1 100 Continue\r\nContent-Length: x\r\n\r\n"},
        {conflicting_content_length, ok("Content-Length: 1\r\nContent-Length: 2\r\n\r\n")},
        {conflicting_content_length, ok("Content-Length: 1, 2\r\n\r\n")},
        {conflicting_content_length, "HTTP/1.1 304 Not Modified\r\nContent-Length: 1, 2\r\n\r\n"},
        {length_with_transfer_encoding, ok("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {length_with_transfer_encoding, ok("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n")},
        {length_with_transfer_encoding, ok("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"), after_head},
        {bad_transfer_encoding, ok("Transfer-Encoding: gzip\r\n\r\n")},
        {bad_transfer_encoding, ok("Transfer-Encoding: gzip, chunked\r\n\r\n")},
        {bad_transfer_encoding, ok("Transfer-Encoding: chunked, gzip\r\n\r\n")},
        {bad_transfer_encoding, ok("Transfer-Encoding: chunked, chunked\r\n\r\n")},
        {bad_transfer_encoding, ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {bad_transfer_encoding, ok("Transfer-Encoding: identity, chunked\r\n\r\n")},
        {bad_transfer_encoding, ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n")},
        {identity_transfer_encoding, ok("Transfer-Encoding: identity\r\n\r\n")},
        {identity_transfer_encoding, ok("transfer-encoding: IDENTITY\r\nContent-Length: 2\r\n\r\nhi")},
        {identity_transfer_encoding, "HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"},
        {bad_transfer_encoding, ok("Transfer-Encoding: xchunked\r\n\r\n")},
        {bad_transfer_encoding, ok("Transfer-Encoding: chunked;q=1\r\n\r\n")},
        {bad_transfer_encoding, ok("Transfer-Encoding:\r\n\r\n")},
        {bad_transfer_encoding, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {upgrade_not_requested, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"},
        {upgrade_not_requested, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", after_connect},
    };
    return corpus;
}

/// What may follow `Transfer-Encoding: chunked`, all of it wrong.
inline const std::vector<refused_response>& refused_chunks() {
    using enum errc;
    static const std::vector<refused_response> corpus{
        {bad_chunk_size, "\r\n"},
        {bad_chunk_size, "x\r\n"},
        {bad_chunk_size, "-1\r\n"},
        {bad_chunk_size, " 1\r\na\r\n"},
        {bad_chunk_size, "0x1\r\n"},
        {bad_chunk_size, "1g\r\n"},
        {bad_chunk_size, ";a\r\n"},
        {bad_chunk_size, "10000000000000000\r\n"},
        {bad_chunk_extension, "1 \r\na\r\n"},
        {bad_chunk_extension, "1;\r\na\r\n"},
        {bad_chunk_extension, "1;;a\r\na\r\n"},
        {bad_chunk_extension, "1;a=\r\na\r\n"},
        {bad_chunk_extension, "1;a b\r\na\r\n"},
        {bad_chunk_extension, "1;a=\"b\r\na\r\n"},
        {bad_chunk_extension, "1;a=\"b\\\r\na\r\n"},
        {bad_chunk_extension, "1;a=\"b\"c\r\na\r\n"},
        {bad_chunk_extension, "1;a=\"\x01\"\r\na\r\n"},
        {bad_chunk_ending, "1\r\nab\r\n"},
        {bad_chunk_ending, "1\r\na\rb"},
        {bad_chunk_ending, "1\r\na\n"},
        {bad_chunk_ending, "1\r\na0\r\n\r\n"},
        {bad_line_ending, "1\na\r\n"},
        {bad_line_ending, "1\r;a\r\na\r\n"},
        {bad_line_ending, "1;a=\"\r\"\r\na\r\n"},
        {bad_line_ending, "0\r\n\n"},
        {bad_line_ending, "0\r\nA: b\n\r\n"},
        {bad_line_ending, "0\r\nA: b\rc\r\n\r\n"},
        {bad_trailer, "0\r\nA : b\r\n\r\n"},
        {bad_trailer, "0\r\nA\r\n\r\n"},
        {bad_trailer, "0\r\n A: b\r\n\r\n"},
        {bad_trailer, "0\r\nA: b\r\n \r\n\r\n"},
        {bad_trailer, "0\r\nA: b\r\n \x01\r\n\r\n"},
        {bad_line_ending, "0\r\nA: b\r\n c\n\r\n"},
        {bad_line_ending, "0\r\nA: b\r\n c\rd\r\n\r\n"},
        {bad_trailer, "0\r\nA: \x01\r\n\r\n"},
    };
    return corpus;
}

}  // namespace hotpool::test
