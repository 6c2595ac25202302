// Why an accepted connection ended; the same word is the metric's label.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hotpool::inbound {

/// Every connection that was admitted ends for exactly one of these.
enum class close_reason : std::uint8_t {
    none,                 ///< it has not ended
    peer_closed,          ///< the peer closed it, in order
    unused,               ///< the peer closed or reset it before its first byte: a look at the port, no error
    finished,             ///< the program closed it
    aborted,              ///< the program aborted it
    connection_close,     ///< request or reply said `Connection: close`
    max_requests,         ///< as many requests as one connection may bring
    max_lifetime,         ///< older than allowed
    idle_timeout,         ///< nothing came for longer than allowed
    handshake_failed,     ///< the TLS handshake failed
    handshake_timed_out,  ///< the TLS handshake took too long
    half_open,            ///< the oldest in its handshake, it made room for a newcomer: `max_handshakes`
    request_timed_out,    ///< a request took too long to come
    handler_timed_out,    ///< a request was not answered in time
    heartbeat_missed,     ///< nothing came back after as many pings as allowed
    protocol_error,       ///< the peer broke the protocol
    transport_error,      ///< reading or writing failed
    slow_reader,          ///< it read too slowly: its queue was full, or a reply made no progress
    group_blocked,        ///< its group was blocked
    resources,            ///< descriptors or memory were short
    memory_limit,         ///< requests and replies took too much memory, and this one most for longest
    drained,              ///< it left when the server asked it to
    drain_timed_out,      ///< it had not left when the drain's deadline passed
    acceptor_closed,      ///< the acceptor was closed
};

inline constexpr std::size_t close_reason_count = static_cast<std::size_t>(close_reason::acceptor_closed) + 1;

/// The reason as a metric label, for example `idle_timeout`.
constexpr const char* to_string(close_reason reason) noexcept {
    switch (reason) {
        case close_reason::none: return "none";
        case close_reason::peer_closed: return "peer_closed";
        case close_reason::unused: return "unused";
        case close_reason::finished: return "finished";
        case close_reason::aborted: return "aborted";
        case close_reason::connection_close: return "connection_close";
        case close_reason::max_requests: return "max_requests";
        case close_reason::max_lifetime: return "max_lifetime";
        case close_reason::idle_timeout: return "idle_timeout";
        case close_reason::handshake_failed: return "handshake_failed";
        case close_reason::handshake_timed_out: return "handshake_timed_out";
        case close_reason::half_open: return "half_open";
        case close_reason::request_timed_out: return "request_timed_out";
        case close_reason::handler_timed_out: return "handler_timed_out";
        case close_reason::heartbeat_missed: return "heartbeat_missed";
        case close_reason::protocol_error: return "protocol_error";
        case close_reason::transport_error: return "transport_error";
        case close_reason::slow_reader: return "slow_reader";
        case close_reason::group_blocked: return "group_blocked";
        case close_reason::resources: return "resources";
        case close_reason::memory_limit: return "memory_limit";
        case close_reason::drained: return "drained";
        case close_reason::drain_timed_out: return "drain_timed_out";
        case close_reason::acceptor_closed: return "acceptor_closed";
    }
    return "unknown";
}

}  // namespace hotpool::inbound
