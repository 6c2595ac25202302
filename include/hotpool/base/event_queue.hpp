// Events that have not been told yet.
#pragma once

#include <utility>
#include <vector>

namespace hotpool::base {

/// Keeps events for whoever listens, in order; keeps nothing unless somebody does.
/// @threads distinct objects only
template <class Event>
class event_queue {
public:
    void listen(bool on) noexcept { on_ = on; }
    bool listens() const noexcept { return on_; }
    bool empty() const noexcept { return events_.empty(); }
    void add(const Event& event) {
        if (on_) events_.push_back(event);
    }
    std::vector<Event> take() noexcept { return std::exchange(events_, {}); }

private:
    bool on_ = false;
    std::vector<Event> events_;
};

}  // namespace hotpool::base
