// A response whose body is read piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/connection/lease.hpp"
#include "hotpool/exchange/body_close.hpp"
#include "hotpool/exchange/body_takers.hpp"
#include "hotpool/exchange/exchange_link.hpp"
#include "hotpool/exchange/launch.hpp"
#include "hotpool/exchange/unread_response.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/http/response.hpp"
#include "hotpool/io/buffers.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool {

namespace detail {
struct reader_access;
}

/// The head of a response, and its body as it comes. Made by `async_start_exchange`, for a lease that outlives it, or
/// by `http_client::async_start`, and then it holds the lease and puts it back when it ends.
///
/// Ending it early is fine: the rest of the body is read and dropped within the pool's `drain_limit_bytes` and
/// `drain_timeout`, off the caller's path, or the connection is closed. A read that is pending then completes with
/// `errc::cancelled`, and the connection is closed; moving the reader away does a pending read no harm.
///
/// A reader belongs to one exchange. Once its lease has ended, or has begun another exchange, it reads nothing more
/// (`errc::lease_empty`).
/// @threads distinct objects only; it may be closed or destroyed on another thread than the one that completes its read
/// @lifetime operations do not refer to the reader; buffers outlive the reads into them. It may outlive its lease and
/// the pool
template <class Transport, class Executor = net::any_io_executor>
class response_reader {
public:
    using lease_type = lease<Transport, Executor>;
    using executor_type = Executor;

    response_reader() = default;
    response_reader(response_reader&& other) noexcept
        : head_(std::move(other.head_)), link_(std::exchange(other.link_, link_type())), own_(std::move(other.own_)) {}
    response_reader& operator=(response_reader&& other) noexcept {
        if (this == &other) return *this;
        close();
        head_ = std::move(other.head_);
        link_ = std::exchange(other.link_, link_type());
        own_ = std::move(other.own_);
        return *this;
    }
    ~response_reader() { close(); }

    /// The status line and fields; its body is empty.
    const response& head() const noexcept { return head_; }
    unsigned status() const noexcept { return head_.status(); }
    std::string_view reason() const noexcept { return head_.reason(); }
    unsigned version() const noexcept { return head_.version(); }
    std::optional<std::string_view> header(std::string_view name) const noexcept { return head_.header(name); }
    http::fields_view headers() const noexcept { return head_.headers(); }

    /// Whether nothing more can be read: the body has been read to its end, or there is none, or the reader is spent.
    /// Not while a read is pending.
    bool at_end() const noexcept {
        const connection_type* const c = link_.current();
        if (c == nullptr) return true;
        const auto* rest = detail::unread_of(*c);
        const bool failed = rest != nullptr && rest->body.failure();
        return c->usage != detail::connection_usage::unread && !failed;
    }

    /// The pool's executor. A reader that was never given a response has none: then this must not be called.
    executor_type get_executor() const noexcept { return *link_.executor(); }

    /// Reads what there is of the body, its transfer coding removed, or waits for it.
    /// @completes `void(std::error_code, std::size_t)` with at least one byte, or an error; on the handler's executor, or
    /// the pool's
    /// @errors `errc::end_of_body` at the end, and again; `errc::response_truncated`, `errc::response_stalled`,
    /// `errc::request_timed_out`, what the parser refuses of a body (`errc::bad_chunk_size`, `errc::bad_chunk_extension`,
    /// `errc::bad_chunk_ending`, `errc::bad_trailer`, `errc::chunk_line_too_large`, `errc::trailer_too_large`),
    /// `errc::cancelled`, also when the reader or its lease ends meanwhile, `std::errc::not_enough_memory`: each of them
    /// comes again, and the connection is closed with its lease. `errc::exchange_in_progress` beside another read, which
    /// goes on; `errc::lease_empty` from a spent reader, and when the lease has ended or begun another exchange. Throws
    /// `std::system_error` of `errc::lease_empty` where neither handler nor reader knows an executor, and
    /// `std::bad_alloc`; nothing has happened then
    /// @cancels any type; the connection is closed with its lease then
    /// @threads one operation at a time
    /// @lifetime the buffer outlives the operation
    /// @cost a buffer of 8 KiB or more is read into directly where the body's length is known
    template <class MutableBuffers, class Token = net::default_completion_token_t<Executor>>
    auto async_read_some(const MutableBuffers& buffers, Token&& token = {}) {
        return read(detail::take_some(detail::first_nonempty<net::mutable_buffer>(buffers)),
                    std::forward<Token>(token));
    }

    /// Reads the rest of the body into a string.
    /// @param limit in bytes
    /// @completes `void(std::error_code, std::string)` with all of it; with an error, what had come until then
    /// @errors `errc::body_too_large` when there is more than `limit`, and then the rest can still be read; those of
    /// `async_read_some` but `errc::end_of_body`
    /// @cancels any type; the connection is closed with its lease then
    /// @threads one operation at a time
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_read_all(std::uint64_t limit, Token&& token) {
        return read(detail::take_all(limit), std::forward<Token>(token));
    }
    /// The same, up to the default of `http::limits::max_body_bytes`.
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_read_all(Token&& token = {}) {
        return read(detail::take_all(http::limits{}.max_body_bytes), std::forward<Token>(token));
    }

    /// Ends the reading and drops the rest of the body within the pool's `drain_limit_bytes` and `drain_timeout`, so that
    /// the lease can be used again at once; a held lease is put back. The reader is spent at once, also where this
    /// throws.
    /// @completes `void(std::error_code)` on the handler's executor, or the pool's; a spent reader has nothing to close,
    /// and no error
    /// @errors `errc::body_too_large` or `errc::request_timed_out` when the rest was too large or too slow;
    /// `errc::response_truncated` and what the parser refuses, as reading; `errc::cancelled`, also when the lease ends
    /// meanwhile, and beside a read that is pending: both complete with it; `std::errc::not_enough_memory`. After any of
    /// them the connection is closed with its lease. `errc::lease_empty` when the lease has ended or begun another
    /// exchange. Throws as `async_read_some`
    /// @cancels any type
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_close(Token&& token = {}) {
        link_type link = link_;
        link_.reset();
        return net::async_initiate<Token, void(std::error_code)>(
            [](auto handler, link_type to, lease_type own) {
                using op = detail::body_close<connection_type, lease_type, std::decay_t<decltype(handler)>>;
                if (!to.is_set()) return detail::end_unbegun(to.executor(), std::move(handler), std::error_code());
                const auto entry = to.enter();
                if (entry == entry_type::entered)
                    return detail::launch_entered<op>(to.entered(), std::move(handler), std::move(own));
                // A read that is under way ends with its reader.
                if (entry == entry_type::occupied) to.interrupt();
                own = lease_type();
                const errc verdict = entry == entry_type::occupied ? errc::cancelled : errc::lease_empty;
                detail::end_unbegun(to.executor(), std::move(handler), make_error_code(verdict));
            },
            token, std::move(link), std::move(own_));
    }

    /// Ends the reading without waiting: a held lease is put back, and drained off the caller's path. A read that is
    /// pending completes with `errc::cancelled`.
    void close() noexcept {
        link_.interrupt();
        link_.reset();
        own_ = lease_type();
    }

private:
    friend detail::reader_access;
    using connection_type = typename lease_type::connection_type;
    using link_type = detail::exchange_link<connection_type>;
    using entry_type = detail::exchange_hold::entry;

    template <class Taker, class Token>
    auto read(Taker taker, Token&& token) {
        using result = typename Taker::result_type;
        return net::async_initiate<Token, void(std::error_code, result)>(
            [](auto handler, link_type to, Taker what) {
                using op = detail::handled_body_op<connection_type, Taker, std::decay_t<decltype(handler)>>;
                const auto entry = to.enter();
                if (entry == entry_type::entered)
                    return detail::launch_entered<op>(to.entered(), std::move(handler), std::move(what));
                const errc why_not = entry == entry_type::occupied ? errc::exchange_in_progress : errc::lease_empty;
                detail::end_unbegun(to.executor(), std::move(handler), make_error_code(why_not), result());
            },
            token, link_, std::move(taker));
    }

    response head_;
    link_type link_;
    lease_type own_;
};

namespace detail {

/// How exchange and client make readers.
struct reader_access {
    template <class Reader, class Connection>
    static Reader make(response head, Connection& c, std::uint64_t exchange) {
        Reader reader;
        reader.head_ = std::move(head);
        reader.link_ = exchange_link<Connection>(c, exchange);
        return reader;
    }
    /// Lets the reader hold its lease.
    template <class Reader>
    static void keep(Reader& reader, typename Reader::lease_type lease) {
        reader.own_ = std::move(lease);
    }
};

}  // namespace detail

}  // namespace hotpool
