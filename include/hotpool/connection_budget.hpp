// One ceiling over the connections of many pools.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

namespace hotpool {

/// Share one between pools: `auto budget = std::make_shared<connection_budget>(100);`. A pool that finds no room asks
/// the others to close an idle connection, queues, and is served in the order of asking.
/// @threads any thread
class connection_budget {
public:
    /// What a pool is to the budget. Neither member is called under the budget's lock.
    class member {
    public:
        /// Room that `acquire` refused before: the caller now has it, and gives back what it does not need.
        virtual void budget_granted() = 0;
        /// Closes an idle connection for another pool. False when there is none.
        virtual bool reclaim_idle() = 0;

    protected:
        ~member() = default;
    };

    /// @param max_connections over all pools; 1 or more
    /// @errors throws `std::invalid_argument`
    explicit connection_budget(std::size_t max_connections) : max_(max_connections) {
        if (max_connections == 0)
            throw std::invalid_argument("hotpool::connection_budget max_connections must be 1 or more");
    }

    std::size_t max_connections() const noexcept { return max_; }
    /// Connections of all pools, opening and closing ones included.
    std::size_t used() const {
        std::lock_guard lock(mutex_);
        return used_;
    }

    void join(std::weak_ptr<member> m) {
        std::lock_guard lock(mutex_);
        std::erase_if(members_, [](const std::weak_ptr<member>& other) { return other.expired(); });
        members_.push_back(std::move(m));
    }

    /// Room for one more connection of `who`; if there is none, `who` is queued and will be granted.
    bool acquire(const std::shared_ptr<member>& who) {
        std::vector<std::shared_ptr<member>> others;
        {
            std::lock_guard lock(mutex_);
            if (used_ < max_ && queue_.empty()) {
                ++used_;
                return true;
            }
            if (!is_queued(*who)) queue_.push_back(who);
            others = others_after_last_reclaimed(*who);
        }
        for (const std::shared_ptr<member>& other : others)
            if (other->reclaim_idle()) break;
        return false;
    }

    /// Gives room for one connection back.
    void release() {
        std::shared_ptr<member> next;
        {
            std::lock_guard lock(mutex_);
            while (next == nullptr && !queue_.empty()) {
                next = queue_.front().lock();
                queue_.pop_front();
            }
            if (next == nullptr) --used_;
        }
        if (next != nullptr) next->budget_granted();
    }

private:
    bool is_queued(const member& who) const {
        return std::any_of(queue_.begin(), queue_.end(),
                           [&](const std::weak_ptr<member>& m) { return m.lock().get() == &who; });
    }
    /// Everyone but `who`, beginning with a different one each time.
    std::vector<std::shared_ptr<member>> others_after_last_reclaimed(const member& who) {
        std::vector<std::shared_ptr<member>> others;
        for (std::size_t i = 0; i < members_.size(); ++i)
            if (auto m = members_[(next_to_reclaim_ + i) % members_.size()].lock(); m && m.get() != &who)
                others.push_back(std::move(m));
        ++next_to_reclaim_;
        return others;
    }

    const std::size_t max_;
    mutable std::mutex mutex_;
    std::size_t used_ = 0;
    std::size_t next_to_reclaim_ = 0;
    std::deque<std::weak_ptr<member>> queue_;
    std::vector<std::weak_ptr<member>> members_;
};

}  // namespace hotpool
