// What the operations of a connection fail with that its acceptor has ended, and how its socket ends.
#pragma once

#include <cstdint>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/inbound/close_reason.hpp"

namespace hotpool::inbound {

enum class ending : std::uint8_t {
    orderly,  ///< TLS says goodbye where it can at once, and TCP sends what is on its way
    abrupt,   ///< at once, with a reset
};

inline std::error_code error_of(close_reason why) noexcept {
    switch (why) {
        case close_reason::max_requests:
        case close_reason::max_lifetime: return errc::lifetime_over;
        case close_reason::idle_timeout: return errc::idle_timed_out;
        case close_reason::handshake_timed_out: return errc::handshake_timed_out;
        case close_reason::slow_reader:
        case close_reason::handler_timed_out:
        case close_reason::request_timed_out: return errc::request_timed_out;
        case close_reason::heartbeat_missed: return errc::heartbeat_missed;
        case close_reason::group_blocked: return errc::group_blocked;
        case close_reason::memory_limit:
        case close_reason::resources: return errc::resources_short;
        case close_reason::drained:
        case close_reason::drain_timed_out: return errc::connection_drained;
        case close_reason::acceptor_closed: return errc::acceptor_closed;
        default: return errc::cancelled;
    }
}

/// What a read or a write has found out about the connection.
/// @param heard whether a byte of the peer's had come
inline close_reason found_by(const std::error_code& error, bool heard) noexcept {
    if (error == errc::tls_record_flood) return close_reason::protocol_error;
    if (!heard) return close_reason::unused;
    return error == errc::connection_closed ? close_reason::peer_closed : close_reason::transport_error;
}

/// Whether a handshake failed since the peer has left before its first byte.
template <class Stream>
bool left_unheard([[maybe_unused]] const Stream& stream, const std::error_code& error) noexcept {
    if constexpr (requires { stream.has_received(); })
        return error == errc::handshake_closed && !stream.has_received();
    else
        return false;
}

/// Of a connection that is to be cut. Who keeps silent, or does not read, must not hold on to the system's buffers; where
/// the peer is not to blame, what is on its way to it is still sent.
constexpr ending ending_of(close_reason why) noexcept {
    switch (why) {
        case close_reason::aborted:
        case close_reason::handshake_timed_out:
        case close_reason::half_open:
        case close_reason::request_timed_out:
        case close_reason::heartbeat_missed:
        case close_reason::slow_reader:
        case close_reason::drain_timed_out: return ending::abrupt;
        default: return ending::orderly;
    }
}

}  // namespace hotpool::inbound
