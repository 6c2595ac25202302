// TLS streams: what is written comes back, tickets are no bytes, and every end has its name.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "hotpool/error.hpp"
#include "hotpool/transport/tls.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/loopback_server.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

static_assert(transport_for<tls_transport, net::any_io_executor>);
static_assert(transport_for<tls_transport, net::io_context::executor_type>);
static_assert(stream<tls_stream<net::any_io_executor>>);
static_assert(tls_stream<net::any_io_executor>::holds_buffers);

namespace {

// A server, an io_context and a connection between them.
struct session {
    explicit session(loopback_server::script script, int tls = TLS1_3_VERSION)
        : server({.own = test_identity(), .min_version = tls, .max_version = tls}, std::move(script)),
          opened(open(io, tls_transport({.host = "127.0.0.1", .port = server.port()},
                                        {.ca_pem = test_root().certificate_pem()}))) {
        REQUIRE(opened.error == std::error_code{});
        REQUIRE(opened.completions == 1);
    }
    tls_stream<net::any_io_executor>& stream() { return *opened.stream; }

    // The server's end outlives the client's.
    loopback_server server;
    net::io_context io;
    outcome_of<tls_transport> opened;
};

std::string pattern(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 31 + i / 4096);
    return text;
}

}  // namespace

TEST_CASE("tls_what_is_written_comes_back") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    session s(echo, version);
    REQUIRE_FALSE(write_all(s.io, s.stream(), "hello"));
    REQUIRE(read_exactly(s.io, s.stream(), 5) == "hello");
    REQUIRE(s.stream().version() == (version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2"));
    REQUIRE_FALSE(s.stream().cipher().empty());
    REQUIRE(s.stream().alpn().empty());
    REQUIRE(s.stream().peer_certificate() != nullptr);
    REQUIRE(std::to_string(s.stream().remote_endpoint().port()) == s.server.port());
}

TEST_CASE("tls_a_moved_stream_goes_on") {
    session s(echo);
    auto moved = std::move(s.stream());
    REQUIRE_FALSE(write_all(s.io, moved, "hello"));
    REQUIRE(read_exactly(s.io, moved, 5) == "hello");
}

TEST_CASE("tls_a_small_head_and_its_body_share_a_record_a_large_body_fills_records") {
    std::vector<std::size_t> records;
    {
        session s([&records](server_connection& c) {
            std::size_t all = 0;
            while (all < 12 + 40000) all += records.emplace_back(c.read_some().size());
            c.write("!");
            c.stay();
        });
        REQUIRE_FALSE(write_all(s.io, s.stream(), "head", "and body"));
        REQUIRE_FALSE(write_all(s.io, s.stream(), pattern(100), pattern(39900)));
        REQUIRE(read_exactly(s.io, s.stream(), 1) == "!");
    }
    REQUIRE(records == std::vector<std::size_t>{12, 16384, 16384, 40000 - 2 * 16384});
}

TEST_CASE("tls_large_bodies_pass_in_both_directions_with_a_slow_reader") {
    const std::size_t head = GENERATE(std::size_t{0}, std::size_t{100}, std::size_t{20000});
    const std::string sent = pattern(5 << 20);
    session s([&](server_connection& c) {
        std::this_thread::sleep_for(20ms);
        const std::string all = c.read_exactly(sent.size());
        c.write(all);
        c.stay();
    });
    const std::string_view bytes = sent;
    REQUIRE_FALSE(write_all(s.io, s.stream(), bytes.substr(0, head), bytes.substr(head)));
    std::this_thread::sleep_for(20ms);
    REQUIRE(read_exactly(s.io, s.stream(), sent.size()) == sent);
}

TEST_CASE("tls_after_want_a_write_goes_on_where_it_stopped_from_another_place_in_memory") {
    std::atomic<bool> may_read = false;
    const std::string sent = pattern(8 << 20);
    session s([&](server_connection& c) {
        while (!may_read) std::this_thread::yield();
        c.write(c.read_exactly(sent.size()) == sent ? "same" : "differs");
        c.stay();
    });
    std::string_view rest = sent;
    io_result result;
    while (!rest.empty()) {
        const std::string copy(rest.substr(0, 100000));
        result = s.stream().try_write(net::buffer(copy).data() ? net::buffer(copy, 10) : net::const_buffer{},
                                      net::buffer(copy) + 10);
        REQUIRE_FALSE(result.error);
        rest.remove_prefix(result.bytes);
        if (result.want == io_want::none) continue;
        REQUIRE(result.want == io_want::write);
        may_read = true;
        wait(s.io, s.stream(), result.want);
    }
    REQUIRE(may_read);
    REQUIRE(read_exactly(s.io, s.stream(), 4) == "same");
}

TEST_CASE("tls_session_tickets_are_no_bytes") {
    session s(stay);
    std::array<char, 8> room{};
    // The tickets may come one by one, each of them making the socket readable.
    for (int i = 0; i < 3; ++i) {
        const io_result result = s.stream().try_read(net::buffer(room));
        REQUIRE(result.bytes == 0);
        REQUIRE(result.want == io_want::read);
        REQUIRE_FALSE(s.stream().has_buffered());
        std::this_thread::sleep_for(10ms);
    }
}

TEST_CASE("tls_several_records_that_have_come_are_read_at_once_without_looking_for_more") {
    session s([](server_connection& c) {
        c.read_some();
        for (int i = 0; i < 10; ++i) c.write("0123456789");
        c.write("!");
        c.stay();
    });
    REQUIRE_FALSE(write_all(s.io, s.stream(), "go"));
    // All records at once, once they are here.
    std::this_thread::sleep_for(50ms);
    std::array<char, 1000> room{};
    const io_result result = read_some(s.io, s.stream(), net::buffer(room));
    REQUIRE(result.bytes == 101);
    REQUIRE_FALSE(s.stream().has_buffered());
    REQUIRE(s.stream().try_read(net::buffer(room)).want == io_want::read);
}

TEST_CASE("tls_what_does_not_fit_stays_buffered") {
    session s([](server_connection& c) {
        c.write("0123456789");
        c.stay();
    });
    std::array<char, 4> room{};
    REQUIRE(read_some(s.io, s.stream(), net::buffer(room)).bytes == 4);
    REQUIRE(s.stream().has_buffered());
    s.stream().release_buffers();  // does nothing then
    REQUIRE(s.stream().try_read(net::buffer(room)).bytes == 4);
    REQUIRE(s.stream().try_read(net::buffer(room)).bytes == 2);
    REQUIRE_FALSE(s.stream().has_buffered());
}

TEST_CASE("tls_a_stream_that_gave_its_buffers_back_goes_on") {
    session s(echo);
    for (int i = 0; i < 3; ++i) {
        REQUIRE_FALSE(write_all(s.io, s.stream(), "hello"));
        s.stream().release_buffers();
        REQUIRE(read_exactly(s.io, s.stream(), 5) == "hello");
        s.stream().release_buffers();
        s.stream().release_buffers();
    }
}

TEST_CASE("tls_the_peer_may_change_its_keys_and_ask_for_ours") {
    session s([](server_connection& c) {
        for (int i = 0; i < 3; ++i) {
            SSL_key_update(c.ssl(), SSL_KEY_UPDATE_REQUESTED);
            c.write(c.read_some());
        }
        c.stay();
    });
    for (const char* text : {"one", "two", "six"}) {
        REQUIRE_FALSE(write_all(s.io, s.stream(), text));
        REQUIRE(read_exactly(s.io, s.stream(), 3) == text);
    }
}

TEST_CASE("tls_a_peer_that_wants_to_renegotiate_is_not_followed_and_no_byte_is_lost") {
    session s(
        [](server_connection& c) {
            SSL_renegotiate(c.ssl());
            SSL_do_handshake(c.ssl());
            c.write("after");
            c.stay();
        },
        TLS1_2_VERSION);
    const std::string got = read_exactly(s.io, s.stream(), 5);
    const bool refused = got == "after" || got.empty();
    REQUIRE(refused);
}

TEST_CASE("tls_each_end_has_its_name_behind_the_bytes_that_came_before_it") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    std::string last_words;
    errc expected{};
    loopback_server::script script;
    SECTION("close_notify") {
        expected = errc::connection_closed;
        script = [](server_connection& c) { c.close_notify(); };
    }
    SECTION("close_notify behind bytes") {
        expected = errc::connection_closed;
        last_words = "bye";
        script = [](server_connection& c) {
            c.write("bye");
            c.close_notify();
        };
    }
    SECTION("an end without close_notify") {
        expected = errc::tls_truncated;
        script = [](server_connection&) {};
    }
    SECTION("an end without close_notify behind bytes") {
        expected = errc::tls_truncated;
        last_words = "bye";
        script = [](server_connection& c) { c.write("bye"); };
    }
    SECTION("reset") {
        expected = errc::connection_reset;
        script = [](server_connection& c) {
            c.read_some();
            c.reset();
        };
    }
    SECTION("garbage") {
        expected = errc::tls_failed;
        script = [](server_connection& c) {
            c.write_raw("HTTP/1.1 400 Bad Request\r\n\r\n");
            c.stay();
        };
    }
    SECTION("garbage behind bytes") {
        expected = errc::tls_failed;
        last_words = "bye";
        script = [](server_connection& c) {
            c.write("bye");
            c.write_raw("HTTP/1.1 400 Bad Request\r\n\r\n");
            c.stay();
        };
    }
    session s(script, version);
    if (expected == errc::connection_reset) REQUIRE_FALSE(write_all(s.io, s.stream(), "x"));
    std::this_thread::sleep_for(10ms);
    std::array<char, 64> room{};
    const std::string got = read_exactly(s.io, s.stream(), last_words.size());
    REQUIRE(got == last_words);
    REQUIRE(read_to_end(s.io, s.stream()) == expected);
    REQUIRE(s.stream().try_read(net::buffer(room)).error == expected);
    REQUIRE(make_error_code(expected) == condition::connection_lost);
}

TEST_CASE("tls_an_end_that_came_with_bytes_is_told_after_them") {
    session s([](server_connection& c) {
        c.write("bye");
        c.close_notify();
    });
    std::this_thread::sleep_for(50ms);
    std::array<char, 64> room{};
    const io_result result = read_some(s.io, s.stream(), net::buffer(room));
    REQUIRE(result.bytes == 3);
    REQUIRE(s.stream().has_buffered());
    REQUIRE(s.stream().try_read(net::buffer(room)).error == errc::connection_closed);
}

TEST_CASE("tls_writing_to_a_peer_that_is_gone_fails") {
    session s([](server_connection& c) {
        c.read_some();
        c.reset();
    });
    REQUIRE_FALSE(write_all(s.io, s.stream(), "x"));
    REQUIRE(read_to_end(s.io, s.stream()) == errc::connection_reset);
    REQUIRE(s.stream().try_write(net::buffer("x", 1)).error == errc::connection_reset);
}

TEST_CASE("tls_errors_of_others_in_openssls_queue_are_not_taken_for_the_streams") {
    session s(echo);
    const auto leave_an_error = [] { ERR_raise(ERR_LIB_USER, 1); };
    std::array<char, 8> room{};
    leave_an_error();
    REQUIRE(s.stream().try_read(net::buffer(room)).want == io_want::read);
    leave_an_error();
    REQUIRE_FALSE(write_all(s.io, s.stream(), "hello"));
    leave_an_error();
    REQUIRE(read_exactly(s.io, s.stream(), 5) == "hello");
    ERR_clear_error();
}

TEST_CASE("tls_close_says_goodbye_abort_does_not") {
    std::atomic<int> goodbyes = 0;
    std::atomic<int> ends = 0;
    const auto script = [&](server_connection& c) {
        char byte = 0;
        if (SSL_read(c.ssl(), &byte, 1) <= 0 && (SSL_get_shutdown(c.ssl()) & SSL_RECEIVED_SHUTDOWN)) ++goodbyes;
        ++ends;
    };
    {
        session s(script);
        s.stream().close();
        REQUIRE_FALSE(s.stream().is_open());
        s.stream().close();
        while (ends != 1) std::this_thread::yield();
    }
    REQUIRE(goodbyes == 1);
    {
        session s(script);
        s.stream().abort();
        REQUIRE_FALSE(s.stream().is_open());
        while (ends != 2) std::this_thread::yield();
    }
    REQUIRE(goodbyes == 1);
}

TEST_CASE("tls_close_never_waits_though_the_socket_is_full") {
    session s(stay);
    const std::string block(1 << 20, 'x');
    while (s.stream().try_write(net::buffer(block)).want == io_want::none) {
    }
    s.stream().close();
    REQUIRE_FALSE(s.stream().is_open());
}
