// A pool's share of a budget: what it asks for, what it gives up.
#pragma once

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
    withdraw,       ///< it needs no room any more
    press,          ///< a caller waits for the room that it is queued for
    return_grants,  ///< it cannot use what it was granted just now
    promise_idle,   ///< it has an idle connection, which another pool wants
};

/// How a pool stands with its budget.
struct budget_standing {
    bool waits_for_room = false;  ///< openings wait for room
    bool needs_room = false;      ///< there is something to open
    bool has_caller = false;      ///< somebody waits for a connection
    bool is_pressing = false;     ///< and the budget knows
    bool has_grant = false;
    bool is_asking = false;    ///< an opening is about to take a grant
    bool idle_wanted = false;  ///< another pool wants an idle connection, and here is one
    bool is_busy = false;      ///< an errand is being run
};

/// What is to be said next, once nothing else is to be done.
constexpr budget_errand next_errand(const budget_standing& s) noexcept {
    if (s.is_busy) return budget_errand::none;
    if (s.waits_for_room && !s.needs_room) return budget_errand::withdraw;
    if (s.waits_for_room && s.has_caller && !s.is_pressing) return budget_errand::press;
    if (s.has_grant && !s.is_asking) return budget_errand::return_grants;
    return s.idle_wanted ? budget_errand::promise_idle : budget_errand::none;
}

/// The part of a pool's driver that knows the budget. `Driver` derives from it, drives a connection manager, and tells
/// it by `tell_machine(input)`, where `input(machine, now)` is called under the lock. It leaves the budget before it ends.
/// @threads any thread
template <class Driver>
class budget_share : public connection_budget::member {
public:
    explicit budget_share(std::shared_ptr<connection_budget> budget) noexcept : budget_(std::move(budget)) {}

    void join_budget() noexcept {
        if (budget_ != nullptr) budget_->join(*this);
    }
    void leave_budget() noexcept {
        if (budget_ != nullptr) budget_->leave(*this);
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
    budget_errand take_errand(Machine& machine) noexcept {
        if (budget_ == nullptr) return budget_errand::none;
        this->has_idle(machine.counts().idle != 0);
        const budget_errand next = next_errand({.waits_for_room = machine.growth_blocked(),
                                                .needs_room = machine.needs_room(),
                                                .has_caller = machine.counts().waiting != 0,
                                                .is_pressing = this->is_pressing(),
                                                .has_grant = this->has_grant(),
                                                .is_asking = asking_ != 0,
                                                .idle_wanted = is_idle_wanted(machine),
                                                .is_busy = busy_});
        busy_ = busy_ || next != budget_errand::none;
        return next;
    }
    /// An opening has been asked for, and will ask for room.
    void opening_asks() noexcept { ++asking_; }

    // --- under no lock

    void run_errand(budget_errand errand) noexcept {
        bool grows = false;     // what was waited for may come now, or is needed no more
        bool promised = false;  // an idle connection
        switch (errand) {
            case budget_errand::withdraw:
                budget_->withdraw(*this);
                grows = true;
                break;
            case budget_errand::press: grows = !budget_->press(*this); break;
            case budget_errand::return_grants: budget_->return_grants(*this, 0); break;
            case budget_errand::promise_idle: promised = budget_->promise_idle(*this); break;
            case budget_errand::none: return;
        }
        bool kept = false;
        driver().tell_machine([&](auto& machine, time_point) {
            busy_ = false;
            if (grows) machine.growth_allowed();
            kept = promised && machine.reclaim_idle();
        });
        if (promised && !kept) budget_->promise_broken();
    }
    /// Room in the budget for what `s` opens; if there is none, the opening is over for now.
    template <class Slot>
    bool has_permit(Slot& s) noexcept {
        bool pressing = false;
        if (budget_ != nullptr)
            driver().tell_machine(
                [&](auto& machine, time_point) { pressing = machine.counts().waiting != 0 || machine.failing(); });
        const bool granted = budget_ == nullptr || budget_->acquire(*this, pressing);
        driver().tell_machine([&](auto& machine, time_point) {
            --asking_;
            if (!granted) machine.opening_deferred(s);
        });
        return granted;
    }
    /// @param promised whether the connection was ended for the budget
    void release_permit(bool promised = false) noexcept {
        if (budget_ != nullptr) budget_->release(promised);
    }

protected:
    ~budget_share() = default;

private:
    Driver& driver() noexcept { return static_cast<Driver&>(*this); }

    void budget_calls() noexcept override { driver().post_rest(); }

    template <class Machine>
    [[gnu::noinline]] bool may_have_errand(Machine& machine) noexcept {
        this->has_idle(machine.counts().idle != 0);
        return this->has_grant() || machine.growth_blocked() || is_idle_wanted(machine);
    }
    template <class Machine>
    bool is_idle_wanted(const Machine& machine) const noexcept {
        return budget_->wants_idle_of(*this) && machine.counts().idle != 0;
    }

    const std::shared_ptr<connection_budget> budget_;
    // Under the lock.
    std::size_t asking_ = 0;  // openings that ask for room just now
    bool busy_ = false;       // an errand is being run
};

}  // namespace hotpool::detail
