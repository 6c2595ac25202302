// A TLS server of ours as OpenSSL's own program sees it.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls_server.hpp"
#include "support/catch.hpp"
#include "support/server_certificates.hpp"
#include "support/server_process.hpp"
#include "support/tls_meeting.hpp"

using namespace hotpool;
using namespace hotpool::test;
using Catch::Matchers::Contains;

namespace {

bool installed() {
    static const bool found = std::system("openssl version >/dev/null 2>&1") == 0;
    if (!found) WARN("skipped: the program openssl is not installed");
    return found;
}

// What a visit by the program came to.
struct visit {
    std::error_code error;
    bool resumed = false;
    std::string got;   // by the server
    std::string said;  // by the program
};

// A directory with the root that the program believes and a certificate that it may show.
struct program {
    program() {
        const identity own = client_root().issue({.common_name = "s_client", .names = {}});
        files.write("root.pem", test_root().certificate_pem());
        files.write("own.pem", own.certificate_pem + own.key_pem);
    }

    // The server answers a line with "pong" and closes.
    visit run(tls_listener& listener, const std::string& more) const {
        const std::string command =
            "cd " + files.string() +
            " && echo ping | timeout 20 openssl s_client -connect 127.0.0.1:" + std::to_string(listener.port()) +
            " -CAfile root.pem -verify_return_error -verify_hostname localhost -ign_eof " + more + " 2>&1";
        visit v;
        std::thread running([&] {
            const std::unique_ptr<FILE, int (*)(FILE*)> output(::popen(command.c_str(), "r"), ::pclose);
            char line[512];
            while (std::fgets(line, sizeof line, output.get()) != nullptr) v.said += line;
        });
        auto stream = listener.accept(v.error);
        if (stream) {
            v.resumed = stream->resumed();
            v.got = read_exactly(listener.io(), *stream, 5);
            write_all(listener.io(), *stream, "pong\n");
            stream->close();
        }
        running.join();
        return v;
    }

    scratch_directory files;
};

}  // namespace

TEST_CASE("inbound_tls_s_client_it_verifies_the_server_is_answered_and_comes_back_with_a_ticket") {
    if (!installed()) return;
    const std::string version = GENERATE("-tls1_2", "-tls1_3");
    const program client;
    tls_listener listener{tls_server(serving())};
    const visit first = client.run(listener, version + " -alpn h2,http/1.1 -sess_out session");
    CAPTURE(first.said);
    REQUIRE_FALSE(first.error);
    CHECK(first.got == "ping\n");
    CHECK_THAT(first.said, Contains("pong"));
    CHECK_THAT(first.said, Contains("Verification: OK"));
    CHECK_THAT(first.said, Contains("ALPN protocol: http/1.1"));
    const visit second = client.run(listener, version + " -sess_in session");
    CAPTURE(second.said);
    REQUIRE_FALSE(second.error);
    CHECK(second.resumed);
    CHECK_THAT(second.said, Contains("Reused, TLSv1"));
}

TEST_CASE("inbound_tls_s_client_certificates_and_versions") {
    if (!installed()) return;
    const program client;
    tls_listener listener{tls_server(asking(client_auth::required, {.ca_pem = client_root().certificate_pem()}))};
    const visit known = client.run(listener, "-cert own.pem -key own.pem");
    CHECK_FALSE(known.error);
    CHECK(known.got == "ping\n");
    CHECK_THAT(known.said, Contains("clients' root"));  // the names of roots that it is told
    CHECK(client.run(listener, "").error == errc::certificate_missing);
    CHECK(client.run(listener, "-alpn h2 -cert own.pem -key own.pem").error == errc::alpn_mismatch);
    CHECK(client.run(listener, "-tls1_1 -cipher DEFAULT@SECLEVEL=0").error == errc::handshake_failed);
}
