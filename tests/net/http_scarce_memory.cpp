// Exchanges, reads and requests of clients without memory, from each allocation on in turn: what throws from its start
// has done nothing, what has begun completes once, and the pool serves afterwards.
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "hotpool/base/recycler.hpp"
#include "hotpool/http_client.hpp"
#include "support/allocations.hpp"
#include "support/http_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

using reader_type = tcp_stage::reader_type;

constexpr std::uint64_t most_allocations = 40;  // of one of these operations on a hot connection, with some to spare

const std::string large_body(20'000, 'x');

/// A response in two parts, so that reading it takes some steps.
void answer_slowly(server_connection& c) {
    for (;;) {
        const std::string head = c.read_until("\r\n\r\n");
        if (head.find("100-continue") != head.npos) c.write("HTTP/1.1 100 Continue\r\n\r\n");
        c.read_exactly(declared_length(head));
        const std::string text = ok(large_body);
        c.write(text.substr(0, 15'000));
        std::this_thread::sleep_for(2ms);
        c.write(text.substr(15'000));
    }
}

/// What became of one operation.
struct end_seen {
    bool threw = false;
    int completions = 0;
    std::error_code error;

    auto handler() {
        return [this](std::error_code e, const auto&...) {
            ++completions;
            error = e;
        };
    }
    bool is_right() const { return completions == (threw ? 0 : 1); }
};

/// Runs the loop as a program would that catches what comes out of it.
template <class Done>
bool run_catching(asio::io_context& io, Done done) {
    const auto end = std::chrono::steady_clock::now() + plenty;
    while (!done()) {
        if (std::chrono::steady_clock::now() > end) return false;
        try {
            io.restart();
            io.run_one_for(1ms);
        } catch (const std::bad_alloc&) {
        }
    }
    return true;
}

/// Starts an operation with memory for so many allocations, and has it again after a while.
template <class Start>
end_seen without_memory(tcp_stage& s, std::uint64_t calls, Start start) {
    end_seen e;
    {
        const test::scarce_memory memory(calls);
        try {
            start(e);
        } catch (const std::bad_alloc&) {
            e.threw = true;
        }
        for (int i = 0; i < 10 && e.completions == 0; ++i) {
            try {
                s.io.restart();
                s.io.run_one_for(1ms);
            } catch (const std::bad_alloc&) {
            }
        }
    }
    if (!e.threw) CHECK(run_catching(s.io, [&] { return e.completions != 0; }));
    s.settle();
    CHECK(e.is_right());
    return e;
}

void serves_again(tcp_stage& s) {
    CHECK(s.until([&] { return s.pool.stats().now.leased == 0; }));
    CHECK(s.fetch(get_request).body() == large_body);
    int drained = 0;
    s.pool.async_drain(plenty, [&](std::error_code e) { drained += e ? 2 : 1; });
    REQUIRE(s.until([&] { return drained != 0; }));
    CHECK(drained == 1);
    CHECK(s.pool.stats().now.total() == 0);
}

}  // namespace

TEST_CASE("exchange_without_memory_ends_once_and_harms_nobody", "[http]") {
    request_builder asks("PUT", "/");
    asks.body(std::string("hello")).expect_continue();
    for (const request_builder* request : {&get_request, static_cast<const request_builder*>(&asks)}) {
        int threw = 0, failed = 0, succeeded = 0;
        for (std::uint64_t calls = 0; calls < most_allocations; ++calls) {
            CAPTURE(calls);
            tcp_stage s(answer_slowly);
            {
                auto lease = s.get();
                const end_seen e =
                    without_memory(s, calls, [&](end_seen& to) { async_exchange(lease, *request, to.handler()); });
                (e.threw ? threw : e.error ? failed : succeeded)++;
                CHECK((!e.error || e.error == std::errc::not_enough_memory));
                if (e.threw) CHECK(s.exchange(lease, *request).body() == large_body);  // as if nothing had been
            }
            serves_again(s);
        }
        CHECK(succeeded > 0);
        if (!base::recycling) CHECK(threw * failed > 0);
    }
}

TEST_CASE("reading_without_memory_ends_once_and_harms_nobody", "[http]") {
    for (const int way : {0, 1, 2, 3}) {
        int succeeded = 0;
        for (std::uint64_t calls = 0; calls < most_allocations; ++calls) {
            CAPTURE(way, calls);
            tcp_stage s(answer_slowly, {.drain_timeout = plenty});
            {
                auto lease = s.get();
                std::optional<reader_type> reader;
                char room[100];
                end_seen e;
                if (way == 0) {
                    e = without_memory(s, calls, [&](end_seen& to) {
                        async_start_exchange(lease, get_request, [&](std::error_code error, reader_type r) {
                            reader.emplace(std::move(r));
                            to.handler()(error);
                        });
                    });
                } else {
                    async_start_exchange(lease, get_request,
                                         [&](std::error_code, reader_type r) { reader.emplace(std::move(r)); });
                    REQUIRE(s.until([&] { return reader.has_value(); }));
                    e = without_memory(s, calls, [&](end_seen& to) {
                        if (way == 1) reader->async_read_all(to.handler());
                        if (way == 2) reader->async_read_some(asio::buffer(room), to.handler());
                        if (way == 3) reader->async_close(to.handler());
                    });
                    if (e.threw && way == 1) {  // as if nothing had been
                        std::string text;
                        reader->async_read_all([&](std::error_code, std::string t) { text = std::move(t); });
                        REQUIRE(s.until([&] { return !text.empty(); }));
                        CHECK((text == large_body));
                    }
                }
                succeeded += !e.threw && !e.error;
                CHECK((!e.error || e.error == std::errc::not_enough_memory));
                const test::scarce_memory memory(0);
                reader.reset();
                lease = {};  // and nothing to drain with
            }
            serves_again(s);
        }
        CHECK(succeeded > 0);
    }
}

TEST_CASE("client_without_memory_ends_once_and_harms_nobody", "[client]") {
    int succeeded = 0;
    for (std::uint64_t calls = 0; calls < most_allocations; ++calls) {
        CAPTURE(calls);
        tcp_stage s(answer_slowly);
        CHECK(s.fetch(get_request).body() == large_body);
        http_client client(s.pool);
        asio::cancellation_signal stop;
        const end_seen e = without_memory(s, calls, [&](end_seen& to) {
            client.async_send(get_request, asio::bind_cancellation_slot(stop.slot(), to.handler()));
        });
        succeeded += !e.threw && !e.error;
        serves_again(s);
    }
    CHECK(succeeded > 0);
}
