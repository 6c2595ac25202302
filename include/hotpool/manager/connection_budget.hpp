// One ceiling over the connections of many pools.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "hotpool/base/linked_list.hpp"

namespace hotpool {

namespace detail {

struct budget_queue_tag;

}  // namespace detail

/// Share one between pools: `auto budget = std::make_shared<connection_budget>(100);`. A pool that finds no room queues
/// and is served in the order of asking. If a caller waits there, others that have an idle connection close it, at once
/// or as soon as they have one.
///
/// The budget decides, and calls nobody to act: a member learns that something has been decided for it, and sees to it
/// where its own connections live. Pools of several contexts share a budget without touching one another.
/// @threads any thread
class connection_budget {
public:
    /// A pool, as its budget knows it.
    class member : public base::list_hook<member>, public base::list_hook<member, detail::budget_queue_tag> {
    public:
        /// There is a grant, or an idle connection is wanted: to be looked into by the member's own executor. Called
        /// by any thread under the budget's lock, between `join` and `leave`.
        virtual void budget_calls() noexcept = 0;

        /// Whether it has room that it was granted and has not taken.
        bool has_grant() const noexcept { return granted_.load(std::memory_order_relaxed) != 0; }
        /// Whether it is known that a caller waits for room.
        bool is_pressing() const noexcept { return pressing_.load(std::memory_order_relaxed); }
        /// Whether it is worth while to call it for an idle connection.
        void has_idle(bool any) noexcept { has_idle_.store(any); }

    protected:
        ~member() = default;

    private:
        friend class connection_budget;
        // Under the budget's lock; what is atomic is read without.
        std::atomic<std::size_t> granted_{0};
        std::atomic<bool> has_idle_{false};
        std::atomic<bool> pressing_{false};
        bool joined_ = false;
        bool queued_ = false;
    };

    /// @param max_connections over all pools; 1 or more
    /// @errors throws `std::invalid_argument`
    explicit connection_budget(std::size_t max_connections) : max_(max_connections) {
        if (max_connections == 0)
            throw std::invalid_argument("hotpool::connection_budget max_connections must be 1 or more");
    }
    connection_budget(const connection_budget&) = delete;
    connection_budget& operator=(const connection_budget&) = delete;

    std::size_t max_connections() const noexcept { return max_; }
    /// Connections of all pools, opening and closing ones included, and grants that have not been used yet.
    std::size_t used() const {
        const std::lock_guard lock(mutex_);
        return used_;
    }

    // --- for pools

    void join(member& m) noexcept {
        const std::lock_guard lock(mutex_);
        members_.push_back(m);
        m.joined_ = true;
    }
    /// `m` wants nothing any more. Afterwards no other thread is in its `budget_calls`; what it holds it still releases.
    void leave(member& m) noexcept {
        const std::lock_guard lock(mutex_);
        if (!std::exchange(m.joined_, false)) return;
        members_.remove(m);
        unqueue(m);
        give_grants_on(m, 0);
    }

    /// Room for one more connection of `m`: what it was granted, or what is free. If there is none, `m` is queued and
    /// will be granted some.
    /// @param pressing whether a caller waits for it: then others are called for an idle connection
    bool acquire(member& m, bool pressing) noexcept {
        const std::lock_guard lock(mutex_);
        if (m.granted_.load(std::memory_order_relaxed) != 0) {
            m.granted_.fetch_sub(1, std::memory_order_relaxed);
            return true;
        }
        if (used_ < max_ && queue_.empty()) {
            ++used_;
            return true;
        }
        if (!m.joined_) return false;
        if (!std::exchange(m.queued_, true)) queue_.push_back(m);
        if (pressing) press_for(m);
        return false;
    }
    /// A caller has come who waits for the room that `m` is queued for. @return whether it still is
    bool press(member& m) noexcept {
        const std::lock_guard lock(mutex_);
        if (m.queued_) press_for(m);
        return m.queued_;
    }
    bool is_queued(const member& m) const noexcept {
        const std::lock_guard lock(mutex_);
        return m.queued_;
    }
    /// `m` needs no room any more.
    void withdraw(member& m) noexcept {
        const std::lock_guard lock(mutex_);
        unqueue(m);
        give_grants_on(m, 0);
    }
    /// `m` needs no more than `kept` of its grants just now; it keeps its place in the queue.
    void return_grants(member& m, std::size_t kept) noexcept {
        const std::lock_guard lock(mutex_);
        give_grants_on(m, kept);
    }

    /// Gives room for one connection back.
    /// @param promised whether it is what `promise_idle` promised
    void release(bool promised = false) noexcept {
        const std::lock_guard lock(mutex_);
        if (promised) count_promises(-1);
        free_one();
    }

    /// Whether callers of pools other than `m` wait for room that nobody has promised them.
    bool wants_idle_of(const member& m) const noexcept { return wanted_.load() > (m.pressing_.load() ? 1 : 0); }
    /// Whether `m` is to close an idle connection for another pool. If so it does, or takes the promise back.
    bool promise_idle(member& m) noexcept {
        const std::lock_guard lock(mutex_);
        if (!m.joined_ || pressing_ - (m.pressing_ ? 1 : 0) <= promises_) return false;
        count_promises(+1);
        members_.remove(m);  // it is the others' turn next time
        members_.push_back(m);
        return true;
    }
    /// It had none after all.
    void promise_broken() noexcept {
        const std::lock_guard lock(mutex_);
        count_promises(-1);
    }

private:
    void count_pressing(int change) noexcept {
        pressing_ += change;
        wanted_.store(pressing_ - promises_);
    }
    void count_promises(int change) noexcept {
        promises_ = std::max(0, promises_ + change);
        wanted_.store(pressing_ - promises_);
    }
    void press_for(member& m) noexcept {
        if (!m.pressing_.exchange(true)) count_pressing(+1);
        call_for_idle(m);
    }
    void unqueue(member& m) noexcept {
        if (!std::exchange(m.queued_, false)) return;
        queue_.remove(m);
        if (m.pressing_.exchange(false)) count_pressing(-1);
    }
    /// To the first in the queue, or to nobody.
    void free_one() noexcept {
        member* const next = queue_.front();
        if (next == nullptr) {
            --used_;
            return;
        }
        unqueue(*next);
        next->granted_.fetch_add(1, std::memory_order_relaxed);
        next->budget_calls();
    }
    void give_grants_on(member& m, std::size_t kept) noexcept {
        std::size_t spare = m.granted_.load(std::memory_order_relaxed);
        if (spare <= kept) return;
        m.granted_.store(kept, std::memory_order_relaxed);
        for (spare -= kept; spare != 0; --spare) free_one();
    }
    // A member says that it has an idle connection and then looks whether one is wanted; here it is the other way round.
    // So one of the two sees the other: these accesses are in one order for all.

    /// All that may have one: the first that comes promises it, the others find nothing wanted any more.
    void call_for_idle(const member& asking) noexcept {
        for (member* m = members_.front(); m != nullptr; m = members_.next(*m)) {
            if (m == &asking || !m->has_idle_.load()) continue;
            m->budget_calls();
        }
    }

    const std::size_t max_;
    mutable std::mutex mutex_;
    std::size_t used_ = 0;
    int pressing_ = 0;  // members of the queue for whom a caller waits
    int promises_ = 0;  // idle connections being closed for them
    std::atomic<int> wanted_{0};
    base::linked_list<member, detail::budget_queue_tag> queue_;
    base::linked_list<member> members_;
};

}  // namespace hotpool
