// The driver of an exchange: writes, waits and reads as the machine says.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/lease_end.hpp"
#include "hotpool/connection/look.hpp"
#include "hotpool/connection/phase_limit.hpp"
#include "hotpool/exchange/body_drain.hpp"
#include "hotpool/exchange/exchange_machine.hpp"
#include "hotpool/exchange/exchange_options.hpp"
#include "hotpool/exchange/settle.hpp"
#include "hotpool/exchange/unread_response.hpp"
#include "hotpool/http/request_builder.hpp"
#include "hotpool/io/completion.hpp"

namespace hotpool::detail {

/// Writes the request, at once as far as the socket takes it; waits; reads the response. Derived classes own the
/// memory and the handler.
/// @threads owns the connection from `run` to `ended`
template <class Connection>
class exchange_op : public waiting_op {
public:
    void resume(wake why) override {
        const bool at_once = why == wake::ready || why == wake::timer;
        if (is_over([&] { heed(why); })) ended(at_once ? delivery::dispatched : delivery::posted, machine_.error());
    }

protected:
    exchange_op(const request_builder& request, const exchange_options& options, collect what)
        : request_(request),
          defaults_(options.defaults),
          continue_timeout_(options.continue_timeout),
          upload_stall_timeout_(options.upload_stall_timeout),
          machine_(options, what) {}
    ~exchange_op() = default;

    /// Called once, and `leave` is to be called by it; `take_response` gives the response if there is no error.
    virtual void ended(delivery how, std::error_code error) = 0;
    /// The operation can be cancelled by this serial from now on.
    virtual void began(Connection& c, std::uint64_t serial) = 0;
    /// When the lease itself is over, whatever the limits of this exchange.
    virtual time_point own_deadline() const noexcept { return never; }

    /// Prepares the exchange on `c`. @return why it cannot begin; otherwise `run` is next
    /// @errors throws when there is no memory; nothing has happened then
    errc prepare_on(Connection& c) {
        connection_ = &c;
        if (const errc why_not = obstacle(c); why_not != errc{}) return why_not;
        if (const errc e = machine_.start(request_, c.home->authority(), defaults_, c.reused); e != errc{}) return e;
        postponed_ = false;
        timer_.reset();
        stalled_at_ = 0;
        limit_.reset();
        serial_ = c.begin_operation();
        began(c, serial_);
        return errc{};
    }
    [[gnu::always_inline]] void run() {
        connection_->hold.begin(serial_);
        connection_->usage = connection_usage::exchanging;
        if (is_over([&] { look_first(); })) ended(delivery::posted, machine_.error());
    }

    /// The exchange has the connection no longer.
    void leave() { leave_exchange(*connection_); }

    exchange_machine& machine() noexcept { return machine_; }
    response take_response() noexcept { return machine_.take(); }
    Connection& connection() noexcept { return *connection_; }
    std::uint64_t serial() const noexcept { return serial_; }
    /// The lease goes on to be used by others: its deadline is its own again.
    void lift_limits() { limit_.lift(*connection_, own_deadline()); }

private:
    using timer_type =
        net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, typename Connection::executor_type>;
    using order = exchange_machine::order;

    static errc obstacle(const Connection& c) noexcept {
        if (c.hold.is_occupied()) return errc::exchange_in_progress;
        if (c.reclaimed.load(std::memory_order_acquire)) return errc::lease_reclaimed;
        switch (c.usage) {
            case connection_usage::clean: return errc{};
            case connection_usage::raw:
            case connection_usage::unsure: return c.streams.is_free() ? errc{} : errc::exchange_in_progress;
            case connection_usage::exchanging: return errc::exchange_in_progress;
            case connection_usage::unread: return errc::response_pending;
            case connection_usage::switched:
            case connection_usage::broken: break;
        }
        return errc::connection_closed;
    }

    /// Does `first` and then what the machine says. False when the operation is parked, and not to be touched any more.
    template <class First>
    bool is_over(First first) {
        try {
            first();
            if (!go_on()) return false;
            conclude();
        } catch (...) {  // for want of memory
            machine_.memory_refused();
            connection_->break_for(machine_.reason());
        }
        return true;
    }

    bool go_on() {
        for (;;) {
            switch (machine_.next()) {
                case order::write:
                    if (!write()) return false;
                    break;
                case order::await_answer:
                    if (!await_answer()) return false;
                    break;
                case order::read:
                    if (!read()) return false;
                    break;
                case order::end: return true;
            }
        }
    }

    /// Before the first byte of the request: has the deadline passed, or the peer closed, or spoken first?
    void look_first() {
        Connection& c = *connection_;
        if (c.expired.load(std::memory_order_acquire)) return heed(wake::expired);
        if (owes_look(c)) look_for_strays(c);
    }
    [[gnu::noinline]] void look_for_strays(Connection& c) {
        c.readable.clear_fired();
        const io_result r = look_for_anything(c);
        if (r.bytes != 0)
            machine_.spoke_first();
        else if (r.want == io_want::none)
            machine_.stream_ended(r.error);
    }

    // --- one step each; false when the operation is parked

    bool write() {
        Connection& c = *connection_;
        if (machine_.is_partly_written() && c.readable.has_fired()) {
            c.readable.clear_fired();
            receive();
            return true;
        }
        const std::string_view front = machine_.front();
        const std::string_view body = machine_.body();
        const io_result r =
            c.stream.try_write(net::buffer(front.data(), front.size()), net::buffer(body.data(), body.size()));
        if (r.bytes != 0)
            machine_.wrote(r.bytes);
        else if (r.error)
            machine_.write_failed(r.error);
        else
            return await_room(r.want);
        return true;
    }
    bool await_room(io_want want) {
        if (machine_.is_answered_early() && std::exchange(stalled_at_, machine_.written()) != machine_.written())
            set_timer(upload_stall_timeout_);
        return wait(want, io_want::read);
    }

    bool read() {
        const io_want want = receive();
        if (std::exchange(postponed_, false)) connection_->home->note_speculation(want == io_want::none);
        if (want == io_want::none) return true;
        machine_.nothing_came();
        if (machine_.awaits_consent() && timer_ == nullptr) set_timer(continue_timeout_);
        return wait(want, want);
    }

    /// Reads what there is and tells the machine. @return what to wait for if there was nothing
    io_want receive() {
        char* const room = machine_.room(read_block_bytes);
        const io_result r = read_noted(*connection_, net::buffer(room, machine_.room_size()));
        if (r.error)
            machine_.stream_ended(r.error);
        else if (r.want == io_want::none)
            machine_.received(r.bytes);
        return r.want;
    }

    /// Waits for the first byte of the response; where it is likely to come within this turn, only until the turn's
    /// end.
    bool await_answer() {
        Connection& c = *connection_;
        if (c.readable.is_armed() || !c.home->speculates()) return wait(io_want::read, io_want::read);
        postponed_ = true;
        const counted_ref<Connection> keep(c);
        if (park(io_want::read)) return true;
        // From here on this operation may go on elsewhere, and be gone.
        try {
            c.home->at_turn_end(c);
            return false;
        } catch (...) {
            return c.readable.claim_unarmed() !=
                   nullptr;  // nobody will come by: it goes on here, unless it does elsewhere
        }
    }

    /// The origin has so much time, and then `origin_overdue` is due.
    void set_timer(duration time) {
        if (timer_ == nullptr) timer_ = std::make_unique<timer_type>(connection_->stream.get_executor());
        timer_->expires_at(base::after(clock_type::now(), time));
        timer_->async_wait([c = counted_ref<Connection>(*connection_), serial = serial_](std::error_code e) {
            if (e) return;
            waiting_op* op = c->readable.claim_on_timer(serial);
            if (op == nullptr) op = c->writable.claim_on_timer(serial);
            if (op != nullptr) op->resume(wake::timer);
        });
    }
    /// A timer may have fired that has been set anew since.
    bool is_timer_due() const { return timer_ != nullptr && timer_->expiry() <= clock_type::now(); }

    // --- waiting

    bool wait(io_want want, io_want also) {
        connection_->arm(want);
        if (also != want) connection_->arm(also);
        return park(want);
    }
    bool park(io_want want) {
        return limit_.park(
            *connection_, want, *this, machine_, [this] { return own_deadline(); }, [this](wake why) { heed(why); });
    }
    void heed(wake why) {
        switch (why) {
            case wake::ready: return;
            case wake::timer:
                if (is_timer_due()) machine_.origin_overdue();
                return;
            case wake::cancelled: return machine_.cancelled();
            case wake::expired:
                if (!limit_.may_go_on(*connection_, machine_.silent_until(), own_deadline())) machine_.lease_expired();
        }
    }

    // --- the end

    void conclude() {
        Connection& c = *connection_;
        if (machine_.response_begun()) c.delivered = true;
        switch (machine_.ended()) {
            case exchange_machine::outcome::complete:
                return settle(c, machine_.parser(), machine_.request_allows_reuse(), !machine_.unparsed().empty());
            case exchange_machine::outcome::head: return leave_behind(connection_usage::unread);
            case exchange_machine::outcome::switched: return leave_behind(connection_usage::switched);
            default: return c.break_for(machine_.reason());
        }
    }
    /// What follows the head is for others to read.
    void leave_behind(connection_usage usage) {
        Connection& c = *connection_;
        auto rest = std::make_unique<unread_response<Connection>>();
        rest->body.start(machine_.parser(), machine_.unparsed(), machine_.between_bytes_timeout());
        rest->request_allows = machine_.request_allows_reuse();
        rest->lease_deadline = own_deadline();
        if (usage == connection_usage::unread) c.last_status = static_cast<std::uint16_t>(machine_.parser().status());
        c.left = std::move(rest);
        c.usage = usage;
    }

    const request_builder& request_;
    const http::field_block* const defaults_;
    const duration continue_timeout_;
    const duration upload_stall_timeout_;
    Connection* connection_ = nullptr;
    std::uint64_t serial_ = 0;
    std::uint64_t stalled_at_ = 0;  // bytes written when the origin last took no more of a request it had answered
    bool postponed_ = false;
    exchange_machine machine_;
    std::unique_ptr<timer_type> timer_;
    phase_limit<Connection> limit_;
};

}  // namespace hotpool::detail
