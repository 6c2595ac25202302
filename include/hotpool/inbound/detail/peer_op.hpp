// Reading, writing and closing an accepted connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/detail/connection_state.hpp"
#include "hotpool/inbound/detail/drop_incoming.hpp"
#include "hotpool/inbound/end_names.hpp"
#include "hotpool/io/buffers.hpp"
#include "hotpool/io/cancel_operation.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::inbound::detail {

struct read_attempt {
    static constexpr io_want direction = io_want::read;
    using signature = void(std::error_code, std::size_t);
    net::mutable_buffer room;

    template <class Stream>
    io_result operator()(Stream& stream) noexcept {
        return room.size() == 0 ? io_result{} : stream.try_read(room);
    }
};

struct write_attempt {
    static constexpr io_want direction = io_want::write;
    using signature = void(std::error_code, std::size_t);
    net::const_buffer head;
    net::const_buffer body{};

    template <class Stream>
    io_result operator()(Stream& stream) noexcept {
        return head.size() + body.size() == 0 ? io_result{} : stream.try_write(head, body);
    }
};

/// Waits until a read is worth trying, and holds no buffers of the stream's meanwhile.
struct wait_attempt {
    static constexpr io_want direction = io_want::read;
    using signature = void(std::error_code);
    bool waited = false;

    template <class Stream>
    io_result operator()(Stream& stream) noexcept {
        if (std::exchange(waited, true) || stream.has_buffered()) return {};
        if constexpr (Stream::holds_buffers) stream.release_buffers();
        return {.want = io_want::read};
    }
};

/// Lets the handler's cancellation slot cancel `op`.
/// @return its serial
/// @errors throws what the slot throws; then the operation is gone
template <class Op, class Completion, class State>
std::uint64_t cancellable(Op& op, Completion& completion, State& c) {
    const std::uint64_t serial = c.next_serial();
    try {
        hotpool::detail::make_cancellable(completion, c, serial);
    } catch (...) {
        completion.abandon(&op);
        throw;
    }
    return serial;
}

/// One of the three: tries at once, waits for readiness, tries again.
template <class Stream, class Attempt, class Handler>
class peer_op final : public peer_waiter<Stream> {
public:
    using state_type = connection_state<Stream>;

    peer_op(Handler handler, state_type& c, Attempt attempt)
        : completion_(std::move(handler), c.get_executor()), connection_(c), attempt_(attempt) {}

    void start() {
        const std::uint64_t serial = cancellable(*this, completion_, *connection_);
        connection_->begin(*this, Attempt::direction, serial);
    }
    void attempt(Stream& stream) noexcept override { this->outcome = attempt_(stream); }
    void complete(delivery how) override {
        std::error_code error = this->outcome.error;
        [[maybe_unused]] std::size_t bytes = this->outcome.bytes;
        if constexpr (std::is_same_v<typename Attempt::signature, void(std::error_code)>)
            completion_.end(this, how, std::move(error));
        else
            completion_.end(this, how, std::move(error), std::move(bytes));
    }

private:
    hotpool::detail::completion<Handler, typename state_type::executor_type> completion_;
    hotpool::detail::counted_ref<state_type> connection_;
    Attempt attempt_;
};

/// Reads the rest of what the peer sends and drops it, until the peer has closed too: closing before that would cut
/// off what it has not received yet.
template <class Stream, class Handler>
class linger_op final : public peer_waiter<Stream> {
public:
    using state_type = connection_state<Stream>;

    linger_op(Handler handler, state_type& c) : completion_(std::move(handler), c.get_executor()), connection_(c) {}

    /// @param error what other operations of the connection fail with
    /// @param request_cut whether that ends a request by the limit `why`
    void start(close_reason why, std::error_code error, bool request_cut) {
        const std::uint64_t serial = cancellable(*this, completion_, *connection_);
        connection_->begin_linger(*this, serial, error, request_cut ? why : close_reason::none,
                                  [&] { left_ = connection_->home->close_begun(*connection_, why); });
    }
    void attempt(Stream& stream) noexcept override {
        this->outcome = {.want = drop_incoming(stream.socket(), left_) ? io_want::read : io_want::none};
    }
    void complete(delivery how) override {
        std::error_code error = this->outcome.error;
        if (error != errc::exchange_in_progress)
            connection_->end(close_reason::finished, errc::cancelled, ending::orderly);
        completion_.end(this, how, std::move(error));
    }

private:
    hotpool::detail::completion<Handler, typename state_type::executor_type> completion_;
    hotpool::detail::counted_ref<state_type> connection_;
    std::uint64_t left_ = 0;  // that may still come
};

template <class Stream, class Attempt, class Handler>
void start_peer_op(connection_state<Stream>* c, Attempt attempt, Handler handler) {
    if (c != nullptr)
        return hotpool::detail::allocate_op<peer_op<Stream, Attempt, Handler>>(std::move(handler), *c, attempt)
            ->start();
    const std::error_code none = make_error_code(errc::lease_empty);
    if constexpr (std::is_same_v<typename Attempt::signature, void(std::error_code)>)
        hotpool::detail::post_outcome(std::move(handler), none);
    else
        hotpool::detail::post_outcome(std::move(handler), none, std::size_t{0});
}

/// @param c null in an empty handle
template <class Stream, class Handler>
void start_linger(connection_state<Stream>* c, close_reason why, std::error_code error, Handler handler,
                  bool request_cut = false) {
    if (c == nullptr) return hotpool::detail::post_outcome(std::move(handler), make_error_code(errc::lease_empty));
    hotpool::detail::allocate_op<linger_op<Stream, Handler>>(std::move(handler), *c)->start(why, error, request_cut);
}

}  // namespace hotpool::inbound::detail
