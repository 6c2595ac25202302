// Limits, pauses, retries and cancelling meet on several threads: each request has one answer.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "hotpool/base/random.hpp"
#include "hotpool/http_client.hpp"
#include "support/http_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Answers, refuses, dawdles, or leaves, as the dice say.
void moody(server_connection& c) {
    static std::atomic<std::uint64_t> seed{1};
    base::random_source dice(seed++);
    for (;;) {
        read_request(c);
        switch (dice.next() % 8) {
            case 0: return;
            case 1: c.write("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n"); break;
            case 2: std::this_thread::sleep_for(4ms); [[fallthrough]];
            case 3:
                c.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
                std::this_thread::sleep_for(dice.next() % 2 == 0 ? 1ms : 4ms);
                c.write("again");
                break;
            default: c.write(ok("helloagain"));
        }
    }
}

/// A policy that pauses before each retry, so that there is much to cancel.
struct unhurried : retry {
    duration pause(const failed_try&, double chance) const noexcept {
        return std::chrono::microseconds(static_cast<int>(chance * 2000));
    }
};
struct unhurried_policies : default_policies {
    using retry = unhurried;
};
template <class Side>
struct unhurried_side : Side {
    using pool_type = connection_pool<typename Side::pool_type::transport_type, unhurried_policies>;
};

}  // namespace

TEMPLATE_TEST_CASE("each_request_has_one_answer_over_many_threads", "[client][thread]", unhurried_side<over_tcp>,
                   unhurried_side<over_tls>) {
    constexpr int chains = 12;
    constexpr int rounds = 60;
    stage<TestType> s(moody, {.max_connections = 8});
    using client_type = http_client<typename TestType::pool_type>;
    client_type client(
        s.pool,
        {.request_timeout = 500ms, .first_byte_timeout = 3ms, .between_bytes_timeout = 3ms, .max_retry_after = 10ms});
    std::atomic<int> answered{0}, whole{0}, named{0};

    /// One request after the other, some of them cancelled by whichever thread comes by.
    struct chain {
        chain(client_type& c, std::uint64_t seed) : to(c), dice(seed) {}
        client_type& to;
        base::random_source dice;
        request_builder request{"GET", "/"};
        std::unique_ptr<asio::cancellation_signal> stop;
        int left = rounds;
    };
    std::vector<std::unique_ptr<chain>> all;
    struct runner {
        asio::io_context& io;
        std::atomic<int>&answered, &whole, &named;
        std::atomic<int> chains_left{chains};
        void next(chain& c) {
            if (c.left-- == 0) {
                if (--chains_left == 0) io.stop();
                return;
            }
            c.stop = std::make_unique<asio::cancellation_signal>();
            const bool cancels = c.dice.next() % 3 == 0;
            // The signal must be there until both the answer and whoever cancels are done with it.
            const auto parties = std::make_shared<std::atomic<int>>(cancels ? 2 : 1);
            const auto arrive = [this, &c, parties] {
                if (parties->fetch_sub(1) == 1) next(c);
            };
            c.to.async_send(c.request,
                            asio::bind_cancellation_slot(c.stop->slot(), [=, this](std::error_code e, response r) {
                                ++answered;
                                if (!e && r.body() == "helloagain") ++whole;
                                if (!e || &e.category() == &hotpool_category()) ++named;
                                arrive();
                            }));
            if (!cancels) return;
            auto timer = std::make_shared<asio::steady_timer>(io, std::chrono::microseconds(c.dice.next() % 6000));
            timer->async_wait([=, &c](std::error_code) {
                c.stop->emit(asio::cancellation_type::terminal);
                static_cast<void>(timer);
                arrive();
            });
        }
    } run{s.io, answered, whole, named};
    for (int i = 0; i < chains; ++i) {
        all.push_back(std::make_unique<chain>(client, static_cast<std::uint64_t>(i) + 1));
        asio::post(s.io, [&run, &c = *all.back()] { run.next(c); });
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&s] { s.io.run_for(plenty); });
    for (std::thread& t : threads) t.join();
    CHECK(answered == chains * rounds);
    CHECK(named == answered);
    CHECK(whole > 0);
    s.pool.close();
    CHECK(s.until([&] { return s.pool.stats().now.total() == 0; }));
    CHECK(s.pool.stats().now.waiting == 0);
}
