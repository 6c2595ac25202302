// Connections to be looked at when this turn of the loop is over.
#pragma once

#include <atomic>
#include <utility>

#include "hotpool/io/counted.hpp"

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
        for_each_taken([](Connection&) {}, [] {});
    }

    /// True when the list was empty: then the caller sees to it that it is emptied.
    bool push(Connection& c) noexcept {
        if (c.in_turn.exchange(true, std::memory_order_acq_rel)) return false;
        c.add_ref();
        return link(c);
    }

    /// Takes all connections, oldest first, and calls `visit(connection)` for each. When that throws, the others are
    /// back in the list, and `left()` is called if they are to be seen to.
    template <class Visitor, class Left>
    void for_each_taken(Visitor visit, Left left) {
        taken<Left> rest{*this, reversed(first_.exchange(nullptr, std::memory_order_acq_rel)), left};
        while (rest.oldest != nullptr) {
            Connection* const next = std::exchange(rest.oldest, rest.oldest->next_in_turn);
            const counted_ref<Connection> c(next);
            c->in_turn.store(false, std::memory_order_release);
            visit(*c);
        }
    }

private:
    template <class Left>
    struct taken {
        turn_list& list;
        Connection* oldest;
        Left& left;
        ~taken() {
            bool was_empty = false;
            while (oldest != nullptr) {
                Connection* const next = std::exchange(oldest, oldest->next_in_turn);
                was_empty = list.link(*next) || was_empty;
            }
            if (was_empty) left();
        }
    };

    bool link(Connection& c) noexcept {
        Connection* first = first_.load(std::memory_order_relaxed);
        do {
            c.next_in_turn = first;
        } while (!first_.compare_exchange_weak(first, &c, std::memory_order_acq_rel));
        return first == nullptr;
    }
    static Connection* reversed(Connection* newest) noexcept {
        Connection* oldest = nullptr;
        while (newest != nullptr) {
            Connection* next = std::exchange(newest->next_in_turn, oldest);
            oldest = std::exchange(newest, next);
        }
        return oldest;
    }

    std::atomic<Connection*> first_{nullptr};
};

}  // namespace hotpool::detail
