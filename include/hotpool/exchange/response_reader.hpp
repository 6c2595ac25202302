// A response whose body is read piece by piece.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/exchange/body_close.hpp"
#include "hotpool/exchange/body_op.hpp"
#include "hotpool/exchange/unread_response.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/stream_op.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/connection/lease.hpp"
#include "hotpool/http/response.hpp"
#include "hotpool/io/buffers.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool {

namespace detail {

/// Fills the caller's buffer with what there is.
class take_some {
public:
    using result_type = std::size_t;
    explicit take_some(net::mutable_buffer room) noexcept : room_(room) {}
    bool operator()(std::string_view& piece) noexcept {
        const std::size_t bytes = std::min(piece.size(), room_.size());
        if (bytes != 0) std::memcpy(room_.data(), piece.data(), bytes);
        piece.remove_prefix(bytes);
        taken_ = bytes;
        return false;
    }
    net::mutable_buffer room() const noexcept { return room_; }
    void filled(std::size_t bytes) noexcept { taken_ = bytes; }
    std::error_code verdict(std::error_code error) const noexcept { return error; }
    std::size_t result() const noexcept { return taken_; }

private:
    net::mutable_buffer room_;
    std::size_t taken_ = 0;
};

/// Collects everything up to a limit.
class take_all {
public:
    using result_type = std::string;
    explicit take_all(std::uint64_t limit) noexcept : limit_(limit) {}
    bool operator()(std::string_view& piece) {
        if (piece.size() > limit_ - text_.size()) return false;
        text_.append(piece);
        piece = {};
        return true;
    }
    std::error_code verdict(std::error_code error) const noexcept {
        if (!error) return errc::body_too_large;
        return error == errc::end_of_body ? std::error_code() : error;
    }
    std::string result() noexcept { return std::move(text_); }

private:
    std::uint64_t limit_;
    std::string text_;
};

/// A reading operation with a handler: `void(std::error_code, Taker::result_type)`.
template <class Connection, class Taker, class Handler>
class handled_body_op final : public body_op<Connection> {
public:
    handled_body_op(Handler handler, Connection& c, Taker taker)
        : body_op<Connection>(c), completion_(std::move(handler), c.stream.get_executor()), taker_(std::move(taker)) {}

private:
    bool take(std::string_view& piece) override { return taker_(piece); }
    net::mutable_buffer room() noexcept override {
        if constexpr (requires { taker_.room(); }) return taker_.room();
        return {};
    }
    void filled(std::size_t bytes) noexcept override {
        if constexpr (requires { taker_.filled(bytes); }) taker_.filled(bytes);
    }
    void began(std::uint64_t serial) override {
        make_cancellable(completion_, this->connection(), serial);
    }
    void ended(delivery how, std::error_code error) override {
        completion_.end(this, how, taker_.verdict(error), taker_.result());
    }

    completion<Handler, typename Connection::executor_type> completion_;
    Taker taker_;
};

}  // namespace detail

/// The head of a response, and its body as it comes. Made by `async_start_exchange`, for a lease that outlives it, or
/// by `http_client::async_start`, and then it holds the lease and puts it back when it ends.
///
/// Ending it early is fine: the rest of the body is read and dropped within the pool's `drain_limit_bytes` and
/// `drain_timeout`, off the caller's path, or the connection is closed.
/// @threads distinct objects only, one operation at a time
template <class Transport, class Executor = net::any_io_executor>
class response_reader {
public:
    using lease_type = lease<Transport, Executor>;
    using connection_type = typename lease_type::connection_type;
    using executor_type = Executor;

    response_reader() = default;
    /// Not for users.
    response_reader(response head, connection_type& c) : head_(std::move(head)), connection_(&c) {}
    /// Not for users.
    void keep(lease_type lease) { own_ = std::move(lease); }

    /// The status line and fields; its body is empty.
    const response& head() const noexcept { return head_; }
    unsigned status() const noexcept { return head_.status(); }
    std::string_view reason() const noexcept { return head_.reason(); }
    unsigned version() const noexcept { return head_.version(); }
    std::optional<std::string_view> header(std::string_view name) const noexcept { return head_.header(name); }
    http::fields_view headers() const noexcept { return head_.headers(); }

    /// Whether the body has been read to its end, or there is none.
    bool at_end() const noexcept {
        if (connection_ == nullptr) return true;
        const auto* rest = detail::unread_of(*connection_);
        const bool failed = rest != nullptr && rest->failure;
        return connection_->usage != detail::connection_usage::unread && !failed;
    }

    executor_type get_executor() const noexcept { return connection_->stream.get_executor(); }

    /// Reads what there is of the body, its transfer coding removed, or waits for it.
    /// @completes `void(std::error_code, std::size_t)` with at least one byte, or an error
    /// @errors `errc::end_of_body` at the end; `errc::response_truncated`, `errc::response_stalled`,
    /// `errc::request_timed_out`, what the parser refuses, `errc::cancelled`
    /// @cancels any type; the connection is closed with its lease then
    /// @cost a buffer of 8 KiB or more is read into directly where the body's length is known
    template <class MutableBuffers, class Token = net::default_completion_token_t<Executor>>
    auto async_read_some(const MutableBuffers& buffers, Token&& token = {}) {
        return read(detail::take_some(detail::first_nonempty<net::mutable_buffer>(buffers)),
                    std::forward<Token>(token));
    }

    /// Reads the rest of the body into a string.
    /// @param limit in bytes; a larger body is `errc::body_too_large`
    /// @completes `void(std::error_code, std::string)`
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_read_all(std::uint64_t limit, Token&& token) {
        return read(detail::take_all(limit), std::forward<Token>(token));
    }
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_read_all(Token&& token = {}) {
        return read(detail::take_all(http::limits{}.max_body_bytes), std::forward<Token>(token));
    }

    /// Ends the reading and drops the rest of the body within the pool's `drain_limit_bytes` and `drain_timeout`, so that
    /// the lease can be used again at once; a held lease is put back. The reader is spent.
    /// @completes `void(std::error_code)`
    /// @errors `errc::body_too_large` or `errc::request_timed_out` when the rest was too large or too slow, those of
    /// reading, `errc::cancelled`; after any of them the connection ends with its lease
    /// @cancels any type
    template <class Token = net::default_completion_token_t<Executor>>
    auto async_close(Token&& token = {}) {
        return net::async_initiate<Token, void(std::error_code)>(
            [](auto handler, connection_type* c, lease_type own) {
                using handler_type = std::decay_t<decltype(handler)>;
                if (c == nullptr) return detail::post_outcome(std::move(handler), std::error_code());
                using op = detail::body_close<connection_type, lease_type, handler_type>;
                detail::allocate_op<op>(std::move(handler), *c, std::move(own))->start();
            },
            token, std::exchange(connection_, nullptr), std::move(own_));
    }

    /// Ends the reading without waiting: a held lease is put back, and drained off the caller's path.
    void close() noexcept {
        connection_ = nullptr;
        own_ = lease_type();
    }

private:
    template <class Taker, class Token>
    auto read(Taker taker, Token&& token) {
        return net::async_initiate<Token, void(std::error_code, typename Taker::result_type)>(
            [](auto handler, connection_type* c, Taker what) {
                using op = detail::handled_body_op<connection_type, Taker, std::decay_t<decltype(handler)>>;
                if (c == nullptr)
                    return detail::post_outcome(std::move(handler), make_error_code(errc::lease_empty),
                                                typename Taker::result_type());
                detail::allocate_op<op>(std::move(handler), *c, std::move(what))->run();
            },
            token, connection_, std::move(taker));
    }

    response head_;
    connection_type* connection_ = nullptr;
    lease_type own_;
};

}  // namespace hotpool
