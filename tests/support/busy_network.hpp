// Pools over several addresses, good and bad, kept busy by callers while others meddle with everything there is.
#pragma once

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "hotpool/base/random.hpp"
#include "hotpool/http_client.hpp"
#include "support/black_hole.hpp"
#include "support/http_test.hpp"
#include "support/pool_test.hpp"

namespace hotpool::test {

/// Counts of events by kind, from any thread.
class event_counts {
public:
    pool_listener listener() {
        return [this](const pool_event& e) { ++counts_[static_cast<std::size_t>(e.kind)]; };
    }
    std::uint64_t told(pool_event_kind kind) const noexcept { return counts_[static_cast<std::size_t>(kind)]; }

private:
    std::array<std::atomic<std::uint64_t>, 16> counts_{};
};

/// Two servers, one address that refuses, one that never answers.
template <class Transport>
class bad_network {
public:
    bad_network() : hole_(elsewhere_) {
        {
            const site<tcp_transport> gone;
            all_ = {at(gone.target())};
        }
        all_.push_back(at(first_.target()));
        all_.push_back(hotpool::detail::from_asio(hole_.endpoint()));
        all_.push_back(at(second_.target()));
    }

    const endpoint_list& all() const noexcept { return all_; }
    /// A source that changes its mind, answers late, fails or forgets to answer.
    endpoint_source moody_source(net::any_io_executor executor, std::uint64_t seed) const {
        struct state {
            explicit state(std::uint64_t s) : dice(s) {}
            std::mutex mutex;
            base::random_source dice;
        };
        return [all = all_, executor, s = std::make_shared<state>(seed)](endpoint_answer answer) {
            endpoint_list some;
            std::uint64_t mood = 0;
            {
                // Not over the answer: that may lead to the next question.
                const std::lock_guard lock(s->mutex);
                for (const ip_endpoint& e : all)
                    if (s->dice.next() % 3 != 0) some.push_back(e);
                mood = s->dice.next() % 8;
            }
            const auto kept = std::make_shared<endpoint_answer>(std::move(answer));
            switch (mood) {
                case 0: return;
                case 1: return net::post(executor, [kept] { (*kept)(errc::resolve_failed, {}); });
                case 2: return (*kept)({}, some);
                default: return net::post(executor, [kept, some] { (*kept)({}, some); });
            }
        };
    }
    int live() const noexcept { return first_.live() + second_.live(); }

private:
    static ip_endpoint at(const origin& o) { return {ip_address::parse(o.host).value(), port_number(o.port)}; }
    /// Answers, dawdles, refuses or leaves.
    static void moody(server_connection& c) {
        static std::atomic<std::uint64_t> seed{1};
        base::random_source dice(seed++);
        for (;;) {
            read_request(c);
            switch (dice.next() % 64) {
                case 0:
                case 1: return;
                case 2: c.write("HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"); return;
                case 3:
                case 4:
                    c.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
                    std::this_thread::sleep_for(std::chrono::milliseconds(4));
                    c.write("again");
                    break;
                default: c.write(ok("helloagain"));
            }
        }
    }

    net::io_context elsewhere_;
    black_hole hole_;
    site<Transport> first_{moody}, second_{moody};
    endpoint_list all_;
};

inline pool_options busy_options(std::size_t max_connections) {
    using namespace std::chrono_literals;
    return {.max_connections = max_connections,
            .max_waiters = 32,
            .get_timeout = 1s,
            .connect_timeout = 200ms,
            .check_after_idle = 1ms,
            .rest_after_idle = 1ms,
            .drain_timeout = 10ms,
            .resolve_interval = 20ms,
            .absent_grace = 30ms,
            .attempt_delay = 3ms,
            .ejection_failures = 2,
            .ejection_time = 10ms,
            .ejection_limit = 30ms,
            .retire_spacing = 1ms,
            .leak_after = 5ms,
            .reclaim_leaked = true,
            .backoff_first = 1ms,
            .backoff_limit = 5ms};
}

/// What callers have asked and been told.
struct busy_tally {
    std::atomic<int> asked{0}, answered{0}, whole{0}, held{0}, unnamed{0}, wrong{0};
    void note(std::error_code error) {
        ++answered;
        unnamed += error && error.category() != hotpool_category();
    }
};

/// Does one thing after the other with a pool, on a strand of its own, and is cancelled now and then.
template <class Pool, class Executor>
class busy_caller : public std::enable_shared_from_this<busy_caller<Pool, Executor>> {
public:
    using lease_type = typename Pool::lease_type;

    busy_caller(Pool& pool, http_client<Pool> client, const Executor& executor, busy_tally& tally,
                const std::atomic<bool>& over, std::uint64_t seed)
        : pool_(pool),
          client_(std::move(client)),
          strand_(executor),
          timer_(strand_),
          canceller_(strand_),
          tally_(tally),
          over_(over),
          dice_(seed) {}

    void start() {
        net::post(strand_, [self = this->shared_from_this()] { self->next(); });
    }

private:
    void next() {
        canceller_.cancel();
        lease_ = {};
        if (over_) return;
        ++tally_.asked;
        signal_.emplace();
        if (dice_.next() % 4 == 0) cancel_soon();
        switch (dice_.next() % 8) {
            case 0:
            case 1: return hold();
            case 2: return stream();
            default: return send();
        }
    }
    void cancel_soon() {
        canceller_.expires_after(std::chrono::microseconds(dice_.next() % 4000));
        canceller_.async_wait(on_strand([serial = tally_serial_](busy_caller& self, std::error_code ended) {
            if (!ended && serial == self.tally_serial_) self.signal_->emit(net::cancellation_type::terminal);
        }));
    }
    void send() {
        client_.async_send(request_, cancellable([](busy_caller& self, std::error_code error, const response& reply) {
                               self.tally_.wrong += !error && reply.status() == 200 && reply.body() != "helloagain";
                               self.tally_.whole += !error && reply.status() == 200;
                               self.end(error);
                           }));
    }
    void stream() {
        client_.async_start(request_, cancellable([](busy_caller& self, std::error_code error, auto reader) {
                                if (!error && self.dice_.next() % 2 == 0) reader.close();
                                self.end(error);
                            }));
    }
    void hold() {
        pool_.async_get(cancellable([](busy_caller& self, std::error_code error, lease_type lease) {
            if (error) return self.end(error);
            ++self.tally_.held;
            self.lease_ = std::move(lease);
            self.timer_.expires_after(std::chrono::milliseconds(self.dice_.next() % 12));
            self.timer_.async_wait(self.on_strand([](busy_caller& me, std::error_code) { me.let_go(); }));
        }));
    }
    void let_go() {
        switch (dice_.next() % 4) {
            case 0: pool_.put(std::move(lease_)); return end({});
            case 1: lease_.detach(); return end({});
            case 2: return end({});
            default:
                return async_exchange(
                    lease_, request_,
                    cancellable([](busy_caller& self, std::error_code error, const response&) { self.end(error); }));
        }
    }
    void end(std::error_code error) {
        ++tally_serial_;
        tally_.note(error);
        // Refused callers do not try at once again.
        timer_.expires_after(std::chrono::microseconds(error ? 500 : 0));
        timer_.async_wait(on_strand([](busy_caller& self, std::error_code) { self.next(); }));
    }

    template <class Function>
    auto on_strand(Function function) {
        return net::bind_executor(strand_, [self = this->shared_from_this(), function](auto&&... results) mutable {
            function(*self, std::forward<decltype(results)>(results)...);
        });
    }
    template <class Function>
    auto cancellable(Function function) {
        return net::bind_cancellation_slot(signal_->slot(), on_strand(function));
    }

    Pool& pool_;
    http_client<Pool> client_;
    net::strand<Executor> strand_;
    net::steady_timer timer_, canceller_;
    busy_tally& tally_;
    const std::atomic<bool>& over_;
    base::random_source dice_;
    const request_builder request_{"GET", "/"};
    std::optional<net::cancellation_signal> signal_;
    std::uint64_t tally_serial_ = 0;
    lease_type lease_;
};

/// Everything that an owner may do with a pool while it is in use.
template <class Pool>
void meddle(Pool& pool, base::random_source& dice) {
    using transport_type = typename Pool::transport_type;
    switch (dice.next() % 64) {
        case 0:
        case 1:
            pool.suspend();
            std::this_thread::yield();
            return pool.resume();
        case 2: return dice.next() % 4 == 0 ? pool.network_changed() : void();
        case 3:
        case 4: return pool.refresh_endpoints();
        case 5:
        case 6: return pool.set_options(busy_options(4 + dice.next() % 5));
        case 7:
            if constexpr (updatable_transport<transport_type>)
                pool.set_transport_options(trusting_options<transport_type>());
            return;
        case 8:
        case 9: return pool.async_warm(dice.next() % 8, [](std::error_code) {});
        case 10:
            if (auto lease = pool.try_get()) pool.put(std::move(lease));
            return;
        default: static_cast<void>(pool.describe()), static_cast<void>(pool.endpoints());
    }
}

}  // namespace hotpool::test
