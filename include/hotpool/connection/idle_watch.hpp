// Who looks at a connection that nobody uses, and when.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "hotpool/connection/gate.hpp"
#include "hotpool/connection/look.hpp"
#include "hotpool/connection/turn_list.hpp"
#include "hotpool/io/executors.hpp"
#include "hotpool/io/reserved_memory.hpp"
#include "hotpool/manager/retire_reason.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::detail {

/// Whether a connection that is put back is watched at once. Alone it is, and the next response is what ends that
/// wait. Among others it is likely taken again within this turn: then the wait would cost more than it brings.
constexpr bool is_watched_at_once(std::size_t leased) noexcept { return leased <= 1; }

/// The part of a pool's driver that watches. The driver derives from it and has:
///
/// - `executor()`, `shared_from_this()`
/// - `begin_tending(c)`: takes `c` out of the idle ones for a moment; false when it is not idle
/// - `end_tending(c, why)`: it is back, or over
/// @threads any thread
template <class Driver, class Connection>
class idle_watch {
public:
    /// Looks at `c` once more when this turn of the loop is over.
    void look_at_turn_end(Connection& c) {
        turn_.push(c);
        post_turn();
    }
    /// The socket became readable while nobody waited for it.
    void look_now(Connection& c) {
        if (!driver().begin_tending(c)) return;  // its holder will find out
        const retire_reason why = look_into(c);
        if (why == retire_reason::none) c.stream.release_buffers();
        driver().end_tending(c, why == retire_reason::none ? watch(c) : why);
    }
    /// What a readiness that nobody has looked into was about.
    static retire_reason look_into(Connection& c) noexcept {
        c.readable.clear_fired();
        return look_at(c);
    }
    /// Waits for `c` to become readable. @return why it is over, if there is no memory to wait with
    static retire_reason watch(Connection& c) noexcept {
        try {
            c.arm(io_want::read);
            return retire_reason::none;
        } catch (...) {
            return retire_reason::transport_error;
        }
    }

protected:
    ~idle_watch() = default;

    /// The execution context has ended before the turn did: so does whoever waits for it.
    void end_turn_unfinished() {
        turn_.for_each_taken(
            [](Connection& c) {
                if (waiting_op* op = c.readable.claim_unarmed()) op->resume(wake::cancelled);
            },
            [] {});
    }

private:
    using reserve_type = shared_reserve<192, 2>;
    using memory_type = typename reserve_type::memory;

    /// Runs at the end of a turn. When it is dropped instead, the context has ended.
    class turn_handler {
    public:
        using allocator_type = reserved_allocator<std::byte, memory_type>;

        explicit turn_handler(std::shared_ptr<Driver> driver) noexcept
            : driver_(std::move(driver)), memory_(&*watch_of(*driver_).memory_) {}
        turn_handler(turn_handler&& other) noexcept
            : driver_(std::move(other.driver_)), memory_(other.memory_), called_(std::exchange(other.called_, true)) {}
        ~turn_handler() {
            if (!called_) watch_of(*driver_).turn_dropped();
        }
        allocator_type get_allocator() const noexcept { return allocator_type(*memory_); }

        void operator()() {
            called_ = true;
            watch_of(*driver_).run_turn();
        }

    private:
        static idle_watch& watch_of(Driver& d) noexcept { return d; }
        std::shared_ptr<Driver> driver_;
        memory_type* memory_;  // asked for after a move, too
        bool called_ = false;
    };

    Driver& driver() noexcept { return static_cast<Driver&>(*this); }

    /// @errors throws `std::bad_alloc` where the executor wants memory of its own; the next one posts again
    void post_turn() {
        if (turn_posted_.exchange(true, std::memory_order_acq_rel)) return;
        posting_turn_ = true;
        try {
            post_to(driver().executor(), turn_handler(driver().shared_from_this()));
        } catch (...) {
            posting_turn_ = dropped_ = false;
            turn_posted_.store(false, std::memory_order_release);
            throw;
        }
        posting_turn_ = false;
        if (dropped_.exchange(false)) turn_dropped();
    }
    /// A handler of the turn ends without having been called: the context has ended, unless the post is about to throw.
    void turn_dropped() noexcept {
        if (posting_turn_) {
            dropped_ = true;
            return;
        }
        turn_posted_.store(false, std::memory_order_release);
        try {
            end_turn_unfinished();
        } catch (...) {  // of memory, to post completions that would not be called
        }
    }

    void run_turn() {
        turn_posted_.store(false, std::memory_order_release);
        turn_.for_each_taken(
            [this](Connection& c) {
                if (waiting_op* op = c.readable.claim_unarmed())
                    op->resume(wake::ready);
                else
                    watch_if_idle(c);
            },
            [this] {
                try {
                    post_turn();
                } catch (...) {  // the next one posts again
                }
            });
    }
    void watch_if_idle(Connection& c) {
        if (c.readable.is_armed() || !driver().begin_tending(c)) return;
        if (c.readable.is_armed()) return driver().end_tending(c, retire_reason::none);  // it has been out meanwhile
        c.readable.clear_fired();
        driver().end_tending(c, watch(c));
    }

    turn_list<Connection> turn_;
    std::atomic<bool> turn_posted_{false};
    std::atomic<bool> posting_turn_{false};
    std::atomic<bool> dropped_{false};  // while it was being posted
    reserve_type memory_;
};

}  // namespace hotpool::detail
