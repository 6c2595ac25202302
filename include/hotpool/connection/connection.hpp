// One connection of a pool: its stream, who waits on it, and what its last user left behind.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "hotpool/base/deadline_wheel.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/recycler.hpp"
#include "hotpool/base/source_location.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/connection/connection_home.hpp"
#include "hotpool/connection/exchange_hold.hpp"
#include "hotpool/connection/gate.hpp"
#include "hotpool/connection/left_behind.hpp"
#include "hotpool/connection/stream_hold.hpp"
#include "hotpool/io/context_end.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/manager/retire_reason.hpp"
#include "hotpool/manager/slot.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// What the user of a lease has left on the connection so far.
enum class connection_usage : std::uint8_t {
    clean,       ///< nothing, or complete exchanges only
    exchanging,  ///< a request is being written or its response head awaited
    unread,      ///< the rest of a response body is to come
    raw,         ///< bytes the library knows nothing of; only an explicit put vouches for it
    unsure,      ///< the same, and a read was cancelled: what it waited for may still come
    switched,    ///< another protocol since 101 or CONNECT
    broken,      ///< not to be used again
};

/// Held while it is being opened, by its slot or a lease, and by a wait of its socket. A cancellation handler only
/// watches it, and may call `cancel`.
/// @threads owned by one party at a time: the holder of the lease, the operation that claimed its gate, or the pool
template <class Transport, class Executor>
class connection final : public counted<connection<Transport, Executor>>, public base::wheel_hook {
public:
    using transport_type = Transport;
    using executor_type = Executor;
    using stream_type = typename Transport::template stream<Executor>;
    using home_type = connection_home<connection>;
    using slot_type = hotpool::slot<connection*>;

    connection(std::shared_ptr<home_type> owner, const context_guest::ticket& of_pool, slot_type& place,
               const Executor& executor)
        : home(std::move(owner)), pool_ticket(of_pool), slot(&place), stream(executor) {}

    std::shared_ptr<home_type> home;
    const context_guest::ticket pool_ticket;
    slot_type* slot;  // null once the pool has let go of it
    union {
        stream_type stream;  // ends with the last holder, like all that belongs to the execution context
    };
    gate readable;
    gate writable;
    // While it is being opened; under the pool's lock.
    opening under_way;
    bool cut_early = false;  // it was to be cut before it was under way

    ip_address peer{};     // where it was opened to; 0.0.0.0 where the transport finds its own way
    time_point read_at{};  // when the stream was read last
    connection_usage usage = connection_usage::clean;
    std::uint16_t last_status = 0;  // of the last response; 0: none yet
    retire_reason broken_for = retire_reason::none;
    bool reused = false;                            // has carried something before the present lease
    bool delivered = false;                         // it has brought a response, or served as a stream
    bool found_well = false;                        // by the probe that is about to give it back
    std::optional<std::chrono::seconds> idle_hint;  // from the last response
    std::unique_ptr<left_behind<connection>> left;  // while unread or switched
    exchange_hold hold;
    stream_hold streams;

    std::atomic<bool> reclaimed{false};  // the pool has taken the place of the present lease back
    std::atomic<bool> expired{false};    // the deadline of the present lease has passed
    std::atomic<bool> in_turn{false};
    connection* next_in_turn = nullptr;

    void break_for(retire_reason why) noexcept {
        usage = connection_usage::broken;
        if (broken_for == retire_reason::none) broken_for = why;
    }

    /// A number for the operation that begins now, different from every earlier one of this connection.
    std::uint64_t begin_operation() noexcept {
        const std::uint64_t serial = next_serial();
        readable.begin(serial);
        writable.begin(serial);
        return serial;
    }
    std::uint64_t next_serial() noexcept {
        const std::uint64_t serial = serial_.load(std::memory_order_relaxed) + 1;
        serial_.store(serial, std::memory_order_relaxed);  // one operation begins after the other
        return serial;
    }

    gate& gate_for(io_want want) noexcept { return want == io_want::write ? writable : readable; }

    /// Starts the readiness wait unless it is under way.
    /// @errors throws `std::bad_alloc` if there is no memory to wait with; then nothing has changed
    [[gnu::always_inline]] void arm(io_want want) {
        if (gate_for(want).arm()) begin_wait(want);
    }

    /// Parks `op` until the socket is ready; see `gate::park`.
    std::optional<wake> park(waiting_op& op, io_want want) {
        arm(want);
        return gate_for(want).park(op);
    }

    /// Cancels the operation with this serial, now if it waits, when it next waits if it runs.
    /// @threads any thread
    void cancel(std::uint64_t serial) {
        waiting_op* op = readable.claim_to_cancel(serial);
        if (op == nullptr) op = writable.claim_to_cancel(serial);
        if (op != nullptr) op->resume(wake::cancelled);
    }
    /// Cancels what is at either gate, now if it waits, when it next waits or looks if it runs.
    void cancel_all() {
        for (gate* g : {&readable, &writable})
            if (waiting_op* op = g->claim_to_end()) op->resume(wake::cancelled);
    }
    /// Cancels the operation that began last.
    void interrupt() { cancel(last_serial()); }
    std::uint64_t last_serial() const noexcept { return serial_.load(std::memory_order_acquire); }

    /// The parked operations to resume because the lease's deadline has passed, or null; those that run are told.
    /// @threads any thread, while the lease cannot end
    std::array<waiting_op*, 2> expire() noexcept {
        expired.store(true, std::memory_order_release);
        return {readable.claim_to_expire(), writable.claim_to_expire()};
    }

private:
    friend class counted<connection>;
    ~connection() {}

    void begin_wait(io_want want) {
        arming_ = true;
        try {
            stream.async_wait(want, readiness_handler(*this, want));
        } catch (...) {
            arming_ = false;
            gate_for(want).disarm();
            throw;
        }
        arming_ = false;
    }

    void dispose() noexcept {
        left.reset();
        stream.~stream_type();
        home.reset();
    }

    /// Completes a readiness wait; holds the connection alive for it.
    class readiness_handler {
    public:
        using allocator_type = base::recycling_allocator<void>;
        readiness_handler(connection& c, io_want want) noexcept : connection_(&c), want_(want) { c.add_ref(); }
        readiness_handler(readiness_handler&& other) noexcept
            : connection_(std::exchange(other.connection_, nullptr)), want_(other.want_), called_(other.called_) {}
        ~readiness_handler() {
            if (connection_ == nullptr) return;
            if (!called_) [[unlikely]]
                dropped();
            connection_->release();
        }
        allocator_type get_allocator() const noexcept { return {}; }

        void operator()(std::error_code) {
            called_ = true;
            if (waiting_op* op = claim())
                op->resume(wake::ready);
            else if (want_ == io_want::read)
                connection_->home->readable_unattended(*connection_);
        }

    private:
        /// The execution context has ended: so does who waited here.
        [[gnu::noinline]] void dropped() {
            if (connection_->arming_) return;
            try {
                if (waiting_op* op = claim()) op->resume(wake::cancelled);
            } catch (...) {  // of memory, to post a completion that would not be called
            }
        }
        waiting_op* claim() noexcept {
            waiting_op* op = connection_->gate_for(want_).claim_on_event();
            // TLS may read in order to write; and a writer wants to know that the peer answers early, or leaves.
            return op != nullptr ? op : connection_->gate_for(other(want_)).claim_on_hint();
        }
        static io_want other(io_want want) noexcept { return want == io_want::read ? io_want::write : io_want::read; }
        connection* connection_;
        io_want want_;
        bool called_ = false;
    };

    std::atomic<std::uint64_t> serial_{0};
    bool arming_ = false;  // a wait is about to begin: its handler that ends now says nothing of the context
};

}  // namespace hotpool::detail
