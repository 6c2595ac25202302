// What hot exchanges take from the global allocator: nothing.
#include "hotpool/base/recycler.hpp"
#include "hotpool/http_client.hpp"
#include "support/allocations.hpp"
#include "support/http_test.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

using namespace hotpool;
using namespace hotpool::test;

namespace {

/// Counts what happens between the warm-up and the end.
class meter {
public:
    /// False when it was the last round.
    bool count(std::error_code error, bool right) {
        failed_ = failed_ || error || !right;
        if (round_ == warm_up) before_ = hotpool::test::allocations();
        if (round_ == warm_up + rounds) after_ = hotpool::test::allocations();
        return !failed_ && round_++ < warm_up + rounds;
    }
    bool done() const { return failed_ || round_ > warm_up + rounds; }
    bool failed() const { return failed_; }
    std::uint64_t allocated() const { return after_ - before_; }

private:
    static constexpr int warm_up = 50, rounds = 300;
    int round_ = 0;
    bool failed_ = false;
    std::uint64_t before_ = 0, after_ = 0;
};

const std::string hundred_bytes(100, 'b');

/// Exchanges on one lease, each from the handler of the one before.
template <class Side>
struct on_a_lease {
    typename stage<Side>::lease_type lease;
    meter count{};
    void next() {
        async_exchange(lease, get_request, [this](std::error_code e, response reply) {
            if (count.count(e, reply.body() == hundred_bytes)) next();
        });
    }
};

/// Get, exchange and put, each from the handler of the one before.
template <class Side>
struct through_the_pool {
    typename stage<Side>::pool_type& pool;
    meter count{};
    typename stage<Side>::lease_type lease{};
    void next() {
        pool.async_get([this](std::error_code, typename stage<Side>::lease_type got) {
            lease = std::move(got);
            async_exchange(lease, get_request, [this](std::error_code e, response reply) {
                pool.put(std::move(lease));
                if (count.count(e, reply.body() == hundred_bytes)) next();
            });
        });
    }
};

template <class Side>
struct through_a_client {
    http_client<typename Side::pool_type>& client;
    meter count{};
    void next() {
        client.async_send(get_request, [this](std::error_code e, response reply) {
            if (count.count(e, reply.body() == hundred_bytes)) next();
        });
    }
};

template <class Side>
struct in_pieces {
    http_client<typename Side::pool_type>& client;
    meter count{};
    typename stage<Side>::reader_type reader{};
    char room[1000]{};
    void next() {
        client.async_start(get_request, [this](std::error_code, auto got) {
            reader = std::move(got);
            reader.async_read_some(asio::buffer(room), [this](std::error_code e, std::size_t bytes) {
                reader.close();
                if (count.count(e, bytes == hundred_bytes.size())) next();
            });
        });
    }
};

template <class Side, class Caller>
void check(stage<Side>& s, Caller caller) {
    caller.next();
    REQUIRE(s.until([&] { return caller.count.done(); }));
    CHECK_FALSE(caller.count.failed());
    CHECK(caller.count.allocated() == 0);
}

template <class Side>
void check_coroutine(stage<Side>& s, std::function<asio::awaitable<response>()> fetch, bool cancellable) {
    meter count;
    const auto visit = [&]() -> asio::awaitable<void> {
        for (bool more = true; more;) {
            const response reply = co_await fetch();
            more = count.count({}, reply.body() == hundred_bytes);
        }
    };
    asio::cancellation_signal stop;
    if (cancellable)
        asio::co_spawn(s.io, visit(), asio::bind_cancellation_slot(stop.slot(), asio::detached));
    else
        asio::co_spawn(s.io, visit(), asio::detached);
    REQUIRE(s.until([&] { return count.done(); }));
    CHECK_FALSE(count.failed());
    CHECK(count.allocated() == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("hot_exchanges_allocate_nothing", "[http][allocations]", over_tcp, over_tls) {
    if (!base::recycling) return;
    stage<TestType> s(answering(ok(hundred_bytes, "Content-Type: text/plain\r\nDate: today\r\n")));
    http_client client(s.pool);
    SECTION("on a lease") { check(s, on_a_lease<TestType>{s.get()}); }
    SECTION("through the pool") { check(s, through_the_pool<TestType>{s.pool}); }
    SECTION("through a client") { check(s, through_a_client<TestType>{client}); }
    SECTION("in pieces") { check(s, in_pieces<TestType>{client}); }
    SECTION("within limits") {
        const std::chrono::seconds second(1);
        http_client limited(s.pool,
                            {.first_byte_timeout = second, .between_bytes_timeout = second, .max_retry_after = second});
        check(s, through_a_client<TestType>{limited});
        check(s, in_pieces<TestType>{limited});
    }
    const bool cancellable = GENERATE(false, true);
    SECTION("in a coroutine, on a lease") {
        auto lease = s.get();
        check_coroutine(
            s, [&]() -> asio::awaitable<response> { return async_exchange(lease, get_request, asio::use_awaitable); },
            cancellable);
    }
    SECTION("in a coroutine, through the pool") {
        const auto fetch = [&]() -> asio::awaitable<response> {
            auto lease = co_await s.pool.async_get(asio::use_awaitable);
            response reply = co_await async_exchange(lease, get_request, asio::use_awaitable);
            s.pool.put(std::move(lease));
            co_return reply;
        };
        check_coroutine(s, fetch, cancellable);
    }
    SECTION("in a coroutine, through a client") {
        check_coroutine(
            s, [&]() -> asio::awaitable<response> { return client.async_send(get_request, asio::use_awaitable); },
            cancellable);
    }
    CHECK(s.server.accepted() == 1);
}
