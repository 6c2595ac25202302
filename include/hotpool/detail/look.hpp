// Is a connection that should be silent still fit for use?
#pragma once

#include "hotpool/error.hpp"
#include "hotpool/manager/retire_reason.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// What one attempt to read says of a connection on which nothing is to come. TLS may have things of its own to say,
/// such as session tickets: they are no bytes.
inline retire_reason judge_silence(const io_result& r) noexcept {
    if (r.want != io_want::none) return retire_reason::none;
    if (r.bytes != 0) return retire_reason::unsolicited_bytes;
    const bool closed =
        r.error == errc::connection_closed || r.error == errc::connection_reset || r.error == errc::tls_truncated;
    return closed ? retire_reason::peer_closed : retire_reason::transport_error;
}

/// Whether the peer has closed, or said something nobody asked for. @cost one system call
template <class Stream>
retire_reason look_at(Stream& stream) noexcept {
    char byte;
    return judge_silence(stream.try_read(net::buffer(&byte, 1)));
}

}  // namespace hotpool::detail
