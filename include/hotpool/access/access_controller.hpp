// Which addresses pools may connect to: an access list and denial by status, shared between threads.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>

#include "hotpool/access/access_list.hpp"
#include "hotpool/access/status_denial.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/ip_block.hpp"
#include "hotpool/base/time.hpp"

namespace hotpool {

/// Give the same one to every pool that it concerns: `pool_services{.access = controller}`. A pool asks before it
/// connects, and once more whenever a connection comes back. A server may ask it of those who connect.
/// @threads any thread
class access_controller {
public:
    /// @param statuses which responses deny an address; by default none does
    /// @errors throws `std::invalid_argument` naming the field and the rule
    explicit access_controller(const access_options& list = {}, status_denial_options statuses = {})
        : list_(list), statuses_(std::move(statuses)) {}

    /// @param lasts how long; `duration::max()`: without end
    access_change allow(const ip_block& block, duration lasts = duration::max()) {
        const std::lock_guard lock(mutex_);
        return list_.allow(block, end_of(lasts));
    }
    access_change deny(const ip_block& block, duration lasts = duration::max()) {
        const std::lock_guard lock(mutex_);
        return list_.deny(block, end_of(lasts));
    }
    access_change remove(const ip_block& block) {
        const std::lock_guard lock(mutex_);
        return list_.remove(block);
    }
    /// Readmits an address that was denied for a status, whatever is known against it.
    void forget(const ip_address& address) {
        const std::lock_guard lock(mutex_);
        statuses_.forget(address);
    }

    /// Whether the address may be used, or tried once if it is on probation.
    bool allows(const ip_address& address, time_point now) const {
        const std::lock_guard lock(mutex_);
        if (list_.verdict(address, now) == access_verdict::denied) return false;
        const denial_state state = statuses_.state(address, now);
        return state == denial_state::admitted || state == denial_state::on_probation;
    }
    /// A connection is about to be made. One to an address on probation is its trial.
    admission use_requested(const ip_address& address, time_point now) {
        const std::lock_guard lock(mutex_);
        list_.time_passed(now);
        if (list_.verdict(address, now) == access_verdict::denied) return admission::refused;
        return statuses_.use_requested(address, now);
    }
    /// That connection could not be made.
    void use_failed(const ip_address& address, time_point now) {
        const std::lock_guard lock(mutex_);
        statuses_.trial_failed(address, now);
    }
    /// It was given up for reasons of our own.
    void use_abandoned(const ip_address& address, time_point now) {
        const std::lock_guard lock(mutex_);
        statuses_.trial_abandoned(address, now);
    }
    /// A connection to the address comes back.
    /// @param status of its last response; 0: there was none
    /// @return whether it may go on to be used
    bool came_back(const ip_address& address, std::uint16_t status, time_point now) {
        const std::lock_guard lock(mutex_);
        if (status != 0)
            statuses_.response_seen(address, status, now);
        else
            statuses_.trial_abandoned(address, now);
        return list_.verdict(address, now) == access_verdict::allowed &&
               statuses_.state(address, now) != denial_state::denied;
    }
    denial_state state(const ip_address& address, time_point now = clock_type::now()) const {
        const std::lock_guard lock(mutex_);
        return list_.verdict(address, now) == access_verdict::denied ? denial_state::denied
                                                                     : statuses_.state(address, now);
    }

private:
    static time_point end_of(duration lasts) noexcept { return base::after(clock_type::now(), lasts); }

    mutable std::mutex mutex_;
    access_list list_;
    status_denial statuses_;
};

}  // namespace hotpool
