// Where the bytes of a body that is read piece by piece go.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/exchange/body_op.hpp"
#include "hotpool/io/cancel_operation.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

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

    void prepare() { make_cancellable(completion_, this->connection(), this->connection().begin_operation()); }
    void go() { this->run(); }
    auto memory() const noexcept { return completion_.get_allocator(); }

private:
    bool take(std::string_view& piece) override { return taker_(piece); }
    net::mutable_buffer room() noexcept override {
        if constexpr (requires { taker_.room(); }) return taker_.room();
        return {};
    }
    void filled(std::size_t bytes) noexcept override {
        if constexpr (requires { taker_.filled(bytes); }) taker_.filled(bytes);
    }
    void ended(delivery how, std::error_code error) override {
        this->leave();
        completion_.end(this, how, taker_.verdict(error), taker_.result());
    }

    completion<Handler, typename Connection::executor_type> completion_;
    Taker taker_;
};

}  // namespace hotpool::detail
