// A client's requests: what it adds to them, how long they may take, how they end.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

loopback_server::script echo() {
    return [](server_connection& c) {
        for (;;) c.write(ok(read_request(c)));
    };
}

}  // namespace

TEMPLATE_TEST_CASE("client_sends_what_it_is_told_and_keeps_the_connection", "[client]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        for (;;) {
            const std::string request = read_request(c);
            c.write(request.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" : ok(request));
        }
    });
    http_client client(s.pool);
    const std::string agent = "User-Agent: hotpool/" HOTPOOL_VERSION_STRING "\r\n";
    const std::string host = "Host: 127.0.0.1:" + s.server.port() + "\r\n";

    answer get, head, post;
    client.async_get("/g?x=y", s.into(get));
    REQUIRE(s.finish(get));
    CHECK(get.body() == "GET /g?x=y HTTP/1.1\r\n" + host + agent + "Connection: keep-alive\r\n\r\n");
    client.async_head("/h", s.into(head));
    REQUIRE(s.finish(head));
    CHECK(head.reply.header("content-length") == "7");
    CHECK(head.body().empty());
    client.async_post("/p", "a=b", "application/x-www-form-urlencoded", s.into(post));
    REQUIRE(s.finish(post));
    CHECK(post.body() == "POST /p HTTP/1.1\r\n" + host + "Content-Type: application/x-www-form-urlencoded\r\n" + agent +
                             "Connection: keep-alive\r\nContent-Length: 3\r\n\r\na=b");
    CHECK(s.one_idle());
    CHECK(s.server.accepted() == 1);
    CHECK(s.pool.stats().total.leases == 3);
}

TEST_CASE("default_fields_yield_to_those_of_the_request", "[client]") {
    stage<over_tcp> s(echo());
    http_client client(s.pool,
                       {.user_agent = "mine", .default_headers = {{"Accept", "text/html"}, {"X-A", "default"}}});
    const std::string plain = send(s, client, request_builder("GET", "/")).body();
    CHECK(plain.find("\r\nUser-Agent: mine\r\n") != plain.npos);
    CHECK(plain.find("\r\nAccept: text/html\r\n") != plain.npos);
    CHECK(plain.find("\r\nX-A: default\r\n") != plain.npos);
    const std::string own =
        send(s, client, request_builder("GET", "/").header("x-a", "own").header("user-agent", "other")).body();
    CHECK(own.find("\r\nx-a: own\r\n") != own.npos);
    CHECK(own.find("default") == own.npos);
    CHECK(own.find("\r\nuser-agent: other\r\n") != own.npos);
    CHECK(own.find("mine") == own.npos);

    http_client silent(s.pool, {.user_agent = ""});
    CHECK(send(s, silent, request_builder("GET", "/")).body().find("User-Agent") == std::string::npos);
    http_client named(s.pool, {.user_agent = "mine", .default_headers = {{"user-agent", "field"}}});
    const std::string once = send(s, named, request_builder("GET", "/")).body();
    CHECK(once.find("\r\nuser-agent: field\r\n") != once.npos);
    CHECK(once.find("mine") == once.npos);
}

TEST_CASE("bad_client_options_are_refused_by_name", "[client]") {
    stage<over_tcp> s(echo());
    const auto message = [&](const client_options& options) { return refusal(s, options); };
    CHECK(message({}) == "accepted");
    CHECK(message({.user_agent = "a\r\nb"}).find("user_agent") != std::string::npos);
    CHECK(message({.default_headers = {{"A b", "c"}}}).find("default_headers A b") != std::string::npos);
    CHECK(message({.default_headers = {{"Host", "c"}}}).find("default_headers Host") != std::string::npos);
    CHECK(message({.default_headers = {{"Content-Length", "1"}}}).find("Content-Length") != std::string::npos);
    CHECK(message({.request_timeout = -1ns}).find("request_timeout") != std::string::npos);
    CHECK(message({.continue_timeout = 0ns}).find("continue_timeout") != std::string::npos);
    CHECK(message({.limits = {.max_head_bytes = 1}}).find("max_head_bytes") != std::string::npos);
}

TEMPLATE_TEST_CASE("refused_request_takes_no_connection", "[client]", over_tcp, over_tls) {
    stage<TestType> s(echo());
    http_client client(s.pool);
    CHECK(send(s, client, request_builder("GET", "no slash")).error == errc::invalid_target);
    CHECK(s.pool.stats().now.total() == 0);
    CHECK(s.pool.stats().total.leases == 0);
}

TEMPLATE_TEST_CASE("deadline_covers_waiting_for_a_connection", "[client]", over_tcp, over_tls) {
    stage<TestType> s(echo(), {.max_connections = 1});
    http_client client(s.pool, {.request_timeout = 30ms});
    auto held = s.get();
    CHECK(send(s, client, request_builder("GET", "/")).error == errc::request_unsent);
    CHECK(s.pool.stats().now.waiting == 0);
    held = {};
    http_client patient(s.pool);
    CHECK_FALSE(send(s, patient, request_builder("GET", "/")).error);
}

TEST_CASE("get_timeout_that_is_shorter_ends_the_waiting_first", "[client]") {
    stage<over_tcp> s(echo(), {.max_connections = 1, .get_timeout = 10ms});
    http_client client(s.pool);
    auto held = s.get();
    CHECK(send(s, client, request_builder("GET", "/")).error == errc::get_timed_out);
}

TEST_CASE("deadline_covers_connecting", "[client]") {
    // A TLS handshake that is never answered.
    fact over;
    loopback_server mute([&](server_connection& c) { c.stay(); });
    asio::io_context io;
    tls_pool pool(io.get_executor(), {"127.0.0.1", mute.port()}, {}, over_tls::options());
    http_client client(pool, {.request_timeout = 30ms});
    answer a;
    const request_builder get("GET", "/");
    client.async_send(get, stage<over_tls>::into(a));
    while (a.completions == 0) io.run_one_for(plenty);
    CHECK(a.error == errc::request_unsent);
    pool.close();
    io.run_for(plenty);
    CHECK(a.completions == 1);
    CHECK(pool.stats().now.total() == 0);
}

TEST_CASE("failed_opening_is_the_request_s_error", "[client]") {
    std::string port;
    {
        const loopback_server gone(echo());
        port = gone.port();
    }
    asio::io_context io;
    tcp_pool pool(io.get_executor(), {"127.0.0.1", port});
    http_client client(pool);
    answer a;
    const request_builder get("GET", "/");
    client.async_send(get, stage<over_tcp>::into(a));
    while (a.completions == 0) io.run_one_for(plenty);
    CHECK(a.error == errc::connect_refused);
    CHECK(a.error == condition::open_failed);
}

TEMPLATE_TEST_CASE("closed_pool_refuses_requests_and_finishes_those_under_way", "[client]", over_tcp, over_tls) {
    fact asked, answer_now;
    stage<TestType> s([&](server_connection& c) {
        read_request(c);
        asked.state();
        answer_now.await();
        c.write(ok("late"));
        c.stay();
    });
    http_client client(s.pool);
    answer under_way;
    const request_builder get("GET", "/");
    client.async_send(get, s.into(under_way));
    REQUIRE(s.until([&] { return asked.is_stated(); }));
    s.pool.close();
    CHECK(send(s, client, get).error == errc::pool_closed);
    answer_now.state();
    REQUIRE(s.finish(under_way));
    CHECK(under_way.body() == "late");
    CHECK(s.ended_for(retire_reason::pool_closed));
}

TEMPLATE_TEST_CASE("requests_waiting_when_the_pool_closes_are_refused", "[client]", over_tcp, over_tls) {
    stage<TestType> s(echo(), {.max_connections = 1});
    http_client client(s.pool);
    auto held = s.get();
    answer a;
    const request_builder get("GET", "/");
    client.async_send(get, s.into(a));
    s.settle();
    s.pool.close();
    REQUIRE(s.finish(a));
    CHECK(a.error == errc::pool_closed);
    CHECK(a.error == condition::refused);
}

TEMPLATE_TEST_CASE("many_requests_share_few_connections", "[client]", over_tcp, over_tls) {
    stage<TestType> s(echo(), {.max_connections = 3});
    http_client client(s.pool);
    std::vector<answer> all(60);
    for (std::size_t i = 0; i < all.size(); ++i) client.async_get("/" + std::to_string(i), s.into(all[i]));
    for (std::size_t i = 0; i < all.size(); ++i) {
        REQUIRE(s.finish(all[i]));
        CHECK_FALSE(all[i].error);
        CHECK(all[i].body().starts_with("GET /" + std::to_string(i) + " "));
    }
    CHECK(s.server.accepted() == 3);
    CHECK(s.retired() == 0);
}

TEMPLATE_TEST_CASE("reader_of_a_client_holds_the_connection_and_gives_it_back", "[client]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hello")));
    http_client client(s.pool);
    const request_builder get("GET", "/");
    const bool read_all = GENERATE(true, false);
    for (int round = 0; round < 3; ++round) {
        std::optional<typename stage<TestType>::reader_type> reader;
        client.async_start(get, [&](std::error_code e, auto r) {
            CHECK_FALSE(e);
            reader = std::move(r);
        });
        REQUIRE(s.until([&] { return reader.has_value(); }));
        CHECK(s.pool.stats().now.leased == 1);
        if (read_all) {
            std::string body;
            reader->async_read_all([&](std::error_code, std::string text) { body = std::move(text); });
            REQUIRE(s.until([&] { return !body.empty(); }));
            CHECK(body == "hello");
        }
        if (round == 0) reader->close();
        reader.reset();
        CHECK(s.one_idle());
    }
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("deadline_of_the_request_covers_its_body", "[client]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hello").substr(0, 40)));
    static_cast<void>(s.get());  // opened beforehand
    CHECK(error_in_body(s, {.request_timeout = 200ms}) == errc::request_timed_out);
    CHECK(s.ended_for(retire_reason::lease_deadline));
}

TEST_CASE("connection_that_ended_while_it_was_lent_is_not_handed_to_a_waiter") {
    fact may_close, closed;
    std::atomic<int> posts{0};
    stage<over_tcp> s(
        [&](server_connection& c) {
            if (read_request(c).starts_with("POST")) ++posts;
            c.write(ok("done"));
            if (posts != 0) return c.stay();
            may_close.await();
            c.end_sending();
            closed.state();
            c.stay();
        },
        {.max_connections = 1, .check_after_idle = 1h});
    http_client client(s.pool);
    CHECK(s.fetch(request_builder("GET", "/")).body() == "done");
    auto lease = s.get();
    may_close.state();
    REQUIRE(closed.await());

    answer a;
    const request_builder post("POST", "/");
    client.async_send(post, s.into(a));
    s.settle();
    s.pool.put(std::move(lease));
    REQUIRE(s.finish(a));
    CHECK(!a.error);
    CHECK(a.body() == "done");
    CHECK(posts == 1);
}
