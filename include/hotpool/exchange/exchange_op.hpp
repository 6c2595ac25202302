// One request and its response on a connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "hotpool/io/completion.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/look.hpp"
#include "hotpool/connection/phase_limit.hpp"
#include "hotpool/exchange/request_writer.hpp"
#include "hotpool/exchange/response_collector.hpp"
#include "hotpool/exchange/settle.hpp"
#include "hotpool/exchange/unread_response.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/exchange/body_drain.hpp"
#include "hotpool/exchange/exchange_options.hpp"
#include "hotpool/http/request_builder.hpp"

namespace hotpool::detail {

/// Whether the response is collected whole, or handed out after its head.
enum class collect { whole, head };

/// Writes the request, at once as far as the socket takes it; waits; reads the response. Derived classes own the
/// memory and the handler.
/// @threads owns the connection from `run` to `ended`
template <class Connection>
class exchange_op : public waiting_op {
public:
    /// What is known of a failed exchange, for the decision whether to try again.
    bool wrote_nothing() const noexcept { return writer_.written() == 0; }
    bool response_begun() noexcept { return collector_.parser().begun(); }

    void resume(wake why) override {
        switch (why) {
            case wake::ready: break;
            case wake::cancelled: return fail(delivery::posted, errc::cancelled, retire_reason::cancelled);
            case wake::expired:
                if (outlasts_expiry(delivery::posted)) go_on(delivery::posted);
                return;
            case wake::timer: writer_.release_body(); break;  // the origin does not say yes: it is sent all the same
        }
        go_on(delivery::dispatched);
    }

protected:
    exchange_op(const request_builder& request, const exchange_options& options, collect what)
        : request_(request),
          defaults_(options.defaults),
          continue_timeout_(options.continue_timeout),
          first_byte_timeout_(options.first_byte_timeout),
          between_bytes_timeout_(options.between_bytes_timeout),
          collect_(what),
          collector_(options.limits) {
        // A body that is streamed is kept nowhere.
        if (what == collect::head) collector_.parser().limit_body(http::unlimited);
    }
    ~exchange_op() = default;

    /// Called once; `take_response` gives the response if there is no error.
    virtual void ended(delivery how, std::error_code error) = 0;
    /// The operation can be cancelled by this serial from now on.
    virtual void began(Connection& c, std::uint64_t serial) = 0;
    /// When the lease itself is over, whatever the limits of this exchange.
    virtual time_point own_deadline() const noexcept { return never; }

    void run(Connection& c) {
        connection_ = &c;
        writing_ = true;
        postponed_ = false;
        write_error_.clear();
        consent_timer_.reset();
        limit_.reset();
        answer_due_ = rest_due_ = never;
        if (const std::error_code why_not = obstacle(c)) return ended(delivery::posted, why_not);
        if (const errc e = writer_.start(request_, c.home->authority(), defaults_); e != errc{})
            return ended(delivery::posted, e);
        serial_ = c.begin_operation();
        began(c, serial_);
        c.usage = connection_usage::exchanging;
        collector_.start(request_.kind(), request_.wants_upgrade());
        if (c.expired.load(std::memory_order_acquire)) return overdue(delivery::posted);
        if (c.readable.has_fired() && !is_quiet(c)) return;
        go_on(delivery::posted);
    }

    response take_response() { return collector_.take(); }
    Connection& connection() noexcept { return *connection_; }
    /// The lease goes on to be used by others: its deadline is its own again.
    void lift_limits() { limit_.lift(*connection_, own_deadline()); }

private:
    using timer_type = net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, typename Connection::executor_type>;

    static std::error_code obstacle(const Connection& c) noexcept {
        if (c.reclaimed.load(std::memory_order_acquire)) return errc::lease_reclaimed;
        switch (c.usage) {
            case connection_usage::clean:
            case connection_usage::raw: return {};
            case connection_usage::exchanging: return errc::exchange_in_progress;
            case connection_usage::unread: return errc::response_pending;
            case connection_usage::switched:
            case connection_usage::broken: break;
        }
        return errc::connection_closed;
    }

    /// Before the first byte of the request: has the peer closed, or spoken first?
    bool is_quiet(Connection& c) {
        c.readable.clear_fired();
        char byte;
        const io_result r = c.stream.try_read(net::buffer(&byte, 1));
        if (r.want != io_want::none) return true;
        if (r.bytes != 0)
            fail(delivery::posted, errc::unsolicited_bytes, retire_reason::unsolicited_bytes);
        else
            lost(delivery::posted, r.error);
        return false;
    }

    void go_on(delivery how) {
        if (writing_) {
            if (!write(how)) return;
            // Freshly written, the response is hardly there yet.
            if (!writing_ && !write_error_ && !collector_.parser().begun() && !await_response(how)) return;
        }
        read(how);
    }

    // --- writing

    /// Writes what can be written. False when the operation waits, or is over.
    bool write(delivery how) {
        for (;;) {
            if (writer_.written() != 0 && connection_->readable.has_fired() && !heed_early_response(how)) return false;
            if (!writing_) return true;
            if (const std::error_code e = writer_.refill()) {
                // The head has left: that is another failure than a request which is refused as a whole.
                const bool short_or_long = e == errc::body_length_mismatch;
                fail(how, short_or_long ? make_error_code(errc::body_source_failed) : e, retire_reason::not_clean);
                return false;
            }
            if (writer_.at_rest()) break;
            const std::string_view front = writer_.front();
            const std::string_view body = writer_.body();
            const io_result r = connection_->stream.try_write(net::buffer(front.data(), front.size()),
                                                              net::buffer(body.data(), body.size()));
            if (r.bytes != 0) {
                writer_.wrote(r.bytes);
            } else if (r.error) {
                write_error_ = r.error;  // the peer may have answered before it left
                writing_ = false;
                return true;
            } else if (!wait(how, r.want, io_want::read)) {
                return false;
            }
        }
        if (writer_.withheld()) return await_consent();
        writing_ = false;
        writer_.release();
        return true;
    }

    /// The peer speaks while the request is still on its way: a final response ends the writing.
    bool heed_early_response(delivery how) {
        connection_->readable.clear_fired();
        const io_result r = receive();
        if (r.want != io_want::none) return true;
        if (r.error) {
            write_error_ = r.error;
            writing_ = false;
            return stream_ended(how, r.error), false;
        }
        return parse(how);
    }

    bool await_consent() {
        if (consent_timer_ == nullptr) {
            consent_timer_ = std::make_unique<timer_type>(connection_->stream.get_executor());
            consent_timer_->expires_after(continue_timeout_);
            consent_timer_->async_wait([c = counted_ref<Connection>(*connection_), serial = serial_](std::error_code e) {
                if (e) return;
                if (waiting_op* op = c->readable.claim_on_timer(serial)) op->resume(wake::timer);
            });
        }
        return true;
    }

    // --- reading

    void read(delivery how) {
        for (;;) {
            const io_result r = receive();
            if (std::exchange(postponed_, false)) connection_->home->note_speculation(r.want == io_want::none);
            if (r.error) return stream_ended(how, r.error);
            if (r.want != io_want::none) {
                if (collector_.empty()) collector_.release();
                if (!wait(how, r.want, r.want)) return;
            } else if (!parse(how)) {
                return;
            }
            if (writing_ && !write(how)) return;
        }
    }

    /// Waits for the first byte of the response; where it is likely to come within this turn, only until the turn's
    /// end. False when the operation is parked, or over.
    bool await_response(delivery how) {
        Connection& c = *connection_;
        if (c.readable.is_armed() || !c.home->speculates()) return wait(how, io_want::read, io_want::read);
        postponed_ = true;
        const counted_ref<Connection> keep(c);
        if (!park(how, io_want::read)) {
            c.home->at_turn_end(c);
            return false;
        }
        return true;
    }

    io_result receive() {
        char* room = collector_.room(read_block_bytes);
        const io_result r = connection_->stream.try_read(net::buffer(room, collector_.room_size()));
        collector_.received(r.bytes);
        if (r.bytes != 0 && between_bytes_timeout_ != duration::zero()) rest_due_ = base::end_of(between_bytes_timeout_);
        return r;
    }

    /// Parses what has been received. False when the operation is over.
    bool parse(delivery how) {
        for (;;) {
            switch (collector_.advance()) {
                case response_collector::verdict::need_more: return true;
                case response_collector::verdict::failed:
                    fail(how, collector_.error(), retire_reason::protocol_error);
                    return false;
                case response_collector::verdict::interim:
                    if (collector_.parser().status() == 100) consented();
                    break;
                case response_collector::verdict::head:
                    writing_ = false;  // a final response: the rest of the request is not sent
                    if (collect_ == collect::head && !collector_.parser().complete()) return hand_over(how);
                    break;
                case response_collector::verdict::complete: complete(how); return false;
            }
        }
    }

    void consented() {
        writer_.release_body();
        consent_timer_.reset();
    }

    // --- the end

    void complete(delivery how) {
        Connection& c = *connection_;
        response_parser& parser = collector_.parser();
        if (parser.switched()) {
            auto behind = std::make_unique<unread_response<Connection>>();
            behind->window.append(collector_.unparsed());
            c.left = std::move(behind);
            c.usage = connection_usage::switched;
        } else {
            settle(c, parser, request_allows(), !collector_.unparsed().empty());
        }
        ended(how, {});
    }

    /// The head is there and a body follows: the rest is read by others.
    bool hand_over(delivery how) {
        Connection& c = *connection_;
        auto rest = std::make_unique<unread_response<Connection>>();
        rest->parser = collector_.parser();
        rest->window.append(collector_.unparsed());
        rest->request_allows = request_allows();
        c.last_status = static_cast<std::uint16_t>(collector_.parser().status());
        rest->between_bytes_timeout = between_bytes_timeout_;
        rest->lease_deadline = own_deadline();
        c.left = std::move(rest);
        c.usage = connection_usage::unread;
        ended(how, {});
        return false;
    }

    bool request_allows() const noexcept { return request_.keep_alive() && writer_.complete(); }

    void stream_ended(delivery how, std::error_code error) {
        const bool begun = collector_.parser().begun();
        if (write_error_ && !begun) error = write_error_;
        const bool may_end = begun && error == errc::connection_closed;
        if (may_end && collector_.finish() == response_collector::verdict::complete) return complete(how);
        lost(how, error);
    }

    /// The connection ended under the exchange: what does the caller have to know?
    void lost(delivery how, std::error_code error) {
        const retire_reason why = loss_reason(error);
        if (collector_.parser().begun()) return fail(how, errc::response_truncated, why);
        if (writer_.written() == 0) return fail(how, connection_->reused ? errc::stale_connection : error, why);
        if (!request_.is_idempotent()) return fail(how, errc::maybe_processed, why);
        fail(how, error == errc::connection_closed ? make_error_code(errc::response_missing) : error, why);
    }

    void fail(delivery how, std::error_code error, retire_reason why) {
        connection_->break_for(why);
        ended(how, error);
    }

    /// Waits for the socket. False when the operation is parked, or over.
    bool wait(delivery how, io_want want, io_want also) {
        connection_->arm(want);
        if (also != want) connection_->arm(also);
        return park(how, want);
    }
    bool park(delivery how, io_want want) {
        if (is_limited() && !writing_ && !limit_phase(how)) return false;
        const std::optional<wake> at_once = connection_->gate_for(want).park(*this);
        if (!at_once) return false;
        switch (*at_once) {
            case wake::ready: return true;
            case wake::timer: writer_.release_body(); return true;
            case wake::cancelled: fail(how, errc::cancelled, retire_reason::cancelled); return false;
            case wake::expired: return outlasts_expiry(how);
        }
        return false;
    }

    // --- time

    bool is_limited() const noexcept {
        return first_byte_timeout_ != duration::zero() || between_bytes_timeout_ != duration::zero();
    }
    /// Until when the final response may stay silent. Interim ones do not count, nor does a head that is still one of
    /// either: it is dropped from the collector when it turns out to be interim.
    time_point phase_due() const noexcept { return collector_.empty() ? answer_due_ : rest_due_; }

    /// False when the phase, and with it the operation, is over.
    bool limit_phase(delivery how) {
        if (answer_due_ == never && first_byte_timeout_ != duration::zero())
            answer_due_ = base::end_of(first_byte_timeout_);
        if (limit_.set(*connection_, phase_due(), own_deadline())) return true;
        fail(how, collector_.empty() ? errc::first_byte_timed_out : errc::response_stalled, retire_reason::lease_deadline);
        return false;
    }

    /// False when the operation is over.
    bool outlasts_expiry(delivery how) {
        if (limit_.may_go_on(*connection_, phase_due(), own_deadline())) return true;
        overdue(how);
        return false;
    }
    void overdue(delivery how) {
        fail(how, wrote_nothing() ? errc::request_unsent : errc::request_timed_out, retire_reason::lease_deadline);
    }

    const request_builder& request_;
    const http::field_block* const defaults_;
    const duration continue_timeout_;
    const duration first_byte_timeout_;
    const duration between_bytes_timeout_;
    const collect collect_;
    Connection* connection_ = nullptr;
    std::uint64_t serial_ = 0;
    bool writing_ = true;
    bool postponed_ = false;
    std::error_code write_error_;
    request_writer writer_;
    response_collector collector_;
    std::unique_ptr<timer_type> consent_timer_;
    phase_limit<Connection> limit_;
    time_point answer_due_ = never;  // the first byte of the final response
    time_point rest_due_ = never;    // the next byte of it
};

}  // namespace hotpool::detail
