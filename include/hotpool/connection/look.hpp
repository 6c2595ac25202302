// Is a connection that should be silent still fit for use?
#pragma once

#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/manager/retire_reason.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// Whether the peer has closed, or said something nobody asked for. TLS may have things of its own to say, such as
/// session tickets: they are no bytes.
/// @cost one system call
template <class Stream>
retire_reason look_at(Stream& stream) noexcept {
    char byte;
    const io_result r = stream.try_read(net::buffer(&byte, 1));
    if (r.want != io_want::none) return retire_reason::none;
    if (r.bytes != 0) return retire_reason::unsolicited_bytes;
    if (r.error == errc::client_certificate_refused) return retire_reason::certificate_refused;
    const bool closed =
        r.error == errc::connection_closed || r.error == errc::connection_reset || r.error == errc::tls_truncated;
    return closed ? retire_reason::peer_closed : retire_reason::transport_error;
}

/// What ends a connection whose stream failed with `error` while it was in use.
inline retire_reason loss_reason(std::error_code error) noexcept {
    if (error == errc::client_certificate_refused) return retire_reason::certificate_refused;
    return error == errc::connection_closed ? retire_reason::peer_closed : retire_reason::transport_error;
}

}  // namespace hotpool::detail
