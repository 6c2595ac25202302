// CONNECT without a network: what is said to a proxy, and what its answers mean however they arrive.
#include <cstddef>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

#include "hotpool/transport/proxy_connect.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::detail;

namespace {

using verdict = connect_answer::verdict;

struct judgement {
    verdict outcome = verdict::need_more;
    errc error{};
    bool operator==(const judgement&) const = default;
};

judgement judge(std::initializer_list<std::string_view> pieces) {
    connect_answer answer;
    for (const std::string_view piece : pieces) {
        const verdict v = answer.received(piece);
        if (v != verdict::need_more) return {v, answer.error()};
    }
    return {};
}

judgement judge_byte_by_byte(std::string_view text) {
    connect_answer answer;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const verdict v = answer.received(text.substr(at, 1));
        if (v != verdict::need_more) return {v, answer.error()};
    }
    return {};
}

/// What `text` means; the same whole, in every two pieces and byte by byte.
judgement meaning(std::string_view text) {
    const judgement whole = judge({text});
    for (std::size_t at = 1; at < text.size(); ++at) CHECK(judge({text.substr(0, at), text.substr(at)}) == whole);
    CHECK(judge_byte_by_byte(text) == whole);
    return whole;
}

const judgement tunnel{verdict::tunnel, {}};
judgement failed(errc e) { return {verdict::failed, e}; }

std::string refusal(const proxy_options& proxy, const origin& target = {"example.com", "443"}) {
    try {
        validate_tunnel(proxy, target);
    } catch (const std::invalid_argument& refused) {
        return refused.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("proxy_base64_is_that_of_the_rfc") {
    CHECK(base64("") == "");
    CHECK(base64("f") == "Zg==");
    CHECK(base64("fo") == "Zm8=");
    CHECK(base64("foo") == "Zm9v");
    CHECK(base64("foob") == "Zm9vYg==");
    CHECK(base64("fooba") == "Zm9vYmE=");
    CHECK(base64("foobar") == "Zm9vYmFy");
    CHECK(base64(std::string_view("\x00\xff\xfe\xfb", 4)) == "AP/++w==");
    CHECK(base64("Aladdin:open sesame") == "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST_CASE("proxy_connect_names_the_origin_with_its_port") {
    const proxy_options proxy{.host = "proxy", .port = "3128"};
    CHECK(connect_request({"example.com", "443"}, proxy) ==
          "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    CHECK(connect_request({"example.com", "http"}, proxy) ==
          "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n");
    CHECK(connect_request({"2001:db8::1", "https"}, proxy) ==
          "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n");
    CHECK(tunnel_authority({"fe80::1%eth0", "80"}) == "[fe80::1]:80");
}

TEST_CASE("proxy_credentials_are_sent_where_there_are_some") {
    const origin target{"example.com", "443"};
    const proxy_options aladdin{.host = "proxy", .port = "3128", .username = "Aladdin", .password = "open sesame"};
    CHECK(connect_request(target, aladdin) ==
          "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n"
          "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
    const proxy_options no_password{.host = "proxy", .port = "3128", .username = "u"};
    CHECK(connect_request(target, no_password).find("Basic dTo=\r\n") != std::string::npos);
}

TEST_CASE("proxy_any_2xx_is_a_tunnel_whatever_its_fields_say_of_a_body") {
    CHECK(meaning("HTTP/1.1 200 Connection established\r\n\r\n") == tunnel);
    CHECK(meaning("HTTP/1.0 200 OK\r\nProxy-agent: tinyproxy/1.11.1\r\n\r\n") == tunnel);
    CHECK(meaning("HTTP/1.1 299 \r\n\r\n") == tunnel);
    CHECK(meaning("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n") == tunnel);
    CHECK(meaning("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") == tunnel);
}

TEST_CASE("proxy_interim_answers_are_skipped_and_there_is_a_bound_on_them") {
    CHECK(meaning("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 \r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n") == tunnel);
    CHECK(meaning("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n\r\n") == failed(errc::proxy_refused));
    CHECK(meaning("HTTP/1.1 100 Continue\r\n\r\n") == judgement{});
    std::string many;
    for (int i = 0; i < 17; ++i) many += "HTTP/1.1 100 Continue\r\n\r\n";
    CHECK(judge({many}) == failed(errc::proxy_bad_response));
}

TEST_CASE("proxy_a_refusal_is_known_by_its_status_with_or_without_a_body") {
    CHECK(meaning("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n") ==
          failed(errc::proxy_unauthorized));
    for (const char* status : {"300", "302", "400", "401", "403", "404", "502", "503", "599"})
        CHECK(judge({"HTTP/1.1 ", status, " \r\n\r\n"}) == failed(errc::proxy_refused));
    CHECK(meaning("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad") == failed(errc::proxy_refused));
    CHECK(judge({"HTTP/1.1 403 No\r\nContent-Length: 99999999999\r\n\r\n"}) == failed(errc::proxy_refused));
    CHECK(judge({"HTTP/1.1 403 No\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"}) ==
          failed(errc::proxy_bad_response));
}

TEST_CASE("proxy_bytes_behind_the_head_of_a_200_are_refused") {
    const std::string established = "HTTP/1.1 200 Connection established\r\n\r\n";
    CHECK(judge({established + "H"}) == failed(errc::proxy_bad_response));
    CHECK(judge({established + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}) == failed(errc::proxy_bad_response));
    for (std::size_t at = 1; at < established.size(); ++at)
        CHECK(judge({established.substr(0, at), established.substr(at) + "H"}) == failed(errc::proxy_bad_response));
}

TEST_CASE("proxy_what_is_not_http_is_refused_at_once_or_within_its_bound") {
    for (const char* text :
         {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200 \r\n\r\n", "\x15\x03\x01", "HTTP/1.1 200 OK\n\n",
          "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 101 \r\n\r\n", "HTTP/1.1 200 OK\r\nbad field\r\n\r\n"})
        CHECK(meaning(text) == failed(errc::proxy_bad_response));

    const std::string long_field = "HTTP/1.1 200 OK\r\nX: " + std::string(16 * 1024, 'x');
    CHECK(judge({long_field}) == failed(errc::proxy_bad_response));
    CHECK(judge_byte_by_byte(long_field) == failed(errc::proxy_bad_response));
    CHECK(judge({"HTTP/1.1 200 OK\r\nX: " + std::string(15 * 1024, 'x')}) == judgement{});
}

TEST_CASE("proxy_options_are_refused_by_field_and_rule") {
    const std::string at = "hotpool::proxy_options::";
    CHECK(refusal({}) == "accepted");
    CHECK(refusal({.host = "proxy.example", .port = "http"}) == "accepted");
    CHECK(refusal({.host = "::1", .port = "3128", .username = "u", .password = "p:\xc3\xa4"}) == "accepted");
    CHECK(refusal({.port = "3128"}) == at + "host must not be empty where another field is given");
    CHECK(refusal({.username = "u"}) == at + "host must not be empty where another field is given");
    CHECK(refusal({.password = "p"}) == at + "host must not be empty where another field is given");
    CHECK(refusal({.host = "a b", .port = "1"}).starts_with(at + "host must be a name or an IP address"));
    CHECK(refusal({.host = "a:1", .port = "1"}).starts_with(at + "host must not contain a port"));
    CHECK(refusal({.host = "http://a", .port = "1"}).starts_with(at + "host "));
    for (const char* port : {"", "0", "65536", "socks", "-1"})
        CHECK(refusal({.host = "a", .port = port}) == at + "port must be a number from 1 to 65535, http or https");
    for (const char* name : {"a:b", "a\r\nX: y", "a\x7f", "\t"})
        CHECK(refusal({.host = "a", .port = "1", .username = name}) ==
              at + "username must contain neither a colon nor a control character");
    CHECK(refusal({.host = "a", .port = "1", .username = "u", .password = "secret\n"}) ==
          at + "password must not contain a control character");
    CHECK(refusal({.host = "a", .port = "1", .username = "u", .password = std::string(1, '\0')}) ==
          at + "password must not contain a control character");
    CHECK(refusal({.host = "a", .port = "1", .password = "secret"}) ==
          at + "password must be empty where no username is given");
}

TEST_CASE("proxy_an_origin_that_connect_cannot_name_is_refused_where_there_is_a_proxy") {
    const proxy_options proxy{.host = "proxy", .port = "3128"};
    for (const char* host : {"g::1", "a%zz"}) {
        CHECK(refusal({}, {host, "80"}) == "accepted");
        CHECK(refusal(proxy, {host, "80"}).starts_with("hotpool::origin::host must be a name or an IP address"));
    }
}

TEST_CASE("proxy_what_kept_it_from_being_reached_is_told_apart_from_the_origins_errors") {
    const proxy_options proxy{.host = "proxy", .port = "3128"};
    for (const errc e : {errc::resolve_failed, errc::resolve_empty, errc::connect_refused, errc::connect_unreachable,
                         errc::connect_failed, errc::connect_timed_out}) {
        CHECK(first_hop_error(e, proxy) == errc::proxy_unreachable);
        CHECK(first_hop_error(e, {}) == e);
    }
    for (const errc e : {errc::cancelled, errc::descriptors_exhausted, errc::access_denied})
        CHECK(first_hop_error(e, proxy) == e);
    CHECK_FALSE(first_hop_error({}, proxy));
}
