// Denies an address after responses that say it is of no use, and lets it prove itself later.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/base/expiring_map.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/time.hpp"

namespace hotpool {

struct status_denial_options {
    /// The statuses that deny the address they come from; 403 is the usual one. Each from 300 to 599: others are what a
    /// trial succeeds by. Empty: no address is ever denied.
    std::vector<std::uint16_t> statuses;
    /// How long the first denial lasts; each failed trial doubles it. More than 0.
    duration deny_for = std::chrono::minutes(1);
    /// The longest denial. At least `deny_for`.
    duration deny_for_limit = std::chrono::hours(1);
    /// A trial of which nothing has been heard for so long does not count, and another may be made. More than 0.
    duration trial_timeout = std::chrono::seconds(30);
    /// An address on probation is as good as any other once nobody has tried it for so long. More than 0.
    duration forget_after = std::chrono::hours(1);
    /// Addresses remembered; one more is not denied. 1 or more; each takes about 200 bytes.
    std::size_t max_addresses = 4096;
};

/// Refuses numbers out of range or at odds with one another; corrects nothing.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const status_denial_options& options) {
    const auto require = [](bool kept, const char* field, const char* rule) {
        if (!kept) throw std::invalid_argument(std::string("hotpool::status_denial_options::") + field + " " + rule);
    };
    const auto may_deny = [](std::uint16_t status) { return status >= 300 && status <= 599; };
    require(std::all_of(options.statuses.begin(), options.statuses.end(), may_deny), "statuses",
            "must each be from 300 to 599");
    require(options.deny_for > duration::zero(), "deny_for", "must be more than 0");
    require(options.deny_for_limit >= options.deny_for, "deny_for_limit", "must be at least deny_for");
    require(options.trial_timeout > duration::zero(), "trial_timeout", "must be more than 0");
    require(options.forget_after > duration::zero(), "forget_after", "must be more than 0");
    require(options.max_addresses > 0, "max_addresses", "must be 1 or more");
}

/// How an address stands.
enum class denial_state : std::uint8_t {
    admitted,      ///< nothing is known against it
    denied,        ///< until its time is over
    on_probation,  ///< its time is over; whoever asks next makes the trial
    on_trial,      ///< a trial is under way, everybody else is refused
};

/// The answer to somebody who wants to use an address.
enum class admission : std::uint8_t {
    granted,
    trial,    ///< granted, and how it goes decides about the address
    refused,  ///< it is denied, or somebody else makes the trial
};

/// What a report has changed.
enum class denial_change : std::uint8_t {
    none,
    denied,
    denied_longer,  ///< the trial failed
    readmitted,     ///< the trial succeeded
    table_full,     ///< it would be denied, but for `max_addresses`
};

/// Says of each address whether it may be used. It knows nothing of connections: of an outbound address the
/// statuses are those that it answered, of an inbound one those that it was answered with. IPv4-mapped addresses
/// are IPv4 ones here.
///
/// Time is told with each call. A denial that is over leaves the address on probation: exactly one trial is
/// granted; a response with any status that is not listed readmits the address and forgets everything, one that
/// is listed, or `trial_failed`, denies it again for twice as long.
/// @threads distinct objects only
/// @cost logarithmic in the number of remembered addresses; a denial and a trial allocate, nothing else does
class status_denial {
public:
    /// @errors throws `std::invalid_argument` as `validate`
    explicit status_denial(status_denial_options options) : options_(checked(std::move(options))) {}

    denial_state state(const ip_address& address, time_point now) const noexcept {
        const auto* const known = records_.find(address.unmapped());
        if (known == nullptr || now >= known->expires) return denial_state::admitted;
        if (now < known->value.denied_until) return denial_state::denied;
        return now < known->value.trial_until ? denial_state::on_trial : denial_state::on_probation;
    }

    /// Somebody wants to use the address. If the answer is `admission::trial`, report how it went with
    /// `response_seen`, `trial_failed` or `trial_abandoned`.
    admission use_requested(const ip_address& address, time_point now) {
        switch (state(address, now)) {
            case denial_state::admitted: return admission::granted;
            case denial_state::denied:
            case denial_state::on_trial: return admission::refused;
            case denial_state::on_probation: break;
        }
        record r = records_.find(address.unmapped())->value;
        r.trial_until = base::after(now, options_.trial_timeout);
        remember(address, r);
        return admission::trial;
    }

    /// A response came, of a trial or of any other exchange: one that began before the denial counts for nothing
    /// while that lasts, and as evidence afterwards.
    /// @param status the final one, no 1xx before it
    denial_change response_seen(const ip_address& address, std::uint16_t status, time_point now) {
        const denial_state before = state(address, now);
        if (!denies(status)) {
            if (before != denial_state::on_trial) return denial_change::none;
            records_.erase(address.unmapped());
            return denial_change::readmitted;
        }
        if (before == denial_state::denied) return denial_change::none;
        if (before != denial_state::admitted) return deny_longer(address, now);
        time_passed(now);
        return deny(address, options_.deny_for, now) ? denial_change::denied : denial_change::table_full;
    }

    /// The trial ended without a response that says anything, as when no connection could be made.
    denial_change trial_failed(const ip_address& address, time_point now) {
        if (state(address, now) != denial_state::on_trial) return denial_change::none;
        return deny_longer(address, now);
    }

    /// The trial was given up for reasons of our own; another may be made at once.
    void trial_abandoned(const ip_address& address, time_point now) {
        if (state(address, now) != denial_state::on_trial) return;
        record r = records_.find(address.unmapped())->value;
        r.trial_until = now;
        remember(address, r);
    }

    /// Readmits the address whatever is known against it.
    void forget(const ip_address& address) noexcept { records_.erase(address.unmapped()); }

    /// Drops what is forgotten, which makes room then.
    void time_passed(time_point now) noexcept { records_.drop_due(now); }

    /// Addresses remembered, those included that are forgotten since the last `time_passed`.
    std::size_t size() const noexcept { return records_.size(); }

private:
    struct record {
        duration denied_for{};
        time_point denied_until{};
        time_point trial_until = time_point::min();
    };
    using records = base::expiring_map<ip_address, record>;

    static status_denial_options checked(status_denial_options options) {
        validate(options);
        return options;
    }

    bool denies(std::uint16_t status) const noexcept {
        return std::find(options_.statuses.begin(), options_.statuses.end(), status) != options_.statuses.end();
    }

    denial_change deny_longer(const ip_address& address, time_point now) {
        const duration last = records_.find(address.unmapped())->value.denied_for;
        const duration limit = options_.deny_for_limit;
        deny(address, last > limit / 2 ? limit : last * 2, now);
        return denial_change::denied_longer;
    }

    bool deny(const ip_address& address, duration span, time_point now) {
        return remember(address, {.denied_for = span, .denied_until = base::after(now, span)});
    }

    bool remember(const ip_address& address, const record& r) {
        const time_point known_until = std::max(r.denied_until, r.trial_until);
        return records_.put(address.unmapped(), r, base::after(known_until, options_.forget_after)) !=
               records::put_result::full;
    }

    status_denial_options options_;
    records records_{options_.max_addresses};
};

}  // namespace hotpool
