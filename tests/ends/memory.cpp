// The allocation functions of this program, which can refuse.
#include <cstdlib>
#include <new>
#include <utility>

#include "support/ends_memory.hpp"

namespace hotpool::test {

namespace {
thread_local memory_limit* limit = nullptr;
}

memory_limit::scope::scope(memory_limit* l) noexcept : before_(std::exchange(limit, l)) {}
memory_limit::scope::~scope() { limit = before_; }

namespace {

void* take(std::size_t bytes) {
    if (limit != nullptr && limit->refuses()) throw std::bad_alloc();
    if (void* const at = std::malloc(bytes != 0 ? bytes : 1)) return at;
    throw std::bad_alloc();
}
void* take_aligned(std::size_t bytes, std::align_val_t alignment) {
    if (limit != nullptr && limit->refuses()) throw std::bad_alloc();
    const auto unit = static_cast<std::size_t>(alignment);
    if (void* const at = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit)) return at;
    throw std::bad_alloc();
}

}  // namespace
}  // namespace hotpool::test

void* operator new(std::size_t bytes) { return hotpool::test::take(bytes); }
void* operator new[](std::size_t bytes) { return hotpool::test::take(bytes); }
void* operator new(std::size_t bytes, std::align_val_t a) { return hotpool::test::take_aligned(bytes, a); }
void* operator new[](std::size_t bytes, std::align_val_t a) { return hotpool::test::take_aligned(bytes, a); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    try {
        return hotpool::test::take(bytes);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void* operator new[](std::size_t bytes, const std::nothrow_t& n) noexcept { return operator new(bytes, n); }
void operator delete(void* at) noexcept { std::free(at); }
void operator delete[](void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }
void operator delete[](void* at, std::size_t) noexcept { std::free(at); }
void operator delete(void* at, std::align_val_t) noexcept { std::free(at); }
void operator delete[](void* at, std::align_val_t) noexcept { std::free(at); }
void operator delete(void* at, std::size_t, std::align_val_t) noexcept { std::free(at); }
void operator delete[](void* at, std::size_t, std::align_val_t) noexcept { std::free(at); }
