// A connection in a caller's hands.
#pragma once

#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/lease_end.hpp"
#include "hotpool/connection/stream_op.hpp"
#include "hotpool/io/buffers.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool {

/// The right to use one connection of a pool, move-only. Put it back with `connection_pool::put`. A lease that ends
/// without put gives the connection back if only complete exchanges were made on it, and closes it otherwise. Where it
/// ends while an exchange or a read of its response is pending, that completes with `errc::cancelled`, and the connection
/// is closed.
///
/// It is an Asio stream as well, so that any protocol can be spoken through the pool; then only an explicit put
/// vouches that the connection is fit for the next caller.
/// @threads distinct objects only; one read and one write may be outstanding together if their handlers run on the
/// same strand. It may end on another thread than the one where an exchange on it is carried on
/// @lifetime may outlive the pool, not the execution context
template <class Transport, class Executor = net::any_io_executor>
class lease {
public:
    using connection_type = detail::connection<Transport, Executor>;
    using executor_type = Executor;
    using stream_type = typename connection_type::stream_type;
    using lowest_layer_type = lease;

    lease() noexcept = default;
    lease(lease&& other) noexcept
        : connection_(std::exchange(other.connection_, nullptr)), last_pool_(other.last_pool_) {}
    lease& operator=(lease&& other) noexcept {
        lease(std::move(other)).swap(*this);
        return *this;
    }
    ~lease() { drop(); }

    void swap(lease& other) noexcept {
        std::swap(connection_, other.connection_);
        std::swap(last_pool_, other.last_pool_);
    }

    /// Whether it holds a connection.
    explicit operator bool() const noexcept { return connection_ != nullptr; }

    /// Whether the connection has been used before: a failure may then be the fault of its age.
    bool reused() const noexcept { return connection_ != nullptr && connection_->reused; }

    /// The stream below, for its properties (peer certificate, protocol, addresses); do not read or write it. Not of an
    /// empty lease.
    stream_type& stream() noexcept { return connection_->stream; }

    /// Says that nothing is on its way although a read was cancelled, so that `connection_pool::put` may give the connection
    /// to others: otherwise it closes it. After a cancelled write nobody can say so.
    /// @threads not beside a read or a write
    void vouch() noexcept {
        if (connection_ != nullptr && connection_->usage == detail::connection_usage::unsure)
            connection_->usage = detail::connection_usage::raw;
    }

    /// Closes the connection instead of giving it back.
    void discard() noexcept {
        if (connection_ == nullptr) return;
        const detail::counted_ref<connection_type> keep(*connection_);
        connection_type& c = *std::exchange(connection_, nullptr);
        if (!c.hold.clear() && detail::left_to_exchange(c, true)) return;
        c.break_for(retire_reason::discarded);
        if (!detail::left_to_streams(c)) c.home->give_back(c, c.broken_for);
    }

    /// Takes the connection out of the pool for good: its place there is free at once. The lease goes on to work as a
    /// stream, and delivers first what had been received behind a 101 or CONNECT response.
    void detach() {
        if (connection_ == nullptr || connection_->slot == nullptr) return;
        connection_->home->let_go(*connection_);
    }

    /// The pool's. Not of an empty lease.
    executor_type get_executor() noexcept { return connection_->stream.get_executor(); }
    lease& lowest_layer() noexcept { return *this; }

    /// Reads what there is, or waits for it; first what had been received behind a 101 or CONNECT response.
    /// @completes `void(std::error_code, std::size_t)` with at least one byte, or an error; on the handler's executor, or
    /// the pool's
    /// @errors `errc::connection_closed` at the peer's orderly end; `errc::connection_reset`, over TLS `errc::tls_failed`,
    /// `errc::tls_truncated` and `errc::tls_record_flood`; `errc::request_timed_out` when the deadline of a drain of the pool cuts the lease;
    /// `errc::cancelled`; `errc::exchange_in_progress` beside another read, or an exchange, and `errc::response_pending`
    /// before a response has been read to its end; `std::errc::not_enough_memory`; `errc::lease_empty`. Throws `std::bad_alloc`, and
    /// `std::system_error` of `errc::lease_empty` for a lease that never had a connection and a handler without an
    /// executor; nothing has happened then
    /// @cancels any type, at once; nothing is lost, but put closes the connection then, unless `vouch` is called before
    /// @threads one read at a time
    /// @lifetime lease and buffer outlive the operation
    template <class MutableBuffers, class Token = net::default_completion_token_t<Executor>>
    auto async_read_some(const MutableBuffers& buffers, Token&& token = {}) {
        return net::async_initiate<Token, void(std::error_code, std::size_t)>(
            [](auto handler, lease* self, net::mutable_buffer room) {
                detail::start_stream_op(*self, detail::read_attempt{room}, std::move(handler));
            },
            token, this, detail::first_nonempty<net::mutable_buffer>(buffers));
    }

    /// Writes what fits, at once where possible.
    /// @completes `void(std::error_code, std::size_t)` with at least one byte written, or an error; on the handler's
    /// executor, or the pool's
    /// @errors as `async_read_some`; after any of them but `errc::lease_empty` the connection is closed with its lease
    /// @cancels any type, at once; the connection is closed with its lease then
    /// @threads one write at a time
    /// @lifetime lease and buffer outlive the operation
    template <class ConstBuffers, class Token = net::default_completion_token_t<Executor>>
    auto async_write_some(const ConstBuffers& buffers, Token&& token = {}) {
        return net::async_initiate<Token, void(std::error_code, std::size_t)>(
            [](auto handler, lease* self, net::const_buffer bytes) {
                detail::start_stream_op(*self, detail::write_attempt{bytes}, std::move(handler));
            },
            token, this, detail::first_nonempty<net::const_buffer>(buffers));
    }

private:
    friend struct detail::access;

    /// A lease of `c`, which the caller owns.
    explicit lease(connection_type* c) noexcept : connection_(c) {
        if (c != nullptr) last_pool_ = c->pool_ticket;
    }
    /// An empty one of that pool.
    explicit lease(const detail::context_guest::ticket& pool) noexcept : last_pool_(pool) {}

    /// Gives the connection back to a pool that is known to live on.
    /// @param vouched whether the caller says that the connection is clean
    void end(bool vouched) noexcept {
        connection_type* c = std::exchange(connection_, nullptr);
        if (c == nullptr) return;
        if (!c->hold.clear() && detail::left_to_exchange(*c, false)) return;
        if (c->usage == detail::connection_usage::clean) [[likely]]
            return c->home->give_back(*c, retire_reason::none);
        if (!detail::left_to_streams(*c)) c->home->give_back(*c, verdict(*c, vouched));
    }

    /// See `access::with_last_executor`.
    template <class Use>
    void with_last_executor(Use use) const {
        std::optional<Executor> of_pool;
        if (last_pool_.context != nullptr)
            of_pool = last_pool_.context->template executor_of<Executor>(last_pool_.number);
        use(of_pool ? static_cast<const Executor*>(&*of_pool) : nullptr);
    }

    void drop() noexcept {
        if (connection_ == nullptr) return;
        const detail::counted_ref<connection_type> keep(*connection_);
        end(false);
    }

    [[gnu::noinline]] static retire_reason verdict(const connection_type& c, bool vouched) {
        switch (c.usage) {
            case detail::connection_usage::clean:
            case detail::connection_usage::unread: return retire_reason::none;
            case detail::connection_usage::raw: return vouched ? retire_reason::none : retire_reason::not_clean;
            case detail::connection_usage::unsure: return retire_reason::cancelled;
            case detail::connection_usage::exchanging:
            case detail::connection_usage::switched: return retire_reason::not_clean;
            case detail::connection_usage::broken: break;
        }
        return c.broken_for;
    }

    connection_type* connection_ = nullptr;
    detail::context_guest::ticket last_pool_;  // of what it holds, or held last
};

}  // namespace hotpool
