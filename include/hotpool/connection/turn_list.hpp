// Connections to be looked at when this turn of the loop is over.
#pragma once

#include <atomic>
#include <utility>

namespace hotpool::detail {

/// A stack that anybody may push to and one party empties at once. Holds a reference to each connection in it; a
/// connection is in it at most once.
/// @threads any thread
template <class Connection>
class turn_list {
public:
    turn_list() = default;
    turn_list(const turn_list&) = delete;
    turn_list& operator=(const turn_list&) = delete;
    ~turn_list() {
        for_each_taken([](Connection&) {});
    }

    /// True when the list was empty: then the caller sees to it that it is emptied.
    bool push(Connection& c) noexcept {
        if (c.in_turn.exchange(true, std::memory_order_acq_rel)) return false;
        c.add_ref();
        Connection* first = first_.load(std::memory_order_relaxed);
        do {
            c.next_in_turn = first;
        } while (!first_.compare_exchange_weak(first, &c, std::memory_order_acq_rel));
        return first == nullptr;
    }

    /// Takes all connections, oldest first, and calls `visit(connection)` for each.
    template <class Visitor>
    void for_each_taken(Visitor visit) {
        Connection* newest = first_.exchange(nullptr, std::memory_order_acq_rel);
        Connection* oldest = nullptr;
        while (newest != nullptr) {
            Connection* next = std::exchange(newest->next_in_turn, oldest);
            oldest = std::exchange(newest, next);
        }
        while (oldest != nullptr) {
            Connection* c = std::exchange(oldest, oldest->next_in_turn);
            c->in_turn.store(false, std::memory_order_release);
            visit(*c);
            c->release();
        }
    }

private:
    std::atomic<Connection*> first_{nullptr};
};

}  // namespace hotpool::detail
