// As whom a TLS peer is known, without OpenSSL: by a whole name or by an address, never by less.
#include <optional>
#include <string>

#include "hotpool/base/authority.hpp"
#include "hotpool/http/uri.hpp"
#include "hotpool/transport/tls_name.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using namespace hotpool::detail;

namespace {

/// Hosts that are names or addresses but for a label that is missing, or a colon too many.
const char* const no_hosts[] = {".",
                                "..",
                                ".example.com",
                                "..example.com",
                                "example..com",
                                "a.b..",
                                "example.com..",
                                ".127.0.0.1",
                                "127.0.0.1..",
                                "a:b:c",
                                "g::1",
                                "::1.",
                                "example.com%1",
                                "127.0.0.1%1",
                                "%",
                                "%eth0",
                                ":::",
                                "1:2:3:4:5:6:7:8:9"};

}  // namespace

TEST_CASE("a_host_that_lacks_a_label_is_no_host_wherever_it_is_given", "[tls]") {
    for (const char* host : no_hosts) {
        CAPTURE(host);
        REQUIRE(host_fault(host) != nullptr);
        CHECK(std::string(host_fault(host)).starts_with("must be a name or an IP address"));
        CHECK_THROWS_WITH(validate(origin{host, "443"}), Catch::Matchers::StartsWith("hotpool::origin::host must "));
    }
    for (const char* host : {".", "..", ".example.com", "a..b", "a.."}) {
        CAPTURE(host);
        CHECK_FALSE(base::is_host_name(host));
        CHECK_FALSE(base::parse_authority(host));
        CHECK_FALSE(base::authority_text(host, "443", "443"));
        http::uri parts;
        CHECK(http::parse_uri("https://" + std::string(host) + "/", parts) == errc::invalid_host);
    }
}

TEST_CASE("a_peer_is_known_by_its_whole_name_or_by_its_address", "[tls]") {
    const auto name = [](const char* host) {
        REQUIRE(host_fault(host) == nullptr);
        const tls_name known = tls_name_of(host);
        CHECK(known.is_whole());
        CHECK_FALSE(known.address);
        return known.name;
    };
    const auto address = [](const char* host) {
        REQUIRE(host_fault(host) == nullptr);
        const tls_name known = tls_name_of(host);
        CHECK(known.is_whole());
        CHECK(known.name.empty());
        REQUIRE(known.address);
        return known.address->to_string();
    };
    CHECK(name("example.com") == "example.com");
    CHECK(name("example.com.") == "example.com");
    CHECK(name("localhost") == "localhost");
    CHECK(name("a_b.test") == "a_b.test");
    CHECK(name("127.0.0.1.example") == "127.0.0.1.example");
    CHECK(name("1.2.3.4.5") == "1.2.3.4.5");
    CHECK(address("127.0.0.1") == "127.0.0.1");
    CHECK(address("127.0.0.1.") == "127.0.0.1");
    CHECK(address("::1") == "::1");
    CHECK(address("::ffff:192.0.2.1") == "::ffff:192.0.2.1");
    CHECK(address("fe80::1%eth0") == "fe80::1");
    CHECK(address("fe80::1%3") == "fe80::1");
}

TEST_CASE("what_says_less_than_a_whole_name_is_told_before_it_reaches_openssl", "[tls]") {
    CHECK_FALSE(tls_name{}.is_whole());
    for (const char* part : {"", ".", ".example.com", "a..b", "a:b:c"})
        CHECK_FALSE(tls_name{part, std::nullopt}.is_whole());
    CHECK_FALSE(tls_name{.name = "example.com", .address = ip_address()}.is_whole());
}
