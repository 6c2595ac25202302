// Requests to accept and to refuse, for every test that needs some.
#pragma once

#include "unit/inbound_request_collect.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hotpool::test {

struct accepted_request {
    std::string_view sentence;
    seen_request wanted;
    std::string text;
};

inline std::string get(std::string_view rest) { return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(rest); }
inline std::string post(std::string_view rest) { return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(rest); }
inline std::string post_chunks(std::string_view rest) {
    return post("Transfer-Encoding: chunked\r\n\r\n" + std::string(rest));
}

inline const std::vector<accepted_request>& accepted_requests() {
    using enum body_kind;
    using fields = std::vector<std::pair<std::string, std::string>>;
    const fields host{{"Host", "a"}};
    static const std::vector<accepted_request> corpus{
        {"the smallest", {"GET", "/", 1, host}, get("\r\n")},
        {"HTTP/1.0 without Host", {"GET", "/", 0, {}, "", none, false}, "GET / HTTP/1.0\r\n\r\n"},
        {"HTTP/1.0 that wants to stay",
         {"GET", "/", 0, {{"Connection", "Keep-Alive"}}, "", none, true},
         "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"},
        {"HTTP/1.1 that wants to leave",
         {"GET", "/", 1, {{"Host", "a"}, {"Connection", "x, Close"}}, "", none, false},
         get("Connection: x, Close\r\n\r\n")},
        {"an empty line in front", {"GET", "/", 1, host}, "\r\n" + get("\r\n")},
        {"odd but good target characters",
         {"GET", "/a?b=c|d{\"}&%20;~", 1, host},
         "GET /a?b=c|d{\"}&%20;~ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a target that looks like an authority", {"GET", "//b/c", 1, host}, "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"absolute-form", {"GET", "http://a/b", 1, host}, "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"absolute-form, Host with the port that is meant",
         {"GET", "HTTPS://A?b", 1, {{"Host", "a:443"}}},
         "GET HTTPS://A?b HTTP/1.1\r\nHost: a:443\r\n\r\n"},
        {"absolute-form of HTTP/1.0",
         {"GET", "http://a:81/", 0, {}, "", none, false},
         "GET http://a:81/ HTTP/1.0\r\n\r\n"},
        {"asterisk-form", {"OPTIONS", "*", 1, host}, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"authority-form",
         {"CONNECT", "[::1]:443", 1, {{"Host", "[::1]:443"}}},
         "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"},
        {"a method nobody knows", {"M-SEARCH", "/", 1, host}, "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a Host with an address and a port",
         {"GET", "/", 1, {{"hOST", "[fe80::1]:8080"}}},
         "GET / HTTP/1.1\r\nhOST: [fe80::1]:8080\r\n\r\n"},
        {"an empty field", {"GET", "/", 1, {{"Host", "a"}, {"E", ""}}}, get("E: \t \r\n\r\n")},

        {"length",
         {"POST", "/", 1, {{"Host", "a"}, {"Content-Length", "5"}}, "hello", length},
         post("Content-Length: 5\r\n\r\nhello")},
        {"length 0",
         {"POST", "/", 1, {{"Host", "a"}, {"Content-Length", "0"}}, "", length},
         post("Content-Length: 0\r\n\r\n")},
        {"a body of GET",
         {"GET", "/", 1, {{"Host", "a"}, {"Content-Length", "2"}}, "hi", length},
         get("Content-Length: 2\r\n\r\nhi")},
        {"a body like a request",
         {"POST", "/", 1, {{"Host", "a"}, {"Content-Length", "18"}}, "GET / HTTP/1.1\r\n\r\n", length},
         post("Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n")},
        {"chunks",
         {"POST", "/", 1, {{"Host", "a"}, {"Transfer-Encoding", "chunked"}}, "hello you", chunked},
         post_chunks("5\r\nhello\r\n4;a=\"b\"\r\n you\r\n0\r\nTrailer: x\r\n\r\n")},
        {"no chunk",
         {"POST", "/", 1, {{"Host", "a"}, {"Transfer-Encoding", "Chunked"}}, "", chunked},
         post("Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n")},
        {"an expectation",
         {"PUT", "/", 1, {{"Host", "a"}, {"Expect", "100-Continue"}, {"Content-Length", "1"}}, "x", length, true, true},
         "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx"},
        {"an expectation of HTTP/1.0 does not count",
         {"PUT", "/", 0, {{"Expect", "100-continue"}, {"Content-Length", "1"}}, "x", length, false, false},
         "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"},
    };
    return corpus;
}

struct refused_request {
    errc error;
    std::string text;
};

inline const std::vector<refused_request>& refused_requests() {
    using enum errc;
    using namespace std::string_literals;
    static const std::vector<refused_request> corpus{
        {bad_request_line, "\r\n\r\nGET / HTTP/1.1\r\n"},
        {bad_request_line, "\nGET / HTTP/1.1\r\n"},
        {bad_request_line, "\rGET / HTTP/1.1\r\n"},
        {bad_request_line, " GET / HTTP/1.1\r\n"},
        {bad_request_line, "\x16\x03\x01"},
        {bad_request_line, "GET\r\n"},
        {bad_request_line, "GET /\r\n"},
        {bad_request_line, "GET / \r\n"},
        {bad_request_line, "GET  / HTTP/1.1\r\n"},
        {bad_request_line, "GET /  HTTP/1.1\r\n"},
        {bad_request_line, "GET / HTTP/1.1 \r\n"},
        {bad_request_line, "GET\t/\tHTTP/1.1\r\n"},
        {bad_request_line, "GET / a HTTP/1.1\r\n"},
        {bad_request_line, "GET HTTP/1.1\r\n"},
        {bad_request_line, "GET / http/1.1\r\n"},
        {bad_request_line, "GET / HTTP/1\r\n"},
        {bad_request_line, "GET / HTTP/1.10\r\n"},
        {bad_request_line, "GET / HTTP/11\r\n"},
        {bad_request_line, "GET / HTTPS/1.1\r\n"},
        {bad_request_line, "G(T / HTTP/1.1\r\n"},
        {bad_request_line, "GET: / HTTP/1.1\r\n"},
        {bad_request_line, "G\0T / HTTP/1.1\r\n"s},
        {bad_request_line, "GET / HTTP/1.1\r\r\n"},
        {bad_version, "GET / HTTP/1.2\r\n"},
        {bad_version, "GET / HTTP/0.9\r\n"},
        {bad_version, "PRI * HTTP/2.0\r\n"},
        {bad_version, "GET / HTTP/3.0\r\n"},
        {bad_method, "get / HTTP/1.1\r\n"},
        {bad_method, "Get / HTTP/1.1\r\n"},
        {bad_method, "GET! / HTTP/1.1\r\n"},
        {bad_method, std::string(http::max_method_bytes + 1, 'X') + " / HTTP/1.1\r\n"},
        {bad_target, "GET a HTTP/1.1\r\n"},
        {bad_target, "GET a:80 HTTP/1.1\r\n"},
        {bad_target, "GET * HTTP/1.1\r\n"},
        {bad_target, "GET /a#b HTTP/1.1\r\n"},
        {bad_target, "GET /\xc3\xa4 HTTP/1.1\r\n"},
        {bad_target, "GET /\x7f HTTP/1.1\r\n"},
        {bad_target, "GET /a\rb HTTP/1.1\r\n"},
        {bad_target, "GET /a\0b HTTP/1.1\r\n"s},
        {bad_target, "GET http:///a HTTP/1.1\r\n"},
        {bad_target, "GET http://u@a/ HTTP/1.1\r\n"},
        {bad_target, "GET http://a:0/ HTTP/1.1\r\n"},
        {bad_target, "CONNECT / HTTP/1.1\r\n"},
        {bad_target, "CONNECT a HTTP/1.1\r\n"},
        {bad_target, "CONNECT http://a:80/ HTTP/1.1\r\n"},
        {bad_target, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},

        {missing_host, "GET / HTTP/1.1\r\n\r\n"},
        {missing_host, "GET http://a/ HTTP/1.1\r\n\r\n"},
        {repeated_host, get("Host: a\r\n\r\n")},
        {repeated_host, get("host: b\r\n\r\n")},
        {repeated_host, "GET / HTTP/1.0\r\nHost: a\r\nHOST: a\r\n\r\n"},
        {bad_host, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
        {bad_host, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
        {bad_host, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
        {bad_host, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        {bad_host, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
        {bad_host, "GET / HTTP/1.1\r\nHost: a:\r\n\r\n"},
        {bad_host, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"},
        {bad_host, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
        {bad_host, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {bad_host, "GET http://a/ HTTP/1.1\r\nHost: a:81\r\n\r\n"},
        {bad_host, "GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n"},
        {bad_host, "GET http://b/ HTTP/1.0\r\nHost: a\r\n\r\n"},
        {bad_host, "CONNECT b:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"},

        {bad_line_ending, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
        {bad_line_ending, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
        {bad_line_ending, get("\n")},
        {bad_line_ending, get("A: b\rc\r\n\r\n")},
        {bad_line_ending, get("A: b\nTransfer-Encoding: chunked\r\n\r\n")},
        {bad_field_name, get("A : b\r\n\r\n")},
        {bad_field_name, get("A\t: b\r\n\r\n")},
        {bad_field_name, post("Content-Length : 5\r\n\r\nhello")},
        {bad_field_name, post("Transfer-Encoding : chunked\r\n\r\n")},
        {bad_field_name, get(": b\r\n\r\n")},
        {bad_field_name, get("A\r\n\r\n")},
        {bad_field_name, get("A\0: b\r\n\r\n"s)},
        {bad_field_value, get("A: b\0c\r\n\r\n"s)},
        {bad_field_value, get("A: \x0b"
                              "chunked\r\n\r\n")},
        {bad_field_folding, get("A: b\r\n c\r\n\r\n")},
        {bad_field_folding, post("Transfer-Encoding: chunked\r\n , gzip\r\n\r\n")},
        {bad_field_folding, get(" A: b\r\n\r\n")},

        {bad_content_length, post("Content-Length:\r\n\r\n")},
        {bad_content_length, post("Content-Length: +5\r\n\r\nhello")},
        {bad_content_length, post("Content-Length: -5\r\n\r\nhello")},
        {bad_content_length, post("Content-Length: 0x5\r\n\r\nhello")},
        {bad_content_length, post("Content-Length: 5 5\r\n\r\nhello")},
        {bad_content_length, post("Content-Length: 5, 5\r\n\r\nhello")},
        {bad_content_length, post("Content-Length: 5,\r\n\r\nhello")},
        {bad_content_length, post("Content-Length: 5;\r\n\r\nhello")},
        {bad_content_length, post("Content-Length: 18446744073709551616\r\n\r\n")},
        {conflicting_content_length, post("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello")},
        {conflicting_content_length, post("Content-Length: 5\r\nCONTENT-LENGTH: 5\r\n\r\nhello")},
        {length_with_transfer_encoding, post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
        {length_with_transfer_encoding, post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n")},
        {length_with_transfer_encoding, get("transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding: xchunked\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding: chunke\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding: chunked, chunked\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding: gzip, chunked\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding: chunked, identity\r\n\r\n")},
        {identity_transfer_encoding, post("Transfer-Encoding: identity\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding: \"chunked\"\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding: ,chunked\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding: chunked;q=1\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding:\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {bad_transfer_encoding, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n")},
        {bad_transfer_encoding, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {bad_expectation, post("Expect: 200-ok\r\nContent-Length: 1\r\n\r\n")},
        {bad_expectation, post("Expect: 100-continue, x\r\nContent-Length: 1\r\n\r\n")},

        {bad_chunk_size, post_chunks("x\r\n")},
        {bad_chunk_size, post_chunks("0x5\r\nhello\r\n")},
        {bad_chunk_size, post_chunks("-1\r\n")},
        {bad_chunk_size, post_chunks("10000000000000000\r\n")},
        {bad_chunk_extension, post_chunks("5 \r\nhello\r\n")},
        {bad_chunk_extension, post_chunks("5;\r\nhello\r\n")},
        {bad_chunk_extension, post_chunks("5;a=\"\x01\"\r\nhello\r\n")},
        {bad_chunk_ending, post_chunks("5\r\nhello!\r\n")},
        {bad_line_ending, post_chunks("5\nhello\r\n")},
        {bad_line_ending, post_chunks("5;a\nhello\r\n0\r\n\r\n")},
        {bad_line_ending, post_chunks("0\r\n\n")},
        {bad_trailer, post_chunks("0\r\nA : b\r\n\r\n")},
        {bad_trailer, post_chunks("0\r\nA: b\r\n c\r\n\r\n")},
    };
    return corpus;
}

}  // namespace hotpool::test
