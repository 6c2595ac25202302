// Counts what the calling thread takes from the global allocator.
#pragma once

#include <cstdint>

namespace hotpool::testing {

/// Calls of `operator new` by this thread so far; defined with the operators in
/// unit/base_allocations.cpp and net/pool_allocations.cpp.
std::uint64_t allocations() noexcept;

}  // namespace hotpool::testing
