// Requests and options that are gone before their operation is over: what was handed in as an rvalue is kept.
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

#if __has_include(<asio/deferred.hpp>)
#    include <asio/deferred.hpp>
#    define TEST_DEFERRED 1
#endif
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace hotpool;
using namespace hotpool::test;

namespace {

using reader_type = tcp_stage::reader_type;

/// Too large to be written inside the initiating call, and not at its place once it is freed.
request_builder large(std::size_t bytes = 8'000'000) {
    request_builder put("PUT", "/a-target-that-is-too-long-for-any-string-to-keep-inside-of-itself");
    put.header("X-Note", "kept").body(std::string(bytes, 'x'));
    return put;
}

/// Answers with the target, the note and how many bytes the body had.
void tell_what_came(server_connection& c) {
    for (;;) {
        const std::string head = c.read_until("\r\n\r\n");
        const std::string body = c.read_exactly(declared_length(head));
        const bool right = head.starts_with("PUT /a-target") && head.find("X-Note: kept\r\n") != head.npos &&
                           body.find_first_not_of('x') == body.npos;
        c.write(ok(right ? std::to_string(body.size()) : "wrong"));
    }
}

}  // namespace

TEST_CASE("client_keeps_a_request_that_was_a_temporary", "[client]") {
    tcp_stage s(tell_what_came);
    http_client client(s.pool);
    answer a;
    client.async_send(large(), s.into(a));
    REQUIRE(s.finish(a));
    CHECK(a.body() == "8000000");
    std::optional<reader_type> reader;
    client.async_start(large(), [&](std::error_code e, reader_type r) {
        CHECK_FALSE(e);
        reader.emplace(std::move(r));
    });
    REQUIRE(s.until([&] { return reader.has_value(); }));
    CHECK(reader->status() == 200);
    auto gone = std::make_unique<request_builder>(large());
    answer moved;
    client.async_send(std::move(*gone), s.into(moved));
    gone.reset();
    reader.reset();
    REQUIRE(s.finish(moved));
    CHECK(moved.body() == "8000000");
}

TEST_CASE("exchange_keeps_a_request_and_options_that_were_temporaries", "[http]") {
    tcp_stage s(tell_what_came);
    auto lease = s.get();
    answer a;
    async_exchange(lease, large(), s.into(a));
    REQUIRE(s.finish(a));
    CHECK(a.body() == "8000000");
    answer limited;
    async_exchange(lease, large(), exchange_options{.limits = {.max_body_bytes = 6}}, s.into(limited));
    REQUIRE(s.finish(limited));
    CHECK(limited.error == errc::body_too_large);
    lease = s.get();
    std::optional<reader_type> reader;
    async_start_exchange(lease, large(), exchange_options{}, [&](std::error_code e, reader_type r) {
        CHECK_FALSE(e);
        reader.emplace(std::move(r));
    });
    REQUIRE(s.until([&] { return reader.has_value(); }));
    CHECK(reader->status() == 200);
}

TEST_CASE("operation_that_is_started_later_has_kept_its_request", "[client]") {
    tcp_stage s(tell_what_came);
    http_client client(s.pool);
    std::string sent, exchanged;
    const auto visit = [&]() -> asio::awaitable<void> {
        auto later = client.async_send(large(), asio::use_awaitable);
        sent = (co_await std::move(later)).body();
        auto lease = co_await s.pool.async_get(asio::use_awaitable);
        auto exchange = async_exchange(lease, large(), exchange_options{}, asio::use_awaitable);
        exchanged = (co_await std::move(exchange)).body();
    };
    asio::co_spawn(s.io, visit(), asio::detached);
    REQUIRE(s.until([&] { return !exchanged.empty(); }));
    CHECK(sent == "8000000");
    CHECK(exchanged == "8000000");
}

#if defined(TEST_DEFERRED)
TEST_CASE("deferred_operation_has_kept_its_request", "[client]") {
    tcp_stage s(tell_what_came);
    http_client client(s.pool);
    auto later = client.async_send(large(), asio::deferred);
    answer a;
    std::move(later)(s.into(a));
    REQUIRE(s.finish(a));
    CHECK(a.body() == "8000000");
    auto lease = s.get();
    auto exchange = async_exchange(lease, large(), exchange_options{}, asio::deferred);
    answer b;
    std::move(exchange)(s.into(b));
    REQUIRE(s.finish(b));
    CHECK(b.body() == "8000000");
}
#endif

TEST_CASE("request_that_is_an_lvalue_is_referred_to", "[client]") {
    tcp_stage s(tell_what_came);
    http_client client(s.pool);
    const request_builder request = large(100);
    for (int round = 0; round < 2; ++round) CHECK(send(s, client, request).body() == "100");
    CHECK(s.exchange(*std::make_unique<tcp_stage::lease_type>(s.get()), request).body() == "100");
}
