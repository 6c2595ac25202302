// The machine of what goes wrong beyond one connection: what is short, how much fails, and who fails too often.
#pragma once

#include <algorithm>
#include <cstdint>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/time.hpp"
#include "hotpool/inbound/acceptor_options.hpp"
#include "hotpool/inbound/error_alarm.hpp"
#include "hotpool/inbound/group_health.hpp"
#include "hotpool/inbound/inbound_event.hpp"
#include "hotpool/inbound/peer_group.hpp"
#include "hotpool/inbound/resource_guard.hpp"

namespace hotpool::inbound {

/// Guards the resources of the process, raises and clears the alarm, counts the errors of groups, and keeps the events
/// of an acceptor until its listener is told. No I/O, clock or lock.
/// @threads distinct objects only
class recovery {
public:
    explicit recovery(const acceptor_options& options)
        : guard_(options.resources), alarm_(options.alarm), health_(options.health) {
        wants_usage_ = options.resources.check_interval != duration::zero();
    }

    /// Everything begins anew.
    /// @return what has changed by that for admission
    /// @errors throws `std::bad_alloc`, nothing has changed then
    resource_change options_changed(const acceptor_options& options, time_point now) {
        group_health fresh(options.health);
        const bool was_short = is_short();
        if (was_short) tell({.kind = inbound_event_kind::resources_recovered});
        if (alarm_.is_raised()) tell({.kind = inbound_event_kind::alarm_cleared});
        guard_ = resource_guard(options.resources);
        alarm_ = error_alarm(options.alarm);
        health_ = std::move(fresh);
        check_after(now);
        return was_short ? resource_change::recovered : resource_change::none;
    }

    // --- events

    void listen(bool on) noexcept { events_.listen(on); }
    bool listens() const noexcept { return events_.listens(); }
    /// Where memory is out the event is lost, but not what it is about.
    void tell(const inbound_event& event) noexcept {
        try {
            events_.add(event);
        } catch (const std::bad_alloc&) {
        }
    }
    bool has_events() const noexcept { return !events_.empty(); }
    std::vector<inbound_event> take_events() noexcept { return events_.take(); }

    // --- resources; what they return is for admission

    /// Whether somebody is to look at the process, and tell `usage_read`.
    bool wants_usage() const noexcept { return wants_usage_; }
    void usage_asked() noexcept { wants_usage_ = false; }
    resource_change usage_read(const resource_usage& usage, time_point now) noexcept {
        if (guard_.options().check_interval == duration::zero())
            return resource_change::none;  // since it was asked for
        check_due_ = base::after(now, guard_.options().check_interval);
        return told(guard_.usage_read(usage));
    }
    resource_change descriptor_taken() noexcept { return told(guard_.descriptor_taken()); }
    resource_change descriptor_given_back() noexcept { return told(guard_.descriptor_given_back()); }
    bool is_short() const noexcept { return guard_.state() != resource_state::ample; }
    const resource_usage& usage() const noexcept { return guard_.usage(); }

    // --- what goes well, and what does not

    void success_seen(time_point now) noexcept { told(alarm_.success_seen(now), {}); }
    void error_seen(time_point now, std::error_code error) noexcept { told(alarm_.error_seen(now), error); }
    bool alarms_now() const noexcept { return alarm_.is_raised(); }
    std::uint64_t alarms() const noexcept { return alarms_; }

    /// @return for how long the group is to be blocked, which has made too many by now; 0: not yet
    duration group_error_seen(const peer_group& group, time_point now) noexcept {
        try {
            if (health_.error_seen(group, now) == group_verdict::block) return health_.options().block_for;
        } catch (const std::bad_alloc&) {  // what cannot be remembered does not count
        }
        return duration::zero();
    }

    // --- time

    time_point next_due() const noexcept { return std::min(check_due_, alarm_.next_deadline()); }
    void time_passed(time_point now) noexcept {
        told(alarm_.time_passed(now), {});
        if (check_due_ > now) return;
        check_due_ = never;
        wants_usage_ = true;
    }

private:
    void check_after(time_point due) noexcept {
        check_due_ = guard_.options().check_interval == duration::zero() ? never : due;
    }
    resource_change told(resource_change change) noexcept {
        if (change == resource_change::became_short) tell({.kind = inbound_event_kind::resources_short});
        if (change == resource_change::recovered) tell({.kind = inbound_event_kind::resources_recovered});
        return change;
    }
    void told(alarm_change change, std::error_code error) noexcept {
        if (change == alarm_change::none) return;
        const bool raised = change == alarm_change::raised;
        alarms_ += raised;
        tell({.kind = raised ? inbound_event_kind::alarm_raised : inbound_event_kind::alarm_cleared, .error = error});
    }

    resource_guard guard_;
    error_alarm alarm_;
    group_health health_;
    inbound_event_queue events_;
    std::uint64_t alarms_ = 0;
    time_point check_due_ = never;
    bool wants_usage_ = false;
};

}  // namespace hotpool::inbound
