// The driver of a pool: tells the machine what happens, and does what it asks for.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/deadline_wheel.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/source_location.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/connection_home.hpp"
#include "hotpool/connection/idle_watch.hpp"
#include "hotpool/connection/lease.hpp"
#include "hotpool/io/context_end.hpp"
#include "hotpool/io/machine_loop.hpp"
#include "hotpool/manager/connection_budget.hpp"
#include "hotpool/manager/connection_manager.hpp"
#include "hotpool/pool/opener.hpp"
#include "hotpool/pool/pool_order.hpp"
#include "hotpool/pool/pool_services.hpp"
#include "hotpool/pool/pool_stats.hpp"
#include "hotpool/pool/pool_waiters.hpp"
#include "hotpool/pool/speculation.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/transport.hpp"
#include "hotpool/transport/transport_stats.hpp"

namespace hotpool::detail {

/// Shared by a pool, its connections and its pending operations.
/// @threads any thread
template <class Transport, policy_bundle Policies, class Executor>
class pool_core final : public machine_loop<pool_core<Transport, Policies, Executor>, Executor>,
                        public idle_watch<pool_core<Transport, Policies, Executor>, connection<Transport, Executor>>,
                        public connection_home<connection<Transport, Executor>>,
                        public connection_budget::member,
                        public context_guest,
                        public std::enable_shared_from_this<pool_core<Transport, Policies, Executor>> {
public:
    using executor_type = Executor;
    using connection_type = connection<Transport, Executor>;
    using stream_type = typename connection_type::stream_type;
    using lease_type = lease<Transport, Executor>;
    using machine_type = connection_manager<connection_type*, Policies>;
    using slot_type = typename machine_type::slot_type;
    using waiter_type = get_waiter<connection_type>;
    using retry_type = typename Policies::retry;
    using prober_type = std::function<void(lease_type)>;
    using order_type = pool_order<machine_type>;

    pool_core(const Executor& executor, Transport transport, std::string authority, const pool_options& options,
              pool_services services)
        : loop_type(executor),
          authority_(std::move(authority)),
          budget_(std::move(services.budget)),
          listener_(std::move(services.listener)),
          opener_(std::move(transport), services),
          machine_(options, seed(), stream_type::holds_buffers) {
        machine_.listen(listener_ != nullptr);
        opener_.prepare(machine_, executor);
    }
    ~pool_core() {
        this->leave();
        if (budget_ != nullptr) budget_->leave(*this);
    }

    void start() {
        // What connections need of the context is there before this: it ends after this has been told of the end.
        const stream_type first(executor());
        const net::strand<Executor> one(executor());
        this->arrive(executor());
        if (budget_ != nullptr) budget_->join(*this);
        this->tell([](time_point) {});
    }

    const Executor& executor() const noexcept { return this->loop_executor(); }
    static time_point now() noexcept { return base::coarse_now(); }

    // --- for the pool's callers --------------------------------------------------------------------------------

    /// A hot connection, looked at if it has been idle for long; or null.
    connection_type* take(time_point lease_deadline = never, source_location where = {}) {
        for (;;) {
            connection_type* c = nullptr;
            bool doubtful = false;
            this->tell([&](time_point now) __attribute__((always_inline)) {
                slot_type* s = machine_.try_lease(now, lease_deadline);
                if (s == nullptr) return;
                c = s->resource;
                s->lent_where = where;
                doubtful = now - s->idle_since >= machine_.options().check_after_idle;
            });
            if (c == nullptr || !(doubtful || c->readable.has_fired())) [[likely]]
                return c;
            const retire_reason why = this->look_into(*c);
            if (why == retire_reason::none) return c;
            give_back(*c, why);
        }
    }

    /// Queues `w`, or answers it inside this call: then false.
    bool queue(waiter_type& w, std::optional<duration> timeout) {
        get_outcome outcome = get_outcome::refused;
        this->tell([&](time_point now) {
            // The coarse clock may be late; a deadline must not be early.
            outcome = machine_.get_requested(w, now, machine_.wait_deadline(timeout, clock_type::now()));
            if (outcome == get_outcome::queued && w.link_to_me) w.link_to_me->waiting = &w;
            if (outcome == get_outcome::granted) w.take_granted();
        });
        return outcome == get_outcome::queued;
    }
    /// The waiter behind the link if it was still waiting, or null: it will not be answered any more.
    waiter_type* forget(typename waiter_type::link& link) {
        waiter_type* w = nullptr;
        this->tell([&](time_point) {
            w = std::exchange(link.waiting, nullptr);
            if (w != nullptr && !machine_.waiter_cancelled(*w)) w = nullptr;
        });
        return w;
    }

    void warm(std::size_t wanted, progress_waiter& w) {
        this->tell([&](time_point) {
            add(w);
            machine_.warm_requested(wanted);
        });
    }
    /// @param w told when nothing is left; may be null
    void stop(errc why, time_point deadline, progress_waiter* w) {
        if (why == errc::pool_closed && budget_ != nullptr) budget_->leave(*this);
        this->tell([&](time_point) {
            if (w != nullptr) add(*w);
            machine_.stop_requested(why, deadline);
        });
    }
    progress_waiter* forget(progress_waiter::link& link) {
        const std::lock_guard lock(this->mutex_);
        progress_waiter* w = std::exchange(link.waiting, nullptr);
        if (w != nullptr) progress_.remove(*w);
        return w;
    }

    void suspend() {
        this->tell([&](time_point) { machine_.suspended(); });
    }
    void resume() {
        this->tell([&](time_point now) { machine_.resumed(now); });
    }
    void network_changed() {
        this->tell([&](time_point now) { machine_.network_changed(now); });
    }
    void refresh_endpoints() {
        this->tell([&](time_point) { machine_.refresh_requested(); });
    }
    std::vector<endpoint_state> endpoints() const {
        std::vector<endpoint_state> all;
        const std::lock_guard lock(this->mutex_);
        for (const endpoint_ptr& e : machine_.endpoints()) all.push_back(*e);
        return all;
    }
    /// Connections made with the old ones end early.
    template <class Options>
    void set_transport_options(Options&& options) {
        opener_.transport().update(std::forward<Options>(options));
        this->tell([&](time_point now) {
            machine_.end_early([](const slot_type&) { return true; }, retire_reason::rotated, now,
                               machine_.options().retire_spacing);
        });
    }
    void set_options(const pool_options& options) {
        this->tell([&](time_point now) { machine_.options_changed(options, now); });
    }
    void set_prober(prober_type prober) {
        auto shared = prober ? std::make_shared<prober_type>(std::move(prober)) : nullptr;
        const std::lock_guard lock(this->mutex_);
        prober_.swap(shared);
    }

    pool_stats stats() const {
        pool_stats s;
        {
            const std::lock_guard lock(this->mutex_);
            s = {machine_.counts(), machine_.counters(), machine_.last_open_error(), machine_.failing(),
                 machine_.is_suspended()};
        }
        if constexpr (counting_transport<Transport>) s.transport = opener_.transport().stats();
        return s;
    }
    pool_options options() const override {
        const std::lock_guard lock(this->mutex_);
        return machine_.options();
    }

    // --- for connections ---------------------------------------------------------------------------------------

    void give_back(connection_type& c, retire_reason why) override {
        if (why == retire_reason::none) {
            if (c.usage == connection_usage::unread) [[unlikely]]
                return c.left->finish(c, options());
            if (c.readable.has_fired()) [[unlikely]]
                why = this->look_into(c);
        }
        if (opener_.ways_out().judges_returns() && !may_stay(c) && why == retire_reason::none)
            why = retire_reason::access_denied;
        bool look_later = why == retire_reason::none && !c.readable.is_armed() && !watched_at_once(c, why);
        c.usage = connection_usage::clean;
        c.reused = true;
        bool ours = true;
        this->tell([&](time_point now) __attribute__((always_inline)) {
            look_later = remember(c, look_later);
            ours = is_ours(c);
            if (!ours) [[unlikely]]
                return leave_strays(c);
            const bool overdue = c.expired.load(std::memory_order_relaxed);
            c.expired.store(false, std::memory_order_relaxed);
            if (c.slot->state == slot_state::leased) [[likely]]
                machine_.lease_returned(*c.slot, now, {why, c.idle_hint});
            else
                machine_.probe_finished(*c.slot, now, why == retire_reason::none && !overdue);
        });
        if (look_later) look_and_release(c);
        if (!ours) [[unlikely]]
            end_stray(c);
    }
    void let_go(connection_type& c) override {
        bool ours = false;
        this->tell([&](time_point) {
            ours = is_ours(c);
            if (ours) machine_.lease_detached(*c.slot);
            c.slot = nullptr;
        });
        if (ours) release_permit();
    }
    void readable_unattended(connection_type& c) override { this->look_now(c); }
    void at_turn_end(connection_type& c) override { this->look_at_turn_end(c); }
    bool speculates() noexcept override {
        return leased_.load(std::memory_order_relaxed) > 1 && speculation_.is_worth_it();
    }
    void note_speculation(bool came_true) noexcept override { speculation_.note(came_true); }
    const std::string& authority() const noexcept override { return authority_; }

    bool begin_drain(connection_type& c, time_point deadline) override {
        bool ours = false;
        this->tell([&](time_point) {
            ours = is_ours(c);
            if (ours) machine_.lease_over(*c.slot, deadline);
        });
        return ours;
    }
    void set_lease_deadline(connection_type& c, time_point deadline) override {
        this->tell([&](time_point now) {
            const bool ours = is_ours(c);
            if (ours)
                machine_.deadline_changed(*c.slot, deadline);
            else
                set_stray_deadline(c, deadline);
            if (deadline > now && !(ours && machine_.overdue())) c.expired.store(false, std::memory_order_relaxed);
        });
    }
    /// A request found its reused connection dead; it still holds the lease.
    void distrust(connection_type& c) {
        this->tell([&](time_point) {
            if (is_ours(c)) machine_.stale_found(*c.slot);
        });
    }
    /// An idle connection is taken out for a moment. False when it is not idle.
    bool begin_tending(connection_type& c) {
        const std::lock_guard lock(this->mutex_);
        return is_ours(c) && machine_.tend_started(*c.slot);
    }
    void end_tending(connection_type& c, retire_reason why) {
        bool look = false;
        this->tell([&](time_point now) {
            look = remember(c, false);
            machine_.tend_finished(*c.slot, now, why);
        });
        if (look) look_and_release(c);
    }

    // --- for the opener ----------------------------------------------------------------------------------------

    open_request connecting(connection_type& c, slot_type& s, egress& ways_out) {
        const std::lock_guard lock(this->mutex_);
        s.resource = &c;
        const pool_options& options = machine_.options();
        open_request request{.timeout = machine_.opening_timeout(s, clock_type::now()),
                             .handshake_timeout = options.handshake_timeout};
        if (s.dialling == nullptr) return request;
        request.to = s.endpoint->where;
        request.from = ways_out.local_address(request.to.address.family());
        return request;
    }
    void under_way(connection_type& c, opening begun) {
        bool cut = false;
        {
            const std::lock_guard lock(this->mutex_);
            cut = machine_.stopped() || c.cut_early;
            c.under_way = begun;
        }
        if (cut) begun.cancel();
    }
    void connected(connection_type& c) {
        const std::lock_guard lock(this->mutex_);
        machine_.opening_connected(*c.slot);
    }
    void opened(connection_type& c, stream_type stream) {
        c.stream = std::move(stream);
        c.add_ref();  // the slot's
        bool look = false;
        this->tell([&](time_point now) {
            look = remember(c, true);
            c.under_way = {};
            machine_.slot_opened(*c.slot, now);
        });
        if (look) look_and_release(c);
    }
    void not_opened(connection_type& c, std::error_code error) noexcept {
        opener_.ways_out().opening_failed(c.peer, error, clock_type::now());
        slot_type& s = *std::exchange(c.slot, nullptr);
        not_begun(s, error);
    }
    void not_begun(slot_type& s, std::error_code error) noexcept {
        release_permit();
        this->tell([&](time_point now) {
            s.resource = nullptr;  // the slot may go on without this connection
            machine_.opening_failed(s, now, error);
        });
    }
    void endpoints_answered(std::error_code error, const endpoint_list& endpoints) {
        this->tell([&](time_point now) {
            if (error)
                machine_.endpoints_failed(opener_.unknown(error), now);
            else
                machine_.endpoints_came(endpoints, now);
        });
    }

private:
    using loop_type = machine_loop<pool_core, Executor>;
    friend loop_type;

    /// Jitter needs numbers that differ between pools and between runs, no more.
    std::uint64_t seed() const noexcept {
        const auto now = static_cast<std::uint64_t>(clock_type::now().time_since_epoch().count());
        return now ^ reinterpret_cast<std::uintptr_t>(this);
    }

    // --- under the lock

    /// Whether the slot that `c` knows is still its own.
    static bool is_ours(const connection_type& c) noexcept { return c.slot != nullptr && c.slot->resource == &c; }

    [[gnu::always_inline]] bool settles(time_point due) noexcept {
        leased_.store(machine_.leased(), std::memory_order_relaxed);
        if (budget_ != nullptr && concerns_budget()) return false;
        return machine_.at_rest(due) && progress_.empty() && strays_.empty();
    }
    bool take_order(order_type& next, time_point now) noexcept {
        const bool found = find_order(next, now);
        if (budget_ != nullptr) this->has_idle(machine_.counts().idle != 0);
        leased_.store(machine_.leased(), std::memory_order_relaxed);
        return found;
    }
    bool find_order(order_type& next, time_point now) noexcept {
        if (connection_type* c = strays_.take_due(now)) {
            next.cut = c->expire();
            return true;
        }
        if (budget_ != nullptr && this->has_grant()) machine_.growth_allowed();
        if (take_events(next)) return true;
        if (machine_.next_action(next.action, now)) {
            prepare(next);
            return true;
        }
        if (take_events(next)) return true;
        next.answered = next_progressed();
        return next.answered != nullptr || (budget_ != nullptr && settle_budget(next));
    }
    bool take_events(order_type& next) noexcept {
        if (!machine_.has_events()) return false;
        next.events = machine_.take_events();
        return true;
    }
    /// What must be settled while nobody else can move.
    void prepare(order_type& next) noexcept {
        if (next.action.answered != nullptr) {
            auto* w = static_cast<waiter_type*>(next.action.answered);
            if (w->link_to_me) w->link_to_me->waiting = nullptr;
            if (w->granted != nullptr) w->take_granted();
            return;
        }
        if (next.action.slot == nullptr) return;
        slot_type& s = *next.action.slot;
        switch (next.action.task) {
            case slot_task::open: ++asking_; break;
            case slot_task::report_leak:
                next.frees_permit = next.action.reclaimed != nullptr;
                if (next.frees_permit) next.action.reclaimed->reclaimed.store(true, std::memory_order_release);
                break;
            case slot_task::expire_lease: next.cut = s.resource->expire(); break;
            case slot_task::abort_opening:
                // By the time it is cut, its slot may have gone on to another address.
                if (s.resource == nullptr) break;
                s.resource->cut_early = true;
                next.under_way = s.resource->under_way;
                break;
            default: break;
        }
    }
    time_point next_due() noexcept { return is_over() ? never : std::min(machine_.next_due(), strays_.next()); }
    bool is_over() const noexcept { return machine_.stopped() && machine_.empty() && strays_.empty(); }
    void time_passed(time_point now) { machine_.time_passed(now); }

    void add(progress_waiter& w) noexcept {
        progress_.push_back(w);
        if (w.link_to_me) w.link_to_me->waiting = &w;
    }
    progress_waiter* next_progressed() noexcept {
        if (progress_.empty()) return nullptr;
        const pool_progress now{machine_.counts(), machine_.warm_left(), machine_.validating(), machine_.overdue()};
        for (progress_waiter* w = progress_.front(); w != nullptr; w = progress_.next(*w)) {
            const std::optional<std::error_code> outcome = w->outcome(now);
            if (!outcome && !context_over_) continue;
            w->error = outcome.value_or(std::error_code());
            if (w->link_to_me) w->link_to_me->waiting = nullptr;
            progress_.remove(*w);
            return w;
        }
        return nullptr;
    }

    /// Whether `c` is to be looked at when this turn is over; then it is held until `look_and_release`.
    static bool remember(connection_type& c, bool watch) noexcept {
        if (!watch && !c.readable.has_fired()) return false;
        c.add_ref();
        return true;
    }

    // --- leases that the pool has let go of

    void set_stray_deadline(connection_type& c, time_point deadline) noexcept {
        leave_strays(c);
        if (deadline == never) return;
        strays_.now_is(base::coarse_now());
        strays_.insert(c, deadline);
    }
    void leave_strays(connection_type& c) noexcept {
        if (c.in_wheel()) strays_.remove(c);
    }
    /// Nobody has it any more.
    static void end_stray(connection_type& c) {
        c.slot = nullptr;
        c.left.reset();
        c.stream.close();
        c.release();
    }

    // --- what the machine asks for, under no lock

    void perform(order_type& o) {
        for (const pool_event& event : o.events) listener_(event);
        if (o.cut != nullptr) return o.cut->resume(wake::expired);
        if (o.answered != nullptr) return context_over_ ? o.answered->abandoned() : o.answered->answered();
        if (o.frees_permit) release_permit();
        if (o.budget != budget_errand::none) return run_errand(o.budget);
        if (o.action.ask) return opener_.ask(this->shared_from_this());
        if (auto* w = static_cast<waiter_type*>(o.action.answered))
            return context_over_ ? w->abandoned() : w->answered();
        if (o.action.slot == nullptr) return;
        slot_type& s = *o.action.slot;
        switch (o.action.task) {
            case slot_task::open: return open(s);
            case slot_task::abort_opening: return o.under_way.cancel();
            case slot_task::close: return close(s);
            case slot_task::rest: return rest(s);
            case slot_task::probe: return probe(s);
            default: return;
        }
    }
    void open(slot_type& s) noexcept {
        if (has_permit(s)) opener_.open(this->shared_from_this(), s);
    }
    void close(slot_type& s) {
        connection_type* c = s.resource;
        c->left.reset();
        c->stream.close();
        release_permit(s.retire == retire_reason::budget);
        this->tell([&](time_point) {
            c->slot = nullptr;
            machine_.slot_closed(s);
        });
        c->release();
    }
    void rest(slot_type& s) {
        s.resource->stream.release_buffers();
        end_tending(*s.resource, retire_reason::none);
    }
    void probe(slot_type& s) {
        std::shared_ptr<prober_type> prober;
        {
            const std::lock_guard lock(this->mutex_);
            prober = prober_;
        }
        lease_type looked_at(s.resource);
        if (prober != nullptr) (*prober)(std::move(looked_at));
    }

    // --- connections that come back

    bool watched_at_once(connection_type& c, retire_reason& why) {
        if (!is_watched_at_once(leased_.load(std::memory_order_relaxed))) return false;
        c.readable.clear_fired();
        why = this->watch(c);
        return true;
    }
    void look_and_release(connection_type& c) {
        const counted_ref<connection_type> held(&c);
        this->look_at_turn_end(c);
    }
    /// Whether the access controller lets it be used further. If not, nor the others to that address.
    bool may_stay(connection_type& c) {
        if (opener_.ways_out().may_stay(c.peer, std::exchange(c.last_status, std::uint16_t{0}), clock_type::now()))
            return true;
        this->tell([&](time_point now) {
            machine_.end_early([&](const slot_type& s) { return s.endpoint != nullptr && s.endpoint->where.address == c.peer; },
                               retire_reason::access_denied, now, duration::zero());
        });
        return false;
    }

    // --- the share of a budget: see `connection_budget`

    void budget_calls() noexcept override { this->post_rest(); }
    bool concerns_budget() noexcept {
        this->has_idle(machine_.counts().idle != 0);
        return this->has_grant() || machine_.growth_blocked() || wants_to_promise();
    }
    bool wants_to_promise() const noexcept { return budget_->wants_idle() && machine_.counts().idle != 0; }
    /// What others of the budget may be waiting for. Under the lock. False when there is nothing.
    bool settle_budget(order_type& next) noexcept {
        if (machine_.growth_blocked() && !machine_.needs_room()) {
            machine_.growth_allowed();
            next.budget = budget_errand::withdraw;
        } else if (this->has_grant() && asking_ == 0) {
            next.budget = budget_errand::return_grants;
        } else if (wants_to_promise() && !std::exchange(promising_, true)) {
            next.budget = budget_errand::promise_idle;
        }
        return next.budget != budget_errand::none;
    }
    void run_errand(budget_errand errand) noexcept {
        switch (errand) {
            case budget_errand::withdraw: return budget_->withdraw(*this);
            case budget_errand::return_grants: return budget_->return_grants(*this, 0);
            case budget_errand::promise_idle: return promise_idle();
            case budget_errand::none: return;
        }
    }
    void promise_idle() noexcept {
        const bool promised = budget_->promise_idle(*this);
        bool kept = false;
        this->tell([&](time_point) {
            promising_ = false;
            kept = promised && machine_.reclaim_idle();
        });
        if (promised && !kept) budget_->promise_broken();
    }
    /// Room in the budget for what `s` opens; if there is none, the opening is over for now.
    bool has_permit(slot_type& s) noexcept {
        const bool pressing = [&] {
            const std::lock_guard lock(this->mutex_);
            return machine_.counts().waiting != 0 || machine_.failing();
        }();
        const bool granted = budget_ == nullptr || budget_->acquire(*this, pressing);
        this->tell([&](time_point) {
            --asking_;
            if (!granted) machine_.opening_deferred(s);
        });
        return granted;
    }
    void release_permit(bool promised = false) noexcept {
        if (budget_ != nullptr) budget_->release(promised);
    }

    // --- the end of the execution context

    void context_ended() noexcept override {
        const auto keep = this->shared_from_this();
        if (budget_ != nullptr) budget_->leave(*this);
        this->tell([&](time_point) {
            context_over_ = true;
            machine_.stop_requested(errc::pool_closed, never);
        });
    }
    const void* guest_executor() const noexcept override { return &executor(); }

    const std::string authority_;
    const std::shared_ptr<connection_budget> budget_;
    const pool_listener listener_;
    opener<pool_core, Transport, Executor> opener_;

    std::atomic<std::size_t> leased_{0};
    speculation speculation_;

    // Under the lock.
    machine_type machine_;
    base::linked_list<progress_waiter> progress_;
    base::deadline_wheel<connection_type> strays_;  // leases that the pool has let go of, and that have a deadline
    std::shared_ptr<prober_type> prober_;
    std::size_t asking_ = 0;     // openings that ask the budget for room just now
    bool promising_ = false;     // an idle connection is being promised to the budget
    bool context_over_ = false;  // handlers are destroyed, not called; written before all that is performed after it
};

}  // namespace hotpool::detail
