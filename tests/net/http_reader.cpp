// Responses read piece by piece, and what becomes of those that are not read to their end.
#include "support/http_test.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using namespace hotpool;
using namespace hotpool::test;

namespace {

const std::string alphabet = "abcdefghijklmnopqrstuvwxyz";

template <class Side>
class reading {
public:
    using reader_type = typename stage<Side>::reader_type;

    reading(stage<Side>& on, typename stage<Side>::lease_type& lease) : s_(on) {
        int completions = 0;
        const request_builder get("GET", "/");
        async_start_exchange(lease, get, [&](std::error_code e, reader_type r) {
            ++completions;
            error = e;
            reader = std::move(r);
        });
        CHECK(completions == 0);
        REQUIRE(s_.until([&] { return completions == 1; }));
    }

    std::string some(std::size_t most) {
        std::string room(most, '\0');
        std::size_t bytes = 0;
        int completions = 0;
        reader.async_read_some(asio::buffer(room), [&](std::error_code e, std::size_t n) {
            ++completions;
            error = e;
            bytes = n;
        });
        CHECK(completions == 0);
        REQUIRE(s_.until([&] { return completions == 1; }));
        CHECK((error || bytes != 0));
        return room.substr(0, bytes);
    }
    std::string all(std::uint64_t limit = 10'000'000) {
        std::string text;
        int completions = 0;
        reader.async_read_all(limit, [&](std::error_code e, std::string body) {
            ++completions;
            error = e;
            text = std::move(body);
        });
        CHECK(completions == 0);
        REQUIRE(s_.until([&] { return completions == 1; }));
        return text;
    }

    reader_type reader;
    std::error_code error;

private:
    stage<Side>& s_;
};

std::string chunk(std::string_view data) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return size + std::string(data) + "\r\n";
}

const std::string chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace

TEMPLATE_TEST_CASE("body_is_read_in_pieces_of_the_callers_size", "[http]", over_tcp, over_tls) {
    const std::string text = GENERATE(ok(alphabet), chunked_head + chunk(alphabet.substr(0, 10)) +
                                                        chunk(alphabet.substr(10)) + "0\r\nTrailer: x\r\n\r\n");
    const std::size_t size = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{100});
    stage<TestType> s(answering(text));
    for (int round = 0; round < 2; ++round) {
        auto lease = s.get();
        reading<TestType> r(s, lease);
        REQUIRE_FALSE(r.error);
        CHECK(r.reader.status() == 200);
        CHECK(r.reader.reason() == "OK");
        CHECK(r.reader.head().body().empty());
        CHECK_FALSE(r.reader.at_end());
        std::string body;
        for (;;) {
            const std::string piece = r.some(size);
            if (r.error) break;
            CHECK(piece.size() <= size);
            body += piece;
        }
        CHECK(r.error == errc::end_of_body);
        CHECK(body == alphabet);
        CHECK(r.reader.at_end());
        r.some(size);
        CHECK(r.error == errc::end_of_body);  // and again
        s.pool.put(std::move(lease));
        CHECK(s.one_idle());
    }
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("end_of_a_body_is_known_with_its_last_byte", "[http]", over_tcp, over_tls) {
    const std::string long_text(20'000, 'l');
    const std::string body = GENERATE_COPY(alphabet, long_text);
    const std::string text =
        GENERATE_COPY(ok(body), chunked_head + chunk(body) + "0\r\n\r\n",
                      chunked_head + chunk(body.substr(0, 5)) + chunk(body.substr(5)) + "0\r\n\r\n");
    const std::size_t size = GENERATE(std::size_t{5}, std::size_t{26}, std::size_t{40'000});
    stage<TestType> s(answering(text), {.drain_limit_bytes = 0});
    for (int round = 0; round < 3; ++round) {
        auto lease = s.get();
        reading<TestType> r(s, lease);
        std::string read;
        while (read.size() < body.size()) {
            CHECK_FALSE(r.reader.at_end());
            read += r.some(size);
            REQUIRE_FALSE(r.error);
        }
        CHECK((read == body));
        CHECK(r.reader.at_end());
        if (round != 1) {
            s.pool.put(std::move(lease));  // nothing is left to be drained
        } else {
            CHECK_FALSE(s.exchange(lease, request_builder("GET", "/")).error);
            lease = {};
        }
        CHECK(s.one_idle());
    }
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("large_buffer_takes_exactly_this_body", "[http]", over_tcp, over_tls) {
    std::string text;
    for (std::size_t i = 0; i < 100'000; ++i) text += alphabet[i % 26];
    const std::string behind = GENERATE("", "x");
    stage<TestType> s([&](server_connection& c) {
        read_request(c);
        c.write(ok(text) + behind);
        read_request(c);
        c.write(ok("next"));
    });
    auto lease = s.get();
    reading<TestType> r(s, lease);
    std::string read;
    while (!r.error) read += r.some(32 * 1024);
    CHECK(r.error == errc::end_of_body);
    CHECK(read == text);
    const answer next = s.exchange(lease, request_builder("GET", "/"));
    if (behind.empty())
        CHECK(next.reply.body() == "next");
    else
        CHECK(next.error != std::error_code());  // what followed was nobody's: it ends the connection
    lease = {};
    if (!behind.empty()) CHECK(s.ended_for(retire_reason::unsolicited_bytes));
}

TEMPLATE_TEST_CASE("body_is_read_whole_up_to_a_limit", "[http]", over_tcp, over_tls) {
    const std::string large(3'000'000, 'l');
    stage<TestType> s([&](server_connection& c) {
        for (const std::string& text :
             {ok(""), ok(alphabet), ok(large), chunked_head + chunk(large) + "0\r\n\r\n", ok(large)}) {
            read_request(c);
            c.write(text);
        }
        c.stay();
    });
    auto lease = s.get();
    reading<TestType> none(s, lease);
    CHECK(none.reader.at_end());
    CHECK(none.all().empty());
    CHECK_FALSE(none.error);
    reading<TestType> exact(s, lease);
    CHECK(exact.all(alphabet.size()) == alphabet);
    CHECK_FALSE(exact.error);
    for (int round = 0; round < 2; ++round) {
        reading<TestType> whole(s, lease);
        const std::string first = whole.some(3);
        CHECK((first + whole.all() == large));
        CHECK_FALSE(whole.error);
    }
    reading<TestType> more(s, lease);
    CHECK(more.all(large.size() - 1).size() < large.size());
    CHECK(more.error == errc::body_too_large);
    s.pool.put(std::move(lease));
    CHECK(s.one_idle());  // what was left was small
}

TEMPLATE_TEST_CASE("empty_buffer_takes_nothing_and_harms_nothing", "[http]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok(alphabet)));
    auto lease = s.get();
    reading<TestType> r(s, lease);
    int completions = 0;
    r.reader.async_read_some(asio::mutable_buffer(), [&](std::error_code, std::size_t) { ++completions; });
    REQUIRE(s.until([&] { return completions == 1; }));
    CHECK(r.all() == alphabet);
}

TEMPLATE_TEST_CASE("next_exchange_waits_until_the_body_has_been_read", "[http]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok(alphabet)));
    auto lease = s.get();
    reading<TestType> r(s, lease);
    CHECK(s.exchange(lease, request_builder("GET", "/")).error == errc::response_pending);
    CHECK(r.all() == alphabet);
    CHECK(s.exchange(lease, request_builder("GET", "/")).body() == alphabet);
}

TEMPLATE_TEST_CASE("unread_rest_is_drained_when_it_is_small", "[http]", over_tcp, over_tls) {
    const bool all_there = GENERATE(true, false);
    const bool chunked = GENERATE(true, false);
    fact go_on;
    stage<TestType> s(
        [&](server_connection& c) {
            read_request(c);
            const std::string text = chunked ? chunked_head + chunk(alphabet) + "0\r\n\r\n" : ok(alphabet);
            c.write(text.substr(0, text.size() - 10));
            if (!all_there) go_on.await();
            c.write(text.substr(text.size() - 10));
            read_request(c);
            c.write(ok("next"));
            c.stay();
        },
        {.drain_timeout = plenty});
    {
        auto lease = s.get();
        reading<TestType> r(s, lease);
        CHECK(r.some(3) == "abc");
        s.pool.put(std::move(lease));
    }
    s.settle();
    go_on.state();
    CHECK(s.one_idle());
    CHECK(s.fetch(request_builder("GET", "/")).body() == "next");
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("unread_rest_that_is_too_much_ends_the_connection", "[http]", over_tcp, over_tls) {
    struct rest {
        std::string text;
        pool_options options;
        retire_reason why;
    };
    const std::string large(400'000, 'l');
    const std::vector<rest> all{
        {ok(large), {.drain_timeout = plenty}, retire_reason::body_not_drained},
        {chunked_head + chunk(large) + "0\r\n\r\n", {.drain_timeout = plenty}, retire_reason::body_not_drained},
        {ok(alphabet), {.drain_limit_bytes = 0}, retire_reason::body_not_drained},
        {ok(large).substr(0, 1'000),
         {.drain_limit_bytes = 1'000'000, .drain_timeout = std::chrono::milliseconds(5)},
         retire_reason::body_not_drained},
        {chunked_head + "5\r\nhel", {.drain_timeout = std::chrono::milliseconds(5)}, retire_reason::body_not_drained},
        {chunked_head + "x\r\n", {.drain_timeout = plenty}, retire_reason::body_not_drained},
        {ok(alphabet, "Connection: close\r\n"), {.drain_timeout = plenty}, retire_reason::connection_close},
        {"HTTP/1.1 200 OK\r\n\r\nuntil close", {.drain_timeout = plenty}, retire_reason::connection_close},
        {ok(alphabet) + "more", {.drain_timeout = plenty}, retire_reason::unsolicited_bytes},
    };
    const std::size_t descriptors = open_descriptors();
    for (const rest& unread : all) {
        CAPTURE(unread.text.substr(0, 80));
        stage<TestType> s(answering(unread.text), unread.options);
        auto lease = s.get();
        reading<TestType> r(s, lease);
        REQUIRE_FALSE(r.error);
        lease = {};
        CHECK(s.ended_for(unread.why));
    }
    CHECK(open_descriptors() == descriptors);
}

TEMPLATE_TEST_CASE("body_that_fails_stays_failed", "[http]", over_tcp, over_tls) {
    struct failure {
        std::string text;
        bool closes;
        errc error;
        retire_reason why;
    };
    const std::vector<failure> all{
        {ok(alphabet).substr(0, 50), true, errc::response_truncated, retire_reason::peer_closed},
        {chunked_head + chunk(alphabet), true, errc::response_truncated, retire_reason::peer_closed},
        {chunked_head + chunk(alphabet) + "x\r\n", false, errc::bad_chunk_size, retire_reason::protocol_error},
    };
    for (const failure& f : all) {
        CAPTURE(f.text);
        stage<TestType> s([&f](server_connection& c) {
            read_request(c);
            c.write(f.text);
            if (f.closes) {
                c.close_notify();
                c.end_sending();
            }
            c.stay();
        });
        auto lease = s.get();
        reading<TestType> r(s, lease);
        REQUIRE_FALSE(r.error);
        while (!r.error) r.some(100);
        CHECK(r.error == f.error);
        r.all();
        CHECK(r.error == f.error);  // a body cut short never passes for a whole one
        CHECK_FALSE(r.reader.at_end());
        s.pool.put(std::move(lease));
        CHECK(s.ended_for(f.why));
    }
}

TEMPLATE_TEST_CASE("reading_is_cancelled_while_it_waits", "[http]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok(alphabet).substr(0, 50)));
    auto lease = s.get();
    reading<TestType> r(s, lease);
    r.some(100);
    asio::cancellation_signal stop;
    std::error_code error;
    int completions = 0;
    char byte;
    r.reader.async_read_some(asio::buffer(&byte, 1),
                             asio::bind_cancellation_slot(stop.slot(), [&](std::error_code e, std::size_t) {
                                 ++completions;
                                 error = e;
                             }));
    s.settle();
    CHECK(completions == 0);
    stop.emit(asio::cancellation_type::partial);
    REQUIRE(s.until([&] { return completions == 1; }));
    CHECK(error == errc::cancelled);
    lease = {};
    CHECK(s.ended_for(retire_reason::cancelled));
}

TEMPLATE_TEST_CASE("closed_reader_leaves_the_lease_ready_when_the_rest_is_small", "[http]", over_tcp, over_tls) {
    stage<TestType> s(
        [](server_connection& c) {
            read_request(c);
            c.write(chunked_head + chunk(alphabet) + "0\r\n\r\n");
            read_request(c);
            c.write(ok("next"));
            c.stay();
        },
        {.drain_timeout = plenty});
    auto lease = s.get();
    reading<TestType> r(s, lease);
    CHECK(r.some(3) == "abc");
    int completions = 0;
    r.reader.async_close([&](std::error_code e) {
        ++completions;
        r.error = e;
    });
    CHECK(completions == 0);
    REQUIRE(s.until([&] { return completions == 1; }));
    CHECK(!r.error);
    CHECK(r.reader.at_end());
    reading<TestType> next(s, lease);
    CHECK(next.all() == "next");
    s.pool.put(std::move(lease));
    s.settle();
    CHECK(s.one_idle());
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("closed_reader_gives_up_what_is_too_large_or_too_slow", "[http]", over_tcp, over_tls) {
    const bool large = GENERATE(true, false);
    const std::string text = large ? ok(std::string(400'000, 'l')) : chunked_head + "5\r\nhel";
    stage<TestType> s(answering(text), {.drain_timeout = large ? duration(plenty) : std::chrono::milliseconds(5)});
    {
        auto lease = s.get();
        reading<TestType> r(s, lease);
        int completions = 0;
        r.reader.async_close([&](std::error_code e) {
            ++completions;
            r.error = e;
        });
        REQUIRE(s.until([&] { return completions == 1; }));
        CHECK(r.error == (large ? errc::body_too_large : errc::request_timed_out));
    }
    s.settle();
    CHECK(s.pool.stats().total.retired_for(retire_reason::body_not_drained) == 1);
    CHECK(s.pool.stats().now.total() == 0);
}

TEST_CASE("closing_a_spent_reader_is_fine") {
    net::io_context io;
    stage<over_tcp>::reader_type none;
    bool closed = false;
    none.async_close(net::bind_executor(io.get_executor(), [&](std::error_code e) { closed = !e; }));
    CHECK(!closed);
    io.run();
    CHECK(closed);
}
