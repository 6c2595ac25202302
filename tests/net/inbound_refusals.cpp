// What those see who are refused.
#include <cstdio>
#include <string>
#include <vector>

#include "support/inbound_http.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using inbound::refuse_reason;

namespace {

struct refusing_server : web_server<accept_tcp> {
    static services_type tells() {
        services_type services;
        services.refused = inbound::http_refusal();
        return services;
    }
    static inbound::acceptor_options one_each(inbound::acceptor_options options) {
        options.admission.max_connections_per_group = 1;
        return options;
    }
    explicit refusing_server(const inbound::acceptor_options& options = {})
        : web_server(one_each(options), {}, tells()), first(connect()) {
        if (first.status_of(get("/hello")) != 200) throw std::runtime_error("nobody is served");
    }

    http_peer first;
};

}  // namespace

TEST_CASE("who_is_refused_reads_why_whatever_he_sends_meanwhile", "[inbound]") {
    refusing_server server;
    const std::string body(30'000, 'x');
    for (int i = 0; i < 50; ++i) {
        http_peer refused = server.connect();
        REQUIRE(refused.send(post("/echo", "")));
        REQUIRE(eventually(
            [&] { return server.stats().total.refused_for(refuse_reason::group_connections) > unsigned(i); }));
        REQUIRE(refused.send(body));  // no EPIPE
        const auto seen = refused.read();
        REQUIRE(seen);
        CHECK(seen->status == 429);
        CHECK(seen->field("Retry-After") == "1");
        CHECK(refused.ended());
    }
    CHECK(eventually([&] { return server.stats().lingering_refusals == 0; }));
    CHECK(server.stats().total.refusals_cut == 0);
}

TEST_CASE("pythons_client_posts_to_a_server_that_refuses_it_and_reads_why", "[inbound]") {
    refusing_server server;
    const std::string script =
        "import http.client, sys\n"
        "seen = 0\n"
        "for i in range(100):\n"
        "    c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=10)\n"
        "    try:\n"
        "        c.request('POST', '/echo', body=b'x' * 2000, headers={'A': 'b' * 100})\n"
        "        seen += c.getresponse().status == 429\n"
        "    except OSError as e:\n"
        "        print(repr(e), file=sys.stderr)\n"
        "    c.close()\n"
        "print(seen)\n";
    const std::string command =
        "python3 -c \"" + script + "\" " + std::to_string(server.acceptor.port()) + " 2>/dev/null";
    FILE* const pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    char line[64] = {};
    const bool said = std::fgets(line, sizeof line, pipe) != nullptr;
    ::pclose(pipe);
    if (!said) return;  // there is none
    CHECK(std::string(line) == "100\n");
}

TEST_CASE("so_many_linger_as_may", "[inbound]") {
    refusing_server server({.max_lingering_refusals = 3, .life = {.linger_timeout = 1h}});
    std::vector<http_peer> refused;
    for (int i = 0; i < 8; ++i) {
        refused.push_back(server.connect());
        REQUIRE(refused.back().read()->status == 429);
    }
    REQUIRE(eventually([&] { return server.stats().total.refusals_cut == 5; }));
    CHECK(server.stats().lingering_refusals == 3);
    CHECK(server.first.status_of(get("/hello")) == 200);
}

TEST_CASE("nobody_lingers_longer_than_he_may", "[inbound]") {
    refusing_server server({.life = {.linger_timeout = 1s}});
    const time_point start = clock_type::now();
    http_peer refused = server.connect();
    REQUIRE(refused.read()->status == 429);
    REQUIRE(eventually([&] { return server.stats().lingering_refusals == 1; }));
    CHECK(eventually([&] { return server.stats().lingering_refusals == 0; }));
    CHECK(clock_type::now() - start >= 1s);
    CHECK(server.first.status_of(get("/hello")) == 200);
}

TEST_CASE("who_sends_too_much_after_a_refusal_is_cut", "[inbound]") {
    refusing_server server({.life = {.linger_timeout = 1h, .max_linger_bytes = 10'000}});
    http_peer refused = server.connect();
    REQUIRE(refused.read()->status == 429);
    REQUIRE(eventually([&] { return server.stats().lingering_refusals == 1; }));
    const std::string more(1000, 'x');
    CHECK(eventually([&] { return !refused.send(more); }));
    CHECK(eventually([&] { return server.stats().lingering_refusals == 0; }));
}

TEST_CASE("closing_ends_those_who_were_refused_too_and_a_drain_waits_for_them", "[inbound]") {
    const bool drains = GENERATE(false, true);
    refusing_server server({.life = {.linger_timeout = 1h}});
    http_peer refused = server.connect();
    REQUIRE(refused.read()->status == 429);
    REQUIRE(eventually([&] { return server.stats().lingering_refusals == 1; }));
    if (drains) {
        std::promise<std::error_code> over;
        auto result = over.get_future();
        server.acceptor.async_drain(10s, [&](std::error_code e) { over.set_value(e); });
        server.first.socket().close();
        CHECK(result.wait_for(50ms) == std::future_status::timeout);
        refused.socket().close();
        REQUIRE(result.wait_for(plenty) == std::future_status::ready);
        CHECK_FALSE(result.get());
    } else {
        server.acceptor.close();
    }
    CHECK(server.stats().lingering_refusals == 0);
    server.loop.finish();  // nothing is left to wait for
}

TEST_CASE("who_was_refused_ends_with_the_execution_context", "[inbound]") {
    auto io = std::make_unique<net::io_context>();
    inbound::tcp_acceptor::services_type services;
    services.refused = inbound::http_refusal();
    inbound::acceptor_options options = on_loopback();
    options.admission.max_connections = 1;
    auto acceptor =
        std::make_unique<inbound::tcp_acceptor>(io->get_executor(), options, tcp_server_options{}, services);
    client_socket first(acceptor->port()), second(acceptor->port());
    REQUIRE(run_until(*io, [&] { return acceptor->stats().lingering_refusals == 1; }));
    SECTION("before the acceptor") {
        io.reset();
        CHECK(acceptor->stats().lingering_refusals == 0);
        acceptor.reset();
    }
    SECTION("behind it") {
        acceptor.reset();
        io.reset();
    }
    CHECK(second.read_to_end().substr(0, 12) == "HTTP/1.1 503");
}
