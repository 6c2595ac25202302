// What a hot pool takes from the global allocator: nothing. Defines the allocation functions of this program.
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include <cstdint>
#include <cstdlib>
#include <new>

#include "hotpool/base/recycler.hpp"
#include "support/allocations.hpp"
#include "support/pool_test.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

constexpr std::uint64_t no_end = ~std::uint64_t{0};
thread_local std::uint64_t allocation_count = 0;
thread_local std::uint64_t allocations_left = no_end;

void* counted(std::size_t bytes) {
    ++allocation_count;
    if (allocations_left == 0) throw std::bad_alloc();
    if (allocations_left != no_end) --allocations_left;
    if (void* block = std::malloc(bytes == 0 ? 1 : bytes)) return block;
    throw std::bad_alloc();
}

constexpr int warm_up = 100;
constexpr int rounds = 1000;

/// Gets and puts, each time from the handler of the one before.
template <class Pool>
class getter {
public:
    explicit getter(Pool& pool) : pool_(pool) {}
    void operator()(std::error_code, typename Pool::lease_type lease) {
        if (round_ == warm_up) before_ = hotpool::test::allocations();
        if (round_ == warm_up + rounds) after_ = hotpool::test::allocations();
        pool_.put(std::move(lease));
        if (round_++ < warm_up + rounds) next();
    }
    void next() {
        pool_.async_get(
            [this](std::error_code error, typename Pool::lease_type lease) { (*this)(error, std::move(lease)); });
    }
    bool done() const { return round_ > warm_up + rounds; }
    std::uint64_t allocated() const { return after_ - before_; }

private:
    Pool& pool_;
    int round_ = 0;
    std::uint64_t before_ = 0, after_ = 0;
};

}  // namespace

std::uint64_t hotpool::test::allocations() noexcept { return allocation_count; }
hotpool::test::scarce_memory::scarce_memory(std::uint64_t calls) noexcept { allocations_left = calls; }
hotpool::test::scarce_memory::~scarce_memory() { allocations_left = no_end; }

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
// Sanitizers bring these of their own, which would not go with `free`.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    ++allocation_count;
    return std::malloc(bytes == 0 ? 1 : bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t& quietly) noexcept { return operator new(bytes, quietly); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }

TEMPLATE_TEST_CASE("get_and_put_on_a_hot_pool_allocate_nothing", "[pool]", tcp_transport, tls_transport) {
    const std::uint64_t before = hotpool::test::allocations();
    delete new int;
    CHECK(hotpool::test::allocations() > before);

    site<TestType> server;
    net::io_context io;
    auto pool = server.pool(io);
    using pool_type = typename site<TestType>::pool_type;
    // With none, one and several others leased beside it.
    for (const std::size_t others : {0u, 1u, 3u}) {
        CAPTURE(others);
        std::vector<typename pool_type::lease_type> held;
        while (held.size() < others) held.push_back(get(io, pool));
        getter<pool_type> chain(pool);
        chain.next();
        CHECK(run_until(io, [&] { return chain.done(); }));
        if (base::recycling) CHECK(chain.allocated() == 0);

        std::uint64_t taken = 0;
        for (int i = 0; i < warm_up + rounds; ++i) {
            if (i == warm_up) taken = hotpool::test::allocations();
            pool.put(pool.try_get());
        }
        taken = hotpool::test::allocations() - taken;
        if (base::recycling) CHECK(taken == 0);
    }
}

TEST_CASE("awaited_get_takes_no_memory_from_the_allocator", "[pool]") {
    site<tcp_transport> server;
    net::io_context io;
    auto pool = server.pool(io);
    std::uint64_t taken = 1;
    bool done = false;
    net::co_spawn(
        io,
        [&]() -> net::awaitable<void> {
            for (int i = 0; i < warm_up + rounds; ++i) {
                if (i == warm_up) taken = hotpool::test::allocations();
                pool.put(co_await pool.async_get(net::use_awaitable));
            }
            taken = hotpool::test::allocations() - taken;
            done = true;
        },
        net::detached);
    CHECK(run_until(io, [&] { return done; }));
    if (base::recycling) CHECK(taken == 0);
}

TEST_CASE("waiting_for_a_connection_allocates_nothing_in_steady_state", "[pool]") {
    site<tcp_transport> server;
    net::io_context io;
    auto pool = server.pool(io, {.max_connections = 1});
    using pool_type = tcp_pool;
    // Two that take turns: each waits for the other.
    getter<pool_type> one(pool), other(pool);
    one.next();
    other.next();
    CHECK(run_until(io, [&] { return one.done() && other.done(); }));
    CHECK(pool.stats().total.waits > rounds);
    if (base::recycling) CHECK(one.allocated() == 0);
}
