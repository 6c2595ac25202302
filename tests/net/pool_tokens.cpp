// Whatever a caller brings: any completion token, executor, allocator.
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/strand.hpp>
#include <asio/use_future.hpp>
#if __has_include(<asio/deferred.hpp>)
#    include <asio/deferred.hpp>
#endif

#include <future>
#include <memory>
#include <thread>

#include "support/mock_stage.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Takes its memory from the heap, counted.
template <class T>
struct counting_allocator {
    using value_type = T;
    explicit counting_allocator(int& n, int& l) noexcept : taken(&n), live(&l) {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) noexcept : taken(other.taken), live(other.live) {}
    T* allocate(std::size_t n) {
        ++*taken;
        ++*live;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* p, std::size_t n) noexcept {
        --*live;
        std::allocator<T>().deallocate(p, n);
    }
    template <class U>
    bool operator==(const counting_allocator<U>& other) const noexcept {
        return taken == other.taken;
    }
    int* taken;
    int* live;
};

struct counting_handler {
    using allocator_type = counting_allocator<void>;
    allocator_type get_allocator() const noexcept { return allocator_type(*taken, *live); }
    void operator()(std::error_code, mock_pool::lease_type l) {
        live_at_call = *live;
        lease = std::move(l);
        ++calls;
    }
    int* taken;
    int* live;
    int& live_at_call;
    int& calls;
    mock_pool::lease_type& lease;
};

}  // namespace

TEST_CASE("get_is_awaited_cold_and_hot", "[pool]") {
    mock_stage s;
    bool done = false;
    net::co_spawn(
        s.io,
        [&]() -> net::awaitable<void> {
            for (int i = 0; i < 3; ++i) {
                auto lease = co_await s.pool.async_get(net::use_awaitable);
                CHECK(lease);
                CHECK(lease.reused() == (i != 0));
                s.pool.put(std::move(lease));
            }
            done = true;
        },
        net::detached);
    CHECK(run_until(s.io, [&] { return done; }));
    CHECK(s.net.openings.size() == 1);
}

TEST_CASE("awaited_get_with_redirect_error_does_not_throw", "[pool]") {
    mock_stage s({.max_connections = 1});
    bool done = false;
    net::co_spawn(
        s.io,
        [&]() -> net::awaitable<void> {
            std::error_code error;
            auto held = co_await s.pool.async_get(net::redirect_error(net::use_awaitable, error));
            CHECK(held);
            CHECK_FALSE(error);
            auto none = co_await s.pool.async_get(10ms, net::redirect_error(net::use_awaitable, error));
            CHECK_FALSE(none);
            CHECK(error == errc::get_timed_out);
            done = true;
        },
        net::detached);
    CHECK(run_until(s.io, [&] { return done; }));
}

TEST_CASE("awaited_get_throws_what_went_wrong", "[pool]") {
    mock_stage s;
    s.pool.close();
    std::error_code thrown;
    net::co_spawn(
        s.io,
        [&]() -> net::awaitable<void> {
            try {
                co_await s.pool.async_get(net::use_awaitable);
            } catch (const std::system_error& e) {
                thrown = e.code();
            }
        },
        net::detached);
    CHECK(run_until(s.io, [&] { return static_cast<bool>(thrown); }));
    CHECK(thrown == errc::pool_closed);
}

TEST_CASE("get_gives_a_future", "[pool]") {
    mock_stage s({.max_connections = 1});
    std::future<mock_pool::lease_type> cold = s.pool.async_get(net::use_future);
    std::future<mock_pool::lease_type> late = s.pool.async_get(20ms, net::use_future);
    CHECK(run_until(s.io, [&] { return late.wait_for(0s) == std::future_status::ready; }));
    mock_pool::lease_type lease = cold.get();
    CHECK(lease);
    CHECK_THROWS_AS(late.get(), std::system_error);
    s.pool.put(std::move(lease));
    std::future<mock_pool::lease_type> hot = s.pool.async_get(net::use_future);
    CHECK(run_until(s.io, [&] { return hot.wait_for(0s) == std::future_status::ready; }));
    CHECK(hot.get().reused());
    std::future<void> warm = s.pool.async_warm(1, net::use_future);
    std::future<void> drained = s.pool.async_drain(1h, net::use_future);
    CHECK(run_until(s.io, [&] { return drained.wait_for(0s) == std::future_status::ready; }));
    CHECK_NOTHROW(warm.get());
    CHECK_NOTHROW(drained.get());
}

#if __has_include(<asio/deferred.hpp>)
TEST_CASE("deferred_get_begins_when_it_is_called", "[pool]") {
    mock_stage s;
    auto later = s.pool.async_get(net::deferred);
    CHECK(s.pool.stats().now == connection_counts{});
    got<mock_pool> answer;
    std::move(later)(answer.handler());
    CHECK(run_until(s.io, [&] { return answer.done(); }));
    CHECK(answer.lease);
}
#endif

TEST_CASE("move_only_handler_is_called_once", "[pool]") {
    mock_stage s;
    auto count = std::make_unique<int>(0);
    int* const calls = count.get();
    std::unique_ptr<int> returned;
    s.pool.async_get([&returned, mine = std::move(count)](std::error_code, mock_pool::lease_type) mutable {
        ++*mine;
        returned = std::move(mine);
    });
    CHECK(run_until(s.io, [&] { return returned != nullptr; }));
    CHECK(*calls == 1);
}

TEST_CASE("completions_run_on_the_handlers_executor", "[pool]") {
    mock_stage s;
    SECTION("a strand") {
        auto strand = net::make_strand(s.io);
        bool there = false;
        for (int round = 0; round < 2; ++round) {  // cold and hot
            bool done = false;
            s.pool.async_get(net::bind_executor(strand, [&](std::error_code, mock_pool::lease_type l) {
                there = strand.running_in_this_thread();
                s.pool.put(std::move(l));
                done = true;
            }));
            CHECK(run_until(s.io, [&] { return done; }));
            CHECK(there);
        }
    }
    SECTION("another io_context, which is kept at work meanwhile") {
        net::io_context other;
        std::thread::id where;
        std::error_code error;
        s.pool.async_get(net::bind_executor(other, [&](std::error_code e, mock_pool::lease_type l) {
            where = std::this_thread::get_id();
            error = e;
            s.pool.put(std::move(l));
        }));
        std::thread runner([&] { other.run(); });
        const auto there = runner.get_id();
        CHECK(run_until(s.io, [&] { return s.pool.stats().now.idle == 1; }));
        runner.join();
        CHECK(where == there);
        CHECK_FALSE(error);
    }
    SECTION("warm and drain too") {
        auto strand = net::make_strand(s.io);
        int there = 0;
        auto note = net::bind_executor(strand, [&](std::error_code) { there += strand.running_in_this_thread(); });
        s.pool.async_warm(2, note);
        CHECK(run_until(s.io, [&] { return there == 1; }));
        s.pool.async_drain(1s, note);
        CHECK(run_until(s.io, [&] { return there == 2; }));
    }
}

TEST_CASE("memory_of_an_operation_is_the_handlers_and_given_back_before_the_call", "[pool]") {
    mock_stage s({.max_connections = 1});
    int taken = 0, live = 0, live_at_call = -1, calls = 0;
    mock_pool::lease_type lease;
    counting_handler handler{&taken, &live, live_at_call, calls, lease};
    s.pool.async_get(handler);
    CHECK(taken > 0);
    CHECK(run_until(s.io, [&] { return calls == 1; }));
    CHECK(live == 0);
    CHECK(live_at_call == 0);
    taken = 0;
    s.pool.async_get(10ms, handler);  // from the queue
    CHECK(taken > 0);
    CHECK(run_until(s.io, [&] { return calls == 2; }));
    CHECK(live_at_call == 0);
    CHECK(live == 0);
}

TEST_CASE("handler_destroyed_with_its_context_gives_everything_back", "[pool]") {
    auto alive = std::make_shared<int>();
    std::weak_ptr<int> watch = alive;
    {
        net::io_context io;
        mock_network net;
        {
            mock_pool pool(io.get_executor(), mock_origin, {}, {&net});
            pool.async_get([alive = std::move(alive)](std::error_code, mock_pool::lease_type) {});
        }
        CHECK_FALSE(watch.expired());  // answered, but nobody runs the context any more
    }
    CHECK(watch.expired());
}
