// The messages that wait for one connection.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

namespace hotpool::inbound {

/// First in, first out, in a ring that grows as messages come; how far, its user sees to. Empty since it was made, it
/// has no memory of its own. What is taken out leaves a moved-from message in its place.
/// @threads distinct objects only
/// @cost constant, but for the calls that make it grow: linear in what it holds
template <class Message>
class bounded_queue {
    static_assert(std::is_nothrow_move_constructible_v<Message> && std::is_nothrow_move_assignable_v<Message>,
                  "a message on its way must not get lost");

public:
    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }

    /// @errors throws what copying a message throws, or `std::bad_alloc`; nothing is lost then
    void push(const Message& message) {
        if (size_ < slots_.size()) {
            slots_[place(size_)] = Message(message);
        } else {
            // A ring does not grow in its middle.
            std::rotate(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(first_), slots_.end());
            first_ = 0;
            slots_.push_back(message);
        }
        ++size_;
    }
    /// The oldest goes, and `message` comes last. Only if not empty.
    /// @errors throws what copying a message throws; nothing has changed then
    void replace_oldest(const Message& message) {
        Message copy(message);
        pop();
        slots_[place(size_)] = std::move(copy);
        ++size_;
    }
    /// Only if not empty.
    Message pop() noexcept {
        Message oldest = std::move(slots_[first_]);
        first_ = place(1);
        --size_;
        return oldest;
    }
    /// Gives the memory back too.
    void clear() noexcept {
        std::vector<Message>().swap(slots_);
        first_ = size_ = 0;
    }

private:
    std::size_t place(std::size_t index) const noexcept { return (first_ + index) % slots_.size(); }

    std::vector<Message> slots_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace hotpool::inbound
