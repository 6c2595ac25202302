// The machine of accepted connections: how long each may take for what, and who is to end when. No I/O, clock or lock.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "hotpool/base/deadline_wheel.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/random.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/inbound_counters.hpp"
#include "hotpool/inbound/life_actions.hpp"
#include "hotpool/inbound/life_limits.hpp"
#include "hotpool/inbound/life_options.hpp"
#include "hotpool/inbound/life_state.hpp"
#include "hotpool/inbound/supervised.hpp"
#include "hotpool/policy/policies.hpp"

namespace hotpool::inbound {

/// What becomes of bytes that come during an orderly end.
enum class linger_verdict : std::uint8_t {
    read_on,
    enough,  ///< more than `max_linger_bytes`: `abort` is asked for
};

/// The accepted connections of one server. Tell it what happened and what time it is; then perform what `next_action`
/// hands out, until it has nothing more, and call `time_passed` at `next_deadline`. The times told may be a coarse
/// clock's tick behind earlier ones. Of the policies it asks `idle_timeout`, `max_lifetime` and `max_requests`.
/// @threads distinct objects only: the driver locks, except for `bytes_seen`
/// @cost constant for each call; what has a deadline costs a constant when it expires, nothing before
template <policy_bundle Policies = default_policies>
class connection_supervisor {
public:
    /// @param seed for the jitter of lifetimes
    /// @errors throws `std::invalid_argument` naming the option and the rule
    explicit connection_supervisor(const life_options& options = {}, std::uint64_t seed = 1)
        : limits_((validate(options), options)), random_(seed) {}
    connection_supervisor(const connection_supervisor&) = delete;
    connection_supervisor& operator=(const connection_supervisor&) = delete;
    ~connection_supervisor() { assert(all_gone()); }

    // --- the life of a connection ------------------------------------------------------------------------------

    /// It was admitted, and is `c` from now on.
    void accepted(supervised& c, time_point now) noexcept {
        due_.now_is(now);
        live_.push_back(c);
        enter(c, life_state::accepted);
        c.since_ = now;
        c.dies_at_ = never;
        c.requests_ = c.linger_bytes_ = 0;
        c.reason_ = close_reason::none;
        c.told_ = c.cut_ = c.request_limit_reached_ = false;
        ++counters_.accepted;
        if (stopped_ != close_reason::none)
            cut(c, stopped_);
        else
            schedule(c);
    }
    void handshake_begun(supervised& c) noexcept {
        if (c.state_ == life_state::accepted) enter(c, life_state::handshaking);
    }
    /// It may be used from now on. `none`, or why it is ended instead.
    close_reason opened(supervised& c, time_point now) noexcept {
        if (c.state_ == life_state::draining) return c.reason_;
        enter(c, life_state::open);
        ++counters_.opened;
        counters_.establish_us.record(in_microseconds(now - c.since_));
        c.dies_at_ = limits_.end_of_life(now, random_.uniform());
        c.pinged_at_ = time_point::min();
        c.hear(now);
        turn_to(c, activity::idle, now);
        if (draining_) tell(c);
        return close_reason::none;
    }

    /// Bytes came. They keep it from being idle, and answer pings.
    /// @threads any, one at a time for one connection
    /// @cost a relaxed load and a relaxed store
    static void bytes_seen(supervised& c, time_point now) noexcept { c.bytes_seen(now); }

    /// Its end has begun, in order: last words are written, and the peer's close is waited for. The first reason
    /// counts.
    void close_begun(supervised& c, close_reason why, time_point now) noexcept {
        if (c.state_ != life_state::draining)
            leave(c, why, now);
        else
            actions_.drop(c, life_task::close);
    }
    /// @param bytes that came during the orderly end
    linger_verdict linger_read(supervised& c, std::uint64_t bytes) noexcept {
        assert(c.state_ == life_state::draining);
        c.linger_bytes_ += bytes;
        if (c.linger_bytes_ <= options().max_linger_bytes) return linger_verdict::read_on;
        cut(c, c.reason_);
        return linger_verdict::enough;
    }
    /// It is over, and no longer the supervisor's.
    /// @return why it ended: `why`, unless its end had begun for something else
    close_reason ended(supervised& c, close_reason why) noexcept {
        assert(c.state_ != life_state::closed);
        count_cut_request(c);
        if (c.reason_ == close_reason::none) c.reason_ = reason_of(c, why);
        ++counters_.closed[static_cast<std::size_t>(c.reason_)];
        if (c.in_wheel()) due_.remove(c);
        actions_.drop_all(c);
        live_.remove(c);
        enter(c, life_state::closed);
        return c.reason_;
    }

    // --- requests, for protocols that have them ----------------------------------------------------------------

    /// A request is to begin within `request_timeout`: told of a new connection whose protocol has requests.
    void request_awaited(supervised& c, time_point now) noexcept {
        if (c.state_ == life_state::open && c.doing_ == activity::idle) turn_to(c, activity::awaiting, now);
    }
    /// The first byte of a request came.
    /// @return `none`, or why the connection is being ended: the request is not to be served then
    close_reason request_begun(supervised& c, time_point now) noexcept {
        if (c.state_ != life_state::open) return c.reason_;
        assert(!c.has_request());
        begin_request(c, now);
        return close_reason::none;
    }
    /// Its last byte came, and it is worked on.
    void request_received(supervised& c, time_point now) noexcept {
        if (c.has_request()) turn_to(c, activity::working, now);
    }
    /// Bytes of the reply could be written, the first or further ones; some are left.
    void reply_progressed(supervised& c, time_point now) noexcept {
        if (c.has_request()) turn_to(c, activity::replying, now);
    }
    /// The reply has been written. Where it was the connection's last one, `close` is asked for.
    void request_ended(supervised& c, time_point now, request_outcome outcome = request_outcome::served,
                       reply_said said = reply_said::nothing) noexcept {
        if (!c.has_request()) return;
        count_request(c, now, outcome);
        turn_to(c, activity::idle, now);
        if (said == reply_said::it_stays) return;
        if (const close_reason why = last_request(c, now); why != close_reason::none) end(c, why, now);
    }
    /// As `request_ended` and `request_begun`, for a request that came together with the one behind it: their replies are
    /// written together, and the connection is not ended between them.
    void request_followed(supervised& c, time_point now, request_outcome outcome) noexcept {
        if (!c.has_request()) return;
        count_request(c, now, outcome);
        begin_request(c, now);
    }
    /// Whether the present request is the connection's last one, and why: then its reply says `Connection: close`.
    /// `none`: the connection may go on.
    close_reason last_request(const supervised& c, time_point now) const noexcept {
        if (c.reason_ != close_reason::none) return c.reason_;
        if (c.told_) return close_reason::drained;
        return limits_.spent(c, now);
    }

    // --- what others decide ------------------------------------------------------------------------------------

    /// Ends one connection in order, as when its group was blocked or its queue is full.
    void end_requested(supervised& c, close_reason why, time_point now) noexcept {
        if (c.state_ != life_state::draining) end(c, why, now);
    }
    /// Cuts one connection.
    void abort_requested(supervised& c, close_reason why) noexcept { cut(c, why); }

    /// Each connection is told once that the server leaves, the half-open ones as soon as they are open. They end in
    /// their own time; those that are left at `deadline` are cut. A later call changes the deadline.
    void drain_requested(time_point deadline) noexcept {
        draining_ = true;
        drain_deadline_ = deadline;
        for_each([this](supervised& c) { tell(c); });
    }
    /// Every connection is cut now, and every one that may still come. The first reason counts.
    void stop_requested(close_reason why) noexcept {
        if (stopped_ == close_reason::none) stopped_ = why;
        draining_ = true;
        drain_deadline_ = never;
        for_each([this](supervised& c) { cut(c, stopped_); });
    }
    bool is_draining() const noexcept { return draining_; }
    bool all_gone() const noexcept { return live_.empty(); }

    /// New limits from now on, except that lifetimes once drawn stay.
    /// @errors throws `std::invalid_argument` naming the option and the rule; nothing has changed then
    /// @cost a look at each connection
    void options_changed(const life_options& options) {
        validate(options);
        limits_ = life_limits<Policies>(options);
        for_each([this](supervised& c) { schedule(c); });
    }
    const life_options& options() const noexcept { return limits_.options(); }

    // --- time and actions --------------------------------------------------------------------------------------

    /// What is due by now comes out as actions.
    void time_passed(time_point now) noexcept {
        if (drain_deadline_ <= now) stop_requested(close_reason::drain_timed_out);
        while (supervised* c = due_.take_due(now)) {
            ++counters_.examined;
            if (limits_.deadline_of(*c) <= now) limit_reached(*c, now);
            schedule(*c);
        }
    }
    /// When to call `time_passed` again; sooner does no harm. Changes with every input.
    time_point next_deadline() const noexcept { return std::min(due_.next(), drain_deadline_); }

    bool has_action() const noexcept { return !actions_.empty(); }
    /// The next thing to do, which is then the driver's; false in a condition when there is none.
    life_action next_action() noexcept { return actions_.take(); }

    // --- looking in --------------------------------------------------------------------------------------------

    life_counts counts() const noexcept {
        return {count(life_state::accepted), count(life_state::handshaking), count(life_state::open),
                count(life_state::draining)};
    }
    const inbound_counters& counters() const noexcept { return counters_; }
    /// For what the driver counts.
    inbound_counters& counters() noexcept { return counters_; }

    /// Calls `visit(supervised&)` for each connection, which may end that one.
    template <class Visitor>
    void for_each(Visitor visit) {
        for (supervised* c = live_.front(); c != nullptr;) {
            supervised* const next = live_.next(*c);
            visit(*c);
            c = next;
        }
    }

    /// True when every connection is counted once and comes up no later than its deadline.
    bool check() const noexcept {
        std::array<std::size_t, life_state_count> seen{};
        std::size_t waiting = 0, actions = 0;
        for (const supervised* c = live_.front(); c != nullptr; c = live_.next(*c)) {
            ++seen[static_cast<std::size_t>(c->state_)];
            waiting += c->in_wheel();
            actions += life_actions::has_any(*c);
            const time_point deadline = limits_.deadline_of(*c);
            if (deadline != never && (!c->in_wheel() || c->key > deadline)) return false;
            if ((c->state_ == life_state::draining) != (c->reason_ != close_reason::none)) return false;
        }
        return seen == states_ && count(life_state::closed) == 0 && waiting == due_.size() &&
               actions == actions_.size() && due_.check();
    }

private:
    std::size_t count(life_state state) const noexcept { return states_[static_cast<std::size_t>(state)]; }
    void enter(supervised& c, life_state state) noexcept {
        assert(may_follow(c.state_, state));
        if (c.state_ != life_state::closed) --states_[static_cast<std::size_t>(c.state_)];
        if (state != life_state::closed) ++states_[static_cast<std::size_t>(state)];
        c.state_ = state;
    }
    void turn_to(supervised& c, activity doing, time_point now) noexcept {
        c.doing_ = doing;
        c.since_ = now;
        schedule(c);
    }

    void begin_request(supervised& c, time_point now) noexcept {
        ++counters_.requests;
        ++c.requests_;
        c.request_began_ = now;
        turn_to(c, activity::receiving, now);
    }
    void count_request(const supervised& c, time_point now, request_outcome outcome) noexcept {
        ++(outcome == request_outcome::served    ? counters_.served
           : outcome == request_outcome::refused ? counters_.refused_requests
                                                 : counters_.failed_requests);
        counters_.request_us.record(in_microseconds(now - c.request_began_));
    }

    // --- actions

    void tell(supervised& c) noexcept {
        if (c.state_ != life_state::open || c.told_) return;
        c.told_ = true;
        actions_.want(c, life_task::tell_draining);
    }
    /// It leaves the states of use, for a reason that stays.
    void leave(supervised& c, close_reason why, time_point now) noexcept {
        count_cut_request(c);
        c.reason_ = reason_of(c, why);
        enter(c, life_state::draining);
        actions_.drop(c, life_task::send_ping);
        actions_.drop(c, life_task::tell_draining);
        c.since_ = now;
        schedule(c);
    }
    void end(supervised& c, close_reason why, time_point now) noexcept {
        leave(c, why, now);
        actions_.want(c, life_task::close);
    }
    void end_request(supervised& c, close_reason why, time_point now) noexcept {
        c.request_limit_reached_ = true;
        end(c, why, now);
    }
    void cut(supervised& c, close_reason why) noexcept {
        if (c.cut_) return;
        c.cut_ = true;
        if (c.state_ != life_state::draining) leave(c, why, never);
        actions_.drop(c, life_task::close);
        actions_.want(c, life_task::abort);
    }
    /// Who was asked to leave, and did, left for that.
    static close_reason reason_of(const supervised& c, close_reason why) noexcept {
        const bool of_its_own = why == close_reason::peer_closed || why == close_reason::unused ||
                                why == close_reason::finished || why == close_reason::connection_close;
        return c.told_ && of_its_own ? close_reason::drained : why;
    }
    void count_cut_request(const supervised& c) noexcept { counters_.cut_requests += c.has_request(); }

    // --- deadlines

    /// Its place in the wheel may be too early, never too late: so what moves its deadline away costs nothing, and one
    /// that comes up too early is put in its place then.
    void schedule(supervised& c) noexcept {
        const time_point deadline = limits_.deadline_of(c);
        if (deadline == never) return;
        if (!c.in_wheel())
            due_.insert(c, deadline);
        else if (deadline < c.key)
            due_.rekey(c, deadline);
    }
    void limit_reached(supervised& c, time_point now) noexcept {
        switch (c.state_) {
            case life_state::accepted:
            case life_state::handshaking: return cut(c, close_reason::handshake_timed_out);
            case life_state::draining: return cut(c, c.reason_);
            case life_state::open: break;
            case life_state::closed: return;
        }
        if (limits_.end_of_activity(c) > now) return beat(c, now);
        if (!c.has_request() && c.dies_at_ <= now) return end(c, close_reason::max_lifetime, now);
        switch (c.doing_) {
            case activity::idle: return end(c, close_reason::idle_timeout, now);
            case activity::awaiting: return end(c, close_reason::request_timed_out, now);
            case activity::receiving: return end_request(c, close_reason::request_timed_out, now);
            case activity::working: return end_request(c, close_reason::handler_timed_out, now);
            case activity::replying: return cut(c, close_reason::slow_reader);
        }
    }
    /// An interval is over in which nothing came.
    void beat(supervised& c, time_point now) noexcept {
        if (limits_.heard_since_ping(c)) c.pings_ = 0;
        const bool active = options().heartbeats == heartbeat_mode::active;
        const std::uint32_t missed = active ? c.pings_ : c.pings_ + 1;
        if (missed >= options().max_missed_heartbeats) return cut(c, close_reason::heartbeat_missed);
        ++c.pings_;
        c.pinged_at_ = now;
        if (!active) return;
        ++counters_.pings;
        actions_.want(c, life_task::send_ping);
    }

    life_limits<Policies> limits_;
    base::random_source random_;
    inbound_counters counters_;
    base::deadline_wheel<supervised> due_;
    base::linked_list<supervised> live_;
    life_actions actions_;
    std::array<std::size_t, life_state_count> states_{};
    bool draining_ = false;
    time_point drain_deadline_ = never;
    close_reason stopped_ = close_reason::none;
};

}  // namespace hotpool::inbound
