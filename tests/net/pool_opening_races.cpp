// An opening goes on at its next address by one thread while another stops the pool.
#include <atomic>
#include <functional>
#include <future>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/mock_transport.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

std::function<void()> on_new_stream;

template <class Executor>
struct noticed_stream : mock_stream<Executor> {
    explicit noticed_stream(const Executor& executor) : mock_stream<Executor>(executor) {
        if (on_new_stream) on_new_stream();
    }
};

/// Connects to nothing: its openings fail when the test says so, in the thread that says so.
struct refusing_transport {
    struct options {
        std::vector<std::function<void()>>* under_way = nullptr;
    };
    template <class Executor>
    using stream = noticed_stream<Executor>;

    static constexpr std::string_view scheme = "mock";
    static constexpr std::string_view default_port = "80";

    refusing_transport(origin o, options choices) : origin_(std::move(o)), under_way_(choices.under_way) {}
    const origin& target() const noexcept { return origin_; }
    const origin& dialled() const noexcept { return origin_; }

    template <class Executor, class Handler>
    opening async_open(const Executor& executor, const open_request&, Handler handler) const {
        auto kept = std::make_shared<Handler>(std::move(handler));
        under_way_->push_back([kept, executor]() mutable {
            std::move (*kept)(errc::connect_refused, noticed_stream<Executor>(executor));
            kept.reset();
        });
        return {};
    }

private:
    origin origin_;
    std::vector<std::function<void()>>* under_way_;
};

}  // namespace

TEST_CASE("pool_is_closed_while_an_opening_goes_on_at_its_next_address", "[pool][thread]") {
    net::io_context io;
    std::vector<std::function<void()>> under_way;
    std::promise<void> failure_told, told_all, next_begun, closed;
    std::atomic<bool> first = true;
    const ip_address here = ip_address::parse("127.0.0.1").value();
    pool_services services{.endpoints = static_endpoints({{here, 1}, {here, 2}})};
    services.listener = [&](const pool_event& e) {
        if (e.kind != pool_event_kind::opening_failed || !first.exchange(false)) return;
        failure_told.set_value();
        told_all.get_future().wait();
    };
    using pool_type = connection_pool<refusing_transport>;
    pool_type pool(io.get_executor(), {"127.0.0.1", "1"}, {}, {&under_way}, services);
    got<pool_type> answer;
    pool.async_get(answer.handler());
    REQUIRE(under_way.size() == 1);

    // One thread is still busy with the failure of the first attempt when another begins the second.
    std::thread fails([attempt = std::exchange(under_way, {}).front()]() mutable { attempt(); });
    failure_told.get_future().wait();
    on_new_stream = [&] {
        on_new_stream = nullptr;
        next_begun.set_value();
        closed.get_future().wait();
    };
    std::thread begins([&] { pool.resume(); });
    next_begun.get_future().wait();
    told_all.set_value();
    fails.join();  // nothing is left of the first attempt
    pool.close();
    closed.set_value();
    begins.join();

    for (const auto& attempt : std::exchange(under_way, {})) attempt();
    CHECK(run_dry(io));
    CHECK(answer.completions == 1);
    CHECK(answer.error == errc::pool_closed);
    CHECK(is_spent(pool));
}
