// Is the other side still there, while nobody reads?
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

namespace hotpool::detail {

enum class peer_presence : std::uint8_t {
    there,        ///< or it has left without a word
    half_closed,  ///< it has ended its side, and may still read
    gone,         ///< the connection was reset, or is over
};

/// What TCP knows of the peer, whatever lies unread before it. TLS has a farewell of its own, which is a byte like others.
/// @cost one system call
inline peer_presence presence_of(int socket) noexcept {
#ifdef POLLRDHUP
    pollfd one{socket, POLLRDHUP, 0};
    if (::poll(&one, 1, 0) <= 0) return peer_presence::there;
    if ((one.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return peer_presence::gone;
    return (one.revents & POLLRDHUP) != 0 ? peer_presence::half_closed : peer_presence::there;
#else
    // Unread bytes hide the end of its side here.
    char byte;
    const auto got = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0) return peer_presence::half_closed;
    const bool waits = got > 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return waits ? peer_presence::there : peer_presence::gone;
#endif
}

}  // namespace hotpool::detail
