// An accepted connection in the program's hands.
#pragma once

#include <cstddef>
#include <functional>
#include <system_error>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/inbound/admission.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/detail/connection_state.hpp"
#include "hotpool/inbound/detail/peer_op.hpp"
#include "hotpool/inbound/end_names.hpp"
#include "hotpool/inbound/inbound_counters.hpp"
#include "hotpool/inbound/peer_group.hpp"
#include "hotpool/io/buffers.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::inbound {

namespace detail {
template <class Connection>
class http_session;
}

/// One connection of an acceptor, move-only, and an Asio stream. It counts for its group until it has ended, and ends
/// with the handle at the latest.
///
/// A program whose protocol has requests says so by the members that begin with `request_`, in the order
/// `request_begun`, `request_received`, `reply_progressed`, `request_ended`; then the limits for requests apply. One
/// that tells of none has a connection that is idle whenever nothing comes.
/// @errors of every operation, once the acceptor has ended the connection, that of the limit it was for:
/// `errc::idle_timed_out`, `errc::request_timed_out`, `errc::lifetime_over`, `errc::heartbeat_missed`,
/// `errc::group_blocked`, `errc::resources_short`, `errc::connection_drained`, `errc::acceptor_closed`
/// @threads distinct objects only; one read and one write may be outstanding together, on any threads
/// @lifetime may outlive the acceptor, which ends it; not the execution context
template <class Stream>
class connection {
public:
    using stream_type = Stream;
    using state_type = detail::connection_state<Stream>;
    using executor_type = typename Stream::executor_type;
    using lowest_layer_type = connection;
    /// Runs on the connection's executor, and not after the handle is gone.
    using hook = std::function<void()>;

    connection() noexcept = default;
    connection(connection&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    connection& operator=(connection&& other) noexcept {
        connection(std::move(other)).swap(*this);
        return *this;
    }
    ~connection() {
        if (state_ == nullptr) return;
        state_->abandon();
        state_->release();
    }

    void swap(connection& other) noexcept { std::swap(state_, other.state_); }

    /// Whether it is the handle of a connection, which may have ended.
    explicit operator bool() const noexcept { return state_ != nullptr; }
    /// Whether the connection has not ended, nor begun to.
    bool is_open() const noexcept { return state_ != nullptr && state_->is_open(); }

    executor_type get_executor() const noexcept { return state_->get_executor(); }
    connection& lowest_layer() noexcept { return *this; }
    /// The stream below, for its properties (certificate, protocol, addresses); do not read or write it.
    stream_type& stream() noexcept { return state_->stream(); }

    const ip_endpoint& peer() const noexcept { return state_->peer; }
    const peer_group& group() const noexcept { return state_->group; }

    // --- reading and writing

    /// Reads what there is, or waits for it. Of a sequence of buffers, into the first that is not empty.
    /// @completes `void(std::error_code, std::size_t)` with at least one byte, or an error; on the handler's executor, or
    /// the connection's, never inside this call
    /// @errors `errc::connection_closed` at the peer's orderly end, after which writing may go on;
    /// `errc::connection_reset`, `errc::tls_truncated`, `errc::tls_failed`, `errc::tls_record_flood`; `errc::cancelled`, also when the handle goes
    /// or `close` is called; `errc::exchange_in_progress` if another read is outstanding; what a limit that ended the
    /// connection says, see above; `std::errc::not_enough_memory` if there is none to wait with. For an empty handle
    /// `errc::lease_empty`, thrown as a `std::system_error` where the handler names no executor. Throws `std::bad_alloc`;
    /// nothing has begun then
    /// @cancels any type, at once; nothing is lost
    /// @threads any thread
    /// @lifetime the buffer outlives the operation, the handle need not. If the execution context ends first, the handler
    /// is destroyed and not called
    template <class MutableBuffers, class Token = net::default_completion_token_t<executor_type>>
    auto async_read_some(const MutableBuffers& buffers, Token&& token = {}) {
        return initiate(detail::read_attempt{hotpool::detail::first_nonempty<net::mutable_buffer>(buffers)}, token);
    }

    /// Waits until a read is worth trying; TLS frees its buffers meanwhile. May end without anything to read. Counts as
    /// a read.
    /// @completes `void(std::error_code)`, as a read
    /// @errors as `async_read_some`, but for those that reading finds
    /// @cancels any type, at once
    /// @threads any thread
    /// @lifetime as a read
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_wait_readable(Token&& token = {}) {
        return initiate(detail::wait_attempt{}, token);
    }

    /// Writes what fits, at once where possible. Of a sequence of buffers, the first that is not empty.
    /// @completes `void(std::error_code, std::size_t)` with at least one byte written, or an error; where a read does
    /// @errors as `async_read_some`; `errc::exchange_in_progress` means that another write is outstanding
    /// @cancels any type, at once; over TLS nothing can be written any more then: `errc::cancelled`
    /// @threads any thread
    /// @lifetime as a read
    template <class ConstBuffers, class Token = net::default_completion_token_t<executor_type>>
    auto async_write_some(const ConstBuffers& buffers, Token&& token = {}) {
        return initiate(detail::write_attempt{hotpool::detail::first_nonempty<net::const_buffer>(buffers)}, token);
    }
    /// The same for a head and its body in one go, where they are small.
    template <class Token>
    auto async_write_some(net::const_buffer head, net::const_buffer body, Token&& token) {
        return initiate(detail::write_attempt{head, body}, token);
    }

    /// Reads or writes what can be at once. Where that is nothing, `want` says what to wait for, by the asynchronous
    /// function for the same bytes.
    /// @errors as the asynchronous functions
    io_result try_read(net::mutable_buffer room) { return try_now(detail::read_attempt{room}); }
    io_result try_write(net::const_buffer head, net::const_buffer body = {}) {
        return try_now(detail::write_attempt{head, body});
    }

    /// A trusted proxy says whose connection this is: it counts for that client's group from now on.
    /// @return if refused, it is to be closed
    admission_verdict client_named(const ip_address& client) { return state_->home->client_named(*state_, client); }

    // --- its end

    /// Ends the connection in order: says goodbye, then reads and drops what still comes until the peer has closed too,
    /// for `linger_timeout` and `max_linger_bytes` at the longest. Fails what is under way with `errc::cancelled`.
    /// @param why counted, unless something else was found to end it before
    /// @completes `void(std::error_code)`; no error, whether it was the peer or a bound that ended it, or it had ended
    /// before. Where a read does
    /// @errors `errc::cancelled`; `errc::exchange_in_progress` if two others wait for the same end; `errc::connection_reset`
    /// if the peer was found gone as it began; what a limit that cut the connection meanwhile says;
    /// `std::errc::not_enough_memory`: then it was closed at once. For an empty handle, and throws, as a read
    /// @cancels any type, at once, by closing
    /// @threads any thread
    /// @lifetime the handle may go before this completes. If the execution context ends first, the handler is destroyed
    /// and not called
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_close(Token&& token = {}) {
        return async_close(close_reason::finished, std::forward<Token>(token));
    }
    template <class Token>
    auto async_close(close_reason why, Token&& token) {
        return net::async_initiate<Token, void(std::error_code)>(
            [](auto handler, state_type* c, close_reason reason) {
                detail::start_linger(c, reason, make_error_code(errc::cancelled), std::move(handler));
            },
            token, state_, why);
    }

    /// Closes at once. What the peer has sent and nobody has read may make it lose what it has not received yet:
    /// `async_close` prevents that.
    void close(close_reason why = close_reason::finished) {
        if (state_ != nullptr) state_->end(why, errc::cancelled, ending::orderly);
    }
    /// Resets the connection: what is on its way is lost.
    void abort(close_reason why = close_reason::aborted) {
        if (state_ != nullptr) state_->end(why, errc::cancelled, ending::abrupt);
    }

    // --- what it is told; not of an empty handle

    /// Whether the server is draining: the connection should end as soon as its protocol allows.
    bool draining() const noexcept { return state_ != nullptr && state_->draining(); }
    /// For how long it has been; zero if it is not.
    duration draining_for() const noexcept { return draining() ? state_->home->draining_for() : duration::zero(); }
    /// Run once when the server begins to drain, or at once if it has begun. The connection is not ended by that: it
    /// may go on until the drain's limit.
    /// @errors throws `std::bad_alloc`, nothing has changed then
    void on_drain(hook run) { state_->on_drain(std::move(run)); }
    /// Run each time the peer has been silent for `heartbeat_interval`: it is to send a ping of the program's protocol.
    void on_ping(hook run) { state_->on_ping(std::move(run)); }

    // --- requests; not of an empty handle

    /// A request is to begin within `request_timeout`: told of a new connection whose peer speaks first.
    void request_awaited() { state_->home->request_awaited(*state_); }
    /// The first byte of a request came: it is to be complete within `request_timeout`.
    /// @return `none`, or why the connection is being ended: the request is not to be served then
    close_reason request_begun() { return state_->home->request_begun(*state_); }
    /// Asks whether the peer's group may make another request, and counts it if so.
    /// @param counts `off`: the quota is neither asked nor spent, what else keeps a group out does
    admission_verdict request_offered(metering counts = metering::on) {
        return state_->home->request_offered(*state_, nullptr, counts);
    }
    /// @param client whom a trusted proxy names as its client; its group is asked about
    admission_verdict request_offered(const ip_address& client, metering counts = metering::on) {
        return state_->home->request_offered(*state_, &client, counts);
    }
    /// Its last byte came: it is to be answered within `handler_timeout`.
    void request_received() { state_->home->request_received(*state_); }
    /// Bytes of the reply could be written, and some are left: further ones are awaited for `reply_timeout`.
    void reply_progressed() { state_->home->reply_progressed(*state_); }
    /// Whether the present request is the connection's last one, and why: then its reply says so.
    close_reason last_request() const { return state_->home->last_request(*state_); }
    /// The reply has been written. Where it was the last one, the acceptor ends the connection in order.
    void request_ended(request_outcome outcome = request_outcome::served, reply_said said = reply_said::nothing) {
        state_->home->request_ended(*state_, outcome, said);
    }
    /// Instead of `request_ended` and the next `request_begun`, where the next request is here already and its reply is
    /// to be written together with this one's: the connection is not ended between the two.
    void request_followed(request_outcome outcome = request_outcome::served) {
        state_->home->request_followed(*state_, outcome);
    }

private:
    friend struct hotpool::detail::access;

    /// A handle of `c`, which takes over a reference.
    explicit connection(state_type* c) noexcept : state_(c) {}

    template <class Connection>
    friend class detail::http_session;

    template <class Attempt>
    io_result try_now(Attempt attempt) {
        return state_ != nullptr ? state_->try_now(attempt) : io_result{.error = errc::lease_empty};
    }

    template <class Attempt, class Token>
    auto initiate(Attempt attempt, Token& token) {
        return net::async_initiate<Token, typename Attempt::signature>(
            [](auto handler, state_type* c, Attempt how) { detail::start_peer_op(c, how, std::move(handler)); }, token,
            state_, attempt);
    }

    state_type* state_ = nullptr;
};

}  // namespace hotpool::inbound
