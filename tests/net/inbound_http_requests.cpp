// The HTTP server, request by request: what is answered how, and what becomes of the connection.
#include "support/inbound_http.hpp"

#include <string>
#include <string_view>

using namespace hotpool;
using namespace hotpool::test;
using inbound::close_reason;

TEMPLATE_TEST_CASE("requests_are_answered_one_after_the_other_on_one_connection", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    {
        http_peer peer = server.connect();
        for (int i = 0; i < 3; ++i) {
            const auto seen = peer.ask(get("/hello"));
            REQUIRE(seen);
            CHECK(seen->status == 200);
            CHECK(seen->body == "hello");
            CHECK(seen->fields == std::map<std::string, std::string>{{"Content-Length", "5"}, {"X", "y"}});
        }
        CHECK(peer.ask(post("/echo", "some text"))->body == "some text");
        CHECK(peer.ask(get("/target?a=b?c"))->body == "/target|a=b?c");
        CHECK(peer.ask("GET http://test/target HTTP/1.1\r\nHost: test\r\n\r\n")->body == "/target|");
        CHECK(peer.status_of(get("/nothing")) == 404);
        CHECK(server.stats().total.accepted == 1);
        peer.socket().end_sending();
        CHECK(peer.ended());
    }
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.stats().total.served == 7);
    CHECK(server.closed(close_reason::peer_closed) == 1);
}

TEMPLATE_TEST_CASE("a_request_may_come_in_any_two_pieces", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    http_peer peer = server.connect();
    const std::string text = post("/echo", "body", "A: b\r\n");
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
        REQUIRE(peer.send(text.substr(0, cut)));
        const auto seen = peer.ask(text.substr(cut));
        REQUIRE(seen);
        CHECK(seen->body == "body");
    }
    for (const char c : text) REQUIRE(peer.send({&c, 1}));
    CHECK(peer.read()->body == "body");
}

TEMPLATE_TEST_CASE("pipelined_requests_are_answered_in_their_order", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    http_peer peer = server.connect();
    std::string text;
    for (int i = 0; i < 100; ++i) {
        text += post("/echo", std::to_string(i));
        if (i % 10 == 3) text += get("/thread?" + std::to_string(i));
        if (i % 10 == 7) text += get("/large");
    }
    std::thread writer([&] { CHECK(peer.socket().write(text)); });
    for (int i = 0; i < 100; ++i) {
        REQUIRE(peer.read()->body == std::to_string(i));
        if (i % 10 == 3) REQUIRE(peer.read()->body == "from a thread: /thread?" + std::to_string(i));
        if (i % 10 == 7) REQUIRE(peer.read()->body == *server.large);
    }
    writer.join();
}

TEMPLATE_TEST_CASE("the_replies_to_pipelined_requests_are_written_together", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    http_peer peer = server.connect();
    std::string text, wanted;
    for (int i = 0; i < 10; ++i) {
        text += get("/hello");
        wanted += "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello";
    }
    for (int round = 0; round < 10; ++round) {
        REQUIRE(peer.send(text));
        CHECK(peer.socket().read_some() == wanted);
    }
    CHECK(eventually([&] { return server.stats().total.served == 100; }));
    SECTION("but those before are not held back by one that takes its time") {
        REQUIRE(peer.send(get("/hello") + get("/hold") + get("/hello")));
        CHECK(peer.read()->body == "hello");
        server.take_held().send(inbound::reply().body("late"));
        CHECK(peer.read()->body == "late");
        CHECK(peer.read()->body == "hello");
    }
    SECTION("and an answer may come while earlier ones still wait for room") {
        constexpr int rounds = 2000;  // 16 MB, more than sockets hold, of which the client's is to hold little
        const auto let_hold = [&](int bytes) {
            ::setsockopt(peer.socket().fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        };
        let_hold(16 * 1024);
        const std::string body(8000, 'b');
        std::thread writer([&] {
            for (int i = 0; i < rounds; ++i) peer.send(post("/echo", body) + get("/thread?" + std::to_string(i)));
        });
        std::uint64_t before = 0;  // until the server is stuck
        CHECK(eventually([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            const std::uint64_t written = server.stats().total.bytes_out;
            return std::exchange(before, written) == written && written > body.size();
        }));
        let_hold(4'000'000);
        for (int i = 0; i < rounds; ++i) {
            REQUIRE(peer.read()->body == body);
            REQUIRE(peer.read()->body == "from a thread: /thread?" + std::to_string(i));
        }
        writer.join();
    }
}

TEST_CASE("the_connection_stays_or_ends_by_the_rules_of_its_version", "[inbound]") {
    web_server<accept_tcp> server;
    const auto connection_after = [&](std::string_view request) {
        http_peer peer = server.connect();
        const auto seen = peer.ask(request);
        REQUIRE(seen);
        const bool ended = seen->closes() ? peer.ended() : peer.status_of(get("/hello")) != 200;
        CHECK(ended == seen->closes());
        return seen->field("Connection");
    };
    CHECK(connection_after("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").empty());
    CHECK(connection_after("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").empty());
    CHECK(connection_after("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") == "close");
    CHECK(connection_after("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n") == "close");
    CHECK(connection_after("GET /hello HTTP/1.0\r\n\r\n") == "close");
    CHECK(connection_after("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == "keep-alive");
    CHECK(connection_after("GET /close HTTP/1.1\r\nHost: a\r\n\r\n") == "close");
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.closed(close_reason::connection_close) == 4);
}

TEST_CASE("what_comes_behind_the_last_request_is_not_looked_at", "[inbound]") {
    web_server<accept_tcp> server;
    http_peer peer = server.connect();
    CHECK(peer.ask(get("/hello", "Connection: close\r\n") + get("/hello"))->closes());
    CHECK(peer.ended());
    CHECK(server.stats().total.requests == 1);
}

TEMPLATE_TEST_CASE("head_and_the_bodiless_statuses_have_no_body", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    http_peer peer = server.connect();
    const auto seen = peer.ask("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n", request_kind::head);
    REQUIRE(seen);
    CHECK(seen->field("Content-Length") == "3000000");
    const auto empty = peer.ask(get("/empty"));
    REQUIRE(empty);
    CHECK(empty->status == 204);
    CHECK(empty->fields.empty());
    CHECK(peer.ask(get("/hello"))->body == "hello");
}

TEMPLATE_TEST_CASE("large_bodies_go_through_whole_in_both_directions", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server({}, {.limits = {.max_body_bytes = 4'000'000}});
    http_peer peer = server.connect();
    CHECK(peer.ask(get("/large"))->body == *server.large);
    CHECK(peer.ask(get("/own"))->body == *server.large);
    const std::string text = post("/echo", *server.large);
    std::thread writer([&] { CHECK(peer.socket().write(text)); });
    CHECK(peer.read()->body == *server.large);
    writer.join();

    std::string chunks = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    std::string wanted;
    for (int i = 1; i < 300; ++i) {
        const std::string piece(static_cast<std::size_t>(i), static_cast<char>('a' + i % 26));
        char size[16];
        std::snprintf(size, sizeof size, "%x\r\n", i);
        chunks += size + piece + "\r\n";
        wanted += piece;
    }
    CHECK(peer.ask(chunks + "0\r\n\r\n")->body == wanted);
}

TEMPLATE_TEST_CASE("who_expects_100_hears_it_before_the_body", "[inbound]", accept_tcp, accept_tls) {
    web_server<TestType> server;
    http_peer peer = server.connect();
    const std::string head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    REQUIRE(peer.send(head));
    CHECK(peer.socket().read_exactly(25) == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(peer.ask("body")->body == "body");
    SECTION("but not who sends it at once") {
        CHECK(peer.ask(head + "body")->body == "body");
        CHECK(peer.interim_heads == 0);
    }
    SECTION("and not where there is none") {
        CHECK(peer.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n")->status ==
              200);
        CHECK(peer.interim_heads == 0);
    }
    SECTION("and not before a refusal") {
        const auto seen =
            peer.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n");
        CHECK(seen->status == 413);
        CHECK(peer.interim_heads == 0);
        CHECK(peer.ended());
    }
}

TEMPLATE_TEST_CASE("what_breaks_the_protocol_or_a_limit_is_refused_by_its_status", "[inbound]", accept_tcp,
                   accept_tls) {
    // So much that a client that sends it all first is not cut off before it reads the refusal.
    web_server<TestType> server({.life = {.max_linger_bytes = 4 * 1024 * 1024}});
    std::uint64_t count = 0;
    const auto status = [&](const std::string& bytes) {
        http_peer peer = server.connect();
        REQUIRE(peer.status_of(get("/hello")) == 200);
        const auto seen = peer.ask(bytes);
        REQUIRE(seen);
        CHECK(seen->closes());
        CHECK(peer.ended());
        ++count;
        return seen->status;
    };
    CHECK(status("GET / HTTP/1.1\r\n\r\n") == 400);
    CHECK(status("nonsense\r\n") == 400);
    CHECK(status("\x16\x03\x01") == 400);
    CHECK(status(post("/echo", "x", "Transfer-Encoding: chunked\r\n")) == 400);
    CHECK(status(get("/hello", "A : b\r\n")) == 400);
    CHECK(status("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n") == 400);
    CHECK(status(post("/echo", std::string(1024 * 1024 + 1, 'x'))) == 413);
    CHECK(status(get("/" + std::string(9000, 'a'))) == 414);
    CHECK(status(std::string(20'000, 'A')) == 414);
    CHECK(status(get("/hello", "Expect: x\r\n")) == 417);
    CHECK(status(get("/hello", "A: " + std::string(20'000, 'a') + "\r\n")) == 431);
    std::string many;
    for (int i = 0; i < 200; ++i) many += "A: b\r\n";
    CHECK(status(get("/hello", many)) == 431);
    CHECK(status("get / HTTP/1.1\r\nHost: a\r\n\r\n") == 501);
    CHECK(status("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n") == 501);
    CHECK(status("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == 505);
    CHECK(eventually([&] { return server.is_spent(); }));
    CHECK(server.stats().total.failed_requests == count);
    CHECK(server.closed(close_reason::protocol_error) == count - 1);
    CHECK(server.stats().total.served == count);
}

TEST_CASE("the_refusal_of_one_pipelined_request_comes_behind_the_answers_to_those_before", "[inbound]") {
    web_server<accept_tcp> server;
    http_peer peer = server.connect();
    REQUIRE(peer.send(get("/thread?1") + get("/hello") + "GET / HTTP/9.9\r\nHost: a\r\n\r\n" + get("/hello")));
    CHECK(peer.read()->body == "from a thread: /thread?1");
    CHECK(peer.read()->body == "hello");
    CHECK(peer.read()->status == 505);
    CHECK(peer.ended());
}
