// Each phase of a request has its limit and its name; the origin stalls exactly there.
#include "hotpool/http_client.hpp"
#include "support/black_hole.hpp"
#include "support/http_test.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Sends `text` and falls silent.
loopback_server::script saying(std::string text) {
    return [text = std::move(text)](server_connection& c) {
        read_request(c);
        if (!text.empty()) c.write(text);
        c.stay();
    };
}

/// Sends `text` byte by byte, with a pause after each.
void dribble(server_connection& c, std::string_view text, duration pause) {
    for (const char byte : text) {
        c.write({&byte, 1});
        std::this_thread::sleep_for(pause);
    }
}

const request_builder post_request("POST", "/");

/// Errors of a request that was on its way: over in time, named, in doubt, and its connection is gone.
template <class Side>
void check_cut(stage<Side>& s, const request_builder& request, const client_options& options, errc expected) {
    const answer a = send(s, request, options);
    CHECK(a.error == expected);
    CHECK(a.error == condition::timed_out);
    CHECK(a.error == condition::maybe_processed);
    CHECK(s.ended_for(retire_reason::lease_deadline));
}

/// Errors of a request of which nothing has left.
void check_unsent(std::error_code error, errc expected) {
    CHECK(error == expected);
    CHECK(error == condition::timed_out);
    CHECK(error != condition::maybe_processed);
}

}  // namespace

TEST_CASE("waiting_for_a_connection_has_its_limit", "[client]") {
    stage<over_tcp> s(answering(ok("hi")), {.max_connections = 1, .get_timeout = 10ms});
    const auto held = s.get();
    check_unsent(send(s, post_request, {}).error, errc::get_timed_out);
    s.pool.set_options({.max_connections = 1});
    check_unsent(send(s, post_request, {.request_timeout = 20ms}).error, errc::request_unsent);
}

TEST_CASE("connecting_has_its_limit", "[client]") {
    asio::io_context io;
    const black_hole nowhere(io);
    tcp_pool pool(io.get_executor(), {"127.0.0.1", std::to_string(nowhere.endpoint().port())},
                  {.connect_timeout = 20ms});
    http_client client(pool);
    answer a;
    client.async_send(post_request, stage<over_tcp>::into(a));
    while (a.completions == 0) io.run_one_for(plenty);
    check_unsent(a.error, errc::connect_timed_out);
}

TEST_CASE("handshake_has_its_limit", "[client]") {
    loopback_server mute([](server_connection& c) { c.stay(); });
    asio::io_context io;
    tls_pool pool(io.get_executor(), {"127.0.0.1", mute.port()}, {.connect_timeout = 30ms}, over_tls::options());
    http_client client(pool);
    answer a;
    client.async_send(post_request, stage<over_tls>::into(a));
    while (a.completions == 0) io.run_one_for(plenty);
    check_unsent(a.error, errc::handshake_timed_out);
}

TEMPLATE_TEST_CASE("first_byte_has_its_limit", "[client]", over_tcp, over_tls) {
    stage<TestType> s(saying(""));
    check_cut(s, post_request, {.first_byte_timeout = 30ms}, errc::first_byte_timed_out);
}

TEMPLATE_TEST_CASE("silence_within_a_response_has_its_limit", "[client]", over_tcp, over_tls) {
    const std::string begun = GENERATE(
        "H", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "HTTP/1.1 200 OK\r\n\r\nuntil close");
    stage<TestType> s(saying(begun));
    check_cut(s, post_request, {.first_byte_timeout = 10s, .between_bytes_timeout = 30ms}, errc::response_stalled);
}

TEMPLATE_TEST_CASE("whole_request_has_its_limit_whatever_its_parts_have", "[client]", over_tcp, over_tls) {
    const std::string begun = GENERATE("", "H", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
    const duration part = GENERATE(0ms, 150ms);
    stage<TestType> s(saying(begun));
    static_cast<void>(s.get());
    check_cut(s, post_request, {.request_timeout = 150ms, .first_byte_timeout = part, .between_bytes_timeout = part},
              errc::request_timed_out);
}

TEMPLATE_TEST_CASE("whole_request_is_cut_while_bytes_keep_coming", "[client]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        read_request(c);
        c.write("HTTP/1.1 200 OK\r\n\r\n");
        for (;;) dribble(c, "byte by byte", 5ms);
    });
    static_cast<void>(s.get());
    check_cut(s, get_request, {.request_timeout = 600ms, .between_bytes_timeout = 500ms}, errc::request_timed_out);
}

TEMPLATE_TEST_CASE("steady_response_may_take_longer_than_any_silence", "[client]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        for (;;) {
            read_request(c);
            std::this_thread::sleep_for(700ms);
            dribble(c, ok("slow but steady"), 12ms);
        }
    });
    const client_options options{.first_byte_timeout = 5s, .between_bytes_timeout = 500ms};
    for (int round = 0; round < 2; ++round) CHECK(send(s, get_request, options).body() == "slow but steady");
    CHECK(s.one_idle());
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("limit_of_the_silence_does_not_hold_for_the_first_byte", "[client]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        read_request(c);
        std::this_thread::sleep_for(150ms);
        c.write(ok("hi"));
        c.stay();
    });
    CHECK(send(s, get_request, {.between_bytes_timeout = 50ms}).body() == "hi");
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("interim_responses_are_not_the_first_byte", "[client]", over_tcp, over_tls) {
    SECTION("however many come") {
        stage<TestType> s([](server_connection& c) {
            read_request(c);
            for (int i = 0; i < 10; ++i) {
                c.write("HTTP/1.1 103 Early Hints\r\n\r\n");
                std::this_thread::sleep_for(20ms);
            }
            c.stay();
        });
        check_cut(s, post_request, {.first_byte_timeout = 100ms, .between_bytes_timeout = 10s},
                  errc::first_byte_timed_out);
    }
    SECTION("though one that breaks off is a silence") {
        stage<TestType> s(saying("HTTP/1.1 103 Early Hints\r\n"));
        check_cut(s, post_request, {.first_byte_timeout = 10s, .between_bytes_timeout = 50ms}, errc::response_stalled);
    }
    SECTION("nor is the consent to the body") {
        stage<TestType> s([](server_connection& c) {
            c.read_until("\r\n\r\n");
            c.write("HTTP/1.1 100 Continue\r\n\r\n");
            c.stay();
        });
        request_builder post("POST", "/");
        post.body("the body").expect_continue();
        check_cut(s, post, {.first_byte_timeout = 50ms}, errc::first_byte_timed_out);
    }
}

TEMPLATE_TEST_CASE("time_before_the_request_is_written_does_not_count", "[client]", over_tcp, over_tls) {
    SECTION("while the origin takes the body slowly") {
        stage<TestType> s([](server_connection& c) {
            const std::string head = c.read_until("\r\n\r\n");
            std::this_thread::sleep_for(1200ms);
            c.read_exactly(declared_length(head));
            c.write(ok("got it"));
            c.stay();
        });
        request_builder put("PUT", "/");
        put.body(std::string(20'000'000, 'x'));
        CHECK(send(s, put, {.first_byte_timeout = 1s}).body() == "got it");
    }
    SECTION("while the body waits for consent") {
        stage<TestType> s([](server_connection& c) {
            c.write(ok(c.read_exactly(declared_length(c.read_until("\r\n\r\n")))));
            c.stay();
        });
        request_builder put("PUT", "/");
        put.body("the body").expect_continue();
        CHECK(send(s, put, {.continue_timeout = 600ms, .first_byte_timeout = 500ms}).body() == "the body");
    }
}

TEMPLATE_TEST_CASE("limits_end_with_their_request", "[client]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        for (int round = 0;; ++round) {
            read_request(c);
            if (round != 0) std::this_thread::sleep_for(500ms);
            c.write(ok("hi"));
        }
    });
    const client_options limited{.first_byte_timeout = 400ms, .between_bytes_timeout = 400ms};
    CHECK(send(s, get_request, limited).body() == "hi");
    CHECK(send(s, get_request, {}).body() == "hi");
    CHECK(s.server.accepted() == 1);
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("retried_request_has_its_limits_anew", "[client]", over_tcp, over_tls) {
    std::atomic<int> connections{0};
    stage<TestType> s([&](server_connection& c) {
        const bool first = ++connections == 1;
        read_request(c);
        if (first) {
            c.write(ok("first"));
            read_request(c);
            std::this_thread::sleep_for(400ms);
            c.close_notify();
            c.end_sending();
            return c.stay();
        }
        std::this_thread::sleep_for(400ms);
        c.write(ok("second"));
        c.stay();
    });
    const client_options limited{.first_byte_timeout = 700ms};
    CHECK(send(s, get_request, limited).body() == "first");
    CHECK(send(s, get_request, limited).body() == "second");
}

TEMPLATE_TEST_CASE("request_that_left_in_an_earlier_try_is_not_unsent", "[client]", over_tcp, over_tls) {
    std::atomic<int> connections{0};
    stage<TestType> s(
        [&](server_connection& c) {
            if (++connections > 1) return c.stay();
            read_request(c);
            c.write(ok("first"));
            read_request(c);
            c.close_notify();
            c.end_sending();
            c.stay();
        },
        {.max_connections = 1});
    CHECK(send(s, get_request, {}).body() == "first");
    http_client client(s.pool, {.request_timeout = 500ms});
    answer a;
    client.async_send(get_request, s.into(a));
    // Whoever waited before has the new connection, and keeps it.
    typename stage<TestType>::lease_type held;
    s.pool.async_get([&](std::error_code, auto lease) { held = std::move(lease); });
    REQUIRE(s.finish(a));
    CHECK(held);
    CHECK(a.error == errc::request_timed_out);
    CHECK(a.error == condition::maybe_processed);
}

// --- a body that is read piece by piece

TEMPLATE_TEST_CASE("reader_gives_up_a_body_that_falls_silent", "[client]", over_tcp, over_tls) {
    const std::string begun = GENERATE("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\nhell",
                                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    stage<TestType> s(saying(begun));
    http_client client(s.pool, {.between_bytes_timeout = 50ms});
    std::optional<typename stage<TestType>::reader_type> reader;
    client.async_start(get_request, [&](std::error_code e, auto r) {
        CHECK_FALSE(e);
        reader = std::move(r);
    });
    REQUIRE(s.until([&] { return reader.has_value(); }));
    // Nobody reads for longer than that.
    const time_point later = clock_type::now() + 80ms;
    REQUIRE(s.until([&] { return clock_type::now() > later; }));
    std::string got(32 * 1024, '\0');
    for (int i = 0; i < 3; ++i) {
        std::error_code error;
        std::size_t bytes = 0;
        bool done = false;
        reader->async_read_some(asio::buffer(got), [&](std::error_code e, std::size_t n) {
            error = e;
            bytes = n;
            done = true;
        });
        REQUIRE(s.until([&] { return done; }));
        CHECK(bytes == (i == 0 ? (begun.back() == 'l' ? 4u : 5u) : 0u));
        CHECK(error == (i == 0 ? std::error_code() : make_error_code(errc::response_stalled)));
    }
    reader.reset();
    CHECK(s.ended_for(retire_reason::lease_deadline));
}

TEMPLATE_TEST_CASE("reader_goes_on_as_long_as_bytes_come", "[client]", over_tcp, over_tls) {
    const bool in_one = GENERATE(true, false);
    stage<TestType> s([](server_connection& c) {
        read_request(c);
        c.write("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n");
        dribble(c, std::string(30, 'x'), 30ms);
        c.stay();
    });
    http_client client(s.pool, {.between_bytes_timeout = 600ms});
    std::optional<typename stage<TestType>::reader_type> reader;
    client.async_start(get_request, [&](std::error_code, auto r) { reader = std::move(r); });
    REQUIRE(s.until([&] { return reader.has_value(); }));
    std::string body;
    std::error_code error;
    while (!error && !(in_one && body.size() == 30)) {
        bool done = false;
        std::string piece(100, '\0');
        if (in_one)
            reader->async_read_all([&](std::error_code e, std::string all) {
                error = e;
                body = std::move(all);
                done = true;
            });
        else
            reader->async_read_some(asio::buffer(piece), [&](std::error_code e, std::size_t n) {
                error = e;
                body += piece.substr(0, n);
                done = true;
            });
        REQUIRE(s.until([&] { return done; }));
    }
    CHECK(error == (in_one ? std::error_code() : make_error_code(errc::end_of_body)));
    CHECK(body == std::string(30, 'x'));
    reader.reset();
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("closing_a_body_has_the_time_of_the_drain", "[client]", over_tcp, over_tls) {
    const bool waits = GENERATE(true, false);
    stage<TestType> s(
        [](server_connection& c) {
            read_request(c);
            c.write(ok("hello").substr(0, 40));
            std::this_thread::sleep_for(150ms);
            c.write(ok("hello").substr(40));
            c.stay();
        },
        {.drain_timeout = 10s});
    http_client client(s.pool, {.between_bytes_timeout = 50ms});
    std::optional<typename stage<TestType>::reader_type> reader;
    client.async_start(get_request, [&](std::error_code, auto r) { reader = std::move(r); });
    REQUIRE(s.until([&] { return reader.has_value(); }));
    if (waits) {
        std::optional<std::error_code> closed;
        reader->async_close([&](std::error_code e) { closed = e; });
        REQUIRE(s.until([&] { return closed.has_value(); }));
        CHECK(!*closed);
    }
    reader.reset();
    CHECK(s.one_idle());
}

TEMPLATE_TEST_CASE("deadline_of_the_request_still_covers_the_body_of_a_limited_one", "[client]", over_tcp, over_tls) {
    stage<TestType> s([](server_connection& c) {
        read_request(c);
        c.write("HTTP/1.1 200 OK\r\n\r\n");
        for (;;) dribble(c, "byte by byte", 5ms);
    });
    static_cast<void>(s.get());
    const client_options limited{.request_timeout = 600ms, .first_byte_timeout = 500ms, .between_bytes_timeout = 500ms};
    CHECK(error_in_body(s, limited) == errc::request_timed_out);
    CHECK(s.ended_for(retire_reason::lease_deadline));
}
