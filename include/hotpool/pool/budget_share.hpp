// A pool's share of a budget: what it asks for, what it gives up.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "hotpool/base/time.hpp"
#include "hotpool/manager/connection_budget.hpp"

namespace hotpool::detail {

/// What a pool has to say to its budget.
enum class budget_errand : std::uint8_t {
    none,
    withdraw,       ///< it needs no room any more, or not for a caller
    press,          ///< a caller waits for the room that it is queued for
    return_grants,  ///< it cannot use what it was granted just now
    promise_idle,   ///< it is called: for an idle connection, or to say that it has none
};

/// How a pool stands with its budget.
struct budget_standing {
    bool waits_for_room = false;  ///< openings wait for room
    bool needs_room = false;      ///< there is something to open
    bool has_caller = false;      ///< somebody waits for a connection, or the pool tries whether its origin is back
    bool is_pressing = false;     ///< and the budget knows
    bool is_press_due = false;    ///< for so long that it is to be told once more
    bool has_grant = false;
    bool is_asking = false;  ///< an opening is about to take a grant
    bool is_called = false;  ///< another pool wants an idle connection
    bool is_busy = false;    ///< an errand is being run
};

/// What is to be said next, once nothing else is to be done.
constexpr budget_errand next_errand(const budget_standing& s) noexcept {
    if (s.is_busy) return budget_errand::none;
    if (s.waits_for_room && (!s.needs_room || (s.is_pressing && !s.has_caller))) return budget_errand::withdraw;
    if (s.waits_for_room && s.has_caller && (!s.is_pressing || s.is_press_due)) return budget_errand::press;
    if (s.has_grant && !s.is_asking) return budget_errand::return_grants;
    return s.is_called ? budget_errand::promise_idle : budget_errand::none;
}

/// The part of a pool's driver that knows the budget. `Driver` derives from it, drives a connection manager, and tells
/// it by `tell_machine(input)`, where `input(machine, now)` is called under the lock. It leaves the budget before it ends.
/// @threads any thread
template <class Driver>
class budget_share : public connection_budget::member {
public:
    explicit budget_share(std::shared_ptr<connection_budget> budget) noexcept : budget_(std::move(budget)) {}

    /// Before anything is told to the machine.
    template <class Machine>
    void join_budget(Machine& machine) noexcept {
        if (budget_ == nullptr) return;
        machine.heed(this->claim());
        budget_->join(*this);
    }
    void leave_budget() noexcept {
        if (budget_ != nullptr) budget_->leave(*this, Driver::now());
    }

    // --- under the lock

    /// Whether there may be an errand.
    template <class Machine>
    [[gnu::always_inline]] bool concerns_budget(Machine& machine) noexcept {
        return budget_ != nullptr && may_have_errand(machine);
    }
    /// Room that was granted lets the machine go on.
    template <class Machine>
    void heed_grants(Machine& machine) noexcept {
        if (budget_ != nullptr && this->has_grant()) machine.growth_allowed();
    }
    template <class Machine>
    budget_errand take_errand(Machine& machine, time_point now) noexcept {
        if (budget_ == nullptr) return budget_errand::none;
        const bool called = is_called_for_idle(machine);
        const budget_errand next = next_errand({.waits_for_room = machine.growth_blocked(),
                                                .needs_room = machine.needs_room(),
                                                .has_caller = has_caller(machine),
                                                .is_pressing = this->is_pressing(),
                                                .is_press_due = now >= press_at_,
                                                .has_grant = this->has_grant(),
                                                .is_asking = asking_ != 0,
                                                .is_called = called,
                                                .is_busy = busy_});
        if (next == budget_errand::none) return next;
        // While one is being run, there is no other: what it reads under no lock stays.
        busy_ = true;
        errand_at_ = now;
        if (next == budget_errand::press) leases_ = machine.counters().leases;
        return next;
    }
    /// When the machine is to be told the time, or the budget that a caller still waits for room.
    template <class Machine>
    time_point due_with_budget(const Machine& machine) const noexcept {
        const bool waits = budget_ != nullptr && machine.growth_blocked() && has_caller(machine) && !busy_;
        return waits ? std::min(machine.next_due(), press_at_) : machine.next_due();
    }
    /// An opening has been asked for, and will ask for room.
    void opening_asks() noexcept { ++asking_; }

    // --- under no lock

    void run_errand(budget_errand errand) noexcept {
        bool grows = false;                 // what was waited for may come now, or is needed no more
        bool promised = false;              // an idle connection
        const time_point now = errand_at_;  // what the timer has brought about is due, whatever a coarse clock says
        switch (errand) {
            case budget_errand::withdraw:
                budget_->withdraw(*this, now);
                grows = true;
                break;
            case budget_errand::press: grows = !budget_->press(*this, leases_, now); break;
            case budget_errand::return_grants: budget_->return_grants(*this, 0, now); break;
            case budget_errand::promise_idle: promised = budget_->promise_idle(*this, now); break;
            case budget_errand::none: return;
        }
        bool kept = false;
        driver().tell_machine([&](auto& machine, time_point) {
            busy_ = false;
            if (errand == budget_errand::press) press_at_ = base::after(now, press_interval());
            if (grows) machine.growth_allowed();
            kept = promised && machine.reclaim_idle();
        });
        if (promised && !kept) budget_->promise_broken(now);
    }
    /// Room in the budget for what `s` opens; if there is none, the opening is over for now.
    template <class Slot>
    bool has_permit(Slot& s) noexcept {
        budget_ask ask;
        time_point asked{};
        if (budget_ != nullptr)
            driver().tell_machine([&](auto& machine, time_point now) {
                ask = {has_caller(machine), machine.counters().leases};
                asked = now;
            });
        const bool granted = budget_ == nullptr || budget_->acquire(*this, ask, asked);
        driver().tell_machine([&](auto& machine, time_point) {
            --asking_;
            if (granted) return;
            press_at_ = base::after(asked, press_interval());
            machine.opening_deferred(s);
        });
        return granted;
    }
    /// @param promised whether the connection was ended for the budget
    void release_permit(bool promised = false) noexcept {
        if (budget_ != nullptr) budget_->release(*this, promised, Driver::now());
    }
    /// The room that was asked for holds an open connection.
    void permit_used() noexcept {
        if (budget_ != nullptr) budget_->opened(*this, Driver::now());
    }

protected:
    ~budget_share() = default;

private:
    Driver& driver() noexcept { return static_cast<Driver&>(*this); }

    void budget_calls() noexcept override { driver().post_rest(); }

    template <class Machine>
    [[gnu::noinline]] bool may_have_errand(Machine& machine) noexcept {
        return is_called_for_idle(machine) || this->has_grant() || machine.growth_blocked();
    }
    template <class Machine>
    bool is_called_for_idle(const Machine& machine) noexcept {
        const time_point since = machine.longest_idle();
        this->longest_idle(since);
        return this->is_called(since != never);
    }
    template <class Machine>
    static bool has_caller(const Machine& machine) noexcept {
        return machine.counts().waiting != 0 || machine.failing();
    }
    /// Often enough that what becomes due within a turn is not waited for much longer.
    duration press_interval() const noexcept {
        return std::max<duration>(budget_->turn() / 4, std::chrono::milliseconds(1));
    }

    const std::shared_ptr<connection_budget> budget_;
    // Under the lock.
    std::size_t asking_ = 0;  // openings that ask for room just now
    bool busy_ = false;       // an errand is being run
    time_point press_at_ = never;
    time_point errand_at_{};    // when the errand was taken that is being run
    std::uint64_t leases_ = 0;  // when a caller was spoken of last
};

}  // namespace hotpool::detail
