// Events that have not been told yet.
#pragma once

#include <new>
#include <utility>
#include <vector>

namespace hotpool::base {

/// Keeps events for whoever listens, in order; keeps nothing unless somebody does. An event for which there is no memory
/// is lost, and what it is about goes on.
/// @threads distinct objects only
template <class Event>
class event_queue {
public:
    void listen(bool on) noexcept { on_ = on; }
    bool listens() const noexcept { return on_; }
    bool empty() const noexcept { return events_.empty(); }
    void add(const Event& event) noexcept {
        if (!on_) return;
        try {
            events_.push_back(event);
        } catch (const std::bad_alloc&) {
        }
    }
    std::vector<Event> take() noexcept { return std::exchange(events_, {}); }

private:
    bool on_ = false;
    std::vector<Event> events_;
};

}  // namespace hotpool::base
