// Whatever ends while a body is read, and readers that are used too late: one completion, its own error, nobody else's
// bytes.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

#include <asio/bind_executor.hpp>

#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

using lease_type = tcp_stage::lease_type;
using reader_type = tcp_stage::reader_type;

const std::string part_of_length = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc";
const std::string part_of_chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc";
const std::string until_close = "HTTP/1.1 200 OK\r\n\r\nabc";

/// The first connection falls silent inside a body, others answer.
loopback_server::script silent_once(std::string text,
                                    std::shared_ptr<std::atomic<int>> count = std::make_shared<std::atomic<int>>(0)) {
    return [text = std::move(text), count](server_connection& c) {
        const bool first = (*count)++ == 0;
        read_request(c);
        c.write(first ? text : ok("hi"));
        if (first) c.stay();
        for (;;) {
            read_request(c);
            c.write(ok("hi"));
        }
    };
}

/// A reader on the stage, by a lease of the test's or with a lease of its own, and one read of it that waits.
struct pending_read {
    pending_read(tcp_stage& on, bool by_client) : s(on), client(on.pool) {
        int completions = 0;
        const auto started = [&](std::error_code e, reader_type r) {
            CHECK_FALSE(e);
            reader.emplace(std::move(r));
            ++completions;
        };
        if (by_client) {
            client.async_start(get_request, started);
        } else {
            lease = s.get();
            async_start_exchange(lease, get_request, started);
        }
        REQUIRE(s.until([&] { return completions == 1; }));
        std::size_t first = 0;
        reader->async_read_some(asio::buffer(room), [&](std::error_code, std::size_t n) { first = n; });
        REQUIRE(s.until([&] { return first != 0; }));
        CHECK(first == 3);
        reader->async_read_some(asio::buffer(room), [this](std::error_code e, std::size_t n) {
            ++completed;
            error = e;
            bytes = n;
        });
        s.settle();
        CHECK(completed == 0);
    }
    bool is_over() {
        const bool over = s.until([&] { return completed != 0; });
        s.settle();
        return over && completed == 1;
    }

    tcp_stage& s;
    http_client<tcp_pool> client;
    lease_type lease;
    std::optional<reader_type> reader;
    char room[100];
    int completed = 0;
    std::error_code error;
    std::size_t bytes = 0;
};

std::error_code read_error(tcp_stage& s, reader_type& reader) {
    std::error_code error;
    int completions = 0;
    char room[10];
    reader.async_read_some(asio::buffer(room), [&](std::error_code e, std::size_t n) {
        ++completions;
        error = e;
        CHECK(n == 0);
    });
    CHECK(completions == 0);
    REQUIRE(s.until([&] { return completions == 1; }));
    return error;
}
std::error_code close_error(tcp_stage& s, reader_type& reader) {
    std::error_code error;
    int completions = 0;
    reader.async_close([&](std::error_code e) {
        ++completions;
        error = e;
    });
    CHECK(completions == 0);
    REQUIRE(s.until([&] { return completions == 1; }));
    return error;
}
reader_type start(tcp_stage& s, lease_type& lease, const exchange_options& options = {}) {
    std::optional<reader_type> reader;
    async_start_exchange(lease, get_request, options, [&](std::error_code e, reader_type r) {
        CHECK_FALSE(e);
        reader.emplace(std::move(r));
    });
    REQUIRE(s.until([&] { return reader.has_value(); }));
    return std::move(*reader);
}

}  // namespace

TEST_CASE("read_that_is_pending_ends_with_its_reader_or_lease", "[http]") {
    struct way {
        const char* sentence;
        bool by_client;
        bool by_lease;
        void (*end)(pending_read&);
    };
    const std::vector<way> ways{
        {"closed", true, true, [](pending_read& p) { p.reader->close(); }},
        {"destroyed", true, true, [](pending_read& p) { p.reader.reset(); }},
        {"assigned to", true, true, [](pending_read& p) { *p.reader = reader_type(); }},
        {"moved away and destroyed", true, true, [](pending_read& p) { reader_type(std::move(*p.reader)); }},
        {"closed, and the lease put back", false, true,
         [](pending_read& p) {
             p.reader->close();
             p.s.pool.put(std::move(p.lease));
         }},
        {"lease put back", false, true, [](pending_read& p) { p.s.pool.put(std::move(p.lease)); }},
        {"lease destroyed", false, true, [](pending_read& p) { p.lease = {}; }},
        {"lease moved away and destroyed", false, true, [](pending_read& p) { lease_type(std::move(p.lease)); }},
        {"lease discarded", false, true, [](pending_read& p) { p.lease.discard(); }},
    };
    for (const way& w : ways) {
        for (const std::string& text : {part_of_length, part_of_chunks, until_close}) {
            for (const bool by_client : {true, false}) {
                if (!(by_client ? w.by_client : w.by_lease)) continue;
                CAPTURE(w.sentence, text, by_client);
                tcp_stage s(silent_once(text));
                {
                    pending_read p(s, by_client);
                    w.end(p);
                    CHECK(p.completed == 0);  // not inside the call
                    REQUIRE(p.is_over());
                    CHECK(p.error == errc::cancelled);
                    CHECK(p.bytes == 0);
                }
                CHECK(s.until([&] { return s.pool.stats().now.total() == 0; }));
                CHECK(s.retired() == 1);
                CHECK(s.fetch(get_request).body() == "hi");
            }
        }
    }
}

TEST_CASE("closing_beside_a_read_ends_both", "[http]") {
    for (const bool by_client : {true, false}) {
        tcp_stage s(silent_once(part_of_length));
        pending_read p(s, by_client);
        CHECK(close_error(s, *p.reader) == errc::cancelled);
        REQUIRE(p.is_over());
        CHECK(p.error == errc::cancelled);
        CHECK(read_error(s, *p.reader) == errc::lease_empty);
        p.lease = {};
        CHECK(s.ended_for(retire_reason::cancelled));
    }
}

TEST_CASE("second_read_is_refused_and_the_first_goes_on", "[http]") {
    fact go_on;
    tcp_stage s([&](server_connection& c) {
        read_request(c);
        c.write(part_of_length.substr(0, part_of_length.size()));
        go_on.await();
        c.write("defg");
        c.stay();
    });
    pending_read p(s, true);
    CHECK(read_error(s, *p.reader) == errc::exchange_in_progress);
    CHECK(p.completed == 0);
    reader_type elsewhere(std::move(*p.reader));  // moving does it no harm
    go_on.state();
    REQUIRE(p.is_over());
    CHECK_FALSE(p.error);
    CHECK(std::string(p.room, p.bytes).starts_with("d"));
}

TEST_CASE("exchange_beside_a_read_is_refused", "[http]") {
    tcp_stage s(silent_once(part_of_length));
    pending_read p(s, false);
    CHECK(s.exchange(p.lease, get_request).error == errc::exchange_in_progress);
    CHECK(p.completed == 0);
    p.lease = {};
    REQUIRE(p.is_over());
}

TEST_CASE("detached_lease_goes_on_with_its_read", "[http]") {
    fact go_on;
    tcp_stage s([&](server_connection& c) {
        read_request(c);
        c.write(part_of_length);
        go_on.await();
        c.write("d");
        c.stay();
    });
    pending_read p(s, false);
    p.lease.detach();
    CHECK(s.pool.stats().now.total() == 0);
    go_on.state();
    REQUIRE(p.is_over());
    CHECK_FALSE(p.error);
    CHECK(p.bytes == 1);
}

TEST_CASE("reader_used_too_late_reads_nobody_elses_body", "[http]") {
    struct way {
        const char* sentence;
        void (*end)(tcp_stage&, lease_type&);
    };
    const std::vector<way> ways{
        {"put back", [](tcp_stage& s, lease_type& l) { s.pool.put(std::move(l)); }},
        {"discarded", [](tcp_stage&, lease_type& l) { l.discard(); }},
        {"moved away and destroyed", [](tcp_stage&, lease_type& l) { lease_type(std::move(l)); }},
        {"closed pool",
         [](tcp_stage& s, lease_type& l) {
             s.pool.close();
             l = {};
         }},
    };
    for (const way& w : ways) {
        for (const bool read_whole : {false, true}) {
            CAPTURE(w.sentence, read_whole);
            tcp_stage s(answering(ok("secret")));
            auto lease = s.get();
            reader_type late = start(s, lease);
            if (read_whole) {
                std::string text;
                late.async_read_all([&](std::error_code, std::string t) { text = std::move(t); });
                REQUIRE(s.until([&] { return !text.empty(); }));
                CHECK(read_error(s, late) == errc::end_of_body);  // while the lease is at it
            }
            w.end(s, lease);
            s.settle();
            CHECK(late.at_end());
            CHECK(read_error(s, late) == errc::lease_empty);
            std::string all;
            std::error_code error;
            int completions = 0;
            late.async_read_all([&](std::error_code e, std::string t) {
                ++completions;
                error = e;
                all = std::move(t);
            });
            REQUIRE(s.until([&] { return completions == 1; }));
            CHECK(error == errc::lease_empty);
            CHECK(all.empty());
            if (std::string(w.sentence) == "closed pool") continue;
            // Beside another's exchange on the same connection:
            auto next = s.get();
            reader_type own = start(s, next);
            CHECK(read_error(s, late) == errc::lease_empty);
            CHECK(close_error(s, late) == errc::lease_empty);
            CHECK_FALSE(close_error(s, late));  // spent: there is nothing to close
            late.close();
            std::string text;
            own.async_read_all([&](std::error_code, std::string t) { text = std::move(t); });
            REQUIRE(s.until([&] { return !text.empty(); }));
            CHECK(text == "secret");
        }
    }
}

TEST_CASE("reader_of_an_earlier_exchange_is_over", "[http]") {
    tcp_stage s(answering(ok("secret")));
    auto lease = s.get();
    reader_type first = start(s, lease);
    CHECK_FALSE(close_error(s, first));
    reader_type second = start(s, lease);
    CHECK_FALSE(close_error(s, second));
    reader_type third = start(s, lease);
    std::string text;
    third.async_read_all([&](std::error_code, std::string t) { text = std::move(t); });
    REQUIRE(s.until([&] { return !text.empty(); }));
    reader_type fourth = start(s, lease);
    CHECK(read_error(s, third) == errc::lease_empty);
    CHECK(close_error(s, third) == errc::lease_empty);
    CHECK_FALSE(fourth.at_end());
    CHECK_FALSE(close_error(s, fourth));
}

TEST_CASE("spent_reader_outlives_lease_pool_and_context", "[http]") {
    std::optional<reader_type> reader;
    {
        tcp_stage s(answering(ok("hi")));
        auto lease = s.get();
        reader.emplace(start(s, lease));
    }
    CHECK(reader->at_end());
    CHECK(reader->status() == 200);
    reader->close();
}

TEST_CASE("spent_reader_completes_where_the_pool_or_the_handler_wants_it", "[http]") {
    tcp_stage s(answering(ok("hi")));
    auto lease = s.get();
    reader_type reader = start(s, lease);
    CHECK_FALSE(close_error(s, reader));
    std::thread::id ran;
    char room[10];
    reader.async_read_some(asio::buffer(room), [&](std::error_code e, std::size_t) {
        CHECK(e == errc::lease_empty);
        ran = std::this_thread::get_id();
    });
    CHECK(ran == std::thread::id());
    REQUIRE(s.until([&] { return ran != std::thread::id(); }));
    CHECK(ran == std::this_thread::get_id());

    reader_type none;
    const auto ignore = [](std::error_code, std::size_t) {};
    CHECK_THROWS_AS(none.async_read_some(asio::buffer(room), ignore), std::system_error);
    std::error_code error;
    none.async_read_some(asio::buffer(room),
                         asio::bind_executor(s.io.get_executor(), [&](std::error_code e, std::size_t) { error = e; }));
    REQUIRE(s.until([&] { return bool(error); }));
    CHECK(error == errc::lease_empty);
}

TEST_CASE("limits_hold_on_leases_that_the_pool_has_let_go_of", "[http]") {
    for (const bool reclaimed : {false, true}) {
        CAPTURE(reclaimed);
        pool_options options;
        if (reclaimed) {
            options.leak_after = 20ms;
            options.reclaim_leaked = true;
        }
        const auto let_go = [&](tcp_stage& s, lease_type& lease) {
            if (!reclaimed) return lease.detach();
            REQUIRE(s.until([&] { return s.pool.stats().now.total() == 0; }));
        };
        tcp_stage s(answering(part_of_length), options);
        {
            auto lease = s.get();
            reader_type reader = start(s, lease, {.between_bytes_timeout = 30ms});
            let_go(s, lease);
            std::error_code error;
            reader.async_read_all([&](std::error_code e, std::string) { error = e; });
            REQUIRE(s.until([&] { return bool(error); }));
            CHECK(error == errc::response_stalled);
        }
        {
            auto lease = s.get();
            reader_type reader = start(s, lease);
            let_go(s, lease);
            CHECK(close_error(s, reader) == errc::request_timed_out);  // `drain_timeout`
        }
    }
}

TEST_CASE("drain_limit_may_be_as_large_as_it_can_be", "[http]") {
    tcp_stage s(answering(ok(std::string(300'000, 'x'))),
                {.drain_limit_bytes = std::numeric_limits<std::size_t>::max(), .drain_timeout = plenty});
    for (int round = 0; round < 2; ++round) {
        auto lease = s.get();
        reader_type reader = start(s, lease);
        s.pool.put(std::move(lease));
        CHECK(s.one_idle());
    }
    CHECK(s.server.accepted() == 1);
}
