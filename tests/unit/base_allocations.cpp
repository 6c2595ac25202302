// The global allocation functions of this program: malloc, counted.
#include <cstdint>
#include <cstdlib>
#include <new>

#include "support/allocations.hpp"
#include "support/catch.hpp"

namespace {

thread_local std::uint64_t allocation_count = 0;

void* counted_or_null(std::size_t bytes) noexcept {
    ++allocation_count;
    return std::malloc(bytes == 0 ? 1 : bytes);
}
void* counted(std::size_t bytes) {
    if (void* block = counted_or_null(bytes)) return block;
    throw std::bad_alloc();
}

}  // namespace

std::uint64_t hotpool::testing::allocations() noexcept { return allocation_count; }

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return counted_or_null(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return counted_or_null(bytes); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }

TEST_CASE("allocations_are_counted", "[base]") {
    const std::uint64_t before = hotpool::testing::allocations();
    ::operator delete(::operator new(1));
    ::operator delete[](::operator new[](100));
    ::operator delete(::operator new(1, std::nothrow));
    CHECK(hotpool::testing::allocations() == before + 3);
}
