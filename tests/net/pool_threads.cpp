// Many threads at once: exact accounting at every instant, one answer each, nothing left behind.
#include <asio/bind_cancellation_slot.hpp>
#include <asio/strand.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "hotpool/base/random.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Threads that run one io_context until it is out of work.
class crew {
public:
    crew(net::io_context& io, int threads) : work_(net::make_work_guard(io)) {
        for (int i = 0; i < threads; ++i) threads_.emplace_back([&io] { io.run(); });
    }
    ~crew() { join(); }
    void join() {
        work_.reset();
        for (std::thread& t : threads_) t.join();
        threads_.clear();
    }

private:
    net::executor_work_guard<net::io_context::executor_type> work_;
    std::vector<std::thread> threads_;
};

/// Counts what is asked and answered.
struct tally {
    std::atomic<int> asked{0}, answered{0}, granted{0}, failed{0};
};

/// One get, what follows on it, and its end: put, dropped, discarded or detached.
template <class Pool>
class user : public std::enable_shared_from_this<user<Pool>> {
public:
    using lease_type = typename Pool::lease_type;
    user(std::shared_ptr<Pool> pool, tally& count, std::uint64_t seed)
        : pool_(std::move(pool)), strand_(net::make_strand(pool_->get_executor())), count_(count), dice_(seed) {}

    void start() {
        ++count_.asked;
        net::post(strand_, [self = this->shared_from_this()] { self->get(); });
    }

private:
    void get() {
        const auto answered = [self = this->shared_from_this()](std::error_code error, lease_type lease) {
            ++self->count_.answered;
            if (self->was_answered_.exchange(true)) self->count_.failed += 1000000;  // twice
            ++(error ? self->count_.failed : self->count_.granted);
            if (!error) self->use(std::move(lease));
        };
        pool_->async_get(net::bind_cancellation_slot(signal_.slot(), net::bind_executor(strand_, answered)));
        if (dice_.next() % 4 == 0)
            net::post(strand_, [self = this->shared_from_this()] { self->signal_.emit(net::cancellation_type::all); });
    }
    void use(lease_type lease) {
        lease_ = std::move(lease);
        if (dice_.next() % 3 == 0) return end();
        lease_.async_write_some(
            net::buffer("ping", 4),
            net::bind_executor(strand_, [self = this->shared_from_this()](std::error_code error, std::size_t) {
                if (error) return self->end();
                self->read();
            }));
    }
    void read() {
        lease_.async_read_some(net::buffer(room_), net::bind_executor(strand_, [self = this->shared_from_this()](
                                                                                   std::error_code, std::size_t n) {
                                   self->got_ += n;
                                   if (n != 0 && self->got_ < 4) return self->read();
                                   self->end();
                               }));
    }
    void end() {
        switch (dice_.next() % 16) {
            case 0: return lease_.discard();
            case 1: lease_ = {}; return;
            case 2:
                lease_.detach();
                lease_ = {};
                return;
            default: pool_->put(std::move(lease_));
        }
    }

    std::shared_ptr<Pool> pool_;
    net::strand<net::any_io_executor> strand_;
    tally& count_;
    base::random_source dice_;
    net::cancellation_signal signal_;
    std::atomic<bool> was_answered_{false};
    lease_type lease_;
    std::array<char, 16> room_{};
    std::size_t got_ = 0;
};

constexpr std::size_t limit = 5;

/// Echoes, and now and then leaves, so that idle connections end under everybody's hands.
void moody(server_connection& c) {
    for (int n = 0; n < 20; ++n) c.write(c.read_some());
}

}  // namespace

TEMPLATE_TEST_CASE("random_use_by_many_threads_keeps_every_promise", "[pool][thread]", tcp_transport, tls_transport) {
    using pool_type = typename site<TestType>::pool_type;
    const descriptor_check no_leak;
    site<TestType> server(moody);
    tally count;
    auto budget = std::make_shared<connection_budget>(limit + 1);
    {
        net::io_context io;
        std::vector<std::shared_ptr<pool_type>> pools;
        for (int i = 0; i < 2; ++i)
            pools.push_back(std::make_shared<pool_type>(io.get_executor(), server.target(),
                                                        pool_options{.max_connections = limit,
                                                                     .max_waiters = 64,
                                                                     .get_timeout = 5s,
                                                                     .max_requests = 50,
                                                                     .check_after_idle = 1ms,
                                                                     .rest_after_idle = 1ms},
                                                        trusting_options<TestType>(), budget));
        crew workers(io, 4);
        std::atomic<bool> over = false;
        std::atomic<int> violations = 0;
        std::thread sampler([&] {
            while (!over) {
                for (const auto& pool : pools) {
                    const connection_counts now = pool->stats().now;
                    violations += now.total() > limit || now.waiting > 64;
                }
                violations += budget->used() > budget->max_connections();
                std::this_thread::yield();
            }
        });
        std::vector<std::thread> callers;
        for (std::uint64_t t = 0; t < 2; ++t)
            callers.emplace_back([&, t] {
                base::random_source dice(t + 1);
                const time_point end = clock_type::now() + 1s;
                while (clock_type::now() < end) {
                    const auto& pool = pools[dice.next() % pools.size()];
                    if (count.asked - count.answered < 48)
                        std::make_shared<user<pool_type>>(pool, count, dice.next())->start();
                    if (dice.next() % 4 == 0)
                        if (auto lease = pool->try_get(); lease && dice.next() % 2 == 0) pool->put(std::move(lease));
                    if (dice.next() % 64 == 0) pool->async_warm(dice.next() % limit, [](std::error_code) {});
                    if (dice.next() % 256 == 0) pool->set_options(pool->options());
                    std::this_thread::yield();
                }
            });
        for (std::thread& t : callers) t.join();
        CHECK(eventually([&] { return count.answered == count.asked; }));
        for (const auto& pool : pools) pool->close();
        CHECK(eventually([&] {
            return pools[0]->stats().now == connection_counts{} && pools[1]->stats().now == connection_counts{};
        }));
        workers.join();
        over = true;
        sampler.join();
        CHECK(violations == 0);
        for (const auto& pool : pools) CHECK(is_spent(*pool));
        CHECK(budget->used() == 0);
    }
    CHECK(count.answered == count.asked);
    CHECK(count.granted + count.failed == count.asked);
    CHECK(count.granted > 50);
    CHECK(eventually([&] { return server.live() == 0; }));
}

TEMPLATE_TEST_CASE("pool_closed_under_load_answers_everybody", "[pool][thread]", tcp_transport, tls_transport) {
    using pool_type = typename site<TestType>::pool_type;
    const descriptor_check no_leak;
    site<TestType> server;
    for (std::uint64_t round = 0; round < 12; ++round) {
        CAPTURE(round);
        tally count;
        net::io_context io;
        crew workers(io, 4);
        auto pool = std::make_shared<pool_type>(io.get_executor(), server.target(),
                                                pool_options{.max_connections = limit, .min_idle = 2},
                                                trusting_options<TestType>());
        std::atomic<bool> drained = false;
        std::vector<std::thread> callers;
        for (std::uint64_t t = 0; t < 2; ++t)
            callers.emplace_back([&, t] {
                for (std::uint64_t i = 0; i < 40; ++i)
                    std::make_shared<user<pool_type>>(pool, count, round * 1000 + t * 100 + i)->start();
                if (t == round % 2 && round % 3 == 0) pool->close();
                if (t == round % 2 && round % 3 == 1) pool->async_drain(5s, [&](std::error_code) { drained = true; });
            });
        for (std::thread& t : callers) t.join();
        const std::weak_ptr<pool_type> watch = pool;
        pool.reset();  // the users' is the last
        workers.join();
        CHECK(watch.expired());
        CHECK(count.answered == count.asked);
        CHECK(count.granted + count.failed == count.asked);
        CHECK((drained || round % 3 != 1));
    }
    CHECK(eventually([&] { return server.live() == 0; }));
}

TEST_CASE("what_becomes_readable_while_it_is_put_back_is_noticed", "[pool][thread]") {
    // The peer closes just as the connection is given back by another thread than the loop's.
    const descriptor_check no_leak;
    site<tcp_transport> server([](server_connection& c) { c.read_some(1); });
    net::io_context io;
    auto pool = server.pool(io, {.max_connections = 2});
    {
        crew workers(io, 2);
        base::random_source dice(1);
        for (int round = 0; round < 300; ++round) {
            std::atomic<bool> written = false;
            tcp_pool::lease_type lease;
            pool.async_get([&](std::error_code, tcp_pool::lease_type l) {
                lease = std::move(l);
                lease.async_write_some(net::buffer("x", 1), [&](std::error_code, std::size_t) { written = true; });
            });
            REQUIRE(eventually([&] { return written.load(); }));
            for (auto spins = dice.next() % 2000; spins > 0; --spins)
                std::atomic_signal_fence(std::memory_order_seq_cst);
            pool.put(std::move(lease));
            REQUIRE(eventually([&] { return pool.stats().now == connection_counts{}; }));
        }
        pool.close();
    }
    CHECK(pool.stats().total.opened == 300);
}
