// Who waits for something of a pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "hotpool/base/source_location.hpp"
#include "hotpool/manager/waiter.hpp"
#include "hotpool/policy/per_host_limits.hpp"

namespace hotpool::detail {

/// A caller in the queue, as the driver sees it.
template <class Connection>
class get_waiter : public waiter<Connection*> {
public:
    /// Told once, by any thread and under no lock: `lent` or `error` says what.
    virtual void answered() = 0;

    /// Under the pool's lock: afterwards the place of the lease may be taken back at any time.
    void take_granted() noexcept {
        lent = this->granted->resource;
        this->granted->lent_where = where;
    }

    /// Where a cancellation handler finds this waiter while it waits; under the pool's lock.
    struct link {
        get_waiter* waiting = nullptr;
    };
    std::shared_ptr<link> link_to_me;
    Connection* lent = nullptr;
    source_location where{};  ///< of the call, for leases that never come back

protected:
    ~get_waiter() = default;
};

/// What those are told who wait for the pool as a whole.
struct pool_progress {
    connection_counts counts;
    std::size_t to_open = 0;     ///< openings asked for by a warm-up that have not begun
    std::size_t validating = 0;  ///< of the probing ones, those that nobody has had yet
    bool overdue = false;        ///< the deadline of a drain has passed
};

/// Somebody who waits for the pool as a whole: warm or drained.
class pool_watcher {
public:
    /// Asked under the lock after each change.
    virtual bool is_over(const pool_progress& now) noexcept = 0;
    /// Frees itself, then tells the caller.
    virtual void complete() = 0;
    virtual void destroy() noexcept = 0;

    struct deleter {
        void operator()(pool_watcher* w) const noexcept { w->destroy(); }
    };
    using pointer = std::unique_ptr<pool_watcher, deleter>;

protected:
    ~pool_watcher() = default;
};

}  // namespace hotpool::detail
