// What the user of a lease has left on a connection for others to deal with.
#pragma once

#include <cstddef>
#include <string_view>

#include "hotpool/policy/pool_options.hpp"

namespace hotpool::detail {

/// The rest of a response that has not been read, or what came behind one that switched protocols. The pool knows no
/// protocol: whoever speaks one says by this what is still to be done.
template <class Connection>
class left_behind {
public:
    virtual ~left_behind() = default;
    /// Bytes that were received and that nobody has taken.
    virtual std::string_view bytes() const noexcept = 0;
    /// Takes so many of `bytes`.
    virtual void take(std::size_t count) noexcept = 0;
    /// The lease is over: reads what is left off the caller's path, within `drain_limit_bytes` and `drain_timeout`, and
    /// gives `c`, which owns this, back to its pool.
    virtual void finish(Connection& c, const pool_options& bounds) = 0;
};

}  // namespace hotpool::detail
