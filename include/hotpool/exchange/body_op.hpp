// The driver of reading a body: takes, waits and receives as the machine says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/lease_end.hpp"
#include "hotpool/connection/look.hpp"
#include "hotpool/connection/phase_limit.hpp"
#include "hotpool/exchange/body_machine.hpp"
#include "hotpool/exchange/settle.hpp"
#include "hotpool/exchange/unread_response.hpp"
#include "hotpool/io/completion.hpp"

namespace hotpool::detail {

/// Drops body bytes up to a limit.
class drop_up_to {
public:
    explicit drop_up_to(std::size_t bytes) noexcept : left_(bytes) {}
    /// False when the piece is too much.
    bool take(std::string_view& piece) noexcept {
        if (piece.size() > left_) return false;
        left_ -= piece.size();
        piece = {};
        return true;
    }

private:
    std::size_t left_;
};

/// Hands out pieces of the unread body until it is told to stop, the body ends, or reading fails.
/// @threads owns the connection from `run` to `ended`
template <class Connection>
class body_op : public waiting_op {
public:
    void resume(wake why) override {
        if (is_over([&] { heed(why); })) ended(why == wake::ready ? delivery::dispatched : delivery::posted, verdict_);
    }

protected:
    explicit body_op(Connection& c) : connection_(c) {}
    ~body_op() = default;

    /// Begins; the operation is the one of its exchange (`exchange_hold`), or the lease has ended.
    void run() {
        if (is_over([&] { look_first(); })) ended(delivery::posted, verdict_);
    }
    /// The operation has the connection no longer.
    void leave() { leave_exchange(*connection_); }

    /// Takes what it can of `piece`, shortens it by that, and says whether to go on.
    virtual bool take(std::string_view& piece) = 0;
    /// Where body bytes may be put without a detour, and then how many were: that is a stop too. Empty: nowhere.
    virtual net::mutable_buffer room() noexcept { return {}; }
    virtual void filled(std::size_t) noexcept {}
    /// Called once: with no error after `take` said stop, with `errc::end_of_body` at the end. Unless the lease had ended
    /// before, `leave` is to be called by it.
    virtual void ended(delivery how, std::error_code error) = 0;
    Connection& connection() noexcept { return *connection_; }

private:
    using order = body_machine::order;

    body_machine& body() noexcept { return unread_of(*connection_)->body; }
    time_point lease_deadline() noexcept { return unread_of(*connection_)->lease_deadline; }
    bool is_there() const noexcept { return connection_->usage == connection_usage::unread; }

    /// Does `first` and then what the machine says. False when the operation is parked, and not to be touched any more.
    template <class First>
    bool is_over(First first) {
        try {
            first();
            if (is_there() && !go_on()) return false;
            conclude();
        } catch (...) {  // for want of memory
            body().memory_refused();
            conclude();
        }
        return true;
    }

    bool go_on() {
        for (;;) {
            switch (body().next()) {
                case order::hand_out:
                    if (take(body().piece())) break;
                    stop();
                    return true;
                case order::receive:
                    if (!receive()) return false;
                    if (stopped_) return true;
                    break;
                case order::end:
                case order::fail: return true;
            }
        }
    }

    void look_first() {
        if (!is_there()) return;
        body().reading_begins();
        if (connection_->expired.load(std::memory_order_acquire)) heed(wake::expired);
    }

    /// Enough has been taken. If that was the last of the body, it is known at once.
    void stop() noexcept {
        stopped_ = true;
        ended_ = body().piece().empty() && body().next() == order::end;
    }

    /// Reads more into the window, or past it. False when the operation is parked.
    bool receive() {
        body_machine& machine = body();
        net::mutable_buffer to = room();
        const std::size_t directly = machine.direct_room(to.size());
        if (directly != 0) {
            to = net::buffer(to, directly);
        } else {
            char* const in_window = machine.room(read_block_bytes);
            to = net::buffer(in_window, machine.room_size());
        }
        const io_result r = read_noted(*connection_, to);
        if (r.want != io_want::none) {
            machine.nothing_came();
            return wait(r.want);
        }
        if (r.error) {
            machine.stream_ended(r.error);
        } else if (directly != 0) {
            machine.received_directly({static_cast<const char*>(to.data()), r.bytes});
            filled(r.bytes);
            stop();
        } else {
            machine.received(r.bytes);
        }
        return true;
    }

    bool wait(io_want want) {
        connection_->arm(want);
        return limit_.park(
            *connection_, want, *this, body(), [this] { return lease_deadline(); }, [this](wake why) { heed(why); });
    }
    void heed(wake why) {
        if (why == wake::cancelled)
            body().cancelled();
        else if (why == wake::expired && !limit_.may_go_on(*connection_, body().silent_until(), lease_deadline()))
            body().lease_expired();
    }

    void conclude() {
        Connection& c = *connection_;
        unread_response<Connection>* rest = unread_of(c);
        verdict_ = std::error_code();
        if (rest != nullptr && rest->body.failure() && !stopped_) {
            verdict_ = rest->body.failure();
            return c.break_for(rest->body.reason());
        }
        if (is_there()) limit_.lift(c, rest->lease_deadline);
        if (stopped_ && !ended_) return;
        if (!stopped_) verdict_ = errc::end_of_body;
        if (!is_there()) return;
        const auto left = std::move(c.left);
        settle(c, rest->body.parser(), rest->request_allows, !rest->body.unparsed().empty());
        if (rest->body.is_blind()) c.read_at = {};
    }

    counted_ref<Connection> connection_;
    phase_limit<Connection> limit_;
    std::error_code verdict_;
    bool stopped_ = false;
    bool ended_ = false;  // with the last piece
};

}  // namespace hotpool::detail
