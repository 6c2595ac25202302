// One request and its response: what to do next, and how it ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/exchange/exchange_options.hpp"
#include "hotpool/exchange/request_writer.hpp"
#include "hotpool/exchange/response_collector.hpp"
#include "hotpool/http/request_builder.hpp"
#include "hotpool/http/response_parser.hpp"
#include "hotpool/manager/retire_reason.hpp"

namespace hotpool::detail {

/// Whether the response is collected whole, or handed out after its head.
enum class collect : std::uint8_t { whole, head };

/// A request is written and then its response read, but for two meetings: a body may be withheld until the origin
/// consents, and a final response may come while the request is still on its way. A successful one lets the writing go
/// on, for as long as the origin takes it; any other ends it. `next` says what is to be done, the driver does it and
/// tells how it went, and so on until it is over.
///
///     writing --> reading --> over        from writing too: answered early, refused, lost; from any: cancelled, timed out
///
/// No I/O, no clock. What each exchange goes through once is inlined by attribute.
/// @lifetime the request outlives it
class exchange_machine {
public:
    enum class order : std::uint8_t {
        write,         ///< what of `front` and `body` can be written
        await_answer,  ///< the request has just been written whole, the response is hardly there: wait, then read
        read,          ///< into `room`; with nothing there, wait and read again
        end,           ///< see `outcome`
    };
    enum class outcome : std::uint8_t {
        none,      ///< it is not over
        complete,  ///< the response has been read to its end
        head,      ///< its head is there, the rest is for others to read
        switched,  ///< its head is there, and what follows is another protocol
        failed,    ///< see `error` and `reason`
    };

    exchange_machine(const exchange_options& options, collect what) noexcept
        : first_byte_timeout_(options.first_byte_timeout),
          between_bytes_timeout_(options.between_bytes_timeout),
          scope_(what),
          collector_(options.limits) {
        // A body that is streamed is kept nowhere.
        if (what == collect::head) collector_.parser().limit_body(http::unlimited);
    }

    /// Begins, or begins anew.
    /// @param reused whether the connection has carried something before
    /// @return why the request must not be sent, or `errc{}`
    [[gnu::always_inline]] errc start(const request_builder& request, std::string_view host_value,
                                      const http::field_block* defaults, bool reused) {
        request_ = &request;
        reused_ = reused;
        stage_ = stage::writing;
        outcome_ = outcome::none;
        early_ = early::no;
        if (broken_) [[unlikely]]
            forget_errors();
        answer_due_ = rest_due_ = never;
        if (const errc e = writer_.start(request, host_value, defaults); e != errc{}) return e;
        collector_.start(request.kind(), request.wants_upgrade());
        return errc{};
    }

    /// The origin refuses to be asked: from now on no body is withheld.
    void do_not_ask_first() noexcept { writer_.do_not_ask_first(); }

    // --- what is to be done

    order next() {
        if (stage_ == stage::reading) return order::read;
        if (stage_ == stage::over) return order::end;
        if (writer_.lacks_body() && !refill()) return order::end;
        if (!writer_.at_rest()) return order::write;
        if (writer_.withheld()) return order::read;
        if (early_ != early::no) {
            end_upload();
            return stage_ == stage::over ? order::end : order::read;
        }
        stage_ = stage::reading;
        writer_.release();
        return response_begun() ? order::read : order::await_answer;
    }

    std::string_view front() const noexcept { return writer_.front(); }
    std::string_view body() const noexcept { return writer_.body(); }
    /// Where to read to; its size is `room_size` afterwards.
    char* room(std::size_t block_bytes) { return collector_.room(block_bytes); }
    std::size_t room_size() const noexcept { return collector_.room_size(); }
    /// Whether the rest of the request waits for the origin's consent, and for no longer than `continue_timeout`.
    bool awaits_consent() const noexcept { return stage_ == stage::writing && writer_.withheld() && writer_.at_rest(); }
    /// Whether the origin has answered already: then it may stop taking the rest of the request for a short time only.
    bool is_answered_early() const noexcept { return early_ != early::no; }
    /// While it is being written, what the peer says is read before more is written.
    bool is_partly_written() const noexcept { return writer_.written() != 0; }

    // --- how it went

    void wrote(std::size_t bytes) noexcept { writer_.wrote(bytes); }
    /// The peer may have answered before it left.
    void write_failed(std::error_code error) noexcept {
        write_error_ = error;
        broken_ = true;
        end_upload();
    }
    [[gnu::always_inline]] void received(std::size_t bytes) noexcept {
        collector_.received(bytes);
        rest_due_ = never;
        if (early_ >= early::head) [[unlikely]]
            return keep_for_later();
        parse();
    }
    /// There was nothing to read; memory is not kept while waiting for it.
    void nothing_came() noexcept {
        if (collector_.empty()) collector_.release();
    }
    void stream_ended(std::error_code error) noexcept {
        if (early_ >= early::head) return end_upload();
        const bool begun = response_begun();
        // Why it left, if it has said so, says more than that it did.
        if (write_error_ && !begun && error != errc::client_certificate_refused) error = write_error_;
        if (begun && error == errc::connection_closed && collector_.finish() == response_collector::verdict::complete)
            return completed();
        lost(error);
    }
    /// The peer spoke before a byte of the request had left.
    void spoke_first() noexcept { fail(errc::unsolicited_bytes, retire_reason::unsolicited_bytes); }
    /// The origin does not say yes: the body is sent all the same. Or it takes no more of a request that it has answered:
    /// the rest is not sent.
    void origin_overdue() noexcept { is_answered_early() ? end_upload() : writer_.release_body(); }
    void cancelled() noexcept { fail(errc::cancelled, retire_reason::cancelled); }
    void lease_expired() noexcept {
        if (early_ == early::whole) return end_upload();
        fail(wrote_nothing() ? errc::request_unsent : errc::request_timed_out, retire_reason::lease_deadline);
    }
    void memory_refused() noexcept {
        fail(std::make_error_code(std::errc::not_enough_memory), retire_reason::not_clean);
    }

    // --- silence

    /// Whether the peer may be silent for so long only; then the driver asks before it waits.
    bool limits_silence() const noexcept {
        return stage_ == stage::reading &&
               (first_byte_timeout_ != duration::zero() || between_bytes_timeout_ != duration::zero());
    }
    /// The driver is about to wait for the peer. @return until when the final response may be silent
    time_point waits(time_point now) noexcept {
        if (answer_due_ == never && first_byte_timeout_ != duration::zero())
            answer_due_ = base::after(now, first_byte_timeout_);
        if (rest_due_ == never && between_bytes_timeout_ != duration::zero())
            rest_due_ = base::after(now, between_bytes_timeout_);
        return silent_until();
    }
    /// Interim responses do not count, nor does a head that is still one of either: it is dropped from the collector
    /// when it turns out to be interim.
    time_point silent_until() const noexcept { return collector_.empty() ? answer_due_ : rest_due_; }
    void silent_too_long() noexcept {
        fail(collector_.empty() ? errc::first_byte_timed_out : errc::response_stalled, retire_reason::lease_deadline);
    }
    duration between_bytes_timeout() const noexcept { return between_bytes_timeout_; }

    // --- how it ended

    outcome ended() const noexcept { return outcome_; }
    const std::error_code& error() const noexcept { return error_; }
    retire_reason reason() const noexcept { return reason_; }
    bool wrote_nothing() const noexcept { return writer_.written() == 0; }
    bool body_withheld() const noexcept { return writer_.withheld(); }
    std::uint64_t written() const noexcept { return writer_.written(); }
    bool response_begun() noexcept { return collector_.parser().begun(); }
    /// Whether the request went out whole and did not ask to close.
    bool request_allows_reuse() const noexcept { return request_->keep_alive() && writer_.complete(); }
    const response_parser& parser() noexcept { return collector_.parser(); }
    /// What has been received behind the response, or of its body.
    std::string_view unparsed() const noexcept { return collector_.unparsed(); }
    response take() noexcept { return collector_.take(writer_.complete()); }

private:
    enum class stage : std::uint8_t { writing, reading, over };
    /// What there is of a successful response while the request is still being written.
    enum class early : std::uint8_t {
        no,     ///< nothing
        begun,  ///< its head, and the body is collected
        head,   ///< its head, and the body is for others to read
        whole,  ///< all of it
    };
    /// So much of the body is kept for others. Once there is more, the rest of the request is not sent.
    static constexpr std::size_t max_kept = 64 * 1024;

    /// False when the body's source has failed.
    bool refill() {
        const std::error_code e = writer_.refill();
        // The head has left: that is another failure than a request which is refused as a whole.
        const bool short_or_long = e == errc::body_length_mismatch;
        if (e) fail(short_or_long ? make_error_code(errc::body_source_failed) : e, retire_reason::not_clean);
        return !e;
    }

    [[gnu::always_inline]] void parse() noexcept {
        for (;;) {
            switch (collector_.advance()) {
                case response_collector::verdict::need_more: return;
                case response_collector::verdict::failed:
                    return fail(collector_.error(), retire_reason::protocol_error);
                case response_collector::verdict::interim:
                    if (collector_.parser().status() == 100) writer_.release_body();
                    break;
                case response_collector::verdict::head:
                    if (lets_upload_go_on()) [[unlikely]] {
                        early_ = early::begun;
                        if (scope_ == collect::whole || collector_.parser().complete()) break;
                        early_ = early::head;
                        return keep_for_later();
                    }
                    stage_ = stage::reading;  // a final response: the rest of the request is not sent
                    if (scope_ == collect::head && !collector_.parser().complete()) return end_as(outcome::head);
                    break;
                case response_collector::verdict::complete:
                    if (early_ == early::no) return completed();
                    early_ = early::whole;
                    // With more behind it the connection is of no further use.
                    if (!collector_.unparsed().empty()) end_upload();
                    return;
            }
        }
    }

    /// @source RFC 9112, 9.3: a server may answer before it has read the request
    bool lets_upload_go_on() noexcept {
        return stage_ == stage::writing && collector_.parser().status() < 300 && !collector_.parser().switched() &&
               !writer_.withheld() && !writer_.complete();
    }
    void keep_for_later() noexcept {
        if (early_ == early::whole || collector_.unparsed().size() > max_kept) end_upload();
    }
    /// Nothing more of the request is written: it has left, or will not.
    void end_upload() noexcept {
        switch (std::exchange(early_, early::no)) {
            case early::whole: return completed();
            case early::head: return end_as(outcome::head);
            case early::no:
            case early::begun: stage_ = stage::reading;
        }
    }

    void completed() noexcept { end_as(collector_.parser().switched() ? outcome::switched : outcome::complete); }

    /// The connection ended under the exchange: what does the caller have to know?
    void lost(std::error_code error) noexcept {
        // It belongs to the handshake, which in TLS 1.3 this side has left behind already: no request was looked at.
        if (error == errc::client_certificate_refused && !response_begun())
            return fail(error, retire_reason::certificate_refused);
        const retire_reason why =
            error == errc::connection_closed ? retire_reason::peer_closed : retire_reason::transport_error;
        if (response_begun()) return fail(errc::response_truncated, why);
        if (wrote_nothing()) return fail(reused_ ? make_error_code(errc::stale_connection) : error, why);
        if (!request_->is_idempotent()) return fail(errc::maybe_processed, why);
        fail(error == errc::connection_closed ? make_error_code(errc::response_missing) : error, why);
    }

    void fail(std::error_code error, retire_reason why) noexcept {
        error_ = error;
        broken_ = true;
        reason_ = why;
        end_as(outcome::failed);
    }
    void forget_errors() noexcept {
        write_error_.clear();
        error_.clear();
        broken_ = false;
    }
    void end_as(outcome how) noexcept {
        stage_ = stage::over;
        outcome_ = how;
    }

    const request_builder* request_ = nullptr;
    const duration first_byte_timeout_;
    const duration between_bytes_timeout_;
    const collect scope_;
    stage stage_ = stage::writing;
    outcome outcome_ = outcome::none;
    early early_ = early::no;
    retire_reason reason_ = retire_reason::none;
    bool reused_ = false;
    bool broken_ = false;  // one of the errors has been set
    std::error_code write_error_;
    std::error_code error_;
    request_writer writer_;
    response_collector collector_;
    time_point answer_due_ = never;  // the first byte of the final response
    time_point rest_due_ = never;    // the next byte of it
};

}  // namespace hotpool::detail
