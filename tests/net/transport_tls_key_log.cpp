// Keys written down where the options say so, on either side, for whoever reads recorded bytes.
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "hotpool/connection_pool.hpp"
#include "hotpool/transport/tls.hpp"
#include "hotpool/transport/tls_server.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/server_process.hpp"
#include "support/tls_meeting.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

std::vector<std::string> sorted_lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    return lines;
}

// A client and a server of ours that shake hands once, each with these options.
void meet_once(const tls_options& client_options, const tls_server_options& server_options) {
    tls_listener listener{tls_server(server_options)};
    std::error_code outcome;
    std::thread client([&, port = listener.port()] {
        net::io_context io;
        outcome = open(io, tls_transport({.host = "127.0.0.1", .port = std::to_string(port)}, client_options)).error;
    });
    std::error_code error;
    const auto stream = listener.accept(error);
    client.join();
    CHECK_FALSE(error);
    CHECK_FALSE(outcome);
}

tls_options trusting_the_root(std::string key_log_file = {}) {
    return {.ca_pem = test_root().certificate_pem(), .key_log_file = std::move(key_log_file)};
}

}  // namespace

TEST_CASE("tls_key_log_both_sides_write_the_same_lines_for_their_owner_alone") {
    const scratch_directory files;
    const std::string ours = (files / "client.keys").string();
    const std::string theirs = (files / "server.keys").string();
    meet_once(trusting_the_root(ours), serving({.key_log_file = theirs}));
    const auto lines = sorted_lines(files.read("client.keys"));
    CHECK(lines == sorted_lines(files.read("server.keys")));
    const auto has = [&](const std::string& label) {
        return std::any_of(lines.begin(), lines.end(),
                           [&](const std::string& l) { return l.starts_with(label + ' '); });
    };
    CHECK(has("CLIENT_HANDSHAKE_TRAFFIC_SECRET"));
    CHECK(has("SERVER_HANDSHAKE_TRAFFIC_SECRET"));
    CHECK(has("CLIENT_TRAFFIC_SECRET_0"));
    CHECK(has("SERVER_TRAFFIC_SECRET_0"));
    struct stat status {};
    REQUIRE(::stat(ours.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("tls_key_log_lines_are_appended_also_by_a_generation_that_goes_on_beside_the_next") {
    const scratch_directory files;
    files.write("keys", "# kept\n");
    const std::string file = (files / "keys").string();
    meet_once(trusting_the_root(file), serving());
    const std::size_t once = sorted_lines(files.read("keys")).size();
    CHECK(once >= 5);
    meet_once(trusting_the_root(file), serving({.key_log_file = file}));
    const auto all = sorted_lines(files.read("keys"));
    CHECK(all.front() == "# kept");
    CHECK(all.size() == once + 2 * (once - 1));
}

TEST_CASE("tls_key_log_is_written_by_an_option_alone") {
    const scratch_directory files;
    const std::string file = (files / "keys").string();
    ::setenv("SSLKEYLOGFILE", file.c_str(), 1);
    meet_once(trusting_the_root(), serving());
    ::unsetenv("SSLKEYLOGFILE");
    CHECK(files.read("keys").empty());
}

TEST_CASE("tls_key_log_that_cannot_be_opened_is_refused_by_field_and_name") {
    const scratch_directory files;
    const std::string file = (files / "no/such").string();
    const std::string rule = "key_log_file must be a file that can be appended to: \"" + file + '"';
    CHECK(refusal_of([&] { tls_transport({.host = "a", .port = "1"}, trusting_the_root(file)); }) ==
          "hotpool::tls_options::" + rule);
    CHECK(refusal_of([&] { tls_server server(serving({.key_log_file = file})); }) ==
          "hotpool::tls_server_options::" + rule);
}
