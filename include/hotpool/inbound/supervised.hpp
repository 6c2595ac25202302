// The part of a connection that a supervisor keeps its books in.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>

#include "hotpool/base/deadline_wheel.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/life_state.hpp"
#include "hotpool/policy/policies.hpp"

namespace hotpool::inbound {

template <policy_bundle Policies>
class connection_supervisor;
template <policy_bundle Policies>
class life_limits;
class life_actions;

/// What an open connection is about, and with it which limit runs.
enum class activity : std::uint8_t {
    idle,       ///< between requests, or there are none: `idle_timeout`
    awaiting,   ///< the first request has not begun: `request_timeout`
    receiving,  ///< a request is coming: `request_timeout`
    working,    ///< it has come, and is being answered: `handler_timeout`
    replying,   ///< its reply is being written: `reply_timeout`
};

struct action_list_tag;

/// A driver's connection derives from it, or has it as a member, and tells the supervisor what happens to it. It is a
/// supervisor's from `accepted` to `ended`, and may neither move nor end meanwhile.
/// @threads those of the supervisor, except for `bytes_seen`
class supervised : public base::wheel_hook,
                   public base::list_hook<supervised>,
                   public base::list_hook<supervised, action_list_tag> {
public:
    supervised() = default;
    supervised(const supervised&) = delete;
    supervised& operator=(const supervised&) = delete;
    ~supervised() { assert(state_ == life_state::closed && "ended was not told"); }

    life_state state() const noexcept { return state_; }
    /// Means something while it is open.
    activity doing() const noexcept { return doing_; }
    /// Why it is draining, or why it ended; `none` before.
    close_reason reason() const noexcept { return reason_; }
    /// Requests begun.
    std::uint64_t requests() const noexcept { return requests_; }
    /// Whether the server asked it to leave: the next reply is its last.
    bool told_to_leave() const noexcept { return told_; }

    /// The peer is alive. To be told where bytes come in.
    /// @threads any, one at a time
    /// @cost a relaxed load and a relaxed store
    void bytes_seen(time_point now) noexcept {
        if (now > heard_at()) hear(now);
    }

private:
    template <policy_bundle Policies>
    friend class connection_supervisor;
    template <policy_bundle Policies>
    friend class life_limits;
    friend class life_actions;

    time_point heard_at() const noexcept { return time_point{duration{heard_at_.load(std::memory_order_relaxed)}}; }
    void hear(time_point now) noexcept { heard_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed); }
    bool has_request() const noexcept { return state_ == life_state::open && doing_ >= activity::receiving; }

    std::atomic<duration::rep> heard_at_{0};
    time_point since_{};  // when it was accepted, when its present activity began, or its orderly end
    time_point dies_at_ = never;
    time_point request_began_{};
    time_point pinged_at_{};
    std::uint64_t requests_ = 0;
    std::uint64_t linger_bytes_ = 0;
    std::uint32_t pings_ = 0;  // sent since it was heard last, as far as it has been looked at
    life_state state_ = life_state::closed;
    activity doing_ = activity::idle;
    close_reason reason_ = close_reason::none;
    std::uint8_t wanted_ = 0;  // the actions that are to be handed out, one bit each
    bool told_ = false;
    bool request_limit_reached_ = false;
    bool cut_ = false;  // nothing is left to wait for
};

}  // namespace hotpool::inbound
