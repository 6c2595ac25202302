// Why a connection ended; the same word is the metric's label.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hotpool {

/// Every connection that was opened ends for exactly one of these.
enum class retire_reason : std::uint8_t {
    none,                 ///< it has not ended
    idle_timeout,         ///< idle longer than allowed
    max_lifetime,         ///< older than allowed
    max_requests,         ///< leased as often as allowed
    peer_closed,          ///< the peer closed it while idle, or it was found closed on the way out
    unsolicited_bytes,    ///< bytes arrived while it was idle
    surplus,              ///< more idle connections than `max_idle`
    connection_close,     ///< request or response said `Connection: close`, or the body ran to the end of the stream
    not_clean,            ///< given back in the middle of an exchange, or without `put` after use as a stream
    body_not_drained,     ///< the unread rest of a body was too large or too slow
    protocol_error,       ///< the peer broke HTTP, or sent more than its response
    transport_error,      ///< reading or writing failed
    lease_deadline,       ///< the request's deadline passed, or one of its phases took too long
    cancelled,            ///< the caller cancelled the exchange
    probe_failed,         ///< a health probe failed
    detached,             ///< handed over to the caller: upgrade, CONNECT, `detach`
    limits_lowered,       ///< the pool was given smaller limits
    made_room,            ///< a caller that wants a fresh connection needed the room
    budget,               ///< another pool of the same budget needed the room
    network_changed,      ///< the program said that the network is another one
    endpoint_gone,        ///< its address left the origin's name
    endpoint_ejected,     ///< its address failed too often
    access_denied,        ///< the access list denies its address now
    rotated,              ///< the transport has new options, as a new certificate
    distrusted,           ///< idle as long as one that turned out dead, or unheard of since one was silent
    certificate_refused,  ///< the peer wants another certificate of this side
    validation_failed,    ///< it was new and failed its validation
    leaked,               ///< its lease was held too long, its place was taken back
    discarded,            ///< the caller asked for it
    drained,              ///< the pool drains
    pool_closed,          ///< the pool was closed
};

inline constexpr std::size_t retire_reason_count = static_cast<std::size_t>(retire_reason::pool_closed) + 1;

/// The reason as a metric label, for example `idle_timeout`.
constexpr const char* to_string(retire_reason reason) noexcept {
    switch (reason) {
        case retire_reason::none: return "none";
        case retire_reason::idle_timeout: return "idle_timeout";
        case retire_reason::max_lifetime: return "max_lifetime";
        case retire_reason::max_requests: return "max_requests";
        case retire_reason::peer_closed: return "peer_closed";
        case retire_reason::unsolicited_bytes: return "unsolicited_bytes";
        case retire_reason::surplus: return "surplus";
        case retire_reason::connection_close: return "connection_close";
        case retire_reason::not_clean: return "not_clean";
        case retire_reason::body_not_drained: return "body_not_drained";
        case retire_reason::protocol_error: return "protocol_error";
        case retire_reason::transport_error: return "transport_error";
        case retire_reason::lease_deadline: return "lease_deadline";
        case retire_reason::cancelled: return "cancelled";
        case retire_reason::probe_failed: return "probe_failed";
        case retire_reason::detached: return "detached";
        case retire_reason::limits_lowered: return "limits_lowered";
        case retire_reason::made_room: return "made_room";
        case retire_reason::budget: return "budget";
        case retire_reason::network_changed: return "network_changed";
        case retire_reason::endpoint_gone: return "endpoint_gone";
        case retire_reason::endpoint_ejected: return "endpoint_ejected";
        case retire_reason::access_denied: return "access_denied";
        case retire_reason::rotated: return "rotated";
        case retire_reason::distrusted: return "distrusted";
        case retire_reason::certificate_refused: return "certificate_refused";
        case retire_reason::validation_failed: return "validation_failed";
        case retire_reason::leaked: return "leaked";
        case retire_reason::discarded: return "discarded";
        case retire_reason::drained: return "drained";
        case retire_reason::pool_closed: return "pool_closed";
    }
    return "unknown";
}

}  // namespace hotpool
