// Where connections come back to: what a lease and its operations ask of the pool.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

#include "hotpool/base/doubt.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/connection_home.hpp"
#include "hotpool/connection/idle_watch.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/manager/retire_reason.hpp"
#include "hotpool/manager/slot.hpp"
#include "hotpool/pool/speculation.hpp"
#include "hotpool/pool/strays.hpp"

namespace hotpool::detail {

/// The part of a pool's driver that its connections know. `Driver` derives from it and has:
///
/// - `tell_machine(input)`: `input(machine, now)` under the lock, and then what the machine asks for is done
/// - `with_machine(input)`: `input(machine)` under the lock
/// - `ways_out()`, `release_permit()`: see `egress` and `budget_share`
/// - `has_prober()`: whether somebody asks peers whether they are well; under the lock
/// @threads any thread; each connection by whoever owns it
template <class Driver, class Connection>
class pool_home : public connection_home<Connection>, public idle_watch<Driver, Connection> {
public:
    explicit pool_home(std::string authority) noexcept : authority_(std::move(authority)) {}

    void give_back(Connection& c, retire_reason why) override {
        if (why == retire_reason::none) {
            if (c.usage == connection_usage::unread) [[unlikely]]
                return c.left->finish(c, this->options());
            if (c.readable.has_fired()) [[unlikely]]
                why = this->look_into(c);
        }
        if (driver().ways_out().judges_returns() && !may_stay(c) && why == retire_reason::none)
            why = retire_reason::access_denied;
        bool look_later = why == retire_reason::none && !c.readable.is_armed() && !watched_at_once(c, why);
        c.usage = connection_usage::clean;
        c.reused = true;
        bool ours = true;
        driver().tell_machine([&](auto& machine, time_point now) __attribute__((always_inline)) {
            look_later = remember(c, look_later);
            ours = is_ours(c);
            if (!ours) [[unlikely]] {
                c.slot = nullptr;
                return strays_.leave(c);
            }
            const bool overdue = c.expired.load(std::memory_order_relaxed);
            c.expired.store(false, std::memory_order_relaxed);
            if (c.slot->state == slot_state::leased) [[likely]]
                machine.lease_returned(*c.slot, now, {why, c.idle_hint, c.delivered});
            else
                machine.probe_finished(*c.slot, now, std::exchange(c.found_well, false) && !overdue, why);
        });
        if (look_later) look_and_release(c);
        if (!ours) [[unlikely]]
            end_stray(c);
    }
    void let_go(Connection& c) override {
        bool ours = false;
        driver().tell_machine([&](auto& machine, time_point now) {
            ours = is_ours(c);
            if (ours) {
                const time_point deadline = c.slot->lease_deadline;
                machine.lease_detached(*c.slot);
                strays_.set_deadline(c, now, deadline);
            }
            c.slot = nullptr;
        });
        if (ours) driver().release_permit();
    }
    void readable_unattended(Connection& c) override { this->look_now(c); }
    void at_turn_end(Connection& c) override { this->look_at_turn_end(c); }
    bool speculates() noexcept override {
        return leased_.load(std::memory_order_relaxed) > 1 && speculation_.is_worth_it();
    }
    void note_speculation(bool came_true) noexcept override { speculation_.note(came_true); }
    const std::string& authority() const noexcept override { return authority_; }

    bool begin_drain(Connection& c, time_point deadline) override {
        bool ours = false;
        driver().tell_machine([&](auto& machine, time_point) {
            ours = is_ours(c);
            if (ours) machine.lease_over(*c.slot, deadline);
        });
        return ours;
    }
    void set_lease_deadline(Connection& c, time_point deadline) override {
        driver().tell_machine([&](auto& machine, time_point now) {
            const bool ours = is_ours(c);
            if (ours)
                machine.deadline_changed(*c.slot, deadline);
            else
                strays_.set_deadline(c, now, deadline);
            if (deadline > now && !(ours && machine.overdue())) c.expired.store(false, std::memory_order_relaxed);
        });
    }
    /// A request found its reused connection dead or silent; it still holds the lease.
    /// @param asked_at of one that is silent: since then nothing has been heard of it
    void distrust(Connection& c, doubt cast, time_point asked_at) {
        driver().tell_machine([&](auto& machine, time_point now) {
            if (!is_ours(c)) return;
            if (cast == doubt::closed)
                machine.stale_found(*c.slot);
            else
                machine.silence_found(now, asked_at, driver().has_prober());
        });
    }

    // --- for the other parts of the driver

    /// An idle connection is taken out for a moment. False when it is not idle.
    bool begin_tending(Connection& c) {
        bool idle = false;
        driver().with_machine([&](auto& machine) { idle = is_ours(c) && machine.tend_started(*c.slot); });
        return idle;
    }
    void end_tending(Connection& c, retire_reason why) {
        tell_of(c, false, [&](auto& machine, time_point now) { machine.tend_finished(*c.slot, now, why); });
    }
    /// Tells something after which `c` may be idle. If it became readable while it had a holder, nobody has looked yet.
    /// @param watch whether it is to be watched from the end of this turn in any case
    template <class Input>
    void tell_of(Connection& c, bool watch, const Input& input) {
        driver().tell_machine([&](auto& machine, time_point now) {
            watch = remember(c, watch);
            input(machine, now);
        });
        if (watch) look_and_release(c);
    }

protected:
    ~pool_home() = default;

    // --- under the lock

    void count_leased(std::size_t leased) noexcept { leased_.store(leased, std::memory_order_relaxed); }
    strays<Connection>& let_go_of() noexcept { return strays_; }
    const strays<Connection>& let_go_of() const noexcept { return strays_; }

private:
    Driver& driver() noexcept { return static_cast<Driver&>(*this); }

    /// Whether the slot that `c` knows is still its own; under the lock.
    static bool is_ours(const Connection& c) noexcept { return c.slot != nullptr && c.slot->resource == &c; }
    /// Whether `c` is to be looked at when this turn is over; then it is held until `look_and_release`.
    static bool remember(Connection& c, bool watch) noexcept {
        if (!watch && !c.readable.has_fired()) return false;
        c.add_ref();
        return true;
    }
    void look_and_release(Connection& c) {
        const counted_ref<Connection> held(&c);
        try {
            this->look_at_turn_end(c);
        } catch (const std::bad_alloc&) {  // an executor that wants memory of its own: another turn will do
        }
    }
    bool watched_at_once(Connection& c, retire_reason& why) {
        if (!is_watched_at_once(leased_.load(std::memory_order_relaxed))) return false;
        c.readable.clear_fired();
        why = this->watch(c);
        return true;
    }
    /// Nobody has it any more, and its place has been taken back.
    static void end_stray(Connection& c) {
        c.left.reset();
        c.stream.close();
        c.release();
    }
    /// Whether the access controller lets it be used further. If not, nor the others to that address.
    bool may_stay(Connection& c) {
        try {
            if (driver().ways_out().may_stay(c.peer, std::exchange(c.last_status, std::uint16_t{0}), clock_type::now()))
                return true;
        } catch (const std::bad_alloc&) {  // what cannot be remembered does not count
            return true;
        }
        driver().tell_machine([&](auto& machine, time_point now) {
            machine.end_early(
                [&](const auto& s) { return s.endpoint != nullptr && s.endpoint->where.address == c.peer; },
                retire_reason::access_denied, now, duration::zero());
        });
        return false;
    }

    const std::string authority_;
    std::atomic<std::size_t> leased_{0};  // by the machine's count
    speculation speculation_;
    strays<Connection> strays_;  // under the lock
};

}  // namespace hotpool::detail
