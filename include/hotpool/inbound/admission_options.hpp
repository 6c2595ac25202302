// The numbers of an admission, their ranges, and where they may come from.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "hotpool/base/time.hpp"
#include "hotpool/http/grammar.hpp"
#include "hotpool/inbound/peer_group.hpp"
#include "hotpool/inbound/trusted_proxies.hpp"

namespace hotpool::inbound {

/// Fill in what differs from the defaults: `admission_options{.max_connections_per_group = 20}`.
struct admission_options {
    /// What is counted as one peer.
    grouping groups{};
    /// Connections of one group. 0: no limit. 10: a browser opens 6. Those from trusted proxies are not held to it,
    /// since they are of many clients.
    std::uint32_t max_connections_per_group = 10;
    /// Connections of all groups, half-open ones included. 0: no limit. Below the number of descriptors.
    std::size_t max_connections = 10'000;
    /// Connections in their handshake, of all groups. 0: no limit. An acceptor lets a newcomer take the place of another
    /// then: in a flood of 1,000 connections a second a client has a quarter of a second for its handshake.
    std::size_t max_handshakes = 256;
    /// Requests of one group in a window. 0: no limit.
    std::uint32_t max_requests_per_group = 1000;
    /// More than 0, at most 366 days.
    duration request_window = std::chrono::hours(1);
    /// When to come back after a refusal of which nobody knows when its cause ends, since it ends with others'
    /// connections. 0 or more; 0 says nothing.
    duration busy_retry_after = std::chrono::seconds(1);
    /// Groups remembered, the ceiling of memory: `basic_admission::bytes_per_group` for each. 1 to 2^31; stays as it
    /// was made. More than `max_connections`, or new groups may be refused.
    std::size_t max_groups = 65'536;
    /// Whose word about their clients is taken; nobody's unless named.
    trusted_proxies proxies{};

    /// `base` with what the environment says otherwise: `MAX_CONNECTIONS_PER_IP` and `MAX_REQUESTS_PER_IP_PER_HOUR`, 0
    /// to 4294967295 in decimal digits without zeros in front; 0 is no limit. The latter sets `request_window` too.
    /// @param lookup the value of a variable by its name, null if it is not set
    /// @errors throws `std::invalid_argument` naming the variable, its text and the rule
    template <class Lookup>
    static admission_options from_environment(admission_options base, Lookup&& lookup) {
        read_variable(lookup, "MAX_CONNECTIONS_PER_IP", base.max_connections_per_group);
        if (read_variable(lookup, "MAX_REQUESTS_PER_IP_PER_HOUR", base.max_requests_per_group))
            base.request_window = std::chrono::hours(1);
        return base;
    }
    /// From that of the process.
    /// @threads any thread, as long as none changes the environment
    static admission_options from_environment(admission_options base);
    static admission_options from_environment();

    friend bool operator==(const admission_options&, const admission_options&) = default;

private:
    /// Whether the variable is set.
    template <class Lookup>
    static bool read_variable(Lookup&& lookup, const char* name, std::uint32_t& out) {
        const char* const value = lookup(name);
        if (value == nullptr) return false;
        const std::string_view text{value};
        const auto number = http::parse_decimal(text);
        const bool zeros_in_front = text.size() > 1 && text.front() == '0';
        if (!number || zeros_in_front || *number > std::numeric_limits<std::uint32_t>::max())
            throw std::invalid_argument("the environment variable " + std::string(name) + " is \"" + std::string(text) +
                                        "\", but must be a decimal number from 0 to 4294967295 without zeros in front");
        out = static_cast<std::uint32_t>(*number);
        return true;
    }
};

/// Refuses numbers out of range; corrects nothing.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const admission_options& options) {
    const auto require = [](bool kept, const char* field, const char* rule) {
        if (!kept)
            throw std::invalid_argument(std::string("hotpool::inbound::admission_options::") + field + " " + rule);
    };
    inbound::validate(options.groups);
    require(options.request_window > duration::zero(), "request_window", "must be more than 0");
    require(options.request_window <= std::chrono::hours(24 * 366), "request_window", "must be at most 366 days");
    require(options.busy_retry_after >= duration::zero(), "busy_retry_after", "must not be negative");
    require(options.max_groups > 0, "max_groups", "must be 1 or more");
    require(options.max_groups <= std::size_t{1} << 31, "max_groups", "must be at most 2^31");
}

inline admission_options admission_options::from_environment(admission_options base) {
    return from_environment(std::move(base), [](const char* name) { return std::getenv(name); });
}
inline admission_options admission_options::from_environment() { return from_environment(admission_options{}); }

}  // namespace hotpool::inbound
