// Exchanges and requests awaited in every way Asio knows, and where their completions run.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#if __has_include(<asio/deferred.hpp>)
#    include <asio/deferred.hpp>
#else
#    include <asio/experimental/deferred.hpp>
#endif

using namespace hotpool;
using namespace hotpool::test;

namespace {

#if __has_include(<asio/deferred.hpp>)
constexpr auto deferred = asio::deferred;
#else
constexpr auto deferred = asio::experimental::deferred;
#endif

/// Runs an io_context on a thread of its own.
class running {
public:
    explicit running(asio::io_context& io, int threads = 1) : io_(io), work_(asio::make_work_guard(io)) {
        while (threads-- > 0) threads_.emplace_back([this] { io_.run(); });
    }
    ~running() {
        work_.reset();
        io_.stop();
        for (std::thread& thread : threads_) thread.join();
    }

private:
    asio::io_context& io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::vector<std::thread> threads_;
};

}  // namespace

TEMPLATE_TEST_CASE("exchange_and_request_are_awaited_in_a_coroutine", "[http]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hello")));
    http_client client(s.pool);
    int done = 0;
    const auto visit = [&]() -> asio::awaitable<void> {
        auto lease = co_await s.pool.async_get(asio::use_awaitable);
        const request_builder get("GET", "/");
        const response reply = co_await async_exchange(lease, get, asio::use_awaitable);
        CHECK(reply.body() == "hello");
        auto reader = co_await async_start_exchange(lease, get, asio::use_awaitable);
        const std::string body = co_await reader.async_read_all(asio::use_awaitable);
        CHECK(body == "hello");
        s.pool.put(std::move(lease));
        const response sent = co_await client.async_send(get, asio::use_awaitable);
        CHECK(sent.body() == "hello");
        const response got = co_await client.async_get("/", asio::use_awaitable);
        CHECK(got.body() == "hello");
        ++done;
        try {
            co_await client.async_get("no slash", asio::use_awaitable);
        } catch (const std::system_error& refused) {
            CHECK(refused.code() == errc::invalid_target);
            ++done;
        }
    };
    asio::co_spawn(s.io, visit(), asio::detached);
    REQUIRE(s.until([&] { return done == 2; }));
    CHECK(s.server.accepted() == 1);
}

TEMPLATE_TEST_CASE("exchange_and_request_are_awaited_by_futures", "[http]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hello")));
    http_client client(s.pool);
    const running io(s.io);
    auto lease = s.pool.async_get(asio::use_future).get();
    const request_builder get("GET", "/");
    CHECK(async_exchange(lease, get, asio::use_future).get().body() == "hello");
    auto reader = async_start_exchange(lease, get, asio::use_future).get();
    CHECK(reader.async_read_all(asio::use_future).get() == "hello");
    CHECK(client.async_send(get, asio::use_future).get().body() == "hello");
    CHECK(client.async_get("/", asio::use_future).get().body() == "hello");
    CHECK(client.async_post("/", "body", "text/plain", asio::use_future).get().body() == "hello");
}

TEMPLATE_TEST_CASE("deferred_request_starts_when_it_is_told_to", "[http]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hello")));
    http_client client(s.pool);
    auto later = client.async_get("/", deferred);  // holds its request itself
    s.settle();
    CHECK(s.pool.stats().total.leases == 0);
    answer a;
    std::move(later)(s.into(a));
    REQUIRE(s.finish(a));
    CHECK(a.body() == "hello");
}

TEMPLATE_TEST_CASE("completion_runs_on_the_handler_s_executor", "[http]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hello")));
    http_client client(s.pool);
    asio::thread_pool another(1);  // ends after the thread that posts to it
    const running io(s.io);

    const auto where = [&](auto start) {
        std::promise<std::thread::id> ran;
        start(asio::bind_executor(another.get_executor(),
                                  [&](std::error_code, auto&&) { ran.set_value(std::this_thread::get_id()); }));
        return ran.get_future().get();
    };
    std::promise<std::thread::id> own;
    asio::post(another, [&] { own.set_value(std::this_thread::get_id()); });
    const std::thread::id expected = own.get_future().get();

    auto lease = s.pool.async_get(asio::use_future).get();
    const request_builder get("GET", "/"), bad("GET", "bad");
    CHECK(where([&](auto token) { async_exchange(lease, get, std::move(token)); }) == expected);
    CHECK(where([&](auto token) { async_exchange(lease, bad, std::move(token)); }) == expected);
    auto reader = async_start_exchange(lease, get, asio::use_future).get();
    CHECK(where([&](auto token) { reader.async_read_all(std::move(token)); }) == expected);
    CHECK(where([&](auto token) { client.async_send(get, std::move(token)); }) == expected);
    CHECK(where([&](auto token) { client.async_send(bad, std::move(token)); }) == expected);
}

TEMPLATE_TEST_CASE("completion_never_runs_inside_the_call", "[http]", over_tcp, over_tls) {
    fact answered;
    stage<TestType> s([&](server_connection& c) {
        for (;;) {
            read_request(c);
            c.write(ok("hello"));
            answered.state();
        }
    });
    http_client client(s.pool);
    const request_builder get("GET", "/"), bad("GET", "bad");
    int completions = 0;
    auto lease = s.get();
    bool inside = true;
    asio::post(s.io, [&] {
        inside = true;
        const auto count = [&](std::error_code, auto&&) {
            CHECK_FALSE(inside);
            ++completions;
        };
        async_exchange(lease, bad, count);
        client.async_send(bad, count);
        async_exchange(lease, get, count);
        async_exchange(lease, get, count);  // in progress: refused
        client.async_send(get, count);
        inside = false;
    });
    REQUIRE(s.until([&] { return completions == 5; }));
}

TEMPLATE_TEST_CASE("requests_from_many_threads_are_all_answered", "[http][thread]", over_tcp, over_tls) {
    stage<TestType> s(
        [](server_connection& c) {
            for (;;) c.write(ok(read_request(c).substr(0, 8)));
        },
        {.max_connections = 4});
    http_client client(s.pool);
    const running io(s.io, 2);
    std::atomic<int> good{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([&client, &good] {
            for (int n = 0; n < 50; ++n)
                if (client.async_get("/abc", asio::use_future).get().body() == "GET /abc") ++good;
        });
    for (std::thread& caller : callers) caller.join();
    CHECK(good == 200);
    s.pool.close();
}

TEMPLATE_TEST_CASE("requests_are_cancelled_from_other_threads", "[http][thread]", over_tcp, over_tls) {
    stage<TestType> s(answering(ok("hello")), {.max_connections = 2});
    http_client client(s.pool);
    const running io(s.io, 2);
    const request_builder get("GET", "/");
    for (int round = 0; round < 100; ++round) {
        // The signal belongs to one strand, as Asio demands; the request runs on whichever thread.
        auto strand = asio::make_strand(s.io);
        asio::cancellation_signal stop;
        std::promise<std::error_code> outcome;
        asio::post(strand, [&] {
            client.async_send(
                get, asio::bind_cancellation_slot(
                         stop.slot(), asio::bind_executor(
                                          strand, [&](std::error_code e, const response&) { outcome.set_value(e); })));
        });
        std::promise<void> emitted;
        asio::post(strand, [&] {
            stop.emit(asio::cancellation_type::terminal);
            emitted.set_value();
        });
        const std::error_code error = outcome.get_future().get();
        emitted.get_future().get();
        CHECK((!error || error == errc::cancelled));
    }
    const auto deadline = std::chrono::steady_clock::now() + plenty;
    while (s.pool.stats().now.leased != 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    CHECK(s.pool.stats().now.leased == 0);
    CHECK(s.pool.stats().now.waiting == 0);
    s.pool.close();
}
