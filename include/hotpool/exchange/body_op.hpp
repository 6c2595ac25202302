// Reading the rest of a response.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include "hotpool/io/completion.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/look.hpp"
#include "hotpool/connection/phase_limit.hpp"
#include "hotpool/exchange/settle.hpp"
#include "hotpool/exchange/unread_response.hpp"
#include "hotpool/base/error.hpp"

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
/// @threads owns the connection while it runs
template <class Connection>
class body_op : public waiting_op {
public:
    explicit body_op(Connection& c) : connection_(c) {}

    void run() {
        if (connection_->usage != connection_usage::unread) return ended(delivery::posted, outcome());
        began(connection_->begin_operation());
        if (connection_->expired.load(std::memory_order_acquire) && !outlasts(delivery::posted, wake::expired)) return;
        go_on(delivery::posted);
    }

    void resume(wake why) override {
        if (why == wake::ready) return go_on(delivery::dispatched);
        if (outlasts(delivery::posted, why)) go_on(delivery::posted);
    }

protected:
    ~body_op() = default;

    /// Takes what it can of `piece`, shortens it by that, and says whether to go on.
    virtual bool take(std::string_view& piece) = 0;
    /// Where body bytes may be put without a detour, and then how many were: that is a stop too. Empty: nowhere.
    virtual net::mutable_buffer room() noexcept { return {}; }
    virtual void filled(std::size_t) noexcept {}
    /// Called once: with no error after `take` said stop, with `errc::end_of_body` at the end.
    virtual void ended(delivery how, std::error_code error) = 0;
    /// The operation can be cancelled by this serial from now on.
    virtual void began(std::uint64_t) {}

    Connection& connection() noexcept { return *connection_; }

private:
    using rest_type = unread_response<Connection>;

    /// How the reading ended before.
    std::error_code outcome() const noexcept {
        const auto* rest = unread_of(*connection_);
        return rest != nullptr && rest->failure ? rest->failure : errc::end_of_body;
    }

    void go_on(delivery how) {
        for (;;) {
            rest_type& rest = *unread_of(*connection_);
            while (!rest.piece.empty())
                if (!take(rest.piece)) return leave(how);
            switch (const parse_result r = rest.step(); r.event) {
                case parse_event::body: continue;
                case parse_event::end: return finish(how);
                case parse_event::failed: return fail(how, r.error, retire_reason::protocol_error);
                default: break;
            }
            if (!receive(how)) return;
        }
    }

    /// Reads more into the window, or past it. False when the operation waits, or is over.
    bool receive(delivery how) {
        rest_type& rest = *unread_of(*connection_);
        rest.window.consume(rest.parsed);
        rest.parsed = 0;
        const net::mutable_buffer past_window = direct_room(rest);
        for (;;) {
            net::mutable_buffer to = past_window;
            if (to.size() == 0) {
                char* const in_window = rest.window.prepare(read_block_bytes);
                to = net::buffer(in_window, rest.window.room());
            }
            const io_result r = connection_->stream.try_read(to);
            if (r.bytes != 0) {
                silent_until_ = never;
                if (past_window.size() != 0) return hand_out(how, {static_cast<const char*>(to.data()), r.bytes});
                rest.window.commit(r.bytes);
                rest.past_window = false;
                return true;
            }
            if (r.error) return stream_ended(how, r.error);
            if (rest.window.empty()) rest.window.release();
            if (rest.between_bytes_timeout != duration::zero() && !limit_silence(how, rest)) return false;
            const std::optional<wake> at_once = connection_->park(*this, r.want);
            if (!at_once) return false;
            if (*at_once != wake::ready && !outlasts(how, *at_once)) return false;
        }
    }

    /// Room for nothing but bytes of this body, if there is enough of it to be worth a read of its own.
    net::mutable_buffer direct_room(const rest_type& rest) noexcept {
        constexpr std::uint64_t worth_it = 8 * 1024;
        const std::uint64_t left = rest.parser.remaining_body_hint();
        if (left == 0 || !rest.window.empty()) return {};
        const net::mutable_buffer all = room();
        const std::uint64_t bytes = std::min<std::uint64_t>(all.size(), left);
        return bytes >= std::min(left, worth_it) ? net::buffer(all, static_cast<std::size_t>(bytes)) : net::mutable_buffer();
    }
    bool hand_out(delivery how, std::string_view piece) {
        unread_of(*connection_)->parser.parse(piece);
        unread_of(*connection_)->past_window = true;
        filled(piece.size());
        leave(how);
        return false;
    }

    /// There is more to read, later.
    void leave(delivery how) {
        limit_.lift(*connection_, unread_of(*connection_)->lease_deadline);
        ended(how, {});
    }

    bool stream_ended(delivery how, std::error_code error) {
        parse_result last{parse_event::failed, 0, {}, errc::response_truncated};
        if (error == errc::connection_closed) last = unread_of(*connection_)->parser.finish();
        if (last.event == parse_event::end)
            finish(how);
        else
            fail(how, last.error, loss_reason(error));
        return false;
    }

    void finish(delivery how) {
        limit_.lift(*connection_, unread_of(*connection_)->lease_deadline);
        const auto left = std::move(connection_->left);
        const auto* rest = static_cast<const rest_type*>(left.get());
        settle(*connection_, rest->parser, rest->request_allows, !rest->unparsed().empty(), rest->past_window);
        ended(how, errc::end_of_body);
    }

    void fail(delivery how, std::error_code error, retire_reason why) {
        unread_of(*connection_)->failure = error;
        unread_of(*connection_)->window.release();
        connection_->break_for(why);
        ended(how, error);
    }

    // --- time

    /// The time in which nobody reads does not count. False when the operation is over.
    bool limit_silence(delivery how, const rest_type& rest) {
        if (silent_until_ == never) silent_until_ = base::end_of(rest.between_bytes_timeout);
        if (limit_.set(*connection_, silent_until_, rest.lease_deadline)) return true;
        fail(how, errc::response_stalled, retire_reason::lease_deadline);
        return false;
    }

    /// Whether the operation goes on after it was woken for something else than readiness; if not, it is over.
    bool outlasts(delivery how, wake why) {
        if (why == wake::cancelled)
            fail(how, errc::cancelled, retire_reason::cancelled);
        else if (limit_.may_go_on(*connection_, silent_until_, unread_of(*connection_)->lease_deadline))
            return true;
        else
            fail(how, errc::request_timed_out, retire_reason::lease_deadline);
        return false;
    }

    counted_ref<Connection> connection_;
    phase_limit<Connection> limit_;
    time_point silent_until_ = never;
};

}  // namespace hotpool::detail
