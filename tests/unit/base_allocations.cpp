// The global allocation functions of this program: malloc, counted and, where a test wants it, scarce.
#include <cstdint>
#include <cstdlib>
#include <new>

#include "support/allocations.hpp"
#include "support/catch.hpp"

namespace {

constexpr std::uint64_t plenty = ~std::uint64_t{0};
thread_local std::uint64_t allocation_count = 0;
thread_local std::uint64_t allocations_left = plenty;

void* counted_or_null(std::size_t bytes) noexcept {
    ++allocation_count;
    if (allocations_left == 0) return nullptr;
    if (allocations_left != plenty) --allocations_left;
    return std::malloc(bytes == 0 ? 1 : bytes);
}
void* counted(std::size_t bytes) {
    if (void* block = counted_or_null(bytes)) return block;
    throw std::bad_alloc();
}

}  // namespace

std::uint64_t hotpool::test::allocations() noexcept { return allocation_count; }
hotpool::test::scarce_memory::scarce_memory(std::uint64_t calls) noexcept { allocations_left = calls; }
hotpool::test::scarce_memory::~scarce_memory() { allocations_left = plenty; }

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return counted_or_null(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return counted_or_null(bytes); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }

TEST_CASE("allocations_are_counted", "[base]") {
    const std::uint64_t before = hotpool::test::allocations();
    ::operator delete(::operator new(1));
    ::operator delete[](::operator new[](100));
    ::operator delete(::operator new(1, std::nothrow));
    CHECK(hotpool::test::allocations() == before + 3);
}

TEST_CASE("memory_is_as_scarce_as_a_test_wants_it", "[base]") {
    std::uint64_t failures = 0;
    const auto three = [] {
        for (int i = 0; i < 3; ++i) ::operator delete(::operator new(1));
    };
    CHECK(hotpool::test::until_memory_lasts(three, [&] { ++failures; }) == 3);
    CHECK(failures == 3);
    CHECK_NOTHROW(three());
}
