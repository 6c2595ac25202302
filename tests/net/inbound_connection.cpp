// Accepted connections on real sockets: reading, writing, limits, and every way to end.
#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>

#include "support/inbound_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;
using inbound::close_reason;

namespace {

inbound::acceptor_options with(const inbound::life_options& life) {
    inbound::acceptor_options options;
    options.life = life;
    return options;
}

}  // namespace

TEST_CASE("an_open_connection_takes_at_most_a_kibibyte", "[inbound]") {
    // What is shared between a connection's state and its handle; OpenSSL's own is beside it.
    STATIC_REQUIRE(sizeof(inbound::tcp_connection::state_type) <= 512);
    STATIC_REQUIRE(sizeof(inbound::tls_connection::state_type) <= 512);
}

TEMPLATE_TEST_CASE("a_read_and_a_write_wait_at_once", "[inbound]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    std::string received(5, '\0');
    bool read = false;
    p.connection.async_read_some(net::buffer(received), [&](std::error_code error, std::size_t n) {
        CHECK_FALSE(error);
        CHECK(n == 5);
        read = true;
    });
    // More than the sockets hold, so that the write waits as well.
    const std::string large(8'000'000, 'w');
    std::size_t written = 0;
    std::function<void()> write = [&] {
        p.connection.async_write_some(net::buffer(large) + written, [&](std::error_code error, std::size_t n) {
            REQUIRE_FALSE(error);
            written += n;
            if (written < large.size()) write();
        });
    };
    write();
    p.io->run_for(50ms);
    CHECK_FALSE(read);
    CHECK(written < large.size());
    auto other = std::async(std::launch::async, [&] {
        p.client->write("hello");
        return p.client->read_exactly(large.size()) == large;
    });
    REQUIRE(p.run([&] { return read && written == large.size(); }));
    CHECK(received == "hello");
    CHECK(other.get());
}

TEMPLATE_TEST_CASE("one_read_at_a_time", "[inbound]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    char byte = 0;
    std::error_code first = errc::cancelled;
    bool over = false;
    p.connection.async_read_some(net::buffer(&byte, 1), [&](std::error_code error, std::size_t) {
        first = error;
        over = true;
    });
    CHECK(p.read_error() == errc::exchange_in_progress);
    CHECK_FALSE(over);
    REQUIRE(p.client->write("x"));
    REQUIRE(p.run([&] { return over; }));
    CHECK_FALSE(first);
    CHECK(byte == 'x');
}

TEMPLATE_TEST_CASE("a_cancelled_read_loses_nothing", "[inbound][cancel]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    net::cancellation_signal signal;
    char byte = 0;
    std::error_code error;
    int completions = 0;
    p.connection.async_read_some(net::buffer(&byte, 1),
                                 net::bind_cancellation_slot(signal.slot(), [&](std::error_code e, std::size_t) {
                                     ++completions;
                                     error = e;
                                 }));
    p.io->poll();
    signal.emit(net::cancellation_type::terminal);
    CHECK(completions == 0);
    REQUIRE(p.run([&] { return completions == 1; }));
    CHECK(error == errc::cancelled);
    signal.emit(net::cancellation_type::terminal);
    REQUIRE(p.client->write("hello"));
    CHECK(p.read() == "hello");
    CHECK(completions == 1);
    CHECK_FALSE(p.write("back"));
    CHECK(p.client->read_exactly(4) == "back");
}

TEST_CASE("a_cancelled_write_over_tls_is_the_last", "[inbound][cancel]") {
    accepted_pair<accept_tls> p;
    const std::string large(8'000'000, 'w');
    net::cancellation_signal signal;
    std::error_code error;
    while (!error) {
        std::optional<std::error_code> over;
        p.connection.async_write_some(
            net::buffer(large),
            net::bind_cancellation_slot(signal.slot(), [&](std::error_code e, std::size_t) { over = e; }));
        p.io->run_for(20ms);
        if (!over) signal.emit(net::cancellation_type::terminal);
        REQUIRE(p.run([&] { return over.has_value(); }));
        error = *over;
    }
    CHECK(error == errc::cancelled);
    CHECK(p.write("x") == errc::cancelled);
}

TEMPLATE_TEST_CASE("waiting_for_a_read_holds_no_buffer", "[inbound]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    REQUIRE(p.client->write("one"));
    CHECK_FALSE(p.outcome([&](auto done) { p.connection.async_wait_readable(done); }));
    CHECK(p.read() == "one");
    auto later = std::async(std::launch::async, [&] {
        std::this_thread::sleep_for(20ms);
        p.client->write("two");
    });
    // TLS may have had something to say of its own.
    std::string got;
    while (got.empty()) {
        REQUIRE_FALSE(p.outcome([&](auto done) { p.connection.async_wait_readable(done); }));
        got = p.read();
    }
    CHECK(got == "two");
}

TEMPLATE_TEST_CASE("the_peers_end_is_told_by_name", "[inbound]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    const bool speaks = GENERATE(true, false);
    if (speaks) {
        REQUIRE(p.client->write("hello"));
        CHECK(p.read() == "hello");
    }
    const bool used = speaks || TestType::handshakes;
    SECTION("in order, and writing goes on") {
        p.client->end_sending();
        CHECK(p.read_error() == errc::connection_closed);
        CHECK_FALSE(p.write("still"));
        CHECK(p.client->read_exactly(5) == "still");
        p.connection = {};
        CHECK(p.closed(used ? close_reason::peer_closed : close_reason::unused) == 1);
    }
    SECTION("by a reset") {
        p.client->reset();
        CHECK(p.read_error() == errc::connection_reset);
        p.connection = {};
        CHECK(p.closed(used ? close_reason::transport_error : close_reason::unused) == 1);
    }
    CHECK(p.left() == 0);
}

TEMPLATE_TEST_CASE("limits_of_time_end_a_connection_by_name", "[inbound]", accept_tcp, accept_tls) {
    const auto ends_with = [](const inbound::life_options& life, auto prepare, std::error_code expected,
                              close_reason why) {
        accepted_pair<TestType> p(with(life));
        prepare(p.connection);
        CHECK(p.read_error() == expected);
        CHECK(p.write("x") == expected);
        CHECK(p.read_error() == expected);
        const bool in_order = p.run([&] { return p.left() == 0; });
        CHECK(in_order);
        CHECK(p.closed(why) == 1);
        CHECK_FALSE(p.connection.is_open());
    };
    const auto nothing = [](auto&) {};
    ends_with({.idle_timeout = 30ms, .linger_timeout = 30ms}, nothing, errc::idle_timed_out,
              close_reason::idle_timeout);
    ends_with(
        {.request_timeout = 30ms, .linger_timeout = 30ms}, [](auto& c) { c.request_awaited(); },
        errc::request_timed_out, close_reason::request_timed_out);
    ends_with(
        {.request_timeout = 30ms, .linger_timeout = 30ms},
        [](auto& c) { CHECK(c.request_begun() == close_reason::none); }, errc::request_timed_out,
        close_reason::request_timed_out);
    ends_with(
        {.reply_timeout = 30ms},
        [](auto& c) {
            c.request_begun();
            c.request_received();
            c.reply_progressed();
        },
        errc::request_timed_out, close_reason::slow_reader);
    ends_with({.max_lifetime = 30ms, .linger_timeout = 30ms}, nothing, errc::lifetime_over, close_reason::max_lifetime);
    ends_with({.heartbeat_interval = 10ms, .max_missed_heartbeats = 2}, nothing, errc::heartbeat_missed,
              close_reason::heartbeat_missed);
}

TEST_CASE("pings_are_asked_for_while_the_peer_is_silent", "[inbound]") {
    accepted_pair<accept_tcp> p(with({.heartbeat_interval = 20ms, .max_missed_heartbeats = 3}));
    int pings = 0;
    p.connection.on_ping([&] {
        // The peer answers, so that none is ever missed.
        ++pings;
        p.client->write("pong");
    });
    for (int reads = 0; reads < 5; ++reads) CHECK(p.read() == "pong");
    CHECK(pings == 5);
    CHECK(p.connection.is_open());
}

TEMPLATE_TEST_CASE("a_lingering_close_lets_the_peer_read_to_the_end", "[inbound]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    // What the server does not read would make a plain close cut off what it has sent.
    REQUIRE(p.client->write(std::string(20'000, 'u')));
    const std::string last(100'000, 'l');
    CHECK_FALSE(p.write(last));
    std::error_code error = errc::cancelled;
    bool over = false;
    p.connection.async_close([&](std::error_code e) {
        over = true;
        error = e;
    });
    p.connection = {};  // may go before
    p.io->run_for(20ms);
    CHECK_FALSE(over);
    CHECK(p.acceptor->stats().now.draining == 1);
    auto other = std::async(std::launch::async, [&] {
        const std::string all = p.client->read_to_end();
        const bool goodbye = p.client->said_goodbye();
        p.client->close();
        return all == last && goodbye;
    });
    REQUIRE(p.run([&] { return over; }));
    CHECK_FALSE(error);
    CHECK(other.get());
    CHECK(p.left() == 0);
    CHECK(p.closed(close_reason::finished) == 1);
}

TEMPLATE_TEST_CASE("a_lingering_close_is_bounded", "[inbound]", accept_tcp, accept_tls) {
    SECTION("by time") {
        accepted_pair<TestType> p(with({.linger_timeout = 30ms}));
        const time_point begun = clock_type::now();
        CHECK_FALSE(p.outcome([&](auto done) { p.connection.async_close(close_reason::connection_close, done); }));
        CHECK(clock_type::now() - begun >= 30ms);
        CHECK(p.closed(close_reason::connection_close) == 1);
    }
    SECTION("by bytes") {
        accepted_pair<TestType> p(with({.linger_timeout = 1h, .max_linger_bytes = 10'000}));
        auto other = std::async(std::launch::async, [&] {
            while (p.client->write(std::string(1000, 'm'))) continue;
        });
        CHECK_FALSE(p.outcome([&](auto done) { p.connection.async_close(done); }));
        CHECK(p.left() == 0);
        other.get();
    }
    SECTION("by being cancelled") {
        accepted_pair<TestType> p(with({.linger_timeout = 1h}));
        net::cancellation_signal signal;
        std::error_code error;
        p.connection.async_close(net::bind_cancellation_slot(signal.slot(), [&](std::error_code e) { error = e; }));
        p.io->poll();
        signal.emit(net::cancellation_type::terminal);
        REQUIRE(p.run([&] { return error == errc::cancelled; }));
        CHECK(p.left() == 0);
    }
}

TEST_CASE("closing_twice_waits_for_one_end", "[inbound]") {
    accepted_pair<accept_tcp> p(with({.linger_timeout = 1h}));
    std::vector<std::error_code> ends;
    const auto note = [&](std::error_code e) { ends.push_back(e); };
    char byte = 0;
    std::error_code read;
    p.connection.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) { read = e; });
    p.connection.async_close(note);
    p.connection.async_close(note);
    p.io->run_for(10ms);
    CHECK(read == errc::cancelled);
    CHECK(ends.empty());
    CHECK(p.read_error() == errc::cancelled);
    CHECK(p.write("x") == errc::cancelled);
    p.client->close();
    REQUIRE(p.run([&] { return ends.size() == 2; }));
    CHECK(ends == std::vector<std::error_code>(2));
    CHECK_FALSE(p.outcome([&](auto done) { p.connection.async_close(done); }));
    CHECK(p.closed(close_reason::finished) == 1);
}

TEMPLATE_TEST_CASE("a_connection_ends_with_its_handle", "[inbound]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    SECTION("destroyed") { p.connection = {}; }
    SECTION("closed") { p.connection.close(close_reason::protocol_error); }
    SECTION("moved and destroyed") {
        auto moved = std::move(p.connection);
        CHECK_FALSE(p.connection);
        CHECK(p.left() == 1);
        CHECK(moved.is_open());
    }
    CHECK(p.left() == 0);
    CHECK(p.client->wait_for_end() == peer_end::closed);
    CHECK(p.client->said_goodbye());
    CHECK(p.closed(p.connection ? close_reason::protocol_error : close_reason::finished) == 1);
    p.connection = {};
    CHECK(p.acceptor->stats().total.closed_for(close_reason::finished) <= 1);
}

TEST_CASE("an_aborted_connection_is_reset", "[inbound]") {
    accepted_pair<accept_tcp> p;
    std::error_code error;
    char byte = 0;
    p.connection.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) { error = e; });
    p.connection.abort();
    REQUIRE(p.run([&] { return error == errc::cancelled; }));
    CHECK(p.client->wait_for_end() == peer_end::reset);
    CHECK(p.closed(close_reason::aborted) == 1);
}

TEST_CASE("an_empty_handle_says_so", "[inbound]") {
    net::io_context io;
    inbound::tcp_connection none;
    std::vector<std::error_code> errors;
    char byte = 0;
    none.async_read_some(net::buffer(&byte, 1),
                         net::bind_executor(io, [&](std::error_code e, std::size_t) { errors.push_back(e); }));
    none.async_close(net::bind_executor(io, [&](std::error_code e) { errors.push_back(e); }));
    none.async_wait_readable(net::bind_executor(io, [&](std::error_code e) { errors.push_back(e); }));
    none.close();
    none.abort();
    CHECK(errors.empty());
    io.run();
    CHECK(errors == std::vector<std::error_code>(3, errc::lease_empty));
}

TEMPLATE_TEST_CASE("connections_outlive_their_acceptor_as_ended_ones", "[inbound]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    char byte = 0;
    std::error_code error;
    p.connection.async_read_some(net::buffer(&byte, 1), [&](std::error_code e, std::size_t) { error = e; });
    p.acceptor.reset();
    CHECK_FALSE(error);
    REQUIRE(p.run([&] { return error == errc::acceptor_closed; }));
    CHECK(p.read_error() == errc::acceptor_closed);
    CHECK(p.write("x") == errc::acceptor_closed);
    CHECK(p.client->wait_for_end() == peer_end::closed);
    CHECK(p.client->said_goodbye());
    CHECK(p.connection.request_begun() != close_reason::none);
}

TEMPLATE_TEST_CASE("hooks_that_come_too_late_keep_nothing", "[inbound]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    // A hook often keeps what has the connection.
    const auto kept = std::make_shared<typename accepted_pair<TestType>::connection_type>(std::move(p.connection));
    const std::weak_ptr<const void> watched = kept;
    SECTION("after a limit's end") { p.acceptor->close(); }
    SECTION("during its orderly end") {
        kept->async_close([](std::error_code) {});
    }
    kept->on_drain([kept] {});
    kept->on_ping([kept] {});
    const_cast<std::shared_ptr<typename accepted_pair<TestType>::connection_type>&>(kept).reset();
    CHECK(watched.expired());
}

TEMPLATE_TEST_CASE("a_context_that_ends_takes_its_operations_along", "[inbound]", accept_tcp, accept_tls) {
    accepted_pair<TestType> p;
    // Handlers keep what they need, the acceptor too, as coroutines do.
    struct everything {
        std::unique_ptr<typename TestType::acceptor_type> acceptor;
        typename TestType::acceptor_type::connection_type connection;
        char byte = 0;
    };
    const auto all = std::make_shared<everything>();
    const std::weak_ptr<everything> watched = all;
    all->acceptor = std::move(p.acceptor);
    all->connection = std::move(p.connection);
    SECTION("an accept that waits") {
        all->acceptor->async_accept([all](std::error_code, auto) { FAIL("called"); });
    }
    SECTION("a read that waits, and an accept") {
        all->connection.async_read_some(net::buffer(&all->byte, 1),
                                        [all](std::error_code, std::size_t) { FAIL("called"); });
        all->acceptor->async_accept([all](std::error_code, auto) { FAIL("called"); });
    }
    SECTION("a close that lingers, and a drain") {
        all->connection.async_close([all](std::error_code) { FAIL("called"); });
        all->acceptor->async_drain(1h, [all](std::error_code) { FAIL("called"); });
    }
    SECTION("what has been posted") {
        all->connection.async_close(close_reason::finished, [all](std::error_code) { FAIL("called"); });
        all->connection.close();
    }
    const_cast<std::shared_ptr<everything>&>(all).reset();
    p.io.reset();
    CHECK(watched.expired());
    CHECK(p.client->wait_for_end() != peer_end::timed_out);
}

TEMPLATE_TEST_CASE("coroutines_accept_read_and_write", "[inbound]", accept_tcp, accept_tls) {
    net::io_context io;
    typename TestType::acceptor_type acceptor(io.get_executor(), on_loopback(), TestType::options());
    bool served = false;
    const auto serve = [&]() -> net::awaitable<void> {
        auto connection = co_await acceptor.async_accept(net::use_awaitable);
        std::string text(100, '\0');
        const std::size_t n = co_await connection.async_read_some(net::buffer(text), net::use_awaitable);
        co_await connection.async_write_some(net::buffer(text, n), net::use_awaitable);
        co_await connection.async_close(net::use_awaitable);
        served = true;
    };
    net::co_spawn(io, serve(), net::detached);
    auto other = std::async(std::launch::async, [port = acceptor.port()] {
        client_socket client = TestType::connect(port);
        client.write("hello");
        return client.read_to_end();
    });
    REQUIRE(run_until(io, [&] { return served; }));
    CHECK(other.get() == "hello");
}
