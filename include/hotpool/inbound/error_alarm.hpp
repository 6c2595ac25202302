// Too large a share of errors lately: said once, and once when it is over.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "hotpool/base/time.hpp"

namespace hotpool::inbound {

struct error_alarm_options {
    /// What counts as lately. More than 0; at least 10 ns, one for each of its parts.
    duration window = std::chrono::seconds(60);
    /// So much must have happened lately before a share means anything. 0: the alarm is off.
    std::uint64_t min_events = 50;
    /// Raised when errors are this share of what happened, 0 to 1; more than 0.
    double raise_at = 0.5;
    /// Cleared when they are less than this share, at most `raise_at`.
    double clear_below = 0.25;
};

/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const error_alarm_options& options) {
    const auto refuse = [](const char* field, const char* rule) {
        throw std::invalid_argument(std::string("hotpool::inbound::error_alarm_options::") + field + " " + rule);
    };
    if (options.window < std::chrono::nanoseconds(10)) refuse("window", "must be at least 10 ns");
    if (!(options.raise_at > 0.0 && options.raise_at <= 1.0)) refuse("raise_at", "must be more than 0 and at most 1");
    if (!(options.clear_below >= 0.0 && options.clear_below <= options.raise_at))
        refuse("clear_below", "must be from 0 to raise_at");
}

enum class alarm_change : std::uint8_t { none, raised, cleared };

/// Counts what went well and what did not over a window that moves in tenths of its length.
/// @threads distinct objects only
/// @cost constant, 200 bytes
class error_alarm {
public:
    /// @errors throws `std::invalid_argument`
    explicit error_alarm(const error_alarm_options& options = {}) : options_((validate(options), options)) {}

    alarm_change success_seen(time_point now) noexcept { return seen(now, 0); }
    alarm_change error_seen(time_point now) noexcept { return seen(now, 1); }
    /// What is no longer lately is forgotten, which may clear the alarm.
    alarm_change time_passed(time_point now) noexcept {
        move_to(now);
        return judge();
    }
    /// When to call `time_passed`, while the alarm is raised.
    time_point next_deadline() const noexcept {
        return raised_ ? time_point{duration{(part_ + 1) * part_length().count()}} : never;
    }

    bool is_raised() const noexcept { return raised_; }
    /// 0 when nothing happened lately.
    double share() const noexcept {
        return total_.events == 0 ? 0.0 : static_cast<double>(total_.errors) / static_cast<double>(total_.events);
    }

private:
    static constexpr duration::rep parts = 10;
    struct tally {
        std::uint64_t events = 0;
        std::uint64_t errors = 0;
    };

    duration part_length() const noexcept { return options_.window / parts; }

    alarm_change seen(time_point now, std::uint64_t error) noexcept {
        if (options_.min_events == 0) return alarm_change::none;
        move_to(now);
        tally& here = tallies_[static_cast<std::size_t>(part_ % parts)];
        ++here.events, ++total_.events;
        here.errors += error, total_.errors += error;
        return judge();
    }
    /// Parts that have left the window are empty again. A clock that is a little late counts for the present part.
    void move_to(time_point now) noexcept {
        const duration::rep part = now.time_since_epoch() / part_length();
        for (duration::rep steps = 0; part_ < part; ++steps) {
            if (steps == parts) {
                part_ = part;
                break;
            }
            tally& old = tallies_[static_cast<std::size_t>(++part_ % parts)];
            total_.events -= old.events, total_.errors -= old.errors;
            old = {};
        }
    }
    alarm_change judge() noexcept {
        if (!raised_) {
            raised_ = options_.min_events != 0 && total_.events >= options_.min_events && share() >= options_.raise_at;
            return raised_ ? alarm_change::raised : alarm_change::none;
        }
        raised_ = share() >= options_.clear_below && total_.errors != 0;
        return raised_ ? alarm_change::none : alarm_change::cleared;
    }

    error_alarm_options options_;
    std::array<tally, parts> tallies_{};
    tally total_{};
    duration::rep part_ = 0;  // the number of the present part, since the clock began
    bool raised_ = false;
};

}  // namespace hotpool::inbound
