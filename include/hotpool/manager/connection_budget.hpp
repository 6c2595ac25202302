// One ceiling over the connections of many pools.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

namespace hotpool {

/// Share one between pools: `auto budget = std::make_shared<connection_budget>(100);`. A pool that finds no room queues
/// and is served in the order of asking. If a caller waits there, the others close an idle connection for it, at once or
/// as soon as they have one.
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
    /// @param pressing whether a caller waits for it: then the others are asked to close an idle connection
    bool acquire(const std::shared_ptr<member>& who, bool pressing) {
        std::vector<std::shared_ptr<member>> others;
        {
            std::lock_guard lock(mutex_);
            if (used_ < max_ && queue_.empty()) {
                ++used_;
                return true;
            }
            auto place = find(who);
            if (place == queue_.end()) place = queue_.insert(queue_.end(), {who, false});
            if (!pressing) return false;
            if (!std::exchange(place->pressing, true)) ++pressing_;
            others = others_after_last_reclaimed(*who);
        }
        for (const std::shared_ptr<member>& other : others)
            if (other->reclaim_idle()) break;
        return false;
    }

    /// Whether `who` is queued.
    bool is_queued(const std::weak_ptr<member>& who) const {
        std::lock_guard lock(mutex_);
        return std::any_of(queue_.begin(), queue_.end(), [&](const request& r) { return is_same(r.who, who); });
    }
    /// `who` needs no room any more.
    void withdraw(const std::weak_ptr<member>& who) {
        std::lock_guard lock(mutex_);
        if (const auto place = find(who); place != queue_.end()) take(place);
    }
    /// Whether a caller of some pool waits for room: then an idle connection is better closed.
    bool is_pressed() const noexcept { return pressing_.load(std::memory_order_relaxed) != 0; }

    /// Gives room for one connection back.
    void release() {
        std::shared_ptr<member> next;
        {
            std::lock_guard lock(mutex_);
            while (next == nullptr && !queue_.empty()) next = take(queue_.begin()).lock();
            if (next == nullptr) --used_;
        }
        if (next != nullptr) next->budget_granted();
    }

private:
    struct request {
        std::weak_ptr<member> who;
        bool pressing;
    };
    using queue_type = std::deque<request>;

    static bool is_same(const std::weak_ptr<member>& a, const std::weak_ptr<member>& b) noexcept {
        return !a.owner_before(b) && !b.owner_before(a);
    }
    queue_type::iterator find(const std::weak_ptr<member>& who) {
        return std::find_if(queue_.begin(), queue_.end(), [&](const request& r) { return is_same(r.who, who); });
    }
    std::weak_ptr<member> take(queue_type::iterator place) {
        const request taken = std::move(*place);
        queue_.erase(place);
        pressing_ -= taken.pressing;
        return taken.who;
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
    queue_type queue_;
    std::atomic<std::size_t> pressing_ = 0;  // requests of the queue; written under the lock
    std::vector<std::weak_ptr<member>> members_;
};

}  // namespace hotpool
