// Names that would let everybody pass are refused where they are given; an address is no name, with a dot or without.
#include <string>

#include "hotpool/connection_pool.hpp"
#include "hotpool/transport/tls.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/loopback_server.hpp"
#include "support/refusal.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

/// How a connection by that `server_name` ends at a server whose certificate is for `names`, and what it asked for.
struct meeting_by_name {
    std::error_code error;
    std::string asked = "nothing";
};

meeting_by_name meet_by_name(const std::string& server_name, std::vector<std::string> names) {
    meeting_by_name met;
    std::string asked;
    {
        loopback_server server({.own = test_root().issue({.names = std::move(names)}),
                                .prepare =
                                    [&asked](SSL_CTX* context) {
                                        SSL_CTX_set_tlsext_servername_arg(context, &asked);
                                        const auto note = [](SSL* ssl, int*, void* to) {
                                            const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
                                            *static_cast<std::string*>(to) = name != nullptr ? name : "nothing";
                                            return SSL_TLSEXT_ERR_OK;
                                        };
                                        SSL_CTX_set_tlsext_servername_callback(
                                            context, static_cast<int (*)(SSL*, int*, void*)>(note));
                                    }},
                               [](server_connection& c) { c.stay(); });
        net::io_context io;
        const auto opened =
            open(io, tls_transport({.host = "127.0.0.1", .port = server.port()},
                                   {.ca_pem = test_root().certificate_pem(), .server_name = server_name}));
        REQUIRE(opened.completions == 1);
        met.error = opened.error;
    }
    met.asked = asked;
    return met;
}

const char* const no_whole_names[] = {".", "..", ".example.test", "example..test", "example.test..", "a:b:c", "%1"};

}  // namespace

TEST_CASE("tls_name_that_lacks_a_label_is_refused_where_it_is_given_by_its_field") {
    using Catch::Matchers::StartsWith;
    net::io_context io;
    for (const char* name : no_whole_names) {
        CAPTURE(name);
        const tls_options asking{.server_name = name};
        tls_transport transport({.host = "example.test", .port = "443"});
        CHECK_THAT(refusal_of([&] { tls_transport({.host = "example.test", .port = "443"}, asking); }),
                   StartsWith("hotpool::tls_options::server_name must be a name or an IP address"));
        CHECK_THAT(refusal_of([&] { transport.update(asking); }),
                   StartsWith("hotpool::tls_options::server_name must be a name or an IP address"));
        CHECK_THAT(refusal_of([&] { tls_transport({.host = name, .port = "443"}); }),
                   StartsWith("hotpool::origin::host must be a name or an IP address"));
        CHECK_THAT(refusal_of([&] { tls_transport({.host = name, .port = "443"}, {.server_name = "example.test"}); }),
                   StartsWith("hotpool::origin::host must"));
        CHECK_THAT(refusal_of([&] { tls_pool(io.get_executor(), {.host = name, .port = "443"}); }),
                   StartsWith("hotpool::origin::host must"));
        CHECK_THAT(refusal_of([&] { tcp_pool(io.get_executor(), {.host = name, .port = "80"}); }),
                   StartsWith("hotpool::origin::host must"));
        CHECK_THAT(refusal_of([&] {
                       tcp_pool(io.get_executor(), {.host = "example.test", .port = "80"}, {},
                                {.proxy = {.host = name, .port = "3128"}});
                   }),
                   StartsWith("hotpool::proxy_options::host must"));
    }
}

TEST_CASE("tls_name_is_verified_whole_and_an_address_is_never_asked_for") {
    CHECK_FALSE(meet_by_name("www.example.test", {"www.example.test"}).error);
    CHECK(meet_by_name("example.test", {"www.example.test"}).error == errc::certificate_host_mismatch);
    CHECK(meet_by_name("example.test.", {"example.test"}).asked == "example.test");
    for (const char* address : {"127.0.0.1", "127.0.0.1."}) {
        CAPTURE(address);
        const meeting_by_name right = meet_by_name(address, {"127.0.0.1"});
        CHECK_FALSE(right.error);
        CHECK(right.asked == "nothing");
        CHECK(meet_by_name(address, {"127.0.0.2"}).error == errc::certificate_host_mismatch);
        CHECK(meet_by_name(address, {"localhost"}).error == errc::certificate_host_mismatch);
    }
    CHECK(meet_by_name("::1", {"::1"}).asked == "nothing");
}
