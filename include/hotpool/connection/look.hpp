// Is a connection that should be silent still fit for use?
#pragma once

#include <chrono>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/retire_reason.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// For so long after a read a connection is taken for as quiet as the read has left it: a look costs a system call, and a
/// busy loop writes its next request sooner.
inline constexpr duration quiet_for = std::chrono::microseconds(20);

/// Reads what there is, as `try_read` of its stream does, and notes when.
/// @cost a clock reading beside the system call
template <class Connection>
[[gnu::always_inline]] inline io_result read_noted(Connection& c, net::mutable_buffer room) noexcept {
    const io_result r = c.stream.try_read(room);
    c.read_at = clock_type::now();
    return r;
}

/// Whether something may have come since `c` was read last, so that it is to be looked at before a request is written.
template <class Connection>
[[gnu::always_inline]] inline bool owes_look(const Connection& c) noexcept {
    return c.readable.has_fired() || clock_type::now() - c.read_at >= quiet_for;
}

/// Whether there is a byte, an end or an error where there should be nothing.
/// @cost one system call
template <class Connection>
io_result look_for_anything(Connection& c) noexcept {
    char byte;
    return read_noted(c, net::buffer(&byte, 1));
}

/// Whether the peer has closed, or said something nobody asked for. TLS may have things of its own to say, such as
/// session tickets: they are no bytes.
/// @cost one system call
template <class Connection>
retire_reason look_at(Connection& c) noexcept {
    const io_result r = look_for_anything(c);
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
