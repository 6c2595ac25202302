// A TLS server's streams: bytes pass both ways, every end has its name, and a client changes nothing it should not.
#include <atomic>
#include <chrono>
#include <initializer_list>
#include <string>
#include <thread>
#include <utility>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls_server.hpp"
#include "support/catch.hpp"
#include "support/tls_meeting.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

// A server and a client of one version that runs `script` after its handshake.
struct session {
    template <class Script>
    session(int version, Script script)
        : context(make_client_context({.min_version = version, .max_version = version})),
          met(listener, context.get(), [script](tls_client& c) {
              if (c.shake_hands()) script(c);
          }) {
        REQUIRE(met.error == std::error_code{});
    }
    tls_listener::stream_type& stream() { return *met.stream; }
    net::io_context& io() { return met.io; }

    // No tickets: they would be bytes unread where the client closes, and make that a reset.
    tls_listener listener{tls_server(serving({.session_tickets = 0}))};
    client_context context;
    meeting met;
};

void answer_all(tls_client& c) {
    for (;;) c.write(c.read_some());
}

std::string pattern(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 31 + i / 4096);
    return text;
}

}  // namespace

TEST_CASE("inbound_tls_stream_what_is_written_comes_back_small_and_large_also_after_moving_and_resting") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    session s(version, &answer_all);
    CHECK(s.stream().version() == (version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2"));
    CHECK(s.stream().remote_endpoint().port() != 0);
    for (const std::size_t size : std::initializer_list<std::size_t>{1, 100, 16'384, 100'000}) {
        s.stream().release_buffers();
        REQUIRE_FALSE(write_all(s.io(), s.stream(), pattern(size), "!"));
        s.stream().release_buffers();
        CHECK(read_exactly(s.io(), s.stream(), size + 1) == pattern(size) + "!");
    }
    auto moved = std::move(s.stream());
    REQUIRE_FALSE(write_all(s.io(), moved, "moved"));
    CHECK(read_exactly(s.io(), moved, 5) == "moved");
    s.stream() = std::move(moved);
}

TEST_CASE("inbound_tls_stream_8_mb_pass_to_a_client_that_reads_late_and_as_many_back") {
    const std::string sent = pattern(8 << 20);
    session s(TLS1_3_VERSION, [&](tls_client& c) {
        std::this_thread::sleep_for(20ms);
        const std::string all = c.read_exactly(sent.size());
        c.write(all);
        c.see_off();
    });
    REQUIRE_FALSE(write_all(s.io(), s.stream(), sent));
    CHECK(read_exactly(s.io(), s.stream(), sent.size()) == sent);
}

TEST_CASE("inbound_tls_stream_each_end_has_its_name_behind_the_bytes_that_came_before_it") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto ends = [version](auto script, errc expected) {
        session s(version, script);
        CHECK(read_exactly(s.io(), s.stream(), 3) == "bye");
        CHECK(read_to_end(s.io(), s.stream()) == expected);
        char room[8];
        CHECK(s.stream().try_read(net::buffer(room)).error == expected);
    };
    ends([](tls_client& c) { c.write("bye"), c.close_notify(); }, errc::connection_closed);
    ends([](tls_client& c) { c.write("bye"); }, errc::tls_truncated);
    ends([](tls_client& c) { c.write("bye"), c.end_sending(), c.see_off(); }, errc::tls_truncated);
    ends([](tls_client& c) { c.write("bye"), c.write_raw("GET / HTTP/1.1\r\n\r\n"), c.see_off(); }, errc::tls_failed);
}

TEST_CASE("inbound_tls_stream_a_reset_is_one") {
    session s(TLS1_3_VERSION, [](tls_client& c) {
        c.read_some();
        c.reset();
    });
    REQUIRE_FALSE(write_all(s.io(), s.stream(), "x"));
    CHECK(read_to_end(s.io(), s.stream()) == errc::connection_reset);
    CHECK(s.stream().try_write(net::buffer("x", 1)).error == errc::connection_reset);
}

TEST_CASE("inbound_tls_stream_close_says_goodbye_abort_does_not_and_writing_may_end_before_reading") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    std::atomic<bool> goodbye = false;
    const auto listen = [&](tls_client& c) {
        while (!c.peer_has_closed()) {
        }
        goodbye = (SSL_get_shutdown(c.ssl()) & SSL_RECEIVED_SHUTDOWN) != 0;
        ERR_clear_error();
    };
    {
        session s(version, listen);
        s.stream().close();
        CHECK_FALSE(s.stream().is_open());
        s.stream().close();
        s.met.part();
        CHECK(goodbye);
    }
    {
        session s(version, listen);
        s.stream().abort();
        s.met.part();
        CHECK_FALSE(goodbye);
    }
    {
        session s(version, [&](tls_client& c) {
            listen(c);
            c.write("the rest");
            c.close_notify();
        });
        s.stream().end_writing();
        s.stream().end_writing();
        CHECK(read_exactly(s.io(), s.stream(), 8) == "the rest");
        CHECK(read_to_end(s.io(), s.stream()) == errc::connection_closed);
        CHECK(goodbye);
    }
}

TEST_CASE("inbound_tls_stream_a_client_that_wants_to_renegotiate_is_not_followed") {
    std::atomic<bool> followed = true;
    session s(TLS1_2_VERSION, [&](tls_client& c) {
        c.write("before");
        SSL_renegotiate(c.ssl());
        followed = SSL_do_handshake(c.ssl()) == 1;
        ERR_clear_error();
    });
    CHECK(read_exactly(s.io(), s.stream(), 6) == "before");
    CHECK(read_to_end(s.io(), s.stream()) == condition::connection_lost);
    s.met.part();
    CHECK_FALSE(followed);
}

TEST_CASE("inbound_tls_stream_a_client_may_change_its_keys_and_ask_for_others") {
    session s(TLS1_3_VERSION, [](tls_client& c) {
        for (int i = 0; i < 3; ++i) {
            SSL_key_update(c.ssl(), SSL_KEY_UPDATE_REQUESTED);
            c.write(c.read_some());
        }
        c.see_off();
    });
    for (const char* text : {"one", "two", "six"}) {
        REQUIRE_FALSE(write_all(s.io(), s.stream(), text));
        REQUIRE(read_exactly(s.io(), s.stream(), 3) == text);
    }
}
