// One connection of a pool: its stream, who waits on it, and what its last user left behind.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/recycler.hpp"
#include "hotpool/base/source_location.hpp"
#include "hotpool/connection/exchange_hold.hpp"
#include "hotpool/connection/gate.hpp"
#include "hotpool/connection/left_behind.hpp"
#include "hotpool/io/counted_ref.hpp"
#include "hotpool/manager/retire_reason.hpp"
#include "hotpool/manager/slot.hpp"
#include "hotpool/policy/pool_options.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// What the user of a lease has left on the connection so far.
enum class connection_usage : std::uint8_t {
    clean,       ///< nothing, or complete exchanges only
    exchanging,  ///< a request is being written or its response head awaited
    unread,      ///< the rest of a response body is to come
    raw,         ///< bytes the library knows nothing of; only an explicit put vouches for it
    switched,    ///< another protocol since 101 or CONNECT
    broken,      ///< not to be used again
};

/// What a connection asks of the pool it belongs to.
template <class Connection>
class connection_home {
public:
    /// The lease ends; `why` other than none ends the connection too.
    virtual void give_back(Connection& c, retire_reason why) = 0;
    /// The lease leaves the pool and keeps the connection.
    virtual void let_go(Connection& c) = 0;
    /// The socket became readable while nobody waited for it.
    virtual void readable_unattended(Connection& c) = 0;
    /// Looks at the connection once more when this turn of the loop is over.
    virtual void at_turn_end(Connection& c) = 0;
    /// Whether it pays to postpone a read to the end of the turn; `note_speculation` learns from how that went.
    virtual bool speculates() noexcept = 0;
    virtual void note_speculation(bool came_true) noexcept = 0;
    virtual pool_options options() const = 0;
    /// The host and port of the origin as the peer is told them.
    virtual const std::string& authority() const noexcept = 0;
    /// The lease is over, and the rest of a response is read until `deadline`. False when the pool has nothing to do
    /// with the connection any more: then nobody would see to the deadline.
    virtual bool begin_drain(Connection& c, time_point deadline) = 0;
    /// A deadline for the lease of `c` from now on.
    virtual void set_lease_deadline(Connection& c, time_point deadline) = 0;

protected:
    ~connection_home() = default;
};

/// Lives while it is being opened, while its slot or a lease holds it, and while a wait of its socket or a cancellation
/// handler points to it.
/// @threads owned by one party at a time: the holder of the lease, the operation that claimed its gate, or the pool
template <class Transport, class Executor>
class connection {
public:
    using transport_type = Transport;
    using executor_type = Executor;
    using stream_type = typename Transport::template stream<Executor>;
    using home_type = connection_home<connection>;
    using slot_type = hotpool::slot<connection*>;

    connection(std::shared_ptr<home_type> owner, slot_type& place, const Executor& executor)
        : home(std::move(owner)), slot(&place), stream(executor) {}
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    void add_ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    std::shared_ptr<home_type> home;
    slot_type* slot;  // null once the pool has let go of it
    stream_type stream;
    gate readable;
    gate writable;
    opening under_way;  // while it is being opened; under the pool's lock

    ip_address peer{};  // where it was opened to; 0.0.0.0 where the transport finds its own way
    connection_usage usage = connection_usage::clean;
    std::uint16_t last_status = 0;  // of the last response; 0: none yet
    retire_reason broken_for = retire_reason::none;
    bool reused = false;                            // has carried something before the present lease
    std::optional<std::chrono::seconds> idle_hint;  // from the last response
    std::unique_ptr<left_behind<connection>> left;  // while unread or switched
    exchange_hold hold;

    source_location lent_where{};  // of the present lease; under the pool's lock
    std::atomic<bool> reclaimed{false};  // the pool has taken the place of the present lease back
    std::atomic<bool> expired{false};  // the deadline of the present lease has passed
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
    void arm(io_want want) {
        if (gate_for(want).arm()) stream.async_wait(want, readiness_handler(*this, want));
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
    /// The same for the operation that began last.
    void interrupt() { cancel(serial_.load(std::memory_order_relaxed)); }

    /// The parked operation to resume because the lease's deadline has passed, or null.
    /// @threads any thread, while the lease cannot end
    waiting_op* expire() noexcept {
        expired.store(true, std::memory_order_release);
        waiting_op* op = readable.claim_to_expire();
        return op != nullptr ? op : writable.claim_to_expire();
    }

private:
    ~connection() = default;

    /// Completes a readiness wait; holds the connection alive for it.
    class readiness_handler {
    public:
        using allocator_type = base::recycling_allocator<void>;
        readiness_handler(connection& c, io_want want) noexcept : connection_(&c), want_(want) { c.add_ref(); }
        readiness_handler(readiness_handler&& other) noexcept
            : connection_(std::exchange(other.connection_, nullptr)), want_(other.want_), called_(other.called_) {}
        ~readiness_handler() {
            if (connection_ == nullptr) return;
            // The execution context has ended: so does who waited here.
            if (!called_)
                if (waiting_op* op = claim()) op->resume(wake::cancelled);
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

    std::atomic<std::uint32_t> references_{1};
    std::atomic<std::uint64_t> serial_{0};
};

}  // namespace hotpool::detail
