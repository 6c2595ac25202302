// Plain TCP: connections are opened, read, written and ended, and every failure has its name.
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "hotpool/error.hpp"
#include "hotpool/transport/tcp.hpp"
#include "support/black_hole.hpp"
#include "support/blocking_io.hpp"
#include "support/catch.hpp"
#include "support/loopback_server.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

static_assert(transport_for<tcp_transport, net::any_io_executor>);
static_assert(transport_for<tcp_transport, net::io_context::executor_type>);
static_assert(stream<tcp_stream<net::any_io_executor>>);
static_assert(!tcp_stream<net::any_io_executor>::holds_buffers);

// Near misses: a stream that may throw, one that cannot be cut, a transport whose openings cannot be stopped.
using a_stream = tcp_stream<net::any_io_executor>;
struct throwing_stream : a_stream {
    using a_stream::a_stream;
    io_result try_read(net::mutable_buffer room) { return a_stream::try_read(room); }
};
struct uncuttable_stream : a_stream {
    using a_stream::a_stream;
    void abort() noexcept = delete;
};
struct unstoppable_transport : tcp_transport {
    using tcp_transport::tcp_transport;
    template <class Executor, class Handler>
    void async_open(const Executor&, open_request, Handler) const {}
};
static_assert(!stream<throwing_stream>);
static_assert(!stream<uncuttable_stream>);
static_assert(!transport_for<unstoppable_transport, net::any_io_executor>);

namespace {

tcp_transport transport_to(const loopback_server& server) {
    return tcp_transport({.host = "127.0.0.1", .port = server.port()});
}

// A port that nobody listens on: it was free a moment ago.

tcp_transport transport_to(const black_hole& hole) {
    return tcp_transport({.host = "127.0.0.1", .port = std::to_string(hole.endpoint().port())});
}

// Takes all descriptors that are left.
class descriptor_hog {
public:
    descriptor_hog() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit none{0, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    ~descriptor_hog() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("tcp_what_is_written_comes_back") {
    loopback_server server(echo);
    net::io_context io;
    auto opened = open(io, transport_to(server));
    REQUIRE(opened.error == std::error_code{});
    REQUIRE(opened.completions == 1);
    auto& stream = *opened.stream;

    REQUIRE_FALSE(write_all(io, stream, "hello"));
    REQUIRE(read_exactly(io, stream, 5) == "hello");
    REQUIRE_FALSE(write_all(io, stream, "head", "body"));
    REQUIRE(read_exactly(io, stream, 8) == "headbody");
    REQUIRE_FALSE(write_all(io, stream, "", "body"));
    REQUIRE(read_exactly(io, stream, 4) == "body");

    net::ip::tcp::no_delay no_delay;
    stream.socket().get_option(no_delay);
    REQUIRE(no_delay.value());
    REQUIRE(std::to_string(stream.remote_endpoint().port()) == server.port());
}

TEST_CASE("tcp_reading_without_bytes_wants_to_read_writing_against_a_full_peer_wants_to_write") {
    loopback_server server(stay);
    net::io_context io;
    auto opened = open(io, transport_to(server));
    std::array<char, 8> room{};
    const io_result nothing = opened.stream->try_read(net::buffer(room));
    REQUIRE(nothing.bytes == 0);
    REQUIRE(nothing.want == io_want::read);
    REQUIRE_FALSE(nothing.error);
    REQUIRE_FALSE(opened.stream->has_buffered());

    const std::string block(1 << 20, 'x');
    io_result full = opened.stream->try_write(net::buffer(block));
    while (full.want == io_want::none && !full.error) full = opened.stream->try_write(net::buffer(block));
    REQUIRE(full.bytes == 0);
    REQUIRE(full.want == io_want::write);
}

TEST_CASE("tcp_large_bodies_pass_in_both_directions_with_a_slow_reader") {
    loopback_server server([](server_connection& c) {
        const std::string all = c.read_exactly(4 << 20);
        std::this_thread::sleep_for(20ms);
        c.write(all);
        c.stay();
    });
    net::io_context io;
    auto opened = open(io, transport_to(server));
    std::string body(4 << 20, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 + i / 4096);
    REQUIRE_FALSE(
        write_all(io, *opened.stream, std::string_view(body).substr(0, 100), std::string_view(body).substr(100)));
    REQUIRE(read_exactly(io, *opened.stream, body.size()) == body);
}

TEST_CASE("tcp_the_peers_end_is_connection_closed_its_reset_connection_reset") {
    net::io_context io;
    SECTION("orderly") {
        loopback_server server([](server_connection& c) { c.write("bye"); });
        auto opened = open(io, transport_to(server));
        REQUIRE(read_exactly(io, *opened.stream, 3) == "bye");
        REQUIRE(read_to_end(io, *opened.stream) == errc::connection_closed);
    }
    const auto reset = [](server_connection& c) {
        c.read_some();
        c.reset();
    };
    SECTION("reset while reading") {
        loopback_server server(reset);
        auto opened = open(io, transport_to(server));
        REQUIRE_FALSE(write_all(io, *opened.stream, "x"));
        REQUIRE(read_to_end(io, *opened.stream) == errc::connection_reset);
    }
    SECTION("reset while writing") {
        loopback_server server(reset);
        auto opened = open(io, transport_to(server));
        REQUIRE_FALSE(write_all(io, *opened.stream, "x"));
        wait(io, *opened.stream, io_want::read);
        REQUIRE(opened.stream->try_write(net::buffer("x", 1)).error == errc::connection_reset);
    }
}

TEST_CASE("tcp_a_cancelled_wait_says_so_and_the_stream_can_be_used_on") {
    loopback_server server(echo);
    net::io_context io;
    auto opened = open(io, transport_to(server));
    std::error_code outcome;
    opened.stream->async_wait(io_want::read, [&](const std::error_code& error) { outcome = error; });
    opened.stream->cancel();
    io.restart();
    io.run();
    REQUIRE(outcome == net::error::operation_aborted);
    REQUIRE_FALSE(write_all(io, *opened.stream, "x"));
    REQUIRE(read_exactly(io, *opened.stream, 1) == "x");
}

TEST_CASE("tcp_abort_resets_the_connection_close_ends_it") {
    std::atomic<int> closed = 0;
    {
        loopback_server server([&](server_connection& c) {
            c.read_some();
            if (c.peer_has_closed()) ++closed;
        });
        net::io_context io;
        auto cut = open(io, transport_to(server));
        auto ended = open(io, transport_to(server));
        write_all(io, *cut.stream, "x");
        write_all(io, *ended.stream, "x");
        cut.stream->abort();
        ended.stream->close();
        REQUIRE_FALSE(cut.stream->is_open());
        REQUIRE_FALSE(ended.stream->is_open());
        cut.stream->close();
        ended.stream->abort();
        while (closed != 2) std::this_thread::yield();
    }
    REQUIRE(closed == 2);
}

TEST_CASE("tcp_each_failure_to_connect_has_its_name_and_leaves_no_descriptor") {
    net::io_context io;
    open(io, tcp_transport({.host = "127.0.0.1", .port = closed_port()}));  // opens what the io_context keeps
    const std::size_t before = open_descriptors();

    SECTION("nobody listens") {
        REQUIRE(open(io, tcp_transport({.host = "127.0.0.1", .port = closed_port()})).error == errc::connect_refused);
        REQUIRE(open(io, tcp_transport({.host = "::1", .port = closed_port()})).error == condition::open_failed);
    }
    SECTION("the host never answers") {
        black_hole hole(io);
        const std::size_t with_hole = open_descriptors();
        const auto opened = open(io, transport_to(hole), 100ms);
        REQUIRE(opened.error == errc::connect_timed_out);
        REQUIRE(opened.error == condition::timed_out);
        REQUIRE(open_descriptors() == with_hole);
    }
    SECTION("the timeout is over before it begins") {
        loopback_server server(stay);
        const std::size_t with_server = open_descriptors();
        const auto opened = open(io, transport_to(server), 0ns);
        const bool known = !opened.error || opened.error == errc::connect_timed_out;
        REQUIRE(known);
        REQUIRE(opened.completions == 1);
        REQUIRE(open_descriptors() <= with_server + (opened.error ? 1 : 2));
    }
    SECTION("no descriptor is left") {
        loopback_server server(stay);
        const descriptor_hog hog;
        REQUIRE(open(io, transport_to(server)).error == errc::descriptors_exhausted);
    }
    REQUIRE(open_descriptors() == before);
}

TEST_CASE("tcp_cancelled_at_any_step_an_opening_completes_once_and_leaves_no_descriptor") {
    net::io_context io;
    open(io, tcp_transport({.host = "127.0.0.1", .port = closed_port()}));
    black_hole hole(io);
    const std::size_t before = open_descriptors();

    SECTION("at once") {
        outcome_of<tcp_transport> outcome;
        start_open(io, transport_to(hole), outcome).cancel();
        REQUIRE(outcome.completions == 0);
        io.restart();
        io.run();
        REQUIRE(outcome.error == errc::cancelled);
        REQUIRE(outcome.completions == 1);
    }
    SECTION("after each number of handlers") {
        for (int steps = 1; steps < 8; ++steps) {
            outcome_of<tcp_transport> outcome;
            const opening running = start_open(io, transport_to(hole), outcome, 200ms);
            io.restart();
            for (int i = 0; i < steps; ++i) io.poll_one();
            running.cancel();
            running.cancel();
            io.restart();
            io.run();
            REQUIRE(outcome.error == errc::cancelled);
            REQUIRE(outcome.completions == 1);
            REQUIRE(open_descriptors() == before);
        }
    }
    SECTION("after it has completed") {
        loopback_server server(stay);
        outcome_of<tcp_transport> outcome;
        const opening done = start_open(io, transport_to(server), outcome);
        io.restart();
        io.run();
        done.cancel();
        opening{}.cancel();
        io.restart();
        io.run();
        REQUIRE_FALSE(outcome.error);
        REQUIRE(outcome.completions == 1);
        REQUIRE(outcome.stream->is_open());
    }
    REQUIRE(open_descriptors() == before);
}

TEST_CASE("tcp_an_opening_that_is_never_run_leaves_no_descriptor") {
    const std::size_t before = open_descriptors();
    {
        net::io_context io;
        black_hole hole(io);
        outcome_of<tcp_transport> outcome;
        start_open(io, transport_to(hole), outcome);
        for (int i = 0; i < 3; ++i) io.poll_one();
        REQUIRE(outcome.completions == 0);
    }
    REQUIRE(open_descriptors() == before);
}

TEST_CASE("tcp_handlers_may_be_move_only") {
    loopback_server server(stay);
    net::io_context io;
    bool called = false;
    transport_to(server).async_open(io.get_executor(), request_to(transport_to(server)),
                                    [&called, owned = std::make_unique<int>(7)](auto error, auto stream) {
                                        called = !error && *owned == 7 && stream.is_open();
                                    });
    REQUIRE_FALSE(called);
    io.run();
    REQUIRE(called);
}
