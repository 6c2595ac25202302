// Whatever becomes of a lease while an exchange on it is pending, and exchanges on leases without a connection.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

#include <asio/bind_executor.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <future>
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

loopback_server::script answering_when_told(fact& go_on) {
    return [&go_on](server_connection& c) {
        read_request(c);
        go_on.await();
        c.write(ok("hi"));
        c.stay();
    };
}

}  // namespace

TEST_CASE("exchange_that_is_pending_ends_with_its_lease", "[http]") {
    struct way {
        const char* sentence;
        retire_reason why;
        void (*end)(tcp_stage&, lease_type&);
    };
    const std::vector<way> ways{
        {"put back", retire_reason::not_clean, [](tcp_stage& s, lease_type& l) { s.pool.put(std::move(l)); }},
        {"discarded", retire_reason::discarded, [](tcp_stage&, lease_type& l) { l.discard(); }},
        {"destroyed", retire_reason::not_clean, [](tcp_stage&, lease_type& l) { l = {}; }},
        {"moved away and destroyed", retire_reason::not_clean,
         [](tcp_stage&, lease_type& l) { lease_type(std::move(l)); }},
    };
    request_builder large("PUT", "/");
    large.body(std::string(20'000'000, 'x'));
    for (const way& w : ways) {
        for (const bool writing : {false, true}) {
            for (const std::string sent : {"", "HTTP/1.1 200 OK\r\nContent-Le"}) {
                CAPTURE(w.sentence, writing, sent);
                std::atomic<int> connections{0};
                fact reached;
                tcp_stage s([&](server_connection& c) {
                    if (connections++ == 0) {
                        writing ? static_cast<void>(c.read_exactly(1)) : static_cast<void>(read_request(c));
                        if (!sent.empty()) c.write(sent);
                        reached.state();
                        c.stay();
                    }
                    read_request(c);
                    c.write(ok("hi"));
                    c.stay();
                });
                auto lease = s.get();
                answer a;
                s.start(lease, writing ? large : get_request, a);
                REQUIRE(s.until([&] { return reached.is_stated(); }));
                s.settle();
                CHECK(a.completions == 0);
                w.end(s, lease);
                CHECK(a.completions == 0);  // not inside the call
                CHECK_FALSE(lease);
                REQUIRE(s.finish(a));
                CHECK(a.error == errc::cancelled);
                CHECK(s.until([&] { return s.pool.stats().now.total() == 0; }));
                CHECK(s.retired(w.why) == 1);
                CHECK(s.fetch(get_request).body() == "hi");
            }
        }
    }
}

TEST_CASE("exchange_goes_on_where_its_lease_goes", "[http]") {
    for (const bool detach : {false, true}) {
        fact go_on;
        tcp_stage s(answering_when_told(go_on));
        auto lease = s.get();
        answer a;
        s.start(lease, get_request, a);
        s.settle();
        lease_type elsewhere(std::move(lease));
        if (detach) elsewhere.detach();
        go_on.state();
        REQUIRE(s.finish(a));
        CHECK_FALSE(a.error);
        CHECK(a.body() == "hi");
        CHECK(elsewhere);
    }
}

TEST_CASE("second_exchange_of_a_lease_is_refused_and_the_first_goes_on", "[http]") {
    fact go_on;
    tcp_stage s(answering_when_told(go_on));
    auto lease = s.get();
    answer first;
    s.start(lease, get_request, first);
    s.settle();
    CHECK(s.exchange(lease, get_request).error == errc::exchange_in_progress);
    CHECK(first.completions == 0);
    go_on.state();
    REQUIRE(s.finish(first));
    CHECK(first.body() == "hi");
}

TEST_CASE("first_byte_is_limited_on_leases_that_the_pool_has_let_go_of", "[http]") {
    tcp_stage s([](server_connection& c) {
        read_request(c);
        c.stay();
    });
    auto lease = s.get();
    lease.detach();
    CHECK(s.exchange(lease, get_request, {.first_byte_timeout = 30ms}).error == errc::first_byte_timed_out);
}

TEST_CASE("exchange_on_an_empty_lease_completes_where_the_pool_or_the_handler_wants_it", "[http]") {
    tcp_stage s(answering(ok("hi")));
    lease_type never_lent = s.pool.try_get();
    auto put_back = s.get();
    s.pool.put(std::move(put_back));
    for (lease_type* empty : {&never_lent, &put_back}) {
        std::thread::id ran;
        std::error_code error;
        async_exchange(*empty, get_request, [&](std::error_code e, const response&) {
            error = e;
            ran = std::this_thread::get_id();
        });
        CHECK(ran == std::thread::id());
        REQUIRE(s.until([&] { return ran != std::thread::id(); }));
        CHECK(ran == std::this_thread::get_id());
        CHECK(error == errc::lease_empty);
        error.clear();
        async_start_exchange(*empty, get_request, [&](std::error_code e, reader_type) { error = e; });
        REQUIRE(s.until([&] { return bool(error); }));
        CHECK(error == errc::lease_empty);
    }

    lease_type of_nobody;
    const auto ignore = [](std::error_code, const response&) {};
    CHECK_THROWS_AS(async_exchange(of_nobody, get_request, ignore), std::system_error);
    std::error_code error;
    async_exchange(of_nobody, get_request,
                   asio::bind_executor(s.io.get_executor(), [&](std::error_code e, const response&) { error = e; }));
    REQUIRE(s.until([&] { return bool(error); }));
    CHECK(error == errc::lease_empty);
}

// The lease ends on one thread at any moment of an exchange that goes on, or ends, on another.
TEST_CASE("lease_may_end_on_another_thread_than_its_exchange", "[http][threads]") {
    loopback_server server(answering(ok("hello")));
    asio::thread_pool threads(2);
    tcp_pool pool(threads.get_executor(), {"127.0.0.1", server.port()}, {.max_connections = 4});
    int cancelled = 0;
    for (int round = 0; round < 400; ++round) {
        lease_type lease = pool.async_get(asio::use_future).get();
        std::promise<std::error_code> over;
        std::atomic<int> completions{0};
        const auto note = [&](std::error_code e) {
            if (completions++ == 0) over.set_value(e);
        };
        const bool reading = round % 2 == 0;
        if (reading) {
            reader_type reader = async_start_exchange(lease, get_request, asio::use_future).get();
            reader.async_read_all([&](std::error_code e, std::string) { note(e); });
            for (int i = 0; i < round % 50; ++i) std::this_thread::yield();
            if (round % 4 == 0) reader.close();
            lease = {};
            const std::error_code e = over.get_future().get();
            CHECK((!e || e == errc::cancelled));
            cancelled += e ? 1 : 0;
        } else {
            async_exchange(lease, get_request, [&](std::error_code e, const response&) { note(e); });
            for (int i = 0; i < round % 50; ++i) std::this_thread::yield();
            lease.discard();
            const std::error_code e = over.get_future().get();
            CHECK((!e || e == errc::cancelled));
            cancelled += e ? 1 : 0;
        }
        CHECK(completions == 1);
    }
    CHECK(cancelled > 0);
    std::promise<std::error_code> drained;
    pool.async_drain(plenty, [&](std::error_code e) { drained.set_value(e); });
    CHECK_FALSE(drained.get_future().get());
    threads.join();
}

// Closing races with its own deadline: the one that wins says so.
TEST_CASE("closing_that_succeeded_leaves_a_lease_that_has_not_expired", "[http][threads]") {
    loopback_server server([](server_connection& c) {
        for (unsigned x = 1;; x = x * 1103515245 + 12345) {
            if (read_request(c).find("/second") != std::string::npos) {
                c.write(ok(""));
                continue;
            }
            c.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
            std::this_thread::sleep_for(std::chrono::microseconds(900 + (x >> 16) % 500));
            c.write("abcd");
        }
    });
    asio::thread_pool threads(2);
    tcp_pool pool(threads.get_executor(), {"127.0.0.1", server.port()}, {.drain_timeout = 1ms});
    const request_builder second("GET", "/second");
    int closed = 0;
    for (int round = 0; round < 500; ++round) {
        lease_type lease = pool.async_get(asio::use_future).get();
        reader_type reader = async_start_exchange(lease, get_request, asio::use_future).get();
        std::promise<std::error_code> over;
        reader.async_close([&](std::error_code e) { over.set_value(e); });
        if (over.get_future().get()) continue;
        ++closed;
        std::promise<std::error_code> next;
        async_exchange(lease, second, [&](std::error_code e, const response&) { next.set_value(e); });
        CHECK_FALSE(next.get_future().get());
        pool.put(std::move(lease));
    }
    CHECK(closed > 0);
    pool.close();
    threads.join();
}
