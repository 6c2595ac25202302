// One request and its response, in every form a response may take.
#include "support/http_test.hpp"

#include <string>
#include <string_view>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;

namespace {

const std::string megabytes(3 * 1024 * 1024 + 17, 'm');

std::string chunked(std::string_view body, std::size_t chunk_bytes) {
    std::string text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < body.size(); at += chunk_bytes) {
        const std::string_view piece = body.substr(at, chunk_bytes);
        char size[20];
        std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
        text += size + std::string(piece) + "\r\n";
    }
    return text + "0\r\n\r\n";
}

}  // namespace

TEMPLATE_TEST_CASE("exchange_brings_the_response_and_leaves_the_connection_hot", "[http]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        for (;;) c.write(ok(read_request(c), "X-Kind: echo\r\n"));
    });
    for (int round = 0; round < 3; ++round) {
        request_builder get("GET", "/a?b");
        get.header("Accept", "text/plain");
        const answer a = s.fetch(get);
        REQUIRE(!a.error);
        CHECK(a.reply.status() == 200);
        CHECK(a.reply.reason() == "OK");
        CHECK(a.reply.version() == 11);
        CHECK(a.reply.header("x-kind") == "echo");
        CHECK(a.body() == "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:" + s.server.port() +
                              "\r\nAccept: text/plain\r\nConnection: keep-alive\r\n\r\n");
    }
    request_builder post("POST", "/p");
    post.body("some text");
    CHECK(s.fetch(post).body().ends_with("Content-Length: 9\r\n\r\nsome text"));
    request_builder put("PUT", "/p");
    put.body(std::string(100'000, 'u'));
    CHECK(s.fetch(put).body().ends_with("\r\n\r\n" + std::string(100'000, 'u')));
    CHECK(s.server.accepted() == 1);
    CHECK(s.one_idle());
    CHECK(s.pool.stats().total.reuses == 4);
}

TEMPLATE_TEST_CASE("every_framing_gives_its_body_and_keeps_the_connection", "[http]", over_tcp, over_tls) {
    struct framing {
        std::string_view method;
        std::string text;
        unsigned status;
        std::string body;
    };
    const std::vector<framing> all{
        {"GET", ok(""), 200, ""},
        {"GET", ok("hi"), 200, "hi"},
        {"GET", ok(megabytes), 200, megabytes},
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 200, ""},
        {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, ""},
        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
        {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", 304, ""},
        {"GET", chunked("", 1), 200, ""},
        {"GET", chunked("hello world", 3), 200, "hello world"},
        {"GET", chunked(megabytes, 5'000), 200, megabytes},
        {"GET", chunked(megabytes, 700'000), 200, megabytes},
        {"DELETE", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", 200, "hi"},
        {"GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok("hi"), 200, "hi"},
    };
    stage<TestType> s([&all](server_connection& c) {
        for (const framing& f : all) {
            read_request(c);
            c.write(f.text);
        }
        c.stay();
    });
    for (const framing& f : all) {
        CAPTURE(f.text.substr(0, 100));
        const answer a = s.fetch(request_builder(f.method, "/"));
        REQUIRE(!a.error);
        CHECK(a.reply.status() == f.status);
        CHECK(a.reply.body().size() == f.body.size());
        CHECK((a.reply.body() == f.body));
    }
    CHECK(s.server.accepted() == 1);
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("response_in_drips_of_one_byte_is_the_same", "[http]", over_tcp, over_tls) {
    const std::string texts[]{"HTTP/1.1 103 Early Hints\r\n\r\n" + ok("hello", "A: b\r\n"), chunked("hello", 2)};
    stage<TestType> s([&texts](server_connection& c) {
        for (const std::string& text : texts) {
            read_request(c);
            for (const char byte : text) c.write({&byte, 1});
        }
        c.stay();
    });
    CHECK(s.fetch(request_builder("GET", "/")).body() == "hello");
    CHECK(s.fetch(request_builder("GET", "/")).body() == "hello");
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("responses_that_end_the_connection_say_so_in_the_reason", "[http]", over_tcp, over_tls) {
    struct ending {
        std::string text;
        bool then_closes;
        std::string body;
        retire_reason why;
    };
    const std::vector<ending> all{
        {"HTTP/1.1 200 OK\r\n\r\nall of it", true, "all of it", retire_reason::connection_close},
        {"HTTP/1.1 200 OK\r\n\r\n" + megabytes, true, megabytes, retire_reason::connection_close},
        {"HTTP/1.0 200 OK\r\n\r\nold", true, "old", retire_reason::connection_close},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", false, "old", retire_reason::connection_close},
        {ok("bye", "Connection: close\r\n"), false, "bye", retire_reason::connection_close},
        {ok("one") + ok("two"), false, "one", retire_reason::unsolicited_bytes},
        {ok("one") + "x", false, "one", retire_reason::unsolicited_bytes},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, "", retire_reason::protocol_error},
        {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false, "", retire_reason::protocol_error},
        {"HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nhi", false, "hi", retire_reason::protocol_error},
    };
    for (const ending& e : all) {
        CAPTURE(e.text.substr(0, 100));
        stage<TestType> s([&e](server_connection& c) {
            read_request(c);
            c.write(e.text);
            if (e.then_closes) return c.close_notify();
            c.stay();
        });
        auto lease = s.get();
        const answer a = s.exchange(lease, request_builder("GET", "/"));
        REQUIRE(!a.error);
        CHECK((a.reply.body() == e.body));
        // The connection is not used again, not even by its holder.
        CHECK(s.exchange(lease, request_builder("GET", "/")).error == errc::connection_closed);
        s.pool.put(std::move(lease));
        CHECK(s.ended_for(e.why));
    }
}

TEMPLATE_TEST_CASE("request_that_asks_to_close_ends_the_connection", "[http]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hi")));
    request_builder last("GET", "/");
    last.header("Connection", "close");
    CHECK(s.fetch(last).body() == "hi");
    CHECK(s.ended_for(retire_reason::connection_close));
}

TEMPLATE_TEST_CASE("invalid_request_is_refused_with_nothing_sent_and_the_connection_clean", "[http]", over_tcp,
                   over_tls) {
    stage<TestType> s([](server_connection& c) {
        for (;;) c.write(ok(read_request(c).substr(0, 7)));
    });
    auto lease = s.get();
    CHECK(s.exchange(lease, request_builder("GE T", "/")).error == errc::invalid_method);
    CHECK(s.exchange(lease, request_builder("GET", "/ x")).error == errc::invalid_target);
    CHECK(s.exchange(lease, request_builder("GET", "/").header("A:", "b")).error == errc::invalid_field_name);
    CHECK(s.exchange(lease, request_builder("GET", "/").header("A", "b\r\nC: d")).error == errc::invalid_field_value);
    CHECK(s.exchange(lease, request_builder("POST", "/").header("Content-Length", "3").body("four")).error ==
          errc::body_length_mismatch);
    CHECK(s.exchange(lease, request_builder("GET", "/ok")).body() == "GET /ok");
    lease = {};  // clean without put
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("interim_responses_are_skipped_up_to_their_limit", "[http]", over_tcp, over_tls) {
    exchange_options two;
    two.limits.max_interim_responses = 2;
    const std::string interim = "HTTP/1.1 102 Processing\r\n\r\n";
    std::string text = interim + interim + ok("hi");
    stage<TestType> s([&text](server_connection& c) {
        read_request(c);
        c.write(text);
        read_request(c);
        c.write("HTTP/1.1 102 Processing\r\n\r\n" + text);
        c.stay();
    });
    CHECK(s.fetch(request_builder("GET", "/"), two).body() == "hi");
    CHECK(s.fetch(request_builder("GET", "/"), two).error == errc::too_many_interim_responses);
    CHECK(s.ended_for(retire_reason::protocol_error));
}

TEMPLATE_TEST_CASE("bytes_that_come_before_the_request_end_the_connection", "[http]", over_tcp, over_tls) {
    fact asked_for, sent;
    std::atomic<bool> got_request{false};
    stage<TestType> s([&](server_connection& c) {
        read_request(c);
        c.write(ok("first"));
        asked_for.await();
        c.write(ok("early"));
        sent.state();
        got_request = !c.peer_has_closed();
    });
    CHECK(s.fetch(request_builder("GET", "/")).body() == "first");
    SECTION("while it lies idle") {
        asked_for.state();
        CHECK(s.ended_for(retire_reason::unsolicited_bytes));
    }
    SECTION("while it is lent") {
        auto lease = s.get();
        asked_for.state();
        REQUIRE(sent.await());
        s.settle();
        CHECK(s.exchange(lease, request_builder("GET", "/")).error == errc::unsolicited_bytes);
        lease = {};
        CHECK(s.ended_for(retire_reason::unsolicited_bytes));
    }
    CHECK_FALSE(got_request);
}

TEMPLATE_TEST_CASE("keep_alive_hint_of_the_response_reaches_the_pool", "[http]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hi", "Keep-Alive: timeout=2\r\n")));  // 2 s less 2: not to be kept
    CHECK(s.fetch(request_builder("GET", "/")).body() == "hi");
    CHECK(s.ended_for(retire_reason::idle_timeout));
}

TEMPLATE_TEST_CASE("what_a_server_says_before_the_first_request_is_no_answer", "[http]", over_tcp, over_tls) {
    fact sent;
    stage<TestType> s([&](server_connection& c) {
        c.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
        sent.state();
        c.stay();
    });
    auto lease = s.get();
    REQUIRE(sent.await());
    CHECK(s.exchange(lease, request_builder("GET", "/")).error == errc::unsolicited_bytes);
    lease = {};
    CHECK(s.ended_for(retire_reason::unsolicited_bytes));
}

TEMPLATE_TEST_CASE("late_body_that_must_not_be_is_no_answer", "[http]", over_tcp, over_tls) {
    const std::string head = GENERATE(as<std::string>(), "HTTP/1.1 200 OK", "HTTP/1.1 304 Not Modified");
    const request_builder first(head.find("200") == head.npos ? "GET" : "HEAD", "/");
    fact answered, sent;
    stage<TestType> s([&](server_connection& c) {
        read_request(c);
        c.write(head + "\r\nContent-Length: 38\r\n\r\n");
        answered.await();
        c.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        sent.state();
        c.stay();
    });
    auto lease = s.get();
    CHECK_FALSE(s.exchange(lease, first).error);
    answered.state();
    REQUIRE(sent.await());
    CHECK(s.exchange(lease, request_builder("GET", "/")).error == errc::unsolicited_bytes);
}
