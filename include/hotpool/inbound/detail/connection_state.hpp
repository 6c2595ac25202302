// An accepted connection: its stream, who waits on it, and how it ends, once.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/mutex.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/accepted_peer.hpp"
#include "hotpool/inbound/admission_verdict.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/detail/acceptor_home.hpp"
#include "hotpool/inbound/detail/connection_hooks.hpp"
#include "hotpool/inbound/detail/waiting_places.hpp"
#include "hotpool/inbound/detail/wake_connection.hpp"
#include "hotpool/inbound/end_names.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/open.hpp"
#include "hotpool/transport/peer_presence.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::inbound::detail {

/// How far a connection is, as its driver sees it.
enum class stage : std::uint8_t {
    handshaking,
    open,
    lingering,  ///< this side has said goodbye and reads away what still comes
    over,
};

/// Held while the acceptor counts it, by a handle, an operation, and a wait of its socket. A cancellation handler only
/// watches it, and may call `cancel`.
/// @threads any thread: the stream is touched under the connection's own lock only, except by its handshake. That lock
/// and the acceptor's are never held together
template <class Stream>
class connection_state final : public accepted_peer,
                               public hotpool::detail::counted<connection_state<Stream>>,
                               public connection_hooks<connection_state<Stream>> {
public:
    using stream_type = Stream;
    using executor_type = typename Stream::executor_type;
    using home_type = acceptor_home<connection_state>;
    using waiter_type = peer_waiter<Stream>;
    using taken_type = taken_waiters<Stream>;

    connection_state(std::shared_ptr<home_type> owner, Stream stream, const ip_endpoint& from,
                     admission_ticket& admitted)
        : accepted_peer(from, admitted), home(std::move(owner)), stream_(std::move(stream)) {}

    std::shared_ptr<home_type> home;  // null once nobody holds the connection

    executor_type get_executor() noexcept { return stream_.get_executor(); }
    /// For its properties.
    Stream& stream() noexcept { return stream_; }

    // --- operations

    /// A number for an operation, different from every earlier one of this connection.
    std::uint64_t next_serial() noexcept { return serials_.fetch_add(1, std::memory_order_relaxed) + 1; }

    /// Starts `op`, which reads or writes: one of each at a time.
    void begin(waiter_type& op, io_want direction, std::uint64_t serial) {
        {
            const std::lock_guard lock(mutex_);
            if (const std::error_code e = obstacle(direction)) {
                op.outcome = {.error = e};
            } else {
                attempt(op, direction);
                if (op.outcome.want != io_want::none && park(op, direction, serial)) return;
            }
        }
        op.complete(delivery::posted);
    }

    /// Reads or writes what can be at once; waits for nothing.
    template <class Attempt>
    io_result try_now(Attempt attempt) noexcept {
        const std::lock_guard lock(mutex_);
        if (const std::error_code e = obstacle(Attempt::direction)) return {.error = e};
        const io_result r = attempt(stream_);
        account(r, Attempt::direction);
        return r;
    }

    /// Cancels the operation with this serial if it has not ended.
    void cancel(std::uint64_t serial) {
        waiter_type* op = nullptr;
        {
            const std::lock_guard lock(mutex_);
            io_want direction{};
            op = places_.take(serial, errc::cancelled, direction);
            if (op != nullptr && direction == io_want::write) write_cut_ = hotpool::detail::shakes_hands<Stream>;
        }
        if (op != nullptr) op->complete(delivery::posted);
    }

    /// Has the stir hook told of whatever comes while nobody reads; `presence` then says what it was.
    /// @param on false: no more
    void watch(bool on) noexcept {
        const std::lock_guard lock(mutex_);
        watching_ = on && stage_ == stage::open && arm(io_want::read);
    }
    hotpool::detail::peer_presence presence() noexcept {
        const std::lock_guard lock(mutex_);
        return look();
    }

    /// The same, and ends a connection that is gone.
    hotpool::detail::peer_presence heed_presence() {
        hotpool::detail::peer_presence now{};
        {
            const std::lock_guard lock(mutex_);
            now = look();
            if (stage_ != stage::open || now != hotpool::detail::peer_presence::gone) return now;
        }
        lost();
        return now;
    }

    // --- the course of its life

    /// Begins the handshake, or opens the connection where there is none.
    void start() {
        if constexpr (hotpool::detail::shakes_hands<Stream>) {
            {
                const std::lock_guard lock(mutex_);
                // The client speaks first.
                if (stage_ != stage::handshaking || arm(io_want::read)) return;
            }
            fail_handshake(std::make_error_code(std::errc::not_enough_memory));
        } else {
            shake_hands();
        }
    }

    /// Ends the connection. False if it has ended before.
    /// @param why unless something has been found out about it before
    /// @param error what its operations fail with from now on. Who waits for the end of a lingering close has what he
    /// wanted if the end is an orderly one
    bool end(close_reason why, std::error_code error, ending how) {
        taken_type cut;
        typename hooks_base::spent_type spent;
        {
            const std::lock_guard lock(mutex_);
            if (stage_ == stage::over) return false;
            const bool well = stage_ == stage::lingering && how == ending::orderly;
            if (stage_ != stage::lingering) error_ = error;
            stage_ = stage::over;
            how_ = how;
            cut = places_.take_all(well ? std::error_code() : error);
            spent = this->take_hooks();
            if (found_ != close_reason::none) why = found_;
            if (!busy_) close_stream();
        }
        home->ended(*this, why);
        cut.complete(delivery::posted);
        this->tell_ended(spent);
        return true;
    }

    /// Says goodbye and fails what is under way with `error`. `op` then reads away what still comes, and its completion
    /// ends the connection, as it does at once during the handshake; a second one only waits for that.
    /// @param request_cut by `none`, or the limit that cuts a request
    /// @param begun told before `op` runs, under no lock
    template <class Begun>
    void begin_linger(waiter_type& op, std::uint64_t serial, std::error_code error, close_reason request_cut,
                      Begun begun) {
        taken_type cut;
        typename hooks_base::spent_type spent;
        bool first = false;
        {
            const std::lock_guard lock(mutex_);
            if (stage_ == stage::open) {
                first = true;
                stage_ = stage::lingering;
                error_ = error;
                if (request_cut != close_reason::none) say_last_words(request_cut);
                cut = places_.take_all(error);
                spent = this->take_hooks();
                stream_.end_writing();
            } else if (stage_ == stage::lingering && !places_.is_taken(io_want::write)) {
                places_.put(op, io_want::write, serial);
                return;
            } else {
                op.outcome = {.error = stage_ == stage::lingering ? errc::exchange_in_progress : std::error_code()};
            }
        }
        cut.complete(delivery::posted);
        this->tell_ended(spent);
        if (!first) return op.complete(delivery::posted);
        try {
            begun();
        } catch (...) {  // a listener's
            op.complete(delivery::posted);
            throw;
        }
        {
            const std::lock_guard lock(mutex_);
            if (stage_ == stage::over)
                op.outcome = {};
            else if (op.attempt(stream_); op.outcome.want != io_want::none && park(op, io_want::read, serial))
                return;
        }
        op.complete(delivery::posted);
    }

    /// The handle is gone: nobody else will end the connection, unless it lingers.
    void abandon() {
        typename hooks_base::spent_type spent;
        {
            const std::lock_guard lock(mutex_);
            spent = this->take_hooks();
            if (stage_ == stage::lingering) return;
        }
        end(close_reason::finished, errc::cancelled, ending::orderly);
    }

    bool is_open() const noexcept {
        const std::lock_guard lock(mutex_);
        return stage_ == stage::open;
    }

private:
    using hooks_base = connection_hooks<connection_state>;
    friend hooks_base;
    friend class wake_connection<connection_state>;
    friend class hotpool::detail::counted<connection_state>;
    ~connection_state() {}

    void dispose() noexcept {
        this->take_hooks();
        stream_.~Stream();
        home.reset();
    }

    // --- under the lock

    /// Why nothing may be read or written now, if so.
    std::error_code obstacle(io_want direction) noexcept {
        if (stage_ == stage::over || stage_ == stage::lingering) return error_;
        if (places_.is_taken(direction)) return errc::exchange_in_progress;
        return direction == io_want::write && write_cut_ ? errc::cancelled : std::error_code();
    }
    void attempt(waiter_type& op, io_want direction) noexcept {
        op.attempt(stream_);
        account(op.outcome, direction);
    }
    void account(const io_result& r, io_want direction) noexcept {
        if (r.bytes != 0) {
            // A coarse time may be before the ping that this answers.
            if (direction == io_want::read) heard_ = true, bytes_seen(clock_type::now());
            (direction == io_want::read ? home->bytes_in : home->bytes_out)
                .fetch_add(r.bytes, std::memory_order_relaxed);
        }
        if (!r.error || found_ != close_reason::none) return;
        found_ = found_by(r.error, heard_);
    }
    /// False if it cannot wait; its outcome says why.
    bool park(waiter_type& op, io_want direction, std::uint64_t serial) noexcept {
        if (!arm(op.outcome.want)) {
            op.outcome = {.error = std::make_error_code(std::errc::not_enough_memory)};
            return false;
        }
        places_.put(op, direction, serial);
        return true;
    }
    /// False where there is no memory to wait with.
    bool arm(io_want want) noexcept {
        bool& armed = armed_[want == io_want::write];
        if (armed) return true;
        arming_ = true;
        try {
            stream_.async_wait(want, wake_connection<connection_state>(*this, want));
            armed = true;
        } catch (...) {
        }
        arming_ = false;
        return armed;
    }
    /// As far as the system takes them; not into the middle of something else.
    void say_last_words(close_reason why) noexcept {
        if (write_cut_ || places_.is_taken(io_want::write)) return;
        const std::string_view words = this->words_for(why);
        if (!words.empty()) account(stream_.try_write(net::buffer(words)), io_want::write);
    }
    hotpool::detail::peer_presence look() noexcept {
        return stage_ == stage::open ? hotpool::detail::presence_of(stream_.socket().native_handle())
                                     : hotpool::detail::peer_presence::gone;
    }
    void close_stream() noexcept { how_ == ending::abrupt ? stream_.abort() : stream_.close(); }

    // --- under no lock

    void became_ready(io_want want) {
        taken_type done;
        bool handshaking = false, stirs = false, gone = false;
        {
            const std::lock_guard lock(mutex_);
            armed_[want == io_want::write] = false;
            handshaking = stage_ == stage::handshaking;
            done = places_.became_ready(
                want, [this](waiter_type& op, io_want direction) { attempt(op, direction); },
                [this](io_want next) { return arm(next); });
            if (watching_ && stage_ == stage::open && want == io_want::read && !armed_[0]) {
                watching_ = false;
                stirs = true;
                gone = look() == hotpool::detail::peer_presence::gone;
            }
        }
        if (handshaking) return shake_hands();
        done.complete(delivery::dispatched);
        if (gone)
            lost();
        else if (stirs)
            this->tell_stir();
    }

    void lost() { end(close_reason::transport_error, errc::connection_reset, ending::abrupt); }

    /// A user's verifier may run in it, so the lock is not held: until it has returned, nobody else closes the stream.
    void shake_hands() {
        io_result r{};
        bool unheard = false;
        if constexpr (hotpool::detail::shakes_hands<Stream>) {
            {
                const std::lock_guard lock(mutex_);
                if (stage_ != stage::handshaking) return;
                busy_ = true;
            }
            r = stream_.try_handshake();
        }
        {
            const std::lock_guard lock(mutex_);
            busy_ = false;
            if (stage_ == stage::over) return close_stream();
            if (r.want != io_want::none) {
                if (arm(r.want)) return;
                r.error = std::make_error_code(std::errc::not_enough_memory);
            }
            if (!r.error) stage_ = stage::open;
            heard_ = !r.error && hotpool::detail::shakes_hands<Stream>;
            unheard = left_unheard(stream_, r.error);
        }
        if (!r.error) return home->handshake_succeeded(*this);
        if (unheard) return static_cast<void>(end(close_reason::unused, r.error, ending::orderly));
        fail_handshake(r.error);
    }
    void fail_handshake(std::error_code error) {
        try {
            home->handshake_failed(*this, error);
        } catch (...) {  // a listener's
            end(close_reason::handshake_failed, error, ending::orderly);
            throw;
        }
        end(close_reason::handshake_failed, error, ending::orderly);
    }

    // --- for hooks

    base::mutex& hooks_mutex() const noexcept { return mutex_; }
    /// One that nothing would run or drop any more would keep for ever what it holds.
    bool takes_hooks() const noexcept { return stage_ == stage::handshaking || stage_ == stage::open; }
    bool is_in_use() const noexcept { return stage_ == stage::open; }

    std::atomic<std::uint64_t> serials_{0};

    mutable base::mutex mutex_;
    stage stage_ = stage::handshaking;
    ending how_ = ending::orderly;
    close_reason found_ = close_reason::none;
    std::array<bool, 2> armed_{};
    bool arming_ = false;     // a wait is about to begin: its handler that ends now says nothing of the context
    bool heard_ = false;      // a byte of the peer's has come
    bool busy_ = false;       // its handshake is running
    bool watching_ = false;   // the stir hook is to hear of what comes
    bool write_cut_ = false;  // what TLS began to write must be written on, and nobody will
    union {
        Stream stream_;  // ends with the last holder, like all that belongs to the execution context
    };
    waiting_places<Stream> places_;
    std::error_code error_;  // of what is asked for while it lingers or is over
};

}  // namespace hotpool::inbound::detail
