// Bad options are refused where the transport is made, with the field and the rule.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/transport/tcp.hpp"
#include "hotpool/transport/tls.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace hotpool::test;
using Catch::Matchers::Contains;

namespace {

const identity& own() {
    static const identity made = self_signed();
    return made;
}

void make(tls_options options) { tls_transport({.host = "localhost", .port = "443"}, std::move(options)); }

std::string refusal(const tls_options& options) {
    return refusal_of([&] { make(options); });
}
std::string refusal(const origin& target) {
    return refusal_of([&] { tcp_transport transport{target}; });
}
std::string pin_refusal(const std::string& text) {
    return refusal_of([&] { tls_pin::certificate(text); });
}

// A file with `text` for as long as it lives.
class temporary_file {
public:
    explicit temporary_file(const std::string& text)
        : path_(std::filesystem::temp_directory_path() /
                ("hotpool_test_" + std::to_string(::getpid()) + "_" + std::to_string(++count))) {
        std::ofstream(path_) << text;
    }
    ~temporary_file() { std::filesystem::remove(path_); }
    std::string path() const { return path_.string(); }

private:
    inline static int count = 0;
    std::filesystem::path path_;
};

}  // namespace

TEST_CASE("origin_only_a_host_and_a_port_are_accepted") {
    for (const char* host : {"localhost", "example.com", "example.com.", "a_b.test", "127.0.0.1", "::1", "fe80::1%eth0",
                             "xn--bcher-kva.example"})
        REQUIRE(refusal(origin{.host = host, .port = "80"}) == "accepted");
    for (const std::string& host :
         {std::string(), std::string("a b"), std::string("a\tb"), std::string("a\r\nb"), std::string("a\0b", 3),
          std::string("a/b"), std::string("u@h"), std::string("[::1]"),
          std::string("b\xc3\xbc"
                      "cher.example"),
          std::string("host:80"), std::string(254, 'a'), std::string("."), std::string(".a"), std::string("a..b"),
          std::string("a.."), std::string("a:b:c"), std::string("a%1")})
        REQUIRE_THAT(refusal(origin{.host = host, .port = "80"}), Contains("origin::host must"));
    for (const char* port : {"1", "80", "65535", "http", "https"})
        REQUIRE(refusal(origin{.host = "h", .port = port}) == "accepted");
    for (const char* port : {"", "0", "65536", "99999", "100000", "-1", "+1", " 80", "80 ", "080", "8a", "ftp", "HTTP"})
        REQUIRE_THAT(refusal(origin{.host = "h", .port = port}), Contains("origin::port must"));
    static_assert(port_number("https") == 443 && port_number("65535") == 65535 && port_number("65536") == 0);
}

TEST_CASE("tls_options_roots_must_be_certificates_that_can_be_read") {
    const std::string pem = own().certificate_pem;
    const temporary_file good(pem + own().certificate_pem);
    const temporary_file garbage("no PEM at all");
    REQUIRE(refusal({.ca_pem = pem}) == "accepted");
    REQUIRE(refusal({.ca_file = good.path()}) == "accepted");
    REQUIRE_THAT(refusal({.ca_file = "/no/such/file"}), Contains("tls_options::ca_file must"));
    REQUIRE_THAT(refusal({.ca_file = garbage.path()}), Contains("tls_options::ca_file must"));
    REQUIRE_THAT(refusal({.ca_file = std::filesystem::temp_directory_path().string()}), Contains("ca_file must"));
    REQUIRE_THAT(refusal({.ca_pem = "no PEM at all"}), Contains("tls_options::ca_pem must"));
    REQUIRE_THAT(refusal({.ca_pem = pem.substr(0, pem.size() / 2)}), Contains("tls_options::ca_pem must"));
    REQUIRE_THAT(refusal({.ca_pem = pem + pem.substr(0, pem.size() / 2)}), Contains("tls_options::ca_pem must"));
    REQUIRE_THAT(refusal({.ca_pem = own().key_pem}), Contains("tls_options::ca_pem must"));
    REQUIRE_THAT(refusal({.ca_file = good.path(), .ca_pem = pem}), Contains("tls_options::ca_file must not"));
}

TEST_CASE("tls_options_a_certificate_needs_its_own_key") {
    const identity other = self_signed();
    const std::string pem = own().certificate_pem;
    const std::string key = own().key_pem;
    const temporary_file pem_file(pem);
    const temporary_file key_file(key);
    REQUIRE(refusal({.certificate_pem = pem, .private_key_pem = key}) == "accepted");
    REQUIRE(refusal({.certificate_file = pem_file.path(), .private_key_file = key_file.path()}) == "accepted");
    REQUIRE(refusal({.certificate_file = pem_file.path(), .private_key_pem = key}) == "accepted");
    REQUIRE(refusal({.certificate_pem = pem + other.certificate_pem, .private_key_pem = key}) == "accepted");
    REQUIRE_THAT(refusal({.certificate_pem = pem}), Contains("tls_options::private_key_pem must"));
    REQUIRE_THAT(refusal({.private_key_pem = key}), Contains("tls_options::certificate_pem must"));
    REQUIRE_THAT(refusal({.certificate_pem = pem, .private_key_pem = other.key_pem}),
                 Contains("private_key_pem must belong to the certificate"));
    REQUIRE_THAT(refusal({.certificate_pem = "garbage", .private_key_pem = key}), Contains("certificate_pem must"));
    REQUIRE_THAT(refusal({.certificate_pem = pem, .private_key_pem = "garbage"}), Contains("private_key_pem must"));
    REQUIRE_THAT(refusal({.certificate_pem = pem, .private_key_file = "/no/such/file"}),
                 Contains("private_key_file must"));
}

TEST_CASE("tls_options_an_encrypted_key_needs_its_password_which_is_never_asked_for") {
    const identity plain = own();
    const std::string encrypted = encrypt_key(plain.key_pem, "sesame");
    const tls_options with{.certificate_pem = plain.certificate_pem, .private_key_pem = encrypted};
    tls_options right = with;
    right.private_key_password = "sesame";
    tls_options wrong = with;
    wrong.private_key_password = "open";
    REQUIRE(refusal(right) == "accepted");
    REQUIRE_THAT(refusal(wrong), Contains("private_key_pem must"));
    REQUIRE_THAT(refusal(with), Contains("private_key_pem must"));
}

TEST_CASE("tls_options_protocols_and_names_must_be_such") {
    REQUIRE(refusal({.alpn = {}}) == "accepted");
    REQUIRE(refusal({.alpn = {"h2", std::string(255, 'x')}}) == "accepted");
    REQUIRE_THAT(refusal({.alpn = {""}}), Contains("tls_options::alpn must"));
    REQUIRE_THAT(refusal({.alpn = {std::string(256, 'x')}}), Contains("tls_options::alpn must"));
    REQUIRE_THAT(refusal({.alpn = std::vector<std::string>(300, std::string(255, 'x'))}),
                 Contains("tls_options::alpn must"));
    REQUIRE_THAT(refusal({.server_name = "a b"}), Contains("tls_options::server_name must"));
    REQUIRE_THAT(refusal({.server_name = "a:1"}), Contains("tls_options::server_name must"));
}

TEST_CASE("tls_options_a_pin_is_a_sha_256_in_hexadecimal_or_base64") {
    const std::string hex = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
    const std::string base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    std::string colons = hex.substr(0, 2);
    for (std::size_t i = 2; i < hex.size(); i += 2) colons += ":" + hex.substr(i, 2);
    const tls_pin pin = tls_pin::certificate(hex);
    REQUIRE(pin.of() == tls_pin::subject::certificate);
    REQUIRE(tls_pin::public_key(base64).of() == tls_pin::subject::public_key);
    for (const std::string& text : {colons, base64, "sha256//" + base64, "sha256//" + hex})
        REQUIRE(tls_pin::certificate(text).digest() == pin.digest());
    for (const std::string& text : {std::string(), hex.substr(1), hex + "0", hex.substr(2) + "0g", base64.substr(1),
                                    "=" + base64.substr(1), base64.substr(0, 43) + "A", "sha1//" + base64, ":" + hex})
        REQUIRE_THAT(pin_refusal(text), Contains("tls_options::pins must"));
}

TEST_CASE("tls_options_refusing_leaves_openssls_error_queue_empty_and_no_descriptor_open") {
    const std::size_t before = open_descriptors();
    const temporary_file garbage("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    REQUIRE_THAT(refusal({.ca_file = garbage.path()}), Contains("ca_file must"));
    REQUIRE(ERR_peek_error() == 0);
    REQUIRE(open_descriptors() == before);
}
