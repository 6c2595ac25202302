// Who waits for something of a pool.
#pragma once

#include <cstddef>
#include <optional>
#include <system_error>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/source_location.hpp"
#include "hotpool/io/cancel_waiter.hpp"
#include "hotpool/manager/waiter.hpp"
#include "hotpool/policy/per_host_limits.hpp"

namespace hotpool::detail {

/// A caller who waits for a connection: `lent` or `error` says what it is told.
template <class Connection>
class get_waiter : public waiter<Connection*>, public queued_caller<get_waiter<Connection>> {
public:
    /// Under the pool's lock: afterwards the place of the lease may be taken back at any time.
    void take_granted() noexcept {
        lent = this->granted->resource;
        this->granted->lent_where = where;
    }

    Connection* lent = nullptr;
    source_location where{};  ///< of the call, for leases that never come back

protected:
    ~get_waiter() = default;
};

/// How far a pool as a whole is.
struct pool_progress {
    connection_counts counts;
    std::size_t to_open = 0;     ///< openings asked for by a warm-up that have not begun
    std::size_t validating = 0;  ///< of the probing ones, those that nobody has had yet
    bool overdue = false;        ///< the deadline of a drain has passed
};

/// Somebody who waits for the pool as a whole: to be warm, or to be drained. `error` says how it ended.
class progress_waiter : public base::list_hook<progress_waiter>, public queued_caller<progress_waiter> {
public:
    /// Asked under the lock after each change. @return how it ended, if it has
    virtual std::optional<std::error_code> outcome(const pool_progress& now) const noexcept = 0;
    std::error_code error;

protected:
    ~progress_waiter() = default;
};

}  // namespace hotpool::detail
