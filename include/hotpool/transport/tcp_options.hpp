// The choices of a plain TCP connection, and the check that refuses bad ones.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>

#if __has_include(<netinet/tcp.h>)
#    include <netinet/in.h>
#    include <netinet/tcp.h>
#endif

#include "hotpool/base/ip_address.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/proxy_options.hpp"

namespace hotpool {

/// A socket as the system knows it.
using native_socket = net::basic_stream_socket<net::ip::tcp, net::any_io_executor>::native_handle_type;

/// Looks at a socket before it connects to `to`, the proxy's address where there is one, and may set it up further, as
/// with SO_MARK or SO_BINDTODEVICE. If it returns an error, or throws, the opening fails with `errc::socket_setup_failed`.
/// It leaves the socket open, and does not wait.
/// @threads any thread of the pool's executor, several at once
using socket_hook = std::function<std::error_code(native_socket socket, const ip_endpoint& to)>;

/// How sockets are set up: `tcp_options{.keep_alive = true, .user_timeout = std::chrono::seconds(20)}`. What the system
/// does not take for a socket, or the hook refuses, fails the opening with `errc::socket_setup_failed`.
struct tcp_options {
    /// Small writes leave at once (TCP_NODELAY), instead of waiting for the acknowledgement of earlier ones.
    bool no_delay = true;
    /// The system probes silent peers (SO_KEEPALIVE), by default after two hours.
    bool keep_alive = false;
    /// How long a connection is silent before it is probed (TCP_KEEPIDLE). 0: the system's choice; else 1 s to 32767 s,
    /// and then `keep_alive` must be true, as for the next two.
    std::chrono::seconds keep_alive_idle = std::chrono::seconds(0);
    /// Between two probes (TCP_KEEPINTVL). 0: the system's choice; else 1 s to 32767 s.
    std::chrono::seconds keep_alive_interval = std::chrono::seconds(0);
    /// Probes without an answer after which the connection is over (TCP_KEEPCNT). 0: the system's choice; else 1 to 127.
    unsigned keep_alive_probes = 0;
    /// How long written bytes, or probes, may go unacknowledged before the connection is over (TCP_USER_TIMEOUT).
    /// 0: the system's choice, many minutes; up to 24 days. The connection then ends as one that was reset.
    std::chrono::milliseconds user_timeout = std::chrono::milliseconds(0);
    /// What the system keeps of written bytes (SO_SNDBUF). 0: its choice; up to 1 GiB. It may round, and cap silently.
    std::size_t send_buffer_bytes = 0;
    /// What the system keeps of bytes nobody has read yet (SO_RCVBUF), likewise.
    std::size_t receive_buffer_bytes = 0;
    /// The class of service that packets are marked with (DSCP, in IP_TOS or IPV6_TCLASS). 0 to 63; 0: none.
    unsigned dscp = 0;
    /// Sees each socket when all of the above is set, before it is bound and connects; none by default.
    socket_hook before_connect{};
    /// Connections are tunnels through this HTTP proxy; by default there is none.
    proxy_options proxy{};
};

namespace detail {

/// Which of the options a system has.
struct known_tcp_options {
    bool keep_alive_times = false;
    bool user_timeout = false;
    bool dscp = false;
};

inline constexpr known_tcp_options tcp_options_here {
#if defined(TCP_KEEPIDLE) && defined(TCP_KEEPINTVL) && defined(TCP_KEEPCNT)
    .keep_alive_times = true,
#endif
#if defined(TCP_USER_TIMEOUT)
    .user_timeout = true,
#endif
#if defined(IP_TOS) && defined(IPV6_TCLASS)
    .dscp = true,
#endif
};

[[noreturn]] inline void refuse_tcp_option(const char* field, const char* rule) {
    throw std::invalid_argument(std::string("hotpool::tcp_options::") + field + " " + rule);
}

/// One of the numbers that keep-alive has.
inline void validate_keep_alive(const char* field, long long value, long long most, const char* range, bool on,
                                bool known) {
    if (value == 0) return;
    if (!known) refuse_tcp_option(field, "is not known to this system");
    if (!on) refuse_tcp_option(field, "needs keep_alive");
    if (value < 1 || value > most) refuse_tcp_option(field, range);
}

}  // namespace detail

/// Refuses numbers out of range, and what this system does not have; corrects nothing. The proxy is looked at elsewhere.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const tcp_options& options, const detail::known_tcp_options& known = detail::tcp_options_here) {
    using namespace detail;
    const bool on = options.keep_alive;
    const char* const seconds = "must be 0 or from 1 to 32767 seconds";
    validate_keep_alive("keep_alive_idle", options.keep_alive_idle.count(), 32767, seconds, on, known.keep_alive_times);
    validate_keep_alive("keep_alive_interval", options.keep_alive_interval.count(), 32767, seconds, on,
                        known.keep_alive_times);
    validate_keep_alive("keep_alive_probes", options.keep_alive_probes, 127, "must be 0 or from 1 to 127", on,
                        known.keep_alive_times);
    if (options.user_timeout.count() != 0 && !known.user_timeout)
        refuse_tcp_option("user_timeout", "is not known to this system");
    if (options.user_timeout.count() < 0) refuse_tcp_option("user_timeout", "must not be negative");
    if (options.user_timeout > std::chrono::days(24)) refuse_tcp_option("user_timeout", "must be at most 24 days");
    constexpr std::size_t most_bytes = 1024 * 1024 * 1024;
    if (options.send_buffer_bytes > most_bytes) refuse_tcp_option("send_buffer_bytes", "must be at most 1 GiB");
    if (options.receive_buffer_bytes > most_bytes) refuse_tcp_option("receive_buffer_bytes", "must be at most 1 GiB");
    if (options.dscp != 0 && !known.dscp) refuse_tcp_option("dscp", "is not known to this system");
    if (options.dscp > 63) refuse_tcp_option("dscp", "must be from 0 to 63");
}

}  // namespace hotpool
