// What a pool asks of the way its connections are made, read and written.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool {

/// What a stream waits for before it can go on. TLS may want to write while it reads, and the reverse.
enum class io_want : std::uint8_t { none, read, write };

/// How one attempt to read or write ended: exactly one of the three says something.
struct io_result {
    std::size_t bytes = 0;         ///< moved, and there may be more at once
    io_want want = io_want::none;  ///< nothing moved: wait for this, then try again
    std::error_code error{};       ///< the connection is over; an `errc` of the group "reading and writing"
};

namespace detail {

inline net::socket_base::wait_type wait_type(io_want want) noexcept {
    return want == io_want::write ? net::socket_base::wait_write : net::socket_base::wait_read;
}

}  // namespace detail

/// Stops an opening from outside. Copies stop the same one; an empty one stops nothing.
/// @threads any thread
class opening {
public:
    /// The running operation, as a transport implements it.
    class operation {
    public:
        /// Makes the handler complete soon with `errc::cancelled`, never inside this call.
        /// @threads any thread
        virtual void cancel() = 0;

    protected:
        ~operation() = default;
    };

    opening() = default;
    explicit opening(std::weak_ptr<operation> running) noexcept : running_(std::move(running)) {}

    void cancel() const {
        if (const std::shared_ptr<operation> running = running_.lock()) running->cancel();
    }

private:
    std::weak_ptr<operation> running_;
};

/// One connection, read and written without ever blocking: try, and wait for readiness where trying moved
/// nothing. Movable while no wait is pending. Reading and writing may alternate freely, but not run at the
/// same time.
///
/// - `Stream(executor)`: a closed stream, which a failed opening hands out; it may only be destroyed,
///   assigned or closed.
/// - `holds_buffers`: whether `release_buffers` is worth calling once the stream stays idle.
/// - `try_read(buffer)`: at least one byte of room. The peer's orderly end is `errc::connection_closed`.
/// - `try_write(head, body)`: both in one go where they are small; `bytes` counts over head, then body. After
///   `want`, the next call must begin with the same bytes and offer at least as many. Not both may be empty.
/// - `async_wait(want, handler)`: `want` is read or write; the handler gets a `std::error_code`, which is
///   `asio::error::operation_aborted` after `cancel`, and runs on its associated executor. One at a time.
/// - `cancel()`: ends the pending wait.
/// - `has_buffered()`: bytes have been received that `try_read` has not looked at, or not all.
/// - `close()`: the orderly end, which never waits: TLS says goodbye if it can at once.
/// - `abort()`: the end at once; what is on its way is lost.
/// @threads distinct objects only
template <class S>
concept stream = std::movable<S> && std::constructible_from<S, const typename S::executor_type&> &&
    requires(S s, const S c, net::mutable_buffer room, net::const_buffer bytes, io_want want,
             void (*handler)(std::error_code)) {
    { s.get_executor() } -> std::convertible_to<typename S::executor_type>;
    { S::holds_buffers } -> std::convertible_to<bool>;
    { s.try_read(room) }
    noexcept->std::same_as<io_result>;
    { s.try_write(bytes) }
    noexcept->std::same_as<io_result>;
    { s.try_write(bytes, bytes) }
    noexcept->std::same_as<io_result>;
    s.async_wait(want, handler);
    { s.cancel() }
    noexcept;
    { c.has_buffered() }
    noexcept->std::same_as<bool>;
    { s.release_buffers() }
    noexcept;
    { s.close() }
    noexcept;
    { s.abort() }
    noexcept;
};

namespace detail {

/// Stands for any handler of an opening in the concept below: move-only, and called once.
template <class Stream>
struct open_handler_archetype {
    open_handler_archetype(open_handler_archetype&&) = default;
    void operator()(std::error_code, Stream) {}
};

}  // namespace detail

/// Where one connection is to lead, and how long that may take.
struct open_request {
    ip_endpoint to{};
    std::optional<ip_address> from{};               ///< the local address; none: the system chooses
    duration timeout = std::chrono::seconds(10);    ///< until the stream can be used. More than 0
    duration handshake_timeout = duration::zero();  ///< for the handshake alone; 0: what is left of `timeout`
};

/// Makes connections to one origin.
///
/// - `T(origin, options)`: refuses bad values with `std::invalid_argument` naming the field and the rule.
/// - `scheme`, `default_port`: as in a URL, e.g. "https" and "443".
template <class T, class Executor>
concept any_transport = std::constructible_from<T, origin, typename T::options> &&
    stream<typename T::template stream<Executor>> && requires {
    { T::scheme } -> std::convertible_to<std::string_view>;
    { T::default_port } -> std::convertible_to<std::string_view>;
};

/// A transport that connects to an endpoint, of which the pool may know several.
///
/// - `async_open(executor, request, handler)`: the handler gets a `std::error_code` (an `errc` of the group
///   "opening a connection", or `errc::cancelled`) and the stream, closed if there is an error. It is called
///   exactly once, never inside `async_open`, on `executor`. If it has a member `connected()`, that is called
///   when the peer has accepted and only the handshake remains. May be called from any thread, and again while
///   others run.
/// - `target()`: the origin. `dialled()`: whose addresses the endpoints are, the origin's or a proxy's.
template <class T, class Executor>
concept endpoint_transport = any_transport<T, Executor> &&
    requires(const T transport, const Executor executor, open_request request,
             detail::open_handler_archetype<typename T::template stream<Executor>> handler) {
    { transport.async_open(executor, request, std::move(handler)) } -> std::same_as<opening>;
    { transport.target() } -> std::convertible_to<const origin&>;
    { transport.dialled() } -> std::convertible_to<const origin&>;
};

/// A transport that finds its own way: the pool knows no endpoints, and neither ejects nor balances.
/// As `endpoint_transport`, but `timeout` stands in the place of the request.
template <class T, class Executor>
concept direct_transport = any_transport<T, Executor> &&
    requires(const T transport, const Executor executor, std::chrono::nanoseconds timeout,
             detail::open_handler_archetype<typename T::template stream<Executor>> handler) {
    { transport.async_open(executor, timeout, std::move(handler)) } -> std::same_as<opening>;
};

template <class T, class Executor>
concept transport_for = endpoint_transport<T, Executor> || direct_transport<T, Executor>;

/// A transport whose options can be replaced while it runs.
///
/// - `update(options)`: openings begun from now on go by these; connections and openings that are there keep what
///   they have. Throws what the constructor would, and then nothing has changed. Copies share their options. May be
///   called from any thread.
template <class T>
concept updatable_transport = requires(T transport, typename T::options options) {
    transport.update(std::move(options));
};

}  // namespace hotpool
