// URLs, and hosts as they are written in requests.
#include "hotpool/base/authority.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/http/uri.hpp"
#include "support/catch.hpp"

#include <string>
#include <string_view>

using namespace hotpool;
using base::authority_text;
using http::uri;
using http::uri_scheme;

namespace {

void check_parts(std::string_view text, uri_scheme scheme, std::string_view host, std::string_view port,
                 std::string_view target) {
    CAPTURE(text);
    uri parts;
    REQUIRE(http::parse_uri(text, parts) == errc{});
    CHECK(parts.scheme == scheme);
    CHECK(parts.host == host);
    CHECK(parts.port == port);
    CHECK(parts.target == target);
}

}  // namespace

TEST_CASE("a_url_is_taken_apart") {
    check_parts("http://example.com", uri_scheme::http, "example.com", "80", "/");
    check_parts("https://example.com/", uri_scheme::https, "example.com", "443", "/");
    check_parts("HTTPS://example.com:8443/a/b?c=d&e", uri_scheme::https, "example.com", "8443", "/a/b?c=d&e");
    check_parts("http://example.com?q=1", uri_scheme::http, "example.com", "80", "/?q=1");
    check_parts("http://example.com/a#part", uri_scheme::http, "example.com", "80", "/a");
    check_parts("http://example.com#part?not/query", uri_scheme::http, "example.com", "80", "/");
    check_parts("http://127.0.0.1:1/", uri_scheme::http, "127.0.0.1", "1", "/");
    check_parts("https://[2001:db8::1]:8443/x", uri_scheme::https, "2001:db8::1", "8443", "/x");
    check_parts("https://[::1]", uri_scheme::https, "::1", "443", "/");
    check_parts("http://a/?u=http://b:1/@[]", uri_scheme::http, "a", "80", "/?u=http://b:1/@[]");
}

TEST_CASE("what_is_no_http_url_is_refused_by_the_part_that_is_wrong") {
    uri untouched;
    untouched.host = "before";
    const auto error_of = [&](std::string_view text) { return http::parse_uri(text, untouched); };
    for (const std::string_view text : {"", "example.com", "/path", "http:/a", "http:a", "ftp://a/", "://a/",
                                        " http://a/", "httpss://a/", "http ://a/"})
        CHECK(error_of(text) == errc::invalid_scheme);
    for (const std::string_view text :
         {"http://",       "http:///a",   "http://?a",        "http://a b/",     "http://u@a/",
          "http://u:p@a/", "http://a:/",  "http://a:0/",      "http://a:65536/", "http://a:80x/",
          "http://::1/",   "http://[::1", "http://[::1]x/",   "http://[]/",      "http://[a]/",
          "http://a%/",    "http://a%2/", "http://\xc3\xa4/", "http://a\r\n/",   "http://a\\b/"})
        CHECK(error_of(text) == errc::invalid_host);
    for (const std::string_view text :
         {"http://a/b c", "http://a/\r\n", "http://a/\x7f", "http://a/\xc3\xa4", "http://a? "})
        CHECK(error_of(text) == errc::invalid_target);
    CHECK(untouched.host == "before");
}

TEST_CASE("a_port_that_no_origin_takes_is_refused_in_a_url_too") {
    for (const std::string_view port : {"080", "00443", "000000000000000000000001"}) {
        uri parts;
        CHECK(http::parse_uri("http://a:" + std::string(port) + "/", parts) == errc::invalid_host);
        CHECK(port_number(port) == 0);
        CHECK_FALSE(base::parse_authority("a:" + std::string(port)));
    }
}

TEST_CASE("a_host_value_leaves_the_default_port_out_and_brackets_ipv6_addresses") {
    CHECK(authority_text("example.com", "80", "80") == "example.com");
    CHECK(authority_text("example.com", "443", "443") == "example.com");
    CHECK(authority_text("example.com", "443", "80") == "example.com:443");
    CHECK(authority_text("example.com", "http", "80") == "example.com");
    CHECK(authority_text("example.com", "https", "443") == "example.com");
    CHECK(authority_text("example.com", "https", "80") == "example.com:443");
    CHECK(authority_text("::1", "80", "80") == "[::1]");
    CHECK(authority_text("[::1]", "8080", "80") == "[::1]:8080");
    CHECK(authority_text("fe80::1%eth0", "80", "80") == "[fe80::1]");
    CHECK(authority_text("127.0.0.1", "8080", "80") == "127.0.0.1:8080");
}

TEST_CASE("no_host_value_is_made_of_what_is_no_host_or_port") {
    for (const std::string_view host : {"", "a b", "a\r\nb", "a/b", "a:b", "[a]", "[]", "u@a", "\xc3\xa4"})
        CHECK(authority_text(host, "80", "80") == std::nullopt);
    for (const std::string_view port : {"", "0", "0080", "65536", "-1", "x", "ftp", "80 "})
        CHECK(authority_text("a", port, "80") == std::nullopt);
}
