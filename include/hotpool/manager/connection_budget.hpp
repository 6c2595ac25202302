// One ceiling over the connections of many pools.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/budget_claim.hpp"
#include "hotpool/manager/budget_rules.hpp"

namespace hotpool {

namespace detail {

struct budget_queue_tag;

/// What a pool says when it asks for room.
struct budget_ask {
    bool pressing = false;     ///< a caller waits for it, or the pool tries whether its origin is back
    std::uint64_t leases = 0;  ///< so far: while they grow, the pool's callers are being served
};

}  // namespace detail

/// Share one between pools: `auto budget = std::make_shared<connection_budget>(100);`. A pool that finds no room queues,
/// once; room that comes free is given in the order of asking, to pools with callers first. For a caller, a connection of
/// another pool is closed where `budget_rules` give a right to it: the longest idle one of all pools, else one that comes
/// back to a pool which holds more, or has had its turn. One is given up at a time, and goes to whom it was wanted for.
///
/// The budget decides, and calls nobody to act: a member learns that something has been decided for it, and sees to it
/// where its own connections live. Pools of several contexts share a budget without touching one another. It is told
/// what time it is; the times told may be a coarse clock's tick behind earlier ones.
/// @threads any thread
/// @cost a look at each member while a caller waits for room; else constant
class connection_budget {
public:
    /// A pool, as its budget knows it.
    class member : public base::list_hook<member>, public base::list_hook<member, detail::budget_queue_tag> {
    public:
        /// There is a grant, or it is to be said whether there is an idle connection: to be looked into by the member's
        /// own executor. Called by any thread under the budget's lock, between `join` and `leave`.
        virtual void budget_calls() noexcept = 0;

        /// Whether it has room that it was granted and has not taken.
        bool has_grant() const noexcept { return granted_.load(std::memory_order_relaxed) != 0; }
        /// Whether it is known that a caller waits for room.
        bool is_pressing() const noexcept { return pressing_.load(std::memory_order_relaxed); }
        /// Since when its longest idle connection is idle; `never`: there is none. To be said before `is_called` is asked.
        void longest_idle(time_point since) noexcept {
            if (longest_idle_.load(std::memory_order_relaxed) != since) longest_idle_.store(since);
        }
        /// Whether `promise_idle` is to be asked.
        bool is_called(bool any_idle) const noexcept { return claim_.is_called(any_idle); }
        detail::budget_claim& claim() noexcept { return claim_; }

    protected:
        ~member() = default;

    private:
        friend class connection_budget;
        // Under the budget's lock; what is atomic is read without, or written.
        std::atomic<std::size_t> granted_{0};
        std::atomic<time_point> longest_idle_{never};
        std::atomic<bool> pressing_{false};
        detail::budget_claim claim_;
        detail::budget_holding has_;
        time_point served_{};  // somebody was lent a connection, or the first caller came
        std::uint64_t leases_ = 0;
        bool joined_ = false;
        bool queued_ = false;
    };

    /// @param max_connections over all pools; 1 or more
    /// @param turn how long a pool keeps a connection to which another one has no better right; 1 ms or more. Shorter is
    /// fairer where there are fewer connections than pools, and opens more of them: an opening should take less
    /// @errors throws `std::invalid_argument`
    explicit connection_budget(std::size_t max_connections, duration turn = std::chrono::milliseconds(100))
        : max_(max_connections), turn_(turn), rules_(turn) {
        if (max_connections == 0)
            throw std::invalid_argument("hotpool::connection_budget max_connections must be 1 or more");
        if (turn < std::chrono::milliseconds(1))
            throw std::invalid_argument("hotpool::connection_budget turn must be 1 ms or more");
    }
    connection_budget(const connection_budget&) = delete;
    connection_budget& operator=(const connection_budget&) = delete;

    std::size_t max_connections() const noexcept { return max_; }
    duration turn() const noexcept { return turn_; }
    /// Connections of all pools, opening and closing ones included, and grants that have not been used yet.
    std::size_t used() const {
        const std::lock_guard lock(mutex_);
        return used_;
    }

    // --- for pools

    void join(member& m) noexcept {
        const std::lock_guard lock(mutex_);
        m.claim_.belongs_to(open_);
        members_.push_back(m);
        m.joined_ = true;
    }
    /// `m` wants nothing any more. Afterwards no other thread is in its `budget_calls`; what it holds it still releases.
    void leave(member& m, time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        if (!std::exchange(m.joined_, false)) return;
        members_.remove(m);
        unqueue(m);
        m.claim_.set(claim::nothing);
        give_grants_on(m, 0);
        balance(now);
    }

    /// Room for one more connection of `m`: what it was granted, or what is free. If there is none, `m` is queued and
    /// will be granted some.
    bool acquire(member& m, const detail::budget_ask& ask, time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        if (m.granted_.load(std::memory_order_relaxed) != 0) {
            m.granted_.fetch_sub(1, std::memory_order_relaxed);
            return true;
        }
        if (used_ < max_) {  // then nobody is queued
            ++used_;
            ++m.has_.held;
            return true;
        }
        if (!m.joined_) return false;
        queue(m, ask, now);
        balance(now);
        return false;
    }
    /// A caller has come who waits for the room that `m` is queued for, or still waits after a turn.
    /// @return whether `m` is still queued
    bool press(member& m, std::uint64_t leases, time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        if (!m.queued_) return false;
        queue(m, {.pressing = true, .leases = leases}, now);
        balance(now);
        return m.queued_;
    }
    bool is_queued(const member& m) const noexcept {
        const std::lock_guard lock(mutex_);
        return m.queued_;
    }
    /// `m` needs no room any more.
    void withdraw(member& m, time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        unqueue(m);
        give_grants_on(m, 0);
        balance(now);
    }
    /// `m` needs no more than `kept` of its grants just now; it keeps its place in the queue.
    void return_grants(member& m, std::size_t kept, time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        give_grants_on(m, kept);
        balance(now);
    }

    /// `m` has opened a connection: its turn begins.
    void opened(member& m, time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        m.has_.opened = now;
        balance(now);
    }
    /// Gives the room of one connection of `m` back.
    /// @param promised whether it was given up for another pool: after `promise_idle`, or because the claim was taken
    void release(member& m, bool promised, time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        --m.has_.held;
        if (promised) rules_.count_gift(m.has_, now);
        free_one(promised && std::exchange(placed_, false) ? std::exchange(asker_, nullptr) : nullptr);
        balance(now);
    }

    /// The answer to a call. If it is true, `m` closes its longest idle connection, or says `promise_broken`.
    bool promise_idle(member& m, time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        m.claim_.drop(claim::answer);
        if (!m.joined_ || asker_ == nullptr || !open_) {
            m.claim_.set(claim::nothing);
            return false;
        }
        const bool right = gives_idle(m, now) && (asker_starves(now) || longest_idle(now) == &m);
        if (right) return open_.exchange(false);
        const bool too_young = gives_idle(m, now);
        balance(now);
        // Until the one whose turn it is has answered, or the caller has waited for long.
        if (too_young && !m.claim_.has(claim::answer)) m.claim_.drop(claim::idle);
        return false;
    }
    /// It had none after all.
    void promise_broken(time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        placed_ = false;
        balance(now);
    }

private:
    using claim = detail::budget_claim;

    static detail::budget_need need_of(const member& m) noexcept { return {m.has_.held, m.served_}; }
    static detail::budget_holding holding_of(const member& m) noexcept {
        detail::budget_holding has = m.has_;
        has.longest_idle = m.longest_idle_.load();
        return has;
    }
    template <class Visitor>
    void for_each_member(Visitor visit) noexcept {
        for (member* m = members_.front(); m != nullptr; m = members_.next(*m)) visit(*m);
    }

    // --- the queue

    void queue(member& m, const detail::budget_ask& ask, time_point now) noexcept {
        if (ask.pressing && !m.pressing_.load()) {
            if (m.queued_) others_.remove(m);
            callers_.push_back(m);
            m.pressing_.store(true);
            m.served_ = now;
        } else if (!m.queued_) {
            others_.push_back(m);
        } else if (ask.pressing && m.leases_ != ask.leases) {
            m.served_ = now;
        }
        m.leases_ = ask.leases;
        m.queued_ = true;
    }
    void unqueue(member& m) noexcept {
        if (!std::exchange(m.queued_, false)) return;
        (m.pressing_.exchange(false) ? callers_ : others_).remove(m);
        if (&m == asker_) asker_ = nullptr;
    }
    /// To `next`, if it is no null; else to the first in the queue; else to nobody.
    void free_one(member* next) noexcept {
        if (next == nullptr) next = callers_.empty() ? others_.front() : callers_.front();
        if (next == nullptr) {
            --used_;
            return;
        }
        unqueue(*next);
        ++next->has_.held;
        next->granted_.fetch_add(1, std::memory_order_relaxed);
        next->budget_calls();
    }
    void give_grants_on(member& m, std::size_t kept) noexcept {
        for (; m.granted_.load(std::memory_order_relaxed) > kept; --m.has_.held) {
            m.granted_.fetch_sub(1, std::memory_order_relaxed);
            free_one(nullptr);
        }
    }

    // --- what is wanted of whom

    /// After each change: for whom a connection is wanted, and which. One that is being given up is waited for.
    void balance(time_point now) noexcept {
        if (placed_ && !open_) return;
        asker_ = chosen_asker(now);
        if (asker_ == nullptr) return want_nothing();
        wished_ = true;
        // A member says that it has an idle connection and then looks whether one is wanted; here it is the other way
        // round. So one of the two sees the other: these accesses are in one order for all.
        for_each_member([&](member& m) {
            const bool own = &m == asker_;
            const bool may_go = own || rules_.may_give(holding_of(m), now);
            m.claim_.set((may_go ? claim::idle : claim::nothing) | (m.claim_.has(claim::answer) ? claim::answer : 0));
        });
        if (!std::exchange(placed_, true)) open_ = true;
        const bool found = call_for_idle(now);
        if (found && !asker_starves(now)) return;
        for_each_member([&](member& m) {
            if (&m != asker_ && rules_.gives_returned(holding_of(m), need_of(*asker_), now))
                m.claim_.add(claim::returned);
        });
    }
    void want_nothing() noexcept {
        if (placed_ && !open_.exchange(false)) return;
        placed_ = false;
        if (!std::exchange(wished_, false)) return;
        for_each_member([](member& m) { m.claim_.set(m.claim_.has(claim::answer) ? claim::answer : claim::nothing); });
    }

    /// The first in the queue that starves and might be served; else the first for whom there is something now; else the
    /// one that holds least. Null when no caller waits for room.
    member* chosen_asker(time_point now) noexcept {
        if (callers_.empty()) return nullptr;
        const supply all = supply_now(now);
        member* first = nullptr;
        member* poorest = nullptr;
        for (member* a = callers_.front(); a != nullptr; a = callers_.next(*a)) {
            const bool served = serves(all, *a, now);
            if (served && rules_.starves(need_of(*a), now)) return a;
            if (served && first == nullptr) first = a;
            if (poorest == nullptr || a->has_.held < poorest->has_.held) poorest = a;
        }
        return first != nullptr ? first : poorest;
    }
    /// What the rules need to know of all members together.
    struct supply {
        std::size_t richest = 0;    ///< most held by one that may give
        std::size_t had_turns = 0;  ///< pools that have had their turn
        bool idle = false;          ///< there is an idle connection that goes
    };
    supply supply_now(time_point now) noexcept {
        supply all;
        for_each_member([&](const member& m) {
            const detail::budget_holding has = holding_of(m);
            if (rules_.may_give(has, now)) all.richest = std::max(all.richest, has.held);
            all.had_turns += rules_.has_had_its_turn(has, now);
            all.idle = all.idle || rules_.gives_idle(has, now);
        });
        return all;
    }
    bool serves(const supply& all, const member& a, time_point now) const noexcept {
        const detail::budget_need need = need_of(a);
        const detail::budget_holding has = holding_of(a);
        const std::size_t others = all.had_turns - (rules_.has_had_its_turn(has, now) ? 1 : 0);
        return all.idle || has.longest_idle != never || rules_.evens_out(all.richest, need) ||
               (rules_.starves(need, now) && others != 0);
    }

    // --- for the one that was chosen

    bool asker_starves(time_point now) const noexcept { return rules_.starves(need_of(*asker_), now); }
    bool gives_idle(const member& m, time_point now) const noexcept {
        const detail::budget_holding has = holding_of(m);
        return &m == asker_ ? has.longest_idle != never : rules_.gives_idle(has, now);
    }
    /// Whose idle connection is to go. For one that starves, those that were called and have not answered do not count.
    member* longest_idle(time_point now) noexcept {
        const bool impatient = asker_starves(now);
        member* best = nullptr;
        for_each_member([&](member& m) {
            if (!gives_idle(m, now) || (impatient && m.claim_.has(claim::answer))) return;
            if (best == nullptr || m.longest_idle_.load() < best->longest_idle_.load()) best = &m;
        });
        return best;
    }
    bool call_for_idle(time_point now) noexcept {
        member* const m = longest_idle(now);
        if (m == nullptr) return false;
        if (m->claim_.has(claim::answer)) return true;
        m->claim_.add(claim::answer);
        m->budget_calls();
        return true;
    }

    const std::size_t max_;
    const duration turn_;
    const detail::budget_rules rules_;
    mutable std::mutex mutex_;
    std::size_t used_ = 0;
    base::linked_list<member, detail::budget_queue_tag> callers_;  // pressing ones, in the order of asking
    base::linked_list<member, detail::budget_queue_tag> others_;   // the same for the others
    base::linked_list<member> members_;
    member* asker_ = nullptr;  // for whom a connection is wanted, while it is queued
    bool placed_ = false;      // one is wanted, or is being given up
    bool wished_ = false;      // members may have wishes
    // And nobody has said yet that he gives it: taken under a member's lock, or this one.
    std::atomic<bool> open_{false};
};

}  // namespace hotpool
