// Counts allocations by standing in front of operator new, of OpenSSL's allocator and, on glibc, of malloc itself.
#include <openssl/crypto.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <stdexcept>

#include "meter.hpp"

namespace bench {

static thread_local constinit call_counts counted;

call_counts count_calls(const syscall_counter& syscalls) {
    call_counts now = counted;
    now.system = syscalls.read();
    return now;
}

static int openssl_counted = 0;

static void take_openssl_allocator() {
    const auto allocate = [](std::size_t bytes, const char*, int) -> void* {
        ++counted.openssl;
        return std::malloc(bytes);
    };
    const auto reallocate = [](void* old, std::size_t bytes, const char*, int) -> void* {
        ++counted.openssl;
        return std::realloc(old, bytes);
    };
    const auto release = [](void* old, const char*, int) { std::free(old); };
    openssl_counted = CRYPTO_set_mem_functions(allocate, reallocate, release);
}

// OpenSSL takes an allocator only before its first allocation, and some libraries use it as they are loaded: this
// runs before the constructors of all of them.
[[gnu::section(".preinit_array"), gnu::used]] static void (*before_libraries)() = take_openssl_allocator;

void check_openssl_is_counted() {
    if (openssl_counted != 1) throw std::runtime_error{"OpenSSL allocated before its allocator could be counted"};
}

static void* allocate_counted(std::size_t bytes) {
    ++counted.operator_new;
    if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
    throw std::bad_alloc{};
}

static void* allocate_counted(std::size_t bytes, std::align_val_t alignment) {
    ++counted.operator_new;
    void* memory = nullptr;
    if (posix_memalign(&memory, static_cast<std::size_t>(alignment), bytes) == 0) return memory;
    throw std::bad_alloc{};
}

}  // namespace bench

// The array and the non-throwing forms of the standard library end in these.
void* operator new(std::size_t bytes) { return bench::allocate_counted(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) { return bench::allocate_counted(bytes, alignment); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

#ifdef __GLIBC__
extern "C" {
void* __libc_malloc(std::size_t) noexcept;
void* __libc_calloc(std::size_t, std::size_t) noexcept;
void* __libc_realloc(void*, std::size_t) noexcept;
void* __libc_memalign(std::size_t, std::size_t) noexcept;

void* malloc(std::size_t bytes) noexcept {
    ++bench::counted.malloc;
    return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) noexcept {
    ++bench::counted.malloc;
    return __libc_calloc(count, bytes);
}
void* realloc(void* old, std::size_t bytes) noexcept {
    ++bench::counted.malloc;
    return __libc_realloc(old, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
    ++bench::counted.malloc;
    return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept { return memalign(alignment, bytes); }
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept {
    *memory = memalign(alignment, bytes);
    return *memory == nullptr ? ENOMEM : 0;
}
}
#endif
