// Sockets that connections arrive at: one per address, all on one port.
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/mutex.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/endpoint.hpp"

namespace hotpool::inbound::detail {

/// A descriptor that is closed unless it is released.
class owned_descriptor {
public:
    owned_descriptor() noexcept = default;
    explicit owned_descriptor(int fd) noexcept : fd_(fd) {}
    owned_descriptor(owned_descriptor&& other) noexcept : fd_(other.release()) {}
    owned_descriptor& operator=(owned_descriptor&& other) noexcept {
        reset();
        fd_ = other.release();
        return *this;
    }
    ~owned_descriptor() { reset(); }

    explicit operator bool() const noexcept { return fd_ >= 0; }
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept {
        if (const int fd = release(); fd >= 0) ::close(fd);
    }

private:
    int fd_ = -1;
};

/// What one attempt to accept brought: a descriptor, or why there is none.
struct accepted_socket {
    owned_descriptor descriptor;  ///< non-blocking, and closed in programs that this one starts
    ip_endpoint peer{};
    std::error_code error{};  ///< of the system; `would_block` where nobody is waiting
};

inline ip_endpoint endpoint_of(const sockaddr_storage& address) noexcept {
    if (address.ss_family == AF_INET6) {
        sockaddr_in6 six;
        std::memcpy(&six, &address, sizeof six);
        ip_address::v6_bytes_type bytes;
        std::memcpy(bytes.data(), &six.sin6_addr, bytes.size());
        return {ip_address(bytes, six.sin6_scope_id).unmapped(), ntohs(six.sin6_port)};
    }
    sockaddr_in four;
    std::memcpy(&four, &address, sizeof four);
    ip_address::v4_bytes_type bytes;
    std::memcpy(bytes.data(), &four.sin_addr, bytes.size());
    return {ip_address(bytes), ntohs(four.sin_port)};
}

/// The connection that has waited longest at a listening socket.
inline accepted_socket accept_from(int listener) noexcept {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    accepted_socket result;
#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
    result.descriptor =
        owned_descriptor(::accept4(listener, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
#else
    result.descriptor = owned_descriptor(::accept(listener, reinterpret_cast<sockaddr*>(&from), &size));
    if (result.descriptor) {
        ::fcntl(result.descriptor.get(), F_SETFL, O_NONBLOCK);
        ::fcntl(result.descriptor.get(), F_SETFD, FD_CLOEXEC);
    }
#endif
    if (!result.descriptor)
        result.error = std::error_code(errno, std::system_category());
    else
        result.peer = endpoint_of(from);
    return result;
}

/// One descriptor kept back, so that connections can be accepted and closed when there is no other left: who waits
/// in the backlog of a server that is out of descriptors would otherwise hang there.
/// @threads distinct objects only
class reserve_descriptor {
public:
    reserve_descriptor() noexcept { refill(); }
    /// Gives the descriptor to whoever asks next for one.
    void spend() noexcept { descriptor_.reset(); }
    void refill() noexcept {
        if (!descriptor_) descriptor_ = owned_descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }

private:
    owned_descriptor descriptor_;
};

/// How listening sockets are made.
struct listen_request {
    std::vector<ip_address> addresses{};
    std::uint16_t port = 0;  ///< 0: one that the system picks, the same for all addresses
    int backlog = 0;
    bool reuse_address = true;
    bool any_will_do = false;  ///< a machine may lack one of the addresses, but not all of them
};

template <class Executor>
std::error_code listen_on(net::basic_socket_acceptor<net::ip::tcp, Executor>& socket, const ip_endpoint& where,
                          const listen_request& request) {
    const net::ip::tcp::endpoint endpoint = hotpool::detail::to_asio(where);
    std::error_code error;
    socket.open(endpoint.protocol(), error);
    if (error) return error;
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    if (request.reuse_address) socket.set_option(net::socket_base::reuse_address(true), error);
    // Its neighbour takes the IPv4 connections, and then no address has two spellings.
    if (!error && where.address.is_v6()) socket.set_option(net::ip::v6_only(true), error);
    if (!error) socket.bind(endpoint, error);
    if (!error) socket.listen(request.backlog, error);
    if (!error) socket.non_blocking(true, error);
    return error;
}

/// A listening socket that any thread may accept from, wait for or close.
/// @threads any thread
template <class Executor>
class listening_socket {
public:
    using socket_type = net::basic_socket_acceptor<net::ip::tcp, Executor>;

    explicit listening_socket(socket_type socket) : socket_(std::move(socket)) {}

    ip_endpoint local_endpoint() const {
        std::error_code ignored;
        const std::lock_guard lock(mutex_);
        return hotpool::detail::from_asio(socket_.local_endpoint(ignored));
    }

    /// `would_block` too once it is closed.
    accepted_socket accept() noexcept {
        const std::lock_guard lock(mutex_);
        if (!socket_.is_open()) return {{}, {}, net::error::would_block};
        return accept_from(socket_.native_handle());
    }

    /// Accepts with the reserve's descriptor and closes: up to `most` who wait.
    std::size_t shed(reserve_descriptor& reserve, std::size_t most) noexcept {
        const std::lock_guard lock(mutex_);
        std::size_t count = 0;
        reserve.spend();
        while (socket_.is_open() && count < most && accept_from(socket_.native_handle()).descriptor) ++count;
        reserve.refill();
        return count;
    }

    /// Waits once until somebody can be accepted. Does nothing while such a wait is pending, or once it is closed.
    /// @param handler `void(std::error_code)`, which keeps this socket alive and calls `wait_ended` first
    /// @errors throws what Asio throws where memory is out; nothing waits then
    template <class Handler>
    void async_wait(Handler handler) {
        const std::lock_guard lock(mutex_);
        if (waiting_ || !socket_.is_open()) return;
        socket_.async_wait(net::socket_base::wait_read, std::move(handler));
        waiting_ = true;
    }
    void wait_ended() noexcept {
        const std::lock_guard lock(mutex_);
        waiting_ = false;
    }

    void close() noexcept {
        std::error_code ignored;
        const std::lock_guard lock(mutex_);
        socket_.close(ignored);
    }
    /// Listens anew where it listened before.
    std::error_code reopen(const Executor& executor, const ip_endpoint& where, const listen_request& request) {
        socket_type fresh(executor);
        const std::error_code error = listen_on(fresh, where, request);
        if (error) return error;
        const std::lock_guard lock(mutex_);
        socket_ = std::move(fresh);
        return error;
    }

private:
    mutable base::mutex mutex_;
    socket_type socket_;
    bool waiting_ = false;
};

/// Listening sockets for every address of `request`.
/// @errors throws `std::system_error` with `errc::listen_failed`, naming the address and the system's reason
template <class Executor>
std::vector<net::basic_socket_acceptor<net::ip::tcp, Executor>> listen_on_all(const Executor& executor,
                                                                              const listen_request& request) {
    // A port that the system picks for one address may be taken at another.
    constexpr int most_tries = 32;
    for (int tries = 1;; ++tries) {
        std::vector<net::basic_socket_acceptor<net::ip::tcp, Executor>> sockets;
        std::uint16_t port = request.port;
        std::error_code error;
        ip_endpoint failed;
        bool lacking = false;
        for (const ip_address& address : request.addresses) {
            net::basic_socket_acceptor<net::ip::tcp, Executor> socket(executor);
            const std::error_code why = listen_on(socket, {address, port}, request);
            if (!why) {
                port = socket.local_endpoint().port();
                sockets.push_back(std::move(socket));
                continue;
            }
            const bool missing =
                why == net::error::address_family_not_supported || why == std::errc::address_not_available;
            error = why;
            failed = {address, port};
            lacking = request.any_will_do && missing;
            if (!lacking) break;
        }
        if (sockets.size() == request.addresses.size() || (lacking && !sockets.empty())) return sockets;
        const bool unlucky = request.port == 0 && !sockets.empty() && error == net::error::address_in_use;
        if (!unlucky || tries == most_tries)
            throw std::system_error(make_error_code(errc::listen_failed), failed.to_string() + ": " + error.message());
    }
}

}  // namespace hotpool::inbound::detail
