// A socket gets what its options say.
#pragma once

#include <cstddef>
#include <new>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/tcp_options.hpp"

namespace hotpool::detail {

/// A socket option that is a number, in the form that Asio takes. @source Asio, SettableSocketOption
class socket_number {
public:
    socket_number(int level, int name, long long value) noexcept
        : level_(level), name_(name), value_(static_cast<int>(value)) {}

    template <class Protocol>
    int level(const Protocol&) const noexcept {
        return level_;
    }
    template <class Protocol>
    int name(const Protocol&) const noexcept {
        return name_;
    }
    template <class Protocol>
    const int* data(const Protocol&) const noexcept {
        return &value_;
    }
    template <class Protocol>
    std::size_t size(const Protocol&) const noexcept {
        return sizeof value_;
    }

private:
    int level_;
    int name_;
    int value_;
};

/// Sets up sockets of one kind, and remembers whether the system took everything.
template <class Socket>
class socket_setup {
public:
    explicit socket_setup(Socket& socket) noexcept : socket_(&socket) {}

    template <class Option>
    void set(const Option& option) {
        std::error_code error;
        if (socket_->set_option(option, error)) failed_ = true;
    }
    /// Where `value` is not 0.
    void set(int level, int name, long long value) {
        if (value != 0) set(socket_number(level, name, value));
    }
    bool failed() const noexcept { return failed_; }

private:
    Socket* socket_;
    bool failed_ = false;
};

/// @errors throws `std::bad_alloc` where the hook does
inline bool hook_agrees(const socket_hook& hook, native_socket socket, const ip_endpoint& to) {
    try {
        return !hook || !hook(socket, to);
    } catch (const std::bad_alloc&) {
        throw;
    } catch (...) {  // of the user's
        return false;
    }
}

/// @errors `errc::socket_setup_failed`; throws `std::bad_alloc` where the hook does
template <class Socket>
std::error_code set_up(Socket& socket, const ip_endpoint& to, const tcp_options& options) {
    socket_setup<Socket> setup(socket);
    if (options.no_delay) setup.set(net::ip::tcp::no_delay(true));
    if (options.keep_alive) setup.set(net::socket_base::keep_alive(true));
        // What the system does not have has been refused.
#if defined(TCP_KEEPIDLE) && defined(TCP_KEEPINTVL) && defined(TCP_KEEPCNT)
    setup.set(IPPROTO_TCP, TCP_KEEPIDLE, options.keep_alive_idle.count());
    setup.set(IPPROTO_TCP, TCP_KEEPINTVL, options.keep_alive_interval.count());
    setup.set(IPPROTO_TCP, TCP_KEEPCNT, options.keep_alive_probes);
#endif
#if defined(TCP_USER_TIMEOUT)
    setup.set(IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout.count());
#endif
    setup.set(SOL_SOCKET, SO_SNDBUF, static_cast<long long>(options.send_buffer_bytes));
    setup.set(SOL_SOCKET, SO_RCVBUF, static_cast<long long>(options.receive_buffer_bytes));
#if defined(IP_TOS) && defined(IPV6_TCLASS)
    const long long mark = options.dscp << 2u;  // the other two bits are those of congestion
    if (to.address.is_v4())
        setup.set(IPPROTO_IP, IP_TOS, mark);
    else
        setup.set(IPPROTO_IPV6, IPV6_TCLASS, mark);
#endif
    if (setup.failed() || !hook_agrees(options.before_connect, socket.native_handle(), to))
        return errc::socket_setup_failed;
    return {};
}

}  // namespace hotpool::detail
