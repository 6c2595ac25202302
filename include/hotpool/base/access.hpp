// The way of the library's own parts to what users have no use for.
#pragma once

#include <utility>

namespace hotpool::detail {

/// Classes of the public interface name it as a friend; what it calls is private there.
struct access {
    /// By a private constructor.
    template <class T, class... Args>
    [[gnu::always_inline]] static T make(Args&&... args) {
        return T(std::forward<Args>(args)...);
    }
    /// What the parts of a pool share.
    template <class Pool>
    static const auto& core(const Pool& pool) noexcept {
        return pool.core_;
    }
    /// The connection that a lease holds, or null.
    template <class Lease>
    [[gnu::always_inline]] static auto* connection(const Lease& lease) noexcept {
        return lease.connection_;
    }
    /// Gives a connection back to a pool that is known to live on.
    /// @param vouched whether the caller says that the connection is clean
    template <class Lease>
    [[gnu::always_inline]] static void end(Lease& lease, bool vouched) noexcept {
        lease.end(vouched);
    }
    /// Calls `use(executor)` with the executor of the pool that an empty lease came from, or with null where there is none
    /// or it is gone.
    template <class Lease, class Use>
    static void with_last_executor(const Lease& lease, Use use) {
        lease.with_last_executor(use);
    }
};

}  // namespace hotpool::detail
