// Counts and limits what the calling thread takes from the global allocator.
#pragma once

#include <cstdint>
#include <new>

namespace hotpool::test {

/// Calls of `operator new` by this thread so far; defined with the operators in
/// unit/base_allocations.cpp and net/pool_allocations.cpp.
std::uint64_t allocations() noexcept;

/// While it exists, `operator new` of this thread has memory for so many calls and then no more; defined in
/// unit/base_allocations.cpp. One at a time.
class scarce_memory {
public:
    explicit scarce_memory(std::uint64_t calls) noexcept;
    ~scarce_memory();
    scarce_memory(const scarce_memory&) = delete;
    scarce_memory& operator=(const scarce_memory&) = delete;
};

/// Calls `attempt` with memory for no, one, two ... allocations until it comes through; `failed()` after each that does
/// not. Returns how many did not.
template <class Attempt, class Failed>
std::uint64_t until_memory_lasts(Attempt attempt, Failed failed) {
    for (std::uint64_t calls = 0;; ++calls) {
        try {
            const scarce_memory memory(calls);
            attempt();
            return calls;
        } catch (const std::bad_alloc&) {
        }
        failed();
    }
}

}  // namespace hotpool::test
