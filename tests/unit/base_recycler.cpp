// Recycled memory: sizes, reuse, its bound, blocks freed by other threads and after a thread's store has ended.
#include <cstdint>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include "hotpool/base/random.hpp"
#include "hotpool/base/recycler.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace hotpool;
using base::recycler;

TEST_CASE("blocks_come_in_four_sizes_to_each_power_of_two_up_to_the_largest", "[base]") {
    struct {
        std::size_t wish, block;
    } const table[] = {{0, 64},        {1, 64},        {64, 64},       {65, 80},
                       {80, 80},       {81, 96},       {128, 128},     {129, 160},
                       {1000, 1024},   {1025, 1280},   {57344, 57344}, {57345, 65536},
                       {65535, 65536}, {65536, 65536}, {65537, 65537}, {1'000'000, 1'000'000}};
    for (const auto& row : table) {
        CHECK(recycler::block_bytes(row.wish) == row.block);
        CHECK(recycler::block_bytes(row.block) == row.block);
    }
}

TEST_CASE("freed_block_is_used_again_for_any_size_of_its_class", "[base]") {
    if (!base::recycling) return;  // switched off under sanitizers
    void* first = recycler::allocate(1000);
    recycler::deallocate(first, 1000);
    const auto before = test::allocations();
    void* again = recycler::allocate(900);
    CHECK(again == first);
    CHECK(test::allocations() == before);
    recycler::deallocate(again, 600);
}

TEST_CASE("blocks_beyond_the_largest_are_not_kept", "[base]") {
    const auto before = test::allocations();
    for (int i = 0; i < 3; ++i) recycler::deallocate(recycler::allocate(100'000), 100'000);
    CHECK(test::allocations() == before + 3);
}

TEST_CASE("store_keeps_no_more_than_its_bound", "[base]") {
    if (!base::recycling) return;
    std::vector<void*> blocks;
    const std::size_t most = recycler::max_kept_bytes / recycler::max_block_bytes;
    for (std::size_t i = 0; i < most + 5; ++i) blocks.push_back(recycler::allocate(recycler::max_block_bytes));
    for (void* block : blocks) recycler::deallocate(block, recycler::max_block_bytes);
    const auto before = test::allocations();
    for (void*& block : blocks) block = recycler::allocate(recycler::max_block_bytes);
    CHECK(test::allocations() == before + 5);
    for (void* block : blocks) recycler::deallocate(block, recycler::max_block_bytes);
}

TEST_CASE("block_may_be_freed_by_another_thread", "[base][thread]") {
    void* from_here = recycler::allocate(256);
    std::memset(from_here, 1, 256);
    void* from_there = nullptr;
    std::thread other([&] {
        recycler::deallocate(from_here, 256);
        from_there = recycler::allocate(256);
        std::memset(from_there, 2, 256);
    });
    other.join();
    CHECK(static_cast<unsigned char*>(from_there)[255] == 2);
    recycler::deallocate(from_there, 256);
}

namespace {

/// Frees its block when its thread ends, and then takes another.
struct late_owner {
    void* block = nullptr;
    std::uint64_t* taken_anew = nullptr;
    ~late_owner() {
        recycler::deallocate(block, 512);
        const auto before = test::allocations();
        recycler::deallocate(std::memset(recycler::allocate(512), 3, 512), 512);
        *taken_anew = test::allocations() - before;
    }
};

}  // namespace

TEST_CASE("object_that_outlives_the_threads_store_may_still_use_the_recycler", "[base][thread]") {
    std::uint64_t taken_anew = 0;
    std::thread other([&] {
        static thread_local late_owner owner;  // made before the store, so it ends after it
        owner.taken_anew = &taken_anew;
        owner.block = recycler::allocate(512);
        recycler::deallocate(recycler::allocate(64), 64);  // the first freed block makes the store
    });
    other.join();
    CHECK(taken_anew == 1);  // what has ended keeps nothing
}

TEST_CASE("thread_that_ends_gives_its_blocks_back", "[base][thread]") {
    // What is kept would be reported as leaked by the address sanitizer, and mixed up by the thread sanitizer.
    for (int round = 0; round < 4; ++round) {
        std::vector<std::thread> threads;
        for (std::uint64_t t = 0; t < 4; ++t)
            threads.emplace_back([t] {
                base::random_source dice(t);
                std::vector<std::pair<void*, std::size_t>> held;
                for (int i = 0; i < 500; ++i) {
                    const std::size_t bytes = dice.next() % 5000;
                    held.emplace_back(std::memset(recycler::allocate(bytes), 7, bytes), bytes);
                    if (dice.next() % 2 == 0) {
                        recycler::deallocate(held.back().first, held.back().second);
                        held.pop_back();
                    }
                }
                for (const auto& [block, bytes] : held) recycler::deallocate(block, bytes);
            });
        for (std::thread& t : threads) t.join();
    }
}

TEST_CASE("allocator_over_the_recycler_serves_a_container", "[base]") {
    std::map<int, int, std::less<>, base::recycling_allocator<std::pair<const int, int>>> map;
    for (int i = 0; i < 100; ++i) map[i] = i * i;
    CHECK(map.at(9) == 81);
    CHECK(base::recycling_allocator<int>() == base::recycling_allocator<long>());
}
