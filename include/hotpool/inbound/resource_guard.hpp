// Refuses newcomers before descriptors or memory are out.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "hotpool/base/time.hpp"

namespace hotpool::inbound {

/// What the process has of what may run out. A limit of 0 is not known, and guards nothing; a use of 0 could not be read.
struct resource_usage {
    std::size_t descriptors_used = 0;
    std::size_t descriptors_limit = 0;
    std::size_t memory_used_bytes = 0;
    std::size_t memory_limit_bytes = 0;

    friend bool operator==(const resource_usage&, const resource_usage&) = default;
};

/// Shares of the limits, 0 to 1; what resumes is at most what refuses. A share of 1 refuses when nothing is left.
struct resource_options {
    /// The rest is for what connections lead to: files, databases, peers.
    double refuse_descriptors_at = 0.90;
    double resume_descriptors_at = 0.85;
    double refuse_memory_at = 0.90;
    double resume_memory_at = 0.85;
    /// How often the process is looked at. 0: never, nothing is guarded.
    duration check_interval = std::chrono::seconds(1);
};

/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const resource_options& options) {
    const auto refuse = [](const char* field, const char* rule) {
        throw std::invalid_argument(std::string("hotpool::inbound::resource_options::") + field + " " + rule);
    };
    const auto require_share = [&](double value, const char* field) {
        if (!(value >= 0.0 && value <= 1.0)) refuse(field, "must be from 0 to 1");
    };
    require_share(options.refuse_descriptors_at, "refuse_descriptors_at");
    require_share(options.resume_descriptors_at, "resume_descriptors_at");
    require_share(options.refuse_memory_at, "refuse_memory_at");
    require_share(options.resume_memory_at, "resume_memory_at");
    if (options.resume_descriptors_at > options.refuse_descriptors_at)
        refuse("resume_descriptors_at", "must be at most refuse_descriptors_at");
    if (options.resume_memory_at > options.refuse_memory_at)
        refuse("resume_memory_at", "must be at most refuse_memory_at");
    if (options.check_interval < duration::zero()) refuse("check_interval", "must not be negative");
}

enum class resource_state : std::uint8_t {
    ample,
    descriptors_short,
    memory_short,  ///< descriptors may be short as well
};

/// What an input has changed, said once.
enum class resource_change : std::uint8_t { none, became_short, recovered };

/// Told now and then what the process uses, and in between of each connection that comes and goes.
/// @threads distinct objects only
class resource_guard {
public:
    /// @errors throws `std::invalid_argument`
    explicit resource_guard(const resource_options& options = {}) : options_((validate(options), options)) {}

    /// The process was looked at. A use that could not be read is as it was: where descriptors are out, nothing can be
    /// opened to count them.
    resource_change usage_read(const resource_usage& usage) noexcept {
        const resource_usage before = std::exchange(usage_, usage);
        if (usage_.descriptors_used == 0) usage_.descriptors_used = before.descriptors_used;
        if (usage_.memory_used_bytes == 0) usage_.memory_used_bytes = before.memory_used_bytes;
        return judge();
    }
    /// One more descriptor is in use since then.
    resource_change descriptor_taken() noexcept {
        ++usage_.descriptors_used;
        return judge();
    }
    resource_change descriptor_given_back() noexcept {
        usage_.descriptors_used -= usage_.descriptors_used != 0;
        return judge();
    }

    resource_state state() const noexcept {
        if (memory_short_) return resource_state::memory_short;
        return descriptors_short_ ? resource_state::descriptors_short : resource_state::ample;
    }
    const resource_usage& usage() const noexcept { return usage_; }
    const resource_options& options() const noexcept { return options_; }

private:
    /// Short from the higher share on, until there is less than the lower one.
    static bool is_short(bool before, std::size_t used, std::size_t limit, double refuse_at,
                         double resume_at) noexcept {
        if (limit == 0) return false;
        return static_cast<double>(used) >= static_cast<double>(limit) * (before ? resume_at : refuse_at);
    }
    resource_change judge() noexcept {
        const bool before = state() != resource_state::ample;
        descriptors_short_ = is_short(descriptors_short_, usage_.descriptors_used, usage_.descriptors_limit,
                                      options_.refuse_descriptors_at, options_.resume_descriptors_at);
        memory_short_ = is_short(memory_short_, usage_.memory_used_bytes, usage_.memory_limit_bytes,
                                 options_.refuse_memory_at, options_.resume_memory_at);
        const bool after = state() != resource_state::ample;
        if (before == after) return resource_change::none;
        return after ? resource_change::became_short : resource_change::recovered;
    }

    resource_options options_;
    resource_usage usage_{};
    bool descriptors_short_ = false;
    bool memory_short_ = false;
};

}  // namespace hotpool::inbound
