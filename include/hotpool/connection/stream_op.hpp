// Reading and writing a lease as a stream.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/look.hpp"
#include "hotpool/io/buffers.hpp"
#include "hotpool/io/cancel_operation.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/io/reserved_memory.hpp"

namespace hotpool::detail {

/// Reads what there is: first what came behind the head of a response that switched protocols.
struct read_attempt {
    static constexpr io_want direction = io_want::read;
    net::mutable_buffer room;

    template <class Connection>
    io_result operator()(Connection& c) const noexcept {
        if (room.size() == 0) return {};
        if (!c.left) return c.stream.try_read(room);
        const std::string_view kept = c.left->bytes();
        const std::size_t bytes = std::min(kept.size(), room.size());
        if (bytes != 0) std::memcpy(room.data(), kept.data(), bytes);
        c.left->take(bytes);
        if (bytes == kept.size()) c.left.reset();
        return bytes != 0 ? io_result{.bytes = bytes} : c.stream.try_read(room);
    }
};

struct write_attempt {
    static constexpr io_want direction = io_want::write;
    net::const_buffer bytes;

    template <class Connection>
    io_result operator()(Connection& c) const noexcept {
        return bytes.size() == 0 ? io_result{} : c.stream.try_write(bytes);
    }
};

/// One read or one write: tries at once, waits for readiness, tries again. After a wait it runs on the handler's
/// executor, so that a strand of the caller's keeps a read and a write of one connection apart.
template <class Connection, class Attempt, class Handler>
class stream_op final : public waiting_op {
public:
    stream_op(Handler handler, Connection& c, Attempt attempt)
        : completion_(std::move(handler), c.stream.get_executor()), connection_(c), attempt_(attempt) {}

    /// @errors throws what the handler's cancellation slot throws; then the operation is gone
    void start() {
        if (const errc why_not = obstacle(*connection_); why_not != errc{}) return refuse(why_not);
        const std::uint64_t serial = connection_->next_serial();
        connection_->gate_for(Attempt::direction).begin(serial);
        try {
            make_cancellable(completion_, *connection_, serial);
        } catch (...) {
            connection_->streams.leave(Attempt::direction);
            completion_.abandon(this);
            throw;
        }
        if (connection_->usage == connection_usage::clean) connection_->usage = connection_usage::raw;
        if (connection_->expired.load(std::memory_order_acquire)) return interrupt(wake::expired);
        step(delivery::posted);
    }

    void resume(wake why) override {
        if (why != wake::ready) return interrupt(why);
        const auto executor = completion_.get_executor();
        if (runs_here(executor)) return step(delivery::dispatched);
        try {
            dispatch_to(executor, hop(*this));
        } catch (const std::bad_alloc&) {  // an executor that does not take what was set aside; the hop has ended this
        }
    }

private:
    using memory_type = reserved_memory<128, 1>;

    /// Goes on at the handler's executor. Dropped instead of called, it ends the operation.
    class hop {
    public:
        using allocator_type = reserved_allocator<std::byte, memory_type>;
        explicit hop(stream_op& op) noexcept : op_(&op), memory_(&op.memory_) {}
        hop(hop&& other) noexcept : op_(std::exchange(other.op_, nullptr)), memory_(other.memory_) {}
        ~hop() {
            if (op_ == nullptr) return;
            try {
                op_->interrupt(wake::cancelled);
            } catch (...) {  // of memory, on an executor that wants its own
            }
        }
        allocator_type get_allocator() const noexcept { return allocator_type(*memory_); }
        void operator()() { std::exchange(op_, nullptr)->step(delivery::dispatched); }

    private:
        stream_op* op_;
        memory_type* memory_;
    };

    /// Why it may not begin. If it may, it has.
    static errc obstacle(Connection& c) noexcept {
        if (c.hold.is_occupied()) return errc::exchange_in_progress;
        if (c.usage == connection_usage::unread) return errc::response_pending;
        return c.streams.enter(Attempt::direction) ? errc{} : errc::exchange_in_progress;
    }
    void refuse(errc why_not) { completion_.end(this, delivery::posted, make_error_code(why_not), std::size_t{0}); }

    void step(delivery how) {
        for (;;) {
            if (connection_->gate_for(Attempt::direction).is_cancelled()) return interrupt(wake::cancelled);
            const io_result r = attempt_(*connection_);
            if (r.want == io_want::none) return finish(how, r.error, r.bytes);
            try {
                connection_->arm(r.want);
            } catch (const std::bad_alloc&) {
                return finish(how, std::make_error_code(std::errc::not_enough_memory), 0);
            }
            const std::optional<wake> at_once = connection_->gate_for(Attempt::direction).park(*this);
            if (!at_once) return;
            if (*at_once != wake::ready) return interrupt(*at_once);
        }
    }

    void interrupt(wake why) {
        finish(delivery::posted, why == wake::cancelled ? errc::cancelled : errc::request_timed_out, 0);
    }

    void finish(delivery how, std::error_code error, std::size_t bytes) {
        const bool unharmed = !error || (error == errc::cancelled && Attempt::direction == io_want::read);
        if (!unharmed)
            connection_->break_for(reason_of(error));
        else if (error && connection_->usage == connection_usage::raw)
            connection_->usage = connection_usage::unsure;
        if (bytes != 0) connection_->delivered = true;
        if (connection_->streams.leave(Attempt::direction)) [[unlikely]]
            give_back();
        completion_.end(this, how, std::move(error), std::move(bytes));
    }
    /// The lease has ended meanwhile.
    void give_back() {
        const bool broken = connection_->usage == connection_usage::broken;
        connection_->home->give_back(*connection_, broken ? connection_->broken_for : retire_reason::not_clean);
    }
    static retire_reason reason_of(std::error_code error) noexcept {
        if (error == errc::cancelled) return retire_reason::cancelled;
        if (error == errc::request_timed_out) return retire_reason::lease_deadline;
        return loss_reason(error);
    }

    completion<Handler, typename Connection::executor_type> completion_;
    counted_ref<Connection> connection_;
    Attempt attempt_;
    memory_type memory_;
};

template <class Lease, class Attempt, class Handler>
void start_stream_op(Lease& lease, Attempt attempt, Handler handler) {
    using connection_type = typename Lease::connection_type;
    connection_type* const c = access::connection(lease);
    if (c == nullptr)
        return access::with_last_executor(lease, [&](const auto* of_pool) {
            post_outcome(of_pool, std::move(handler), make_error_code(errc::lease_empty), std::size_t{0});
        });
    allocate_op<stream_op<connection_type, Attempt, Handler>>(std::move(handler), *c, attempt)->start();
}

}  // namespace hotpool::detail
