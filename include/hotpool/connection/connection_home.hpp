// What a connection asks of the pool it belongs to.
#pragma once

#include <string>

#include "hotpool/base/time.hpp"
#include "hotpool/manager/retire_reason.hpp"
#include "hotpool/policy/pool_options.hpp"

namespace hotpool::detail {

/// Called by whoever owns the connection, under no lock.
template <class Connection>
class connection_home {
public:
    /// The lease ends; `why` other than none ends the connection too.
    virtual void give_back(Connection& c, retire_reason why) = 0;
    /// The lease leaves the pool and keeps the connection, which still comes back by `give_back` to be closed.
    virtual void let_go(Connection& c) = 0;
    /// The socket became readable while nobody waited for it.
    virtual void readable_unattended(Connection& c) = 0;
    /// Looks at the connection once more when this turn of the loop is over.
    virtual void at_turn_end(Connection& c) = 0;
    /// Whether it pays to postpone a read to the end of the turn; `note_speculation` learns from how that went.
    virtual bool speculates() noexcept = 0;
    virtual void note_speculation(bool came_true) noexcept = 0;
    virtual pool_options options() const = 0;
    /// The host and port of the origin as the peer is told them.
    virtual const std::string& authority() const noexcept = 0;
    /// The lease is over, and the rest of a response is read until `deadline`. False when the pool has nothing to do
    /// with the connection any more: then it is not worth while.
    virtual bool begin_drain(Connection& c, time_point deadline) = 0;
    /// A deadline for the lease of `c` from now on, also where the pool has let go of it. What an earlier deadline had
    /// set is taken back: the lease has not expired if this one lies ahead.
    virtual void set_lease_deadline(Connection& c, time_point deadline) = 0;

protected:
    ~connection_home() = default;
};

}  // namespace hotpool::detail
