// The supervisor's rules with plain times and no wheel: every connection is looked at each time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "hotpool/inbound/connection_supervisor.hpp"

namespace hotpool::test {

using namespace hotpool::inbound;
using namespace std::chrono_literals;

/// What the rules know of one connection.
struct reference_connection {
    life_state state = life_state::accepted;
    activity doing = activity::idle;
    time_point accepted_at{}, since{}, heard{}, dies = never, last_beat = time_point::min();
    std::uint32_t missed = 0;
    std::uint64_t requests = 0, lingered = 0;
    bool told = false, cut = false, heard_since_beat = false;
    close_reason reason = close_reason::none;
    std::set<life_task> wanted{};

    bool in_request() const { return state == life_state::open && doing > activity::awaiting; }
};

/// @tparam Rules with `idle(options)`, `life(options)` and `spent(options, requests)`
template <class Rules>
class reference_supervisor {
public:
    explicit reference_supervisor(const life_options& options) : options_(options) {}

    std::map<int, reference_connection> all;
    std::uint64_t served = 0, cut_requests = 0;
    life_options options_;
    bool draining = false;
    time_point drain_deadline = never;
    close_reason stopped = close_reason::none;

    void accepted(int id, time_point now) {
        all[id] = {.accepted_at = now};
        if (stopped != close_reason::none) cut(all[id], stopped);
    }
    void opened(reference_connection& c, time_point now) {
        if (c.state == life_state::draining) return;
        c.state = life_state::open;
        c.since = c.heard = now;
        c.dies = base::after(now, Rules::life(options_));
        if (draining) tell(c);
    }
    void heard(reference_connection& c, time_point now) {
        c.heard = std::max(c.heard, now);
        c.heard_since_beat = true;
    }
    void request_begun(reference_connection& c, time_point now) {
        if (c.state != life_state::open) return;
        ++c.requests;
        turn(c, activity::receiving, now);
    }
    void turn(reference_connection& c, activity doing, time_point now) {
        c.doing = doing;
        c.since = now;
    }
    void request_ended(reference_connection& c, time_point now) {
        if (!c.in_request()) return;
        ++served;
        turn(c, activity::idle, now);
        if (const close_reason why = last(c, now); why != close_reason::none) close(c, why, now, true);
    }
    close_reason last(const reference_connection& c, time_point now) const {
        if (c.reason != close_reason::none) return c.reason;
        if (c.told) return close_reason::drained;
        if (Rules::spent(options_, c.requests)) return close_reason::max_requests;
        if (now >= c.dies) return close_reason::max_lifetime;
        return Rules::idle(options_) <= 0s ? close_reason::idle_timeout : close_reason::none;
    }
    void close(reference_connection& c, close_reason why, time_point now, bool ask) {
        if (c.state == life_state::draining) {
            if (!ask) c.wanted.erase(life_task::close);
            return;
        }
        leave(c, why);
        c.since = now;
        if (ask) c.wanted.insert(life_task::close);
    }
    void cut(reference_connection& c, close_reason why) {
        if (c.cut) return;
        if (c.state != life_state::draining) leave(c, why);
        c.cut = true;
        c.wanted = {life_task::abort};
    }
    void linger(reference_connection& c, std::uint64_t bytes) {
        c.lingered += bytes;
        if (c.lingered > options_.max_linger_bytes) cut(c, c.reason);
    }
    close_reason ended(int id, close_reason why) {
        reference_connection& c = all[id];
        cut_requests += c.in_request();
        const close_reason result = c.reason == close_reason::none ? renamed(c, why) : c.reason;
        all.erase(id);
        return result;
    }
    void drain(time_point deadline) {
        draining = true;
        drain_deadline = deadline;
        for (auto& [id, c] : all) tell(c);
    }
    void stop(close_reason why) {
        if (stopped == close_reason::none) stopped = why;
        draining = true;
        drain_deadline = never;
        for (auto& [id, c] : all) cut(c, stopped);
    }

    void time_passed(time_point now) {
        if (now >= drain_deadline) stop(close_reason::drain_timed_out);
        for (auto& [id, c] : all)
            while (look(c, now)) {
            }
    }
    /// When something happens if nothing is told before.
    time_point next() const {
        time_point earliest = drain_deadline;
        for (const auto& [id, c] : all) earliest = std::min(earliest, next_of(c));
        return earliest;
    }
    life_counts counts() const {
        life_counts n;
        for (const auto& [id, c] : all)
            ++(c.state == life_state::accepted      ? n.accepted
               : c.state == life_state::handshaking ? n.handshaking
               : c.state == life_state::open        ? n.open
                                                    : n.draining);
        return n;
    }

private:
    static time_point plus(time_point from, duration span) { return span == 0s ? never : base::after(from, span); }

    close_reason renamed(const reference_connection& c, close_reason why) const {
        const std::set<close_reason> own = {close_reason::peer_closed, close_reason::unused, close_reason::finished,
                                            close_reason::connection_close};
        return c.told && own.count(why) != 0 ? close_reason::drained : why;
    }
    void tell(reference_connection& c) {
        if (c.state != life_state::open || c.told) return;
        c.told = true;
        c.wanted.insert(life_task::tell_draining);
    }
    void leave(reference_connection& c, close_reason why) {
        cut_requests += c.in_request();
        c.reason = renamed(c, why);
        c.state = life_state::draining;
        c.wanted.clear();
    }

    time_point silence_ends(const reference_connection& c) const {
        return plus(std::max(c.heard, c.last_beat), options_.heartbeat_interval);
    }
    /// When what it is doing has lasted too long.
    time_point patience_ends(const reference_connection& c) const {
        switch (c.doing) {
            case activity::idle: return base::after(std::max(c.since, c.heard), Rules::idle(options_));
            case activity::awaiting:
            case activity::receiving: return plus(c.since, options_.request_timeout);
            case activity::replying: return plus(c.since, options_.reply_timeout);
            case activity::working: return plus(c.since, options_.handler_timeout);
        }
        return never;
    }
    time_point next_of(const reference_connection& c) const {
        if (c.state < life_state::open) return plus(c.accepted_at, options_.handshake_timeout);
        if (c.state == life_state::draining) return c.cut ? never : base::after(c.since, options_.linger_timeout);
        return std::min({patience_ends(c), silence_ends(c), c.in_request() ? never : c.dies});
    }
    /// True when something happened.
    bool look(reference_connection& c, time_point now) {
        if (c.state < life_state::open) {
            if (now < plus(c.accepted_at, options_.handshake_timeout)) return false;
            cut(c, close_reason::handshake_timed_out);
            return true;
        }
        if (c.state == life_state::draining) {
            if (c.cut || now < base::after(c.since, options_.linger_timeout)) return false;
            cut(c, c.reason);
            return true;
        }
        if (!c.in_request() && now >= c.dies) {
            close(c, close_reason::max_lifetime, now, true);
            return true;
        }
        if (now >= patience_ends(c)) {
            if (c.doing == activity::replying)
                cut(c, close_reason::slow_reader);
            else
                close(c,
                      c.doing == activity::idle      ? close_reason::idle_timeout
                      : c.doing == activity::working ? close_reason::handler_timed_out
                                                     : close_reason::request_timed_out,
                      now, true);
            return true;
        }
        if (now < silence_ends(c)) return false;
        if (std::exchange(c.heard_since_beat, false)) c.missed = 0;
        const bool passive = options_.heartbeats == heartbeat_mode::passive;
        if (c.missed + passive >= options_.max_missed_heartbeats) {
            cut(c, close_reason::heartbeat_missed);
            return true;
        }
        ++c.missed;
        c.last_beat = now;
        if (!passive) c.wanted.insert(life_task::send_ping);
        return true;
    }
};

}  // namespace hotpool::test
