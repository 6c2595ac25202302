// The driver of a pool: tells the machine what happens, and does what it asks for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/access.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/base/source_location.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/lease.hpp"
#include "hotpool/io/context_end.hpp"
#include "hotpool/io/machine_loop.hpp"
#include "hotpool/manager/connection_manager.hpp"
#include "hotpool/pool/budget_share.hpp"
#include "hotpool/pool/opener.hpp"
#include "hotpool/pool/pool_home.hpp"
#include "hotpool/pool/pool_order.hpp"
#include "hotpool/pool/pool_services.hpp"
#include "hotpool/pool/pool_stats.hpp"
#include "hotpool/pool/pool_waiters.hpp"
#include "hotpool/pool/progress_queue.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/transport.hpp"
#include "hotpool/transport/transport_stats.hpp"

namespace hotpool::detail {

/// Shared by a pool, its connections and its pending operations.
/// @threads any thread
template <class Transport, policy_bundle Policies, class Executor>
class pool_core final : public machine_loop<pool_core<Transport, Policies, Executor>, Executor>,
                        public opener<pool_core<Transport, Policies, Executor>, Transport, Executor>,
                        public pool_home<pool_core<Transport, Policies, Executor>, connection<Transport, Executor>>,
                        public budget_share<pool_core<Transport, Policies, Executor>>,
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
          opener_type(std::move(transport), services),
          home_type(std::move(authority)),
          share_type(std::move(services.budget)),
          listener_(std::move(services.listener)),
          machine_(options, seed(), stream_type::holds_buffers) {
        machine_.listen(listener_ != nullptr);
        this->prepare_endpoints(machine_);
    }
    ~pool_core() {
        this->leave();
        this->leave_budget();
    }

    void start() {
        // What connections need of the context is there before this: it ends after this has been told of the end.
        const stream_type first(executor());
        this->arrive(executor());
        this->join_budget(machine_);
        this->tell([](time_point) {});
    }

    const Executor& executor() const noexcept { return this->loop_executor(); }
    [[gnu::always_inline]] static time_point now() noexcept { return base::coarse_now(); }

    // --- for the pool's callers --------------------------------------------------------------------------------

    /// A hot connection, looked at if it has been idle for long; or null.
    connection_type* take(time_point lease_deadline = never, source_location where = {}) {
        bool doubtful = false;
        connection_type* const c = take_unseen(lease_deadline, where, doubtful);
        return doubtful ? take_fit(c, lease_deadline, where) : c;
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
    waiter_type* forget(typename waiter_type::link_type& link) {
        waiter_type* w = nullptr;
        this->tell([&](time_point) {
            w = std::exchange(link.waiting, nullptr);
            if (w != nullptr && !machine_.waiter_cancelled(*w)) w = nullptr;
        });
        return w;
    }

    void warm(std::size_t wanted, progress_waiter& w) {
        this->tell([&](time_point) {
            progress_.add(w);
            machine_.warm_requested(wanted);
        });
    }
    /// @param w told when nothing is left; may be null
    void stop(errc why, time_point deadline, progress_waiter* w) {
        if (why == errc::pool_closed) this->leave_budget();
        this->stop_asking();
        this->tell([&](time_point) {
            if (w != nullptr) progress_.add(*w);
            machine_.stop_requested(why, deadline);
        });
    }
    progress_waiter* forget(progress_waiter::link_type& link) {
        const std::lock_guard lock(this->mutex_);
        return progress_.forget(link);
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
        for (const endpoint_ptr& e : machine_.known_addresses()->absent())
            if (e->listed) all.push_back(*e);
        return all;
    }
    /// Connections made with the old ones end early.
    template <class Options>
    void set_transport_options(Options&& options) {
        this->transport().update(std::forward<Options>(options));
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
        if constexpr (counting_transport<Transport>) s.transport = this->transport().stats();
        return s;
    }
    pool_options options() const override {
        const std::lock_guard lock(this->mutex_);
        return machine_.options();
    }

    // --- for the parts of the driver

    template <class Input>
    [[gnu::always_inline]] void tell_machine(const Input& input) {
        this->tell([&](time_point now) __attribute__((always_inline)) { input(machine_, now); });
    }
    /// Under the lock, and nothing is to be done for it.
    template <class Input>
    void with_machine(const Input& input) {
        const std::lock_guard lock(this->mutex_);
        input(machine_);
    }

private:
    using loop_type = machine_loop<pool_core, Executor>;
    using opener_type = opener<pool_core, Transport, Executor>;
    using home_type = pool_home<pool_core, connection_type>;
    using share_type = budget_share<pool_core>;
    friend loop_type;
    friend opener_type;
    friend home_type;
    friend share_type;

    /// @param doubtful whether it is to be looked at before it is used
    [[gnu::always_inline]] connection_type* take_unseen(time_point lease_deadline, source_location where,
                                                        bool& doubtful) {
        connection_type* c = nullptr;
        this->tell([&](time_point now) __attribute__((always_inline)) {
            slot_type* s = machine_.try_lease(now, lease_deadline);
            if (s == nullptr) return;
            c = s->resource;
            s->lent_where = where;
            doubtful = now - s->idle_since >= machine_.options().check_after_idle;
        });
        doubtful = c != nullptr && (doubtful || c->readable.has_fired());
        return c;
    }
    /// `c` if it is fit for use, else another one that is, or null.
    [[gnu::noinline]] connection_type* take_fit(connection_type* c, time_point lease_deadline, source_location where) {
        for (bool doubtful = true; doubtful; c = take_unseen(lease_deadline, where, doubtful)) {
            const retire_reason why = this->look_into(*c);
            if (why == retire_reason::none) return c;
            this->give_back(*c, why);
        }
        return c;
    }

    /// Jitter needs numbers that differ between pools and between runs, no more.
    std::uint64_t seed() const noexcept {
        const auto now = static_cast<std::uint64_t>(clock_type::now().time_since_epoch().count());
        return now ^ reinterpret_cast<std::uintptr_t>(this);
    }

    // --- under the lock

    [[gnu::always_inline]] bool settles(time_point due) noexcept {
        this->count_leased(machine_.leased());
        if (this->concerns_budget(machine_)) return false;
        return machine_.at_rest(due) && progress_.empty() && this->let_go_of().empty();
    }
    bool take_order(order_type& out, time_point now) noexcept {
        const bool found = find_order(out, now);
        this->count_leased(machine_.leased());
        return found;
    }
    bool find_order(order_type& out, time_point now) noexcept {
        if (connection_type* c = this->let_go_of().take_due(now)) {
            out.cut = c->expire();
            return true;
        }
        // Before what is cut comes back: whoever waits for the end of the pool is to know that it did not come in time.
        if (machine_.overdue() && (out.answered = progress_.take_answered(progress())) != nullptr) return true;
        this->heed_grants(machine_);
        if (take_events(out)) return true;
        if (machine_.next_action(out.action, now)) {
            prepare(out);
            return true;
        }
        if (take_events(out)) return true;
        out.answered = context_over_ ? progress_.take_first() : progress_.take_answered(progress());
        if (out.answered == nullptr) out.errand = this->take_errand(machine_, now);
        return out.answered != nullptr || out.errand != budget_errand::none;
    }
    bool take_events(order_type& out) noexcept {
        if (!machine_.has_events()) return false;
        out.events = machine_.take_events();
        return true;
    }
    /// What must be settled while nobody else can move.
    void prepare(order_type& out) noexcept {
        if (out.action.answered != nullptr) {
            auto* w = static_cast<waiter_type*>(out.action.answered);
            if (w->link_to_me) w->link_to_me->waiting = nullptr;
            if (w->granted != nullptr) w->take_granted();
            return;
        }
        if (out.action.slot == nullptr) return;
        slot_type& s = *out.action.slot;
        switch (out.action.task) {
            case slot_task::open: this->opening_asks(); break;
            case slot_task::report_leak:
                if (out.action.reclaimed != nullptr)
                    out.action.reclaimed->reclaimed.store(true, std::memory_order_release);
                break;
            case slot_task::expire_lease: out.cut = s.resource->expire(); break;
            case slot_task::abort_opening:
                // By the time it is cut, its slot may have gone on to another address.
                if (s.resource == nullptr) break;
                s.resource->cut_early = true;
                out.under_way = s.resource->under_way;
                break;
            default: break;
        }
    }
    time_point next_due() noexcept {
        return is_over() ? never : std::min(this->due_with_budget(machine_), this->let_go_of().next_due());
    }
    bool has_prober() const noexcept { return prober_ != nullptr; }
    bool is_over() const noexcept { return machine_.stopped() && machine_.empty() && this->let_go_of().empty(); }
    void time_passed(time_point now) { machine_.time_passed(now); }

    pool_progress progress() const noexcept {
        return {machine_.counts(), machine_.warm_left(), machine_.validating(), machine_.overdue()};
    }

    // --- what the machine asks for, under no lock

    /// Where an executor has no memory of its own for a completion, that is lost, and what it carried is given back.
    void perform(order_type& o) {
        try {
            perform_one(o);
        } catch (const std::bad_alloc&) {
        } catch (...) {  // of a listener or a probe: it is not for whoever happened to put a lease back
            throw_in_run(std::current_exception());
        }
    }
    void throw_in_run(std::exception_ptr what) noexcept {
        try {
            post_to(executor(), [what = std::move(what)] { std::rethrow_exception(what); });
        } catch (...) {  // there is no memory to say it
        }
    }
    void perform_one(order_type& o) {
        if (!context_over_)
            for (const pool_event& event : o.events) listener_(event);
        for (waiting_op* cut : o.cut)
            if (cut != nullptr) cut->resume(wake::expired);
        if (o.answered != nullptr) return context_over_ ? o.answered->abandoned() : o.answered->answered();
        if (o.errand != budget_errand::none) return this->run_errand(o.errand);
        if (o.action.ask) return this->ask_source(o.action.ask);
        if (auto* w = static_cast<waiter_type*>(o.action.answered))
            return context_over_ ? w->abandoned() : w->answered();
        if (o.action.slot == nullptr) return;
        slot_type& s = *o.action.slot;
        switch (o.action.task) {
            case slot_task::open: return this->open(s);
            case slot_task::abort_opening: return o.under_way.cancel();
            case slot_task::close: return close(s);
            case slot_task::rest: return rest(s);
            case slot_task::probe: return probe(s);
            case slot_task::report_leak:
                if (o.action.reclaimed != nullptr) this->release_permit();
                return;
            default: return;
        }
    }
    void close(slot_type& s) {
        connection_type* c = s.resource;
        c->left.reset();
        c->stream.close();
        this->release_permit(s.retire == retire_reason::budget);
        this->tell([&](time_point) {
            c->slot = nullptr;
            machine_.slot_closed(s);
        });
        c->release();
    }
    void rest(slot_type& s) {
        s.resource->stream.release_buffers();
        this->end_tending(*s.resource, retire_reason::none);
    }
    void probe(slot_type& s) {
        std::shared_ptr<prober_type> prober;
        {
            const std::lock_guard lock(this->mutex_);
            prober = prober_;
        }
        auto looked_at = access::make<lease_type>(s.resource);
        if (prober != nullptr) (*prober)(std::move(looked_at));
    }

    // --- the end of the execution context

    void context_ended() noexcept override {
        const auto keep = this->shared_from_this();
        with_machine([this](auto&) { context_over_ = true; });
        stop(errc::pool_closed, never, nullptr);
    }
    const void* guest_executor() const noexcept override { return &executor(); }

    const pool_listener listener_;

    // Under the lock.
    machine_type machine_;
    progress_queue progress_;
    std::shared_ptr<prober_type> prober_;
    bool context_over_ = false;  // handlers are destroyed, not called; written before all that is performed after it
};

}  // namespace hotpool::detail
