// Who waits for something of a pool.
#pragma once

#include <memory>

#include "hotpool/manager/waiter.hpp"
#include "hotpool/policy/per_host_limits.hpp"

namespace hotpool::detail {

/// A caller in the queue, as the driver sees it.
template <class Connection>
class get_waiter : public waiter<Connection*> {
public:
    /// Told once, by any thread and under no lock: `granted` or `error` says what.
    virtual void answered() = 0;

    /// Where a cancellation handler finds this waiter while it waits; under the pool's lock.
    struct link {
        get_waiter* waiting = nullptr;
    };
    std::shared_ptr<link> link_to_me;

protected:
    ~get_waiter() = default;
};

/// Somebody who waits for the pool as a whole: warm or drained.
class pool_watcher {
public:
    /// Asked under the lock after each change. @param overdue whether the deadline of a drain has passed
    virtual bool is_over(const connection_counts& counts, bool overdue) noexcept = 0;
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
