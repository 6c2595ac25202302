// Why a connection or a request is not admitted; the same word is the metric's label.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hotpool::inbound {

/// Whoever is refused is refused for exactly one of these, the first that applies.
enum class refuse_reason : std::uint8_t {
    none,               ///< admitted
    draining,           ///< the server is going away
    denied,             ///< the access list denies the address
    blocked,            ///< its group is blocked for a time
    resources,          ///< descriptors or memory are short
    total_connections,  ///< as many connections as the server allows
    group_connections,  ///< as many connections as a group may have
    half_open,          ///< too many handshakes under way
    group_requests,     ///< the group's quota of requests is used up
    group_table_full,   ///< every group that is known has connections
    no_ticket,          ///< the connection was never admitted here, or has ended
};

inline constexpr std::size_t refuse_reason_count = static_cast<std::size_t>(refuse_reason::no_ticket) + 1;

/// The reason as a metric label, for example `group_connections`.
constexpr const char* to_string(refuse_reason reason) noexcept {
    switch (reason) {
        case refuse_reason::none: return "none";
        case refuse_reason::draining: return "draining";
        case refuse_reason::denied: return "denied";
        case refuse_reason::blocked: return "blocked";
        case refuse_reason::resources: return "resources";
        case refuse_reason::total_connections: return "total_connections";
        case refuse_reason::group_connections: return "group_connections";
        case refuse_reason::half_open: return "half_open";
        case refuse_reason::group_requests: return "group_requests";
        case refuse_reason::group_table_full: return "group_table_full";
        case refuse_reason::no_ticket: return "no_ticket";
    }
    return "unknown";
}

}  // namespace hotpool::inbound
