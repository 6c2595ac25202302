// Certificates, lists and OCSP responses that OpenSSL's own programs make, revoke, staple and verify.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls.hpp"
#include "hotpool/transport/tls_server.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/server_process.hpp"
#include "support/tls_meeting.hpp"

using namespace hotpool;
using namespace hotpool::test;
using Catch::Matchers::Contains;

namespace {

bool has_program() {
    static const bool found = std::system("openssl version >/dev/null 2>&1") == 0;
    if (!found) WARN("skipped: the program openssl is not installed");
    return found;
}

// What an authority of `openssl ca` has in its directory.
struct program_authority {
    program_authority() {
        files.write(
            "ca.cnf",
            "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ncertificate=root.pem\n"
            "private_key=root.key\ndefault_md=sha256\ndefault_days=2\ndefault_crl_days=2\npolicy=any\n"
            "copy_extensions=none\nunique_subject=no\n[any]\ncommonName=supplied\n"
            "[server]\nsubjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n"
            "[stapler]\nsubjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n"
            "tlsfeature=status_request\n"
            "[req]\ndistinguished_name=none\n[none]\n"
            "[root]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
            "subjectKeyIdentifier=hash\n");
        files.write("index.txt", "");
        files.write("serial", "1000\n");
        run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem -days 2 "
            "-subj /CN=programs -config ca.cnf -extensions root");
    }
    void run(const std::string& command) const {
        const std::string whole = "cd " + files.string() + " && timeout 20 openssl " + command + " >>log 2>&1";
        if (std::system(whole.c_str()) != 0) throw std::runtime_error("openssl " + command + '\n' + files.read("log"));
    }
    void issue(const std::string& name, const std::string& kind) const {
        run("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + name + ".key -out " + name +
            ".csr -subj /CN=" + name + " -config ca.cnf");
        run("ca -batch -notext -config ca.cnf -in " + name + ".csr -out " + name + ".pem -extensions " + kind);
    }
    void revoke(const std::string& name) const { run("ca -config ca.cnf -revoke " + name + ".pem"); }
    void list() const { run("ca -config ca.cnf -gencrl -out root.crl"); }
    void respond(const std::string& name) const {
        run("ocsp -index index.txt -CA root.pem -rsigner root.pem -rkey root.key -issuer root.pem -cert " + name +
            ".pem -ndays 1 -respout " + name + ".ocsp -noverify");
    }
    std::string file(const std::string& name) const { return (files / name).string(); }

    scratch_directory files;
};

std::error_code end_of_visit(const std::string& port, const tls_options& options) {
    net::io_context io;
    return open(io, tls_transport({.host = "127.0.0.1", .port = port}, options)).error;
}

}  // namespace

TEST_CASE("openssl_s_server_is_let_in_or_refused_by_lists_and_staples_of_openssls_making", "[openssl]") {
    if (!has_program()) return;
    const program_authority ca;
    ca.issue("good", "server");
    ca.issue("bad", "stapler");
    ca.respond("bad");
    const tls_options stapling{.ca_file = ca.file("root.pem"), .ocsp_stapling = tls_stapling::request};
    const tls_options looking_up{.ca_file = ca.file("root.pem"), .crl_files = {ca.file("root.crl")}};
    const auto visit = [&](const std::string& name, const std::string& more, const tls_options& options) {
        const std::string port = free_port();
        server_process server(
            {"/bin/sh", "-c",
             "cd " + ca.files.string() + " && exec openssl s_server -quiet -accept 127.0.0.1:" + port + " -cert " +
                 name + ".pem -key " + name + ".key " + more + " </dev/null 2>/dev/null"},
            {port});
        server.start();
        return end_of_visit(port, options);
    };
    ca.list();
    CHECK_FALSE(visit("bad", "-status_file bad.ocsp", stapling));
    CHECK_FALSE(visit("bad", "", looking_up));
    CHECK(visit("bad", "", stapling) == errc::ocsp_response_missing);
    CHECK_FALSE(visit("good", "", stapling));
    ca.revoke("bad");
    ca.respond("bad");
    ca.list();
    CHECK(visit("bad", "-status_file bad.ocsp", stapling) == errc::certificate_revoked);
    CHECK(visit("bad", "", looking_up) == errc::certificate_revoked);
    CHECK_FALSE(visit("good", "", looking_up));
}

TEST_CASE("openssl_s_client_takes_the_staple_of_a_server_of_ours", "[openssl]") {
    if (!has_program()) return;
    const std::string version = GENERATE("-tls1_2", "-tls1_3");
    const program_authority ca;
    ca.issue("own", "stapler");
    ca.respond("own");
    tls_listener listener{tls_server({.certificate_file = ca.file("own.pem"),
                                      .private_key_file = ca.file("own.key"),
                                      .ocsp_response_file = ca.file("own.ocsp")})};
    const std::string command = "echo | timeout 20 openssl s_client -status -CAfile " + ca.file("root.pem") +
                                " -verify_return_error -connect 127.0.0.1:" + std::to_string(listener.port()) + ' ' +
                                version + " 2>&1";
    std::string said;
    std::thread running([&] {
        const std::unique_ptr<FILE, int (*)(FILE*)> output(::popen(command.c_str(), "r"), ::pclose);
        char line[512];
        while (std::fgets(line, sizeof line, output.get()) != nullptr) said += line;
    });
    std::error_code error;
    const auto stream = listener.accept(error);
    running.join();
    CHECK_FALSE(error);
    CHECK_THAT(said, Contains("OCSP Response Status: successful"));
    CHECK_THAT(said, Contains("Cert Status: good"));
    CHECK_THAT(said, Contains("Verify return code: 0 (ok)"));
}
