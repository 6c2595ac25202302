// Pools made inside coroutines: what may stand beside a co_await, and what is awaited on a line of its own.
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/this_coro.hpp>

#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "hotpool/connection_pool.hpp"
#include "support/catch.hpp"

using namespace hotpool;

namespace {

const std::string long_name = "a.name.that.is.too.long.to.be.kept.inside.of.a.string.example";

/// Runs the coroutine; what it throws fails the test.
void run(asio::awaitable<void> coroutine, asio::io_context& context) {
    std::exception_ptr failure;
    bool ended = false;
    asio::co_spawn(context, std::move(coroutine), [&](std::exception_ptr thrown) {
        failure = thrown;
        ended = true;
    });
    context.run();
    REQUIRE(ended);
    CHECK(failure == nullptr);
}

// g++ 12 does wrong by temporaries that have something to destroy.
static_assert(std::is_trivially_destructible_v<origin_view> && std::is_trivially_destructible_v<pool_options>);

}  // namespace

TEST_CASE("pool_is_made_with_its_origin_beside_a_co_await", "[pool]") {
    asio::io_context context;
    const auto short_and_long = []() -> asio::awaitable<void> {
        tcp_pool brief{co_await asio::this_coro::executor, {.host = "127.0.0.1", .port = "8080"}};
        CHECK(brief.target() == origin{.host = "127.0.0.1", .port = "8080"});
        tcp_pool lengthy{co_await asio::this_coro::executor, {.host = long_name, .port = std::to_string(8080)}};
        CHECK(lengthy.target() == origin{.host = long_name, .port = "8080"});
        tls_pool with_options{
            co_await asio::this_coro::executor, {.host = long_name, .port = "https"}, {.max_idle = 3}};
        CHECK(with_options.target().host == long_name);
        CHECK(with_options.options().max_idle == 3);
    };
    run(short_and_long(), context);
}

TEST_CASE("pool_is_made_with_an_origin_that_has_a_name_beside_a_co_await", "[pool]") {
    asio::io_context context;
    const auto named = []() -> asio::awaitable<void> {
        origin site{.host = long_name, .port = "80"};
        tcp_pool pool{co_await asio::this_coro::executor, site};
        CHECK(pool.target() == site);
        tcp_pool moved{co_await asio::this_coro::executor, std::move(site)};
        CHECK(moved.target().host == long_name);
    };
    run(named(), context);
}

TEST_CASE("pool_with_options_of_its_transport_is_made_after_the_co_await", "[pool]") {
    asio::io_context context;
    const auto recommended = []() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        tls_pool pool{executor,
                      {.host = long_name, .port = "443"},
                      {.max_connections = 2},
                      tls_options{.alpn = {"http/1.1"}, .server_name = long_name}};
        CHECK(pool.target().host == long_name);
        CHECK(pool.options().max_connections == 2);
    };
    run(recommended(), context);
}

TEST_CASE("origin_that_breaks_a_rule_is_refused_in_a_coroutine", "[pool]") {
    asio::io_context context;
    const auto refused = []() -> asio::awaitable<void> {
        bool thrown = false;
        try {
            tcp_pool pool{co_await asio::this_coro::executor, {.host = "not a name", .port = "80"}};
        } catch (const std::invalid_argument&) {
            thrown = true;
        }
        CHECK(thrown);
    };
    run(refused(), context);
}
