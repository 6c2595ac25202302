// Memory that is refused once, at a chosen allocation.
#pragma once

#include <cstdint>

namespace hotpool::test {

/// One allocation of this thread, the `nth` of those made inside of scopes, throws `std::bad_alloc`.
class memory_limit {
public:
    /// @param nth counted from 0
    explicit memory_limit(std::uint64_t nth) noexcept : left_(nth) {}

    bool has_refused() const noexcept { return refused_; }
    /// Called by `operator new`, defined in ends/memory.cpp.
    /// @return whether this allocation is refused
    bool refuses() noexcept {
        if (refused_ || left_-- != 0) return false;
        return refused_ = true;
    }

    /// While it exists, the allocations of this thread are counted.
    class scope {
    public:
        /// @param limit null: counts nothing
        explicit scope(memory_limit* limit) noexcept;
        ~scope();
        scope(const scope&) = delete;

    private:
        memory_limit* before_;
    };

private:
    std::uint64_t left_;
    bool refused_ = false;
};

}  // namespace hotpool::test
