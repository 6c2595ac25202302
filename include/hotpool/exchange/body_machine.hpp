// The rest of a response: its pieces, and how it ends.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/http/response_parser.hpp"
#include "hotpool/manager/retire_reason.hpp"

namespace hotpool::detail {

/// Where the parser stands, and the bytes received that have not been handed out. `next` says what is to be done, the
/// driver does it and tells how it went; reading may stop after any piece, and go on later.
///
///     reading --> over        by the body's end, or by the end of the stream where that is it
///             --> failed      refused, lost, cancelled, timed out; it stays failed
///
/// No I/O, no clock.
class body_machine {
public:
    enum class order : std::uint8_t {
        hand_out,  ///< take what is wanted off `piece`
        receive,   ///< into `direct_room`, or else `room`; with nothing there, wait and receive again
        end,       ///< the body has been read to its end
        fail,      ///< see `failure` and `reason`
    };

    /// @param parser has read the head
    /// @param received what came behind it
    /// @errors throws `std::bad_alloc`
    void start(const response_parser& parser, std::string_view received, duration between_bytes_timeout) {
        parser_ = parser;
        window_.append(received);
        between_bytes_timeout_ = between_bytes_timeout;
    }

    // --- what is to be done

    order next() noexcept {
        for (;;) {
            if (!piece_.empty()) return order::hand_out;
            if (failure_) return order::fail;
            if (parsed_ == window_.size()) {
                window_.clear();
                parsed_ = 0;
            }
            const parse_result r = parser_.parse(unparsed());
            parsed_ += r.consumed;
            piece_ = r.piece;
            switch (r.event) {
                case parse_event::body: break;
                case parse_event::end: return order::end;
                case parse_event::failed: fail(r.error, retire_reason::protocol_error); break;
                default: return order::receive;
            }
        }
    }

    /// Body bytes; whoever takes some shortens it by those.
    std::string_view& piece() noexcept { return piece_; }

    /// How much of `bytes` of the caller's own room may be read into without a detour: nothing but bytes of this body
    /// may go there, and enough of them to be worth a read of its own.
    std::size_t direct_room(std::size_t bytes) const noexcept {
        constexpr std::uint64_t worth_it = 8 * 1024;
        const std::uint64_t left = parser_.remaining_body_hint();
        if (left == 0 || parsed_ != window_.size()) return 0;
        const std::uint64_t most = std::min<std::uint64_t>(bytes, left);
        return most >= std::min(left, worth_it) ? static_cast<std::size_t>(most) : 0;
    }
    /// Where to read to otherwise; its size is `room_size` afterwards.
    char* room(std::size_t block_bytes) {
        window_.consume(parsed_);
        parsed_ = 0;
        return window_.prepare(block_bytes);
    }
    std::size_t room_size() const noexcept { return window_.room(); }

    // --- how it went

    void received(std::size_t bytes) noexcept {
        silent_until_ = never;
        window_.commit(bytes);
        past_window_ = false;
    }
    /// Bytes that were read into the caller's room.
    void received_directly(std::string_view bytes) noexcept {
        silent_until_ = never;
        parser_.parse(bytes);
        past_window_ = true;
    }
    /// There was nothing to read; memory is not kept while waiting for it.
    void nothing_came() noexcept {
        if (parsed_ == window_.size()) release();
    }
    void stream_ended(std::error_code error) noexcept {
        const bool orderly = error == errc::connection_closed;
        const retire_reason why = orderly ? retire_reason::peer_closed : retire_reason::transport_error;
        if (!orderly) return fail(errc::response_truncated, why);
        if (const parse_result last = parser_.finish(); last.event != parse_event::end) fail(last.error, why);
    }
    void cancelled() noexcept { fail(errc::cancelled, retire_reason::cancelled); }
    void lease_expired() noexcept { fail(errc::request_timed_out, retire_reason::lease_deadline); }
    void silent_too_long() noexcept { fail(errc::response_stalled, retire_reason::lease_deadline); }
    void memory_refused() noexcept {
        fail(std::make_error_code(std::errc::not_enough_memory), retire_reason::not_clean);
    }

    // --- silence

    /// Somebody begins to read: time in which nobody does is no silence of the peer's.
    void reading_begins() noexcept { silent_until_ = never; }
    /// Whether the peer may be silent for so long only; then the driver asks before it waits.
    bool limits_silence() const noexcept { return between_bytes_timeout_ != duration::zero(); }
    void do_not_limit_silence() noexcept { between_bytes_timeout_ = duration::zero(); }
    /// The driver is about to wait. @return until when the peer may be silent
    time_point waits(time_point now) noexcept {
        if (silent_until_ == never) silent_until_ = base::after(now, between_bytes_timeout_);
        return silent_until_;
    }
    time_point silent_until() const noexcept { return silent_until_; }

    // --- what is known

    const response_parser& parser() const noexcept { return parser_; }
    std::string_view unparsed() const noexcept { return window_.view_from(parsed_); }
    /// Whether more than so many bytes are to come that have not been received, as far as the length is known.
    bool lacks_more_than(std::size_t bytes) const noexcept {
        const std::uint64_t left = parser_.remaining_body_hint();
        return left > unparsed().size() && left - unparsed().size() > bytes;
    }
    /// Whether the last bytes were read directly: nobody knows what is behind them.
    bool is_blind() const noexcept { return past_window_; }
    const std::error_code& failure() const noexcept { return failure_; }
    retire_reason reason() const noexcept { return reason_; }

    /// Takes the first unparsed bytes, which are not of a body.
    void drop(std::size_t bytes) noexcept { parsed_ += bytes; }

private:
    void fail(std::error_code error, retire_reason why) noexcept {
        failure_ = error;
        reason_ = why;
        piece_ = {};
        release();
    }
    void release() noexcept {
        window_.release();
        parsed_ = 0;
    }

    response_parser parser_;
    base::byte_buffer window_;
    std::size_t parsed_ = 0;  // bytes of the window that the parser has consumed
    std::string_view piece_;  // in the parsed part, and nobody has taken it yet
    duration between_bytes_timeout_{};
    time_point silent_until_ = never;
    std::error_code failure_;
    retire_reason reason_ = retire_reason::none;
    bool past_window_ = false;
};

}  // namespace hotpool::detail
