// An accepted connection: its stream, who waits on it, and how it ends, once.
#pragma once

#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/mutex.hpp"
#include "hotpool/base/recycler.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/inbound/admission.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/detail/end_names.hpp"
#include "hotpool/inbound/inbound_counters.hpp"
#include "hotpool/inbound/peer_group.hpp"
#include "hotpool/inbound/supervised.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/open.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::inbound::detail {

using hotpool::detail::delivery;

/// An operation at a connection. Whoever takes it out of its place completes it; the others come too late.
template <class Stream>
class stream_waiter {
public:
    /// Goes on as far as it can, under the connection's lock; `outcome` says where that was.
    virtual void attempt(Stream& stream) noexcept = 0;
    /// Frees itself, then calls the handler; under no lock.
    virtual void complete(delivery how) = 0;

    io_result outcome{};

protected:
    ~stream_waiter() = default;
};

/// How far a connection is, as its driver sees it.
enum class stage : std::uint8_t {
    handshaking,
    open,
    lingering,  ///< this side has said goodbye and reads away what still comes
    over,
};

/// What a connection asks of the acceptor it belongs to. Called under no lock.
template <class State>
class connection_home {
public:
    virtual void handshake_succeeded(State& c) = 0;
    virtual void handshake_failed(State& c, std::error_code error) = 0;
    /// Once for each connection, whatever ends it.
    virtual void ended(State& c, close_reason why, std::error_code error) = 0;
    /// Its orderly end has begun.
    /// @return how many bytes may still come
    virtual std::uint64_t close_begun(State& c, close_reason why) = 0;

    // For protocols that have requests: as the supervisor and admission have them.
    virtual void request_awaited(State& c) = 0;
    virtual close_reason request_begun(State& c) = 0;
    virtual void request_received(State& c) = 0;
    virtual void reply_progressed(State& c) = 0;
    virtual void request_ended(State& c, request_outcome outcome, reply_said said) = 0;
    virtual void request_followed(State& c, request_outcome outcome) = 0;
    virtual close_reason last_request(const State& c) = 0;
    /// @param client who is behind the proxy that connected; null: the peer itself
    virtual admission_verdict request_offered(State& c, const ip_address* client) = 0;
    virtual admission_verdict client_named(State& c, const ip_address& client) = 0;

    std::atomic<std::uint64_t> bytes_in{0};
    std::atomic<std::uint64_t> bytes_out{0};

protected:
    ~connection_home() = default;
};

struct ready_tag;

/// Lives while the acceptor counts it, while a handle or an operation holds it, and while a wait of its socket or a
/// cancellation handler points to it.
/// @threads any thread: the stream is touched under the connection's own lock only, except by its handshake. That lock
/// and the acceptor's are never held together
template <class Stream>
class connection_state final : public supervised,
                               public hotpool::detail::counted<connection_state<Stream>>,
                               public base::list_hook<connection_state<Stream>, ready_tag> {
public:
    using stream_type = Stream;
    using executor_type = typename Stream::executor_type;
    using home_type = connection_home<connection_state>;
    using waiter_type = stream_waiter<Stream>;
    using hook_type = std::function<void()>;
    struct hooks_type {
        hook_type drain;
        std::shared_ptr<const hook_type> ping;
    };

    connection_state(std::shared_ptr<home_type> owner, Stream stream, const ip_endpoint& from, const peer_group& of,
                     admission_ticket& admitted)
        : home(std::move(owner)), peer(from), group(of), ticket(std::move(admitted)), stream_(std::move(stream)) {}

    std::shared_ptr<home_type> home;  // null once nobody holds the connection
    const ip_endpoint peer;
    const peer_group group;
    // Under the acceptor's lock.
    admission_ticket ticket;
    time_point accepted_at{};
    bool ready = false;  // open, and nobody has accepted it yet

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
            if (may_begin(op, direction)) {
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
            for (place& p : places_) {
                if (p.op == nullptr || p.serial != serial) continue;
                if (&p == &place_of(io_want::write)) write_cut_ = hotpool::detail::shakes_hands<Stream>;
                op = p.take(errc::cancelled);
            }
        }
        if (op != nullptr) op->complete(delivery::posted);
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
            fail_handshake(errc::resources_short);
        } else {
            shake_hands();
        }
    }

    /// Ends the connection. False if it has ended before.
    /// @param why unless something has been found out about it before
    /// @param error what its operations fail with from now on. Who waits for the end of a lingering close has what he
    /// wanted if the end is an orderly one
    bool end(close_reason why, std::error_code error, ending how) {
        std::array<waiter_type*, 2> cut{};
        std::unique_ptr<hooks_type> spent;
        {
            const std::lock_guard lock(mutex_);
            if (stage_ == stage::over) return false;
            const bool well = stage_ == stage::lingering && how == ending::orderly;
            if (stage_ != stage::lingering) error_ = error;
            stage_ = stage::over;
            how_ = how;
            take_all(cut, well ? std::error_code() : error);
            spent = std::move(hooks_);
            if (found_ != close_reason::none) why = found_;
            if (!busy_) close_stream();
        }
        home->ended(*this, why, error);
        complete_all(cut, delivery::posted);
        return true;
    }

    /// What was found to end it, before anybody ends it for something else.
    void note(close_reason why) noexcept {
        const std::lock_guard lock(mutex_);
        if (found_ == close_reason::none) found_ = why;
    }

    /// Says goodbye and fails what is under way with `error`. `op` then reads away what still comes, and its completion
    /// ends the connection, as it does at once during the handshake; a second one only waits for that.
    /// @param begun told before `op` runs, under no lock
    template <class Begun>
    void begin_linger(waiter_type& op, std::uint64_t serial, std::error_code error, Begun begun) {
        std::array<waiter_type*, 2> cut{};
        std::unique_ptr<hooks_type> spent;
        bool first = false;
        {
            const std::lock_guard lock(mutex_);
            if (stage_ == stage::open) {
                first = true;
                stage_ = stage::lingering;
                error_ = error;
                take_all(cut, error);
                spent = std::move(hooks_);
                stream_.end_writing();
            } else if (stage_ == stage::lingering && place_of(io_want::write).op == nullptr) {
                place_of(io_want::write) = {&op, io_want::none, serial};
                return;
            } else {
                op.outcome = {.error = stage_ == stage::lingering ? errc::exchange_in_progress : std::error_code()};
            }
        }
        complete_all(cut, delivery::posted);
        if (!first) return op.complete(delivery::posted);
        begun();
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
        std::unique_ptr<hooks_type> spent;
        {
            const std::lock_guard lock(mutex_);
            spent = std::move(hooks_);
            if (stage_ == stage::lingering) return;
        }
        end(close_reason::finished, errc::cancelled, ending::orderly);
    }

    // --- hooks, which run on the connection's executor

    void on_drain(hook_type hook) {
        bool told;
        {
            const std::lock_guard lock(mutex_);
            if (!takes_hooks()) return;
            made_hooks().drain.swap(hook);
            told = draining_;
        }
        if (told) post_hook(&connection_state::run_drain_hook);
    }
    void on_ping(hook_type hook) {
        auto shared = hook ? std::make_shared<const hook_type>(std::move(hook)) : nullptr;
        const std::lock_guard lock(mutex_);
        if (takes_hooks()) made_hooks().ping.swap(shared);
    }
    void tell_draining() {
        {
            const std::lock_guard lock(mutex_);
            draining_ = true;
            if (hooks_ == nullptr || !hooks_->drain) return;
        }
        post_hook(&connection_state::run_drain_hook);
    }
    void tell_ping() {
        {
            const std::lock_guard lock(mutex_);
            if (hooks_ == nullptr || !hooks_->ping) return;
        }
        post_hook(&connection_state::run_ping_hook);
    }
    bool draining() const noexcept {
        const std::lock_guard lock(mutex_);
        return draining_;
    }
    bool is_open() const noexcept {
        const std::lock_guard lock(mutex_);
        return stage_ == stage::open;
    }

private:
    using self_ref = hotpool::detail::counted_ref<connection_state>;

    struct place {
        waiter_type* op = nullptr;
        io_want want = io_want::none;
        std::uint64_t serial = 0;

        /// What waits here, or null; it fails with `error`.
        waiter_type* take(std::error_code error) noexcept {
            if (op != nullptr) op->outcome = {.error = error};
            return std::exchange(op, nullptr);
        }
    };

    /// Completes a readiness wait; holds the connection alive for it.
    class readiness_handler {
    public:
        using allocator_type = base::recycling_allocator<void>;
        readiness_handler(connection_state& c, io_want want) noexcept : connection_(&c), want_(want) { c.add_ref(); }
        readiness_handler(readiness_handler&& other) noexcept
            : connection_(std::exchange(other.connection_, nullptr)), want_(other.want_), called_(other.called_) {}
        ~readiness_handler() {
            if (connection_ == nullptr) return;
            // The execution context has ended, and with it whatever could go on with the connection.
            if (!called_ && !connection_->arming_) connection_->end(close_reason::acceptor_closed, errc::cancelled, ending::orderly);
            connection_->release();
        }
        allocator_type get_allocator() const noexcept { return {}; }

        void operator()(const std::error_code&) {
            called_ = true;
            connection_->became_ready(want_);
        }

    private:
        connection_state* connection_;
        io_want want_;
        bool called_ = false;
    };

    friend class hotpool::detail::counted<connection_state>;
    ~connection_state() {}

    void dispose() noexcept {
        hooks_.reset();
        stream_.~Stream();
        home.reset();
    }

    static constexpr std::size_t index_of(io_want direction) noexcept { return direction == io_want::write ? 1 : 0; }
    place& place_of(io_want direction) noexcept { return places_[index_of(direction)]; }

    // --- under the lock

    /// Why nothing may be read or written now, if so.
    std::error_code obstacle(io_want direction) noexcept {
        if (stage_ == stage::over || stage_ == stage::lingering) return error_;
        if (place_of(direction).op != nullptr) return errc::exchange_in_progress;
        return direction == io_want::write && write_cut_ ? errc::cancelled : std::error_code();
    }
    /// Whether `op` may be tried; if not, its outcome says why.
    bool may_begin(waiter_type& op, io_want direction) noexcept {
        const std::error_code e = obstacle(direction);
        if (e) op.outcome = {.error = e};
        return !e;
    }
    void attempt(waiter_type& op, io_want direction) noexcept {
        op.attempt(stream_);
        account(op.outcome, direction);
    }
    void account(const io_result& r, io_want direction) noexcept {
        if (r.bytes != 0) {
            // A coarse time may be before the ping that this answers.
            if (direction == io_want::read) bytes_seen(clock_type::now());
            (direction == io_want::read ? home->bytes_in : home->bytes_out)
                .fetch_add(r.bytes, std::memory_order_relaxed);
        }
        if (!r.error || found_ != close_reason::none) return;
        found_ = r.error == errc::connection_closed ? close_reason::peer_closed : close_reason::transport_error;
    }
    void take_all(std::array<waiter_type*, 2>& taken, std::error_code error) noexcept {
        for (std::size_t i = 0; i < taken.size(); ++i) taken[i] = places_[i].take(error);
    }
    /// False if it cannot wait; its outcome says why.
    bool park(waiter_type& op, io_want direction, std::uint64_t serial) noexcept {
        if (!arm(op.outcome.want)) {
            op.outcome = {.error = errc::resources_short};
            return false;
        }
        place_of(direction) = {&op, op.outcome.want, serial};
        return true;
    }
    /// False where there is no memory to wait with.
    bool arm(io_want want) noexcept {
        bool& armed = armed_[index_of(want)];
        if (armed) return true;
        arming_ = true;
        try {
            stream_.async_wait(want, readiness_handler(*this, want));
            armed = true;
        } catch (...) {
        }
        arming_ = false;
        return armed;
    }
    void close_stream() noexcept {
        if (how_ == ending::abrupt)
            stream_.abort();
        else
            stream_.close();
    }

    // --- under no lock

    static void complete_all(const std::array<waiter_type*, 2>& taken, delivery how) {
        for (waiter_type* op : taken)
            if (op != nullptr) op->complete(how);
    }

    void became_ready(io_want want) {
        std::array<waiter_type*, 2> done{};
        bool handshaking;
        {
            const std::lock_guard lock(mutex_);
            armed_[index_of(want)] = false;
            handshaking = stage_ == stage::handshaking;
            for (const io_want direction : {io_want::read, io_want::write}) {
                place& p = place_of(direction);
                // TLS may read in order to write: who waits for the other direction may have been helped on, too.
                if (p.op == nullptr || p.want == io_want::none || (p.want != want && p.want == direction)) continue;
                attempt(*p.op, direction);
                p.want = p.op->outcome.want;
                if (p.want != io_want::none && !arm(p.want)) {
                    p.op->outcome = {.error = errc::resources_short};
                    p.want = io_want::none;
                }
                if (p.want == io_want::none)
                    done[index_of(direction)] = std::exchange(p.op, nullptr);
            }
        }
        if (handshaking) return shake_hands();
        complete_all(done, delivery::dispatched);
    }

    /// A user's verifier may run in it, so the lock is not held: until it has returned, nobody else closes the stream.
    void shake_hands() {
        io_result r{};
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
                r.error = errc::resources_short;
            }
            if (!r.error) stage_ = stage::open;
        }
        if (!r.error) return home->handshake_succeeded(*this);
        fail_handshake(r.error);
    }
    void fail_handshake(std::error_code error) {
        home->handshake_failed(*this, error);
        end(close_reason::handshake_failed, error, ending::orderly);
    }

    /// A hook often keeps what has the handle: one that nothing would run or drop any more would keep it for ever.
    bool takes_hooks() const noexcept { return stage_ == stage::handshaking || stage_ == stage::open; }
    hooks_type& made_hooks() {
        if (hooks_ == nullptr) hooks_ = std::make_unique<hooks_type>();
        return *hooks_;
    }
    void post_hook(void (connection_state::*run)()) {
        hotpool::detail::post_to(get_executor(), [self = self_ref(*this), run] { ((*self).*run)(); });
    }
    void run_drain_hook() {
        hook_type hook;
        {
            const std::lock_guard lock(mutex_);
            if (hooks_ != nullptr && stage_ == stage::open) hook.swap(hooks_->drain);
        }
        if (hook) hook();
    }
    void run_ping_hook() {
        std::shared_ptr<const hook_type> hook;
        {
            const std::lock_guard lock(mutex_);
            if (hooks_ != nullptr && stage_ == stage::open) hook = hooks_->ping;
        }
        if (hook) (*hook)();
    }

    std::atomic<std::uint64_t> serials_{0};

    mutable base::mutex mutex_;
    stage stage_ = stage::handshaking;
    ending how_ = ending::orderly;
    close_reason found_ = close_reason::none;
    std::array<bool, 2> armed_{};
    bool arming_ = false;  // a wait is about to begin: its handler that ends now says nothing of the context
    bool busy_ = false;    // its handshake is running
    bool draining_ = false;
    bool write_cut_ = false;  // what TLS began to write must be written on, and nobody will
    union {
        Stream stream_;  // ends with the last holder, like all that belongs to the execution context
    };
    std::array<place, 2> places_{};
    std::error_code error_;              // of what is asked for while it lingers or is over
    std::unique_ptr<hooks_type> hooks_;  // null while there are none, as on most connections
};

}  // namespace hotpool::inbound::detail
