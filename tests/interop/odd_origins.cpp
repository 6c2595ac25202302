// Servers that were not made to be origins: Python's http.server, and OpenSSL's s_server in its modes.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"
#include "support/server_process.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;

namespace {

const std::string page_text(10'000, 'p');

/// A directory of files, and a server on it that may be stopped and started again.
class python_origin {
public:
    /// @param protocol HTTP/1.0 ends each connection with its response
    explicit python_origin(const std::string& protocol)
        : process_({HOTPOOL_PYTHON3, "-c",
                    "import sys, http.server as s, functools as f\n"
                    "s.SimpleHTTPRequestHandler.protocol_version = '" +
                        protocol +
                        "'\n"
                        "s.SimpleHTTPRequestHandler.log_message = lambda *a: None\n"
                        "s.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])),"
                        " f.partial(s.SimpleHTTPRequestHandler, directory=sys.argv[2])).serve_forever()",
                    port_, files_.string()},
                   {port_}) {
        files_.write("page.txt", page_text);
        process_.start();
    }
    const std::string& port() const noexcept { return port_; }
    void restart() {
        process_.stop();
        process_.start();
    }

private:
    const std::string port_ = free_port();
    scratch_directory files_;
    server_process process_;
};

/// `openssl s_server` serves one connection after the other.
class s_server {
public:
    explicit s_server(const std::vector<std::string>& mode) : process_(command(mode), {port_}) { process_.start(); }
    const std::string& port() const noexcept { return port_; }

private:
    std::vector<std::string> command(const std::vector<std::string>& mode) {
        files_.write("own.pem", test_identity().certificate_pem + test_identity().key_pem);
        files_.write("root.pem", test_root().certificate_pem());
        const std::string own = (files_ / "own.pem").string();
        std::vector<std::string> all{HOTPOOL_OPENSSL,
                                     "s_server",
                                     "-quiet",
                                     "-accept",
                                     "127.0.0.1:" + port_,
                                     "-cert",
                                     own,
                                     "-key",
                                     own,
                                     "-CAfile",
                                     (files_ / "root.pem").string()};
        all.insert(all.end(), mode.begin(), mode.end());
        return all;
    }
    const std::string port_ = free_port();
    scratch_directory files_;
    server_process process_;
};

template <class Pool>
struct odd_stage {
    template <class Options>
    odd_stage(const std::string& port, const pool_options& options, const Options& transport)
        : pool(io.get_executor(), origin{"127.0.0.1", port}, options, transport), client(pool) {}

    answer send(const request_builder& request) {
        answer a;
        client.async_send(request, [&a](std::error_code e, response reply) {
            ++a.completions;
            a.error = e;
            a.reply = std::move(reply);
        });
        REQUIRE(run_until(io, [&] { return a.completions != 0; }));
        return a;
    }

    net::io_context io;
    Pool pool;
    http_client<Pool> client;
};

const request_builder get_page("GET", "/page.txt");

}  // namespace

TEST_CASE("python_http_server_answers_every_request", "[python]") {
    const std::string protocol = GENERATE("HTTP/1.0", "HTTP/1.1");
    CAPTURE(protocol);
    python_origin server(protocol);
    odd_stage<tcp_pool> s(server.port(), {.max_connections = 8}, tcp_options{});
    for (int i = 0; i < 200; ++i) {
        const answer a = s.send(get_page);
        INFO(a.error.message());
        REQUIRE_FALSE(a.error);
        REQUIRE(a.reply.body() == page_text);
    }
    CHECK(s.send({"HEAD", "/page.txt"}).reply.header("Content-Length") == std::to_string(page_text.size()));
    CHECK(s.send({"GET", "/none"}).reply.status() == 404);
    request_builder post("POST", "/page.txt");
    post.body(std::string("x"));
    CHECK(s.send(post).reply.status() == 501);
    const bool hot = protocol == "HTTP/1.1";
    CHECK((s.pool.stats().total.opened < 10) == hot);
    server.restart();
    for (int i = 0; i < 20; ++i) CHECK(s.send(get_page).reply.status() == 200);
    CHECK(s.pool.stats().total.open_failures == 0);
}

TEST_CASE("s_server_that_ends_each_connection_with_its_response_answers_every_request", "[openssl]") {
    const std::vector<std::string> mode = GENERATE(
        std::vector<std::string>{"-www"}, std::vector<std::string>{"-www", "-tls1_2"},
        std::vector<std::string>{"-www", "-num_tickets", "20"}, std::vector<std::string>{"-www", "-no_ticket"},
        std::vector<std::string>{"-www", "-no_ticket", "-tls1_2"}, std::vector<std::string>{"-www", "-no_cache"},
        std::vector<std::string>{"-www", "-split_send_frag", "512", "-max_send_frag", "512"},
        std::vector<std::string>{"-www", "-no_middlebox", "-nbio"});
    CAPTURE(mode);
    s_server server(mode);
    odd_stage<tls_pool> s(server.port(), {.max_connections = 1}, over_tls::options());
    for (int i = 0; i < 20; ++i) {
        const answer a = s.send({"GET", "/"});
        INFO(a.error.message());
        REQUIRE_FALSE(a.error);
        CHECK(a.reply.status() == 200);
        CHECK(a.body().ends_with("</HTML>\r\n\r\n"));
    }
    CHECK(s.pool.stats().total.open_failures == 0);
    CHECK_FALSE(s.pool.stats().failing);
}

TEST_CASE("s_server_that_wants_a_certificate_of_the_client_says_so", "[openssl]") {
    const std::string version = GENERATE("-tls1_2", "-tls1_3");
    CAPTURE(version);
    s_server server({"-www", "-Verify", "1", "-verify_return_error", version});
    odd_stage<tls_pool> without(server.port(), {.max_connections = 1}, over_tls::options());
    CHECK(without.send({"GET", "/"}).error == errc::client_certificate_refused);
    tls_options with = over_tls::options();
    with.certificate_pem = test_identity().certificate_pem;
    with.private_key_pem = test_identity().key_pem;
    odd_stage<tls_pool> s(server.port(), {.max_connections = 1}, with);
    CHECK(s.send({"GET", "/"}).reply.status() == 200);
}

TEST_CASE("s_server_that_speaks_no_http_is_told_from_one_that_does", "[openssl]") {
    s_server server({"-rev"});
    odd_stage<tls_pool> s(server.port(), {.max_connections = 1}, over_tls::options());
    for (int i = 0; i < 3; ++i) {
        const answer a = s.send({"GET", "/"});
        INFO(a.error.message());
        CHECK(a.error == condition::bad_response);
    }
    CHECK(s.pool.stats().total.open_failures == 0);
}
