// What is to be done for connections, each thing once and the most urgent first.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/supervised.hpp"

namespace hotpool::inbound {

/// What a supervisor asks of its driver for a connection.
enum class life_task : std::uint8_t {
    none,
    send_ping,      ///< nothing came for an interval; what comes next counts as the answer
    tell_draining,  ///< the server leaves: say so, and end the connection when that can be done
    close,          ///< end it in order, as after `close_begun`; answer `ended`
    abort,          ///< cut it; answer `ended`
};

/// Something to do for a connection.
struct life_action {
    supervised* connection = nullptr;
    life_task task = life_task::none;
    close_reason reason = close_reason::none;  ///< of `close` and `abort`
    bool cuts_request = false;                 ///< by a limit: the peer may be told so

    explicit operator bool() const noexcept { return task != life_task::none; }
};

/// The tasks that wait to be handed out: a bit for each in its connection, and a list of connections that have any.
/// @threads distinct objects only
/// @cost constant, nothing is allocated
class life_actions {
public:
    bool empty() const noexcept { return waiting_.empty(); }
    /// Connections with something to be done.
    std::size_t size() const noexcept { return waiting_.size(); }

    void want(supervised& c, life_task task) noexcept {
        if (c.wanted_ == 0) waiting_.push_back(c);
        c.wanted_ = static_cast<std::uint8_t>(c.wanted_ | bit(task));
    }
    void drop(supervised& c, life_task task) noexcept {
        if ((c.wanted_ & bit(task)) == 0) return;
        c.wanted_ = static_cast<std::uint8_t>(c.wanted_ & ~bit(task));
        if (c.wanted_ == 0) waiting_.remove(c);
    }
    void drop_all(supervised& c) noexcept {
        if (c.wanted_ != 0) waiting_.remove(c);
        c.wanted_ = 0;
    }
    /// The most urgent task of the connection that waits longest; false in a condition when there is none.
    life_action take() noexcept {
        supervised* const c = waiting_.pop_front();
        if (c == nullptr) return {};
        const life_task task = most_urgent(c->wanted_);
        c->wanted_ = static_cast<std::uint8_t>(c->wanted_ & ~bit(task));
        if (c->wanted_ != 0) waiting_.push_back(*c);
        return {c, task, c->reason(), task == life_task::close && c->request_limit_reached_};
    }

    static bool has_any(const supervised& c) noexcept { return c.wanted_ != 0; }

private:
    static constexpr std::uint8_t bit(life_task task) noexcept {
        return static_cast<std::uint8_t>(1u << static_cast<unsigned>(task));
    }
    static constexpr life_task most_urgent(std::uint8_t wanted) noexcept {
        for (const life_task task : {life_task::abort, life_task::close, life_task::tell_draining})
            if ((wanted & bit(task)) != 0) return task;
        return life_task::send_ping;
    }

    base::linked_list<supervised, action_list_tag> waiting_;
};

}  // namespace hotpool::inbound
