// Reading away what nobody wants, before a socket is closed.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/tcp_stream.hpp"

namespace hotpool::inbound::detail {

/// Drops what has come, up to `left` bytes, which is lowered, and no more than others of the loop may wait for. TLS is
/// left aside, since nobody looks at these bytes.
/// @return whether more may come: not at the peer's end, at an error, or when so many have come
/// @source RFC 9112, 9.6: reset problem
template <class Socket>
bool drop_incoming(Socket& socket, std::uint64_t& left) noexcept {
    std::array<char, 16 * 1024> dropped;
    std::error_code error;
    const std::size_t bytes = socket.receive(net::buffer(dropped), 0, error);
    if (hotpool::detail::would_block(error)) return left != 0;
    if (error) return false;
    left -= std::min<std::uint64_t>(left, bytes);
    return left != 0;
}

}  // namespace hotpool::inbound::detail
