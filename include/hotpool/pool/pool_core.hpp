// The driver of the machine: a lock, a timer, sockets. Every decision is the machine's.
//
// Longer than other files: all of it runs on one lock, and each step must be seen beside those it may meet.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/mutex.hpp"
#include "hotpool/base/source_location.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/connection_budget.hpp"
#include "hotpool/manager/connection_manager.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/look.hpp"
#include "hotpool/pool/pool_handlers.hpp"
#include "hotpool/pool/pool_waiters.hpp"
#include "hotpool/pool/speculation.hpp"
#include "hotpool/connection/turn_list.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/connection/lease.hpp"
#include "hotpool/pool/pool_services.hpp"
#include "hotpool/pool/pool_stats.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/resolve.hpp"
#include "hotpool/transport/transport.hpp"
#include "hotpool/transport/transport_stats.hpp"

namespace hotpool::detail {

/// Shared by a pool, its connections and its pending operations.
/// @threads any thread
template <class Transport, policy_bundle Policies, class Executor>
class pool_core final : public connection_home<connection<Transport, Executor>>,
                        public connection_budget::member,
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

    pool_core(const Executor& executor, Transport transport, std::string authority, const pool_options& options,
              pool_services services)
        : executor_(executor),
          transport_(std::move(transport)),
          authority_(std::move(authority)),
          budget_(std::move(services.budget)),
          listener_(std::move(services.listener)),
          local_addresses_(std::move(services.local_addresses)),
          access_(std::move(services.access)),
          timer_(executor),
          machine_(options, seed(), stream_type::holds_buffers) {
        machine_.listen(listener_ != nullptr);
        if constexpr (endpoint_transport<Transport, Executor>)
            use_endpoints(std::move(services.endpoints));
        else if (services.endpoints || access_ || !local_addresses_.empty())
            throw std::invalid_argument("hotpool::pool_services::endpoints, local_addresses and access need a transport "
                                        "that connects to endpoints");
    }

    void start() {
        if (budget_ != nullptr) budget_->join(this->weak_from_this());
        tell([](time_point) {});
    }

    const Executor& executor() const noexcept { return executor_; }

    // --- for the pool's callers --------------------------------------------------------------------------------

    /// A hot connection, looked at if it has been idle for long; or null.
    connection_type* take(time_point lease_deadline = never, source_location where = {}) {
        for (;;) {
            connection_type* c = nullptr;
            bool doubtful = false;
            tell([&](time_point now) __attribute__((always_inline)) {
                slot_type* s = machine_.try_lease(now, lease_deadline);
                if (s == nullptr) return;
                c = s->resource;
                s->lent_where = where;
                doubtful = now - s->idle_since >= machine_.options().check_after_idle;
            });
            if (c == nullptr || !(doubtful || c->readable.has_fired())) [[likely]]
                return c;
            const retire_reason why = look_into(*c);
            if (why == retire_reason::none) return c;
            give_back(*c, why);
        }
    }

    /// Queues `w`, or answers it inside this call: then false.
    bool queue(waiter_type& w, std::optional<duration> timeout) {
        get_outcome outcome = get_outcome::refused;
        tell([&](time_point now) {
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
        tell([&](time_point) {
            w = std::exchange(link.waiting, nullptr);
            if (w != nullptr && !machine_.waiter_cancelled(*w)) w = nullptr;
        });
        return w;
    }

    void warm(std::size_t wanted, pool_watcher::pointer watcher) {
        tell([&](time_point) {
            watchers_.push_back(std::move(watcher));
            machine_.warm_requested(wanted);
        });
    }

    void stop(errc why, time_point deadline, pool_watcher::pointer watcher) {
        tell([&](time_point) {
            if (watcher) watchers_.push_back(std::move(watcher));
            machine_.stop_requested(why, deadline);
            timer_due_ = never;
        });
        arm_timer();
    }

    void suspend() {
        tell([&](time_point) { machine_.suspended(); });
    }
    void resume() {
        tell([&](time_point now) { machine_.resumed(now); });
    }
    void network_changed() {
        tell([&](time_point now) { machine_.network_changed(now); });
    }
    void refresh_endpoints() {
        tell([&](time_point) { machine_.refresh_requested(); });
    }
    std::vector<endpoint_state> endpoints() const {
        std::vector<endpoint_state> all;
        std::lock_guard lock(mutex_);
        for (const endpoint_ptr& e : machine_.endpoints()) all.push_back(*e);
        return all;
    }
    /// Connections made with the old ones end early.
    template <class Options>
    void set_transport_options(Options&& options) {
        transport_.update(std::forward<Options>(options));
        tell([&](time_point now) {
            machine_.end_early([](const slot_type&) { return true; }, retire_reason::rotated, now,
                               machine_.options().retire_spacing);
        });
    }

    void set_options(const pool_options& options) {
        tell([&](time_point now) { machine_.options_changed(options, now); });
    }
    void set_prober(prober_type prober) {
        std::lock_guard lock(mutex_);
        prober_ = prober ? std::make_shared<prober_type>(std::move(prober)) : nullptr;
    }

    pool_stats stats() const {
        pool_stats s;
        {
            std::lock_guard lock(mutex_);
            s = {machine_.counts(), machine_.counters(), machine_.last_open_error(), machine_.failing(), machine_.is_suspended()};
        }
        if constexpr (counting_transport<Transport>) s.transport = transport_.stats();
        return s;
    }
    pool_options options() const override {
        std::lock_guard lock(mutex_);
        return machine_.options();
    }

    // --- for connections ---------------------------------------------------------------------------------------

    void give_back(connection_type& c, retire_reason why) override {
        if (why == retire_reason::none) {
            if (c.usage == connection_usage::unread) [[unlikely]]
                return c.left->finish(c, options());
            if (c.readable.has_fired()) [[unlikely]]
                why = look_into(c);
        }
        if (access_ != nullptr && !may_stay(c) && why == retire_reason::none) why = retire_reason::access_denied;
        bool look_later = why == retire_reason::none && !c.readable.is_armed() && !watch_at_once(c);
        c.usage = connection_usage::clean;
        c.reused = true;
        bool reclaimed = false;
        tell([&](time_point now) __attribute__((always_inline)) {
            look_later = remember(c, look_later);
            reclaimed = !is_ours(c);
            if (reclaimed) [[unlikely]] {
                c.slot = nullptr;
                return;
            }
            const bool overdue = c.expired.load(std::memory_order_relaxed);
            c.expired.store(false, std::memory_order_relaxed);
            if (c.slot->state == slot_state::leased) [[likely]]
                machine_.lease_returned(*c.slot, now, {why, c.idle_hint});
            else
                machine_.probe_finished(*c.slot, now, why == retire_reason::none && !overdue);
        });
        if (look_later) look_at_turn_end(c);
        if (reclaimed) [[unlikely]] end(c);
    }

    void let_go(connection_type& c) override {
        bool ours = false;
        tell([&](time_point) {
            ours = is_ours(c);
            if (ours) machine_.lease_detached(*c.slot);
            c.slot = nullptr;
        });
        if (ours && budget_ != nullptr) budget_->release();
    }

    void readable_unattended(connection_type& c) override {
        bool mine = false;
        {
            std::lock_guard lock(mutex_);
            mine = c.slot != nullptr && is_ours(c) && machine_.tend_started(*c.slot);
        }
        if (!mine) return;  // its holder will find out
        const retire_reason why = look_into(c);
        if (why == retire_reason::none) {
            c.stream.release_buffers();
            c.arm(io_want::read);
        }
        tell_of(c, false, [&](time_point now) { machine_.tend_finished(*c.slot, now, why); });
    }

    /// A request found its reused connection dead; it still holds the lease.
    void distrust(connection_type& c) {
        tell([&](time_point) {
            if (is_ours(c)) machine_.stale_found(*c.slot);
        });
    }

    void at_turn_end(connection_type& c) override {
        if (turn_.push(c)) post_to(executor_, turn_handler<pool_core>(this->shared_from_this()));
    }
    bool speculates() noexcept override {
        return leased_.load(std::memory_order_relaxed) > 1 && speculation_.is_worth_it();
    }
    void note_speculation(bool came_true) noexcept override { speculation_.note(came_true); }
    const std::string& authority() const noexcept override { return authority_; }

    bool begin_drain(connection_type& c, time_point deadline) override {
        bool ours = false;
        tell([&](time_point) {
            ours = is_ours(c);
            if (ours) machine_.lease_over(*c.slot, deadline);
        });
        return ours;
    }

    void set_lease_deadline(connection_type& c, time_point deadline) override {
        tell([&](time_point) {
            if (is_ours(c)) machine_.deadline_changed(*c.slot, deadline);
        });
    }

    // --- for the budget ----------------------------------------------------------------------------------------

    void budget_granted() override {
        tell([&](time_point) {
            ++permits_;
            machine_.growth_allowed();
        });
    }
    bool reclaim_idle() override {
        bool done = false;
        tell([&](time_point) { done = machine_.reclaim_idle(); });
        return done;
    }

private:
    friend class turn_handler<pool_core>;
    friend class open_handler<pool_core>;
    using action_type = typename machine_type::action;
    using timer_type = net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, Executor>;

    /// What is to be done outside the lock.
    struct order {
        action_type action;
        waiting_op* overdue = nullptr;          // cut by an `expire_lease`
        opening under_way;                      // cut by an `abort_opening`
        pool_watcher::pointer watcher;          // satisfied
        std::vector<pool_event> events;
        bool frees_permit = false;
    };

    /// Jitter needs numbers that differ between pools and between runs, no more.
    std::uint64_t seed() const noexcept {
        const auto now = static_cast<std::uint64_t>(clock_type::now().time_since_epoch().count());
        return now ^ reinterpret_cast<std::uintptr_t>(this);
    }

    void use_endpoints(endpoint_source source) {
        endpoint_filter allows;
        if (access_ || !local_addresses_.empty())
            allows = [this](const ip_address& to, time_point now) {
                return (local_addresses_.empty() || has_local_address(to.family())) &&
                       (access_ == nullptr || access_->allows(to, now));
            };
        const origin& dialled = transport_.dialled();
        source_ = std::move(source);
        if (source_) return machine_.use_endpoints(std::move(allows));
        if (const auto address = ip_address::parse(dialled.host))
            return machine_.use_endpoints(endpoint_list{{*address, port_number(dialled.port)}}, std::move(allows));
        source_ = system_resolver(executor_, dialled);
        machine_.use_endpoints(std::move(allows));
    }
    /// Whether the access controller lets it be used further. If not, nor the others to that address.
    bool may_stay(connection_type& c) {
        if (access_->came_back(c.peer, std::exchange(c.last_status, std::uint16_t{0}), clock_type::now())) return true;
        tell([&](time_point now) {
            machine_.end_early([&](const slot_type& s) { return s.endpoint != nullptr && s.endpoint->where.address == c.peer; },
                               retire_reason::access_denied, now, duration::zero());
        });
        return false;
    }
    /// How an attempt to connect to an address ended.
    void tell_access(const ip_address& address, std::error_code error) {
        const time_point now = clock_type::now();
        if (error == errc::cancelled || error == errc::descriptors_exhausted)
            access_->use_abandoned(address, now);
        else if (error != errc::access_denied)
            access_->use_failed(address, now);
    }
    bool has_local_address(ip_family family) const noexcept {
        return std::any_of(local_addresses_.begin(), local_addresses_.end(),
                           [&](const ip_address& a) { return a.family() == family; });
    }
    /// The next one of that family, if any are given.
    std::optional<ip_address> local_address(ip_family family) noexcept {
        for (std::size_t i = 0; i < local_addresses_.size(); ++i) {
            const ip_address& next = local_addresses_[next_local_++ % local_addresses_.size()];
            if (next.family() == family) return next;
        }
        return std::nullopt;
    }

    /// Whether the slot that `c` knows is still its own; under the lock.
    static bool is_ours(const connection_type& c) noexcept { return c.slot->resource == &c; }

    // --- the machine under its lock

    /// Runs `input(now)` on the machine and then performs what the machine asks for, one thing at a time and never
    /// under the lock.
    template <class Input>
    [[gnu::always_inline]] void tell(const Input& input) {
        tell_at(base::coarse_now(), input);
    }
    template <class Input>
    [[gnu::always_inline]] void tell_at(time_point now, const Input& input) {
        {
            std::lock_guard lock(mutex_);
            input(now);
            leased_.store(machine_.leased(), std::memory_order_relaxed);
            if (is_settled()) [[likely]]
                return;
        }
        carry_out(now);
    }
    /// Nothing is to be done, neither now nor before the timer fires.
    [[gnu::always_inline]] bool is_settled() const noexcept {
        return machine_.at_rest(timer_due_) && watchers_.empty() && (budget_ == nullptr || !concerns_budget());
    }
    /// Performs what the machine asks for until it asks for nothing.
    [[gnu::noinline]] void carry_out(time_point now) {
        // Who listens may let go of the pool.
        const auto keep = listener_ ? this->shared_from_this() : nullptr;
        while (perform_next(now)) continue;
        if (budget_ != nullptr) settle_budget();
    }
    /// False when there was nothing to do.
    bool perform_next(time_point now) {
        order next;
        bool found = false;
        bool rearm = false;
        {
            std::lock_guard lock(mutex_);
            found = take_order(next, now);
            leased_.store(machine_.leased(), std::memory_order_relaxed);
            if (!found) rearm = is_due_sooner();
        }
        if (found) perform(next);
        if (rearm) arm_timer();
        return found;
    }
    /// The same from within `perform`, which is followed by whatever the machine asks for.
    template <class Input>
    void note(Input input) {
        const time_point now = base::coarse_now();
        std::lock_guard lock(mutex_);
        input(now);
    }
    /// Tells something after which `c` may be idle. If it became readable while it had a holder, nobody has looked yet.
    /// @param watch whether it is to be watched from the end of this turn in any case
    template <class Input>
    void tell_of(connection_type& c, bool watch, Input input) {
        tell([&](time_point now) {
            watch = remember(c, watch);
            input(now);
        });
        if (watch) look_at_turn_end(c);
    }
    /// Whether `c` is to be looked at when this turn is over; then it is held until `look_at_turn_end`.
    static bool remember(connection_type& c, bool watch) noexcept {
        if (!watch && !c.readable.has_fired()) return false;
        c.add_ref();
        return true;
    }
    void look_at_turn_end(connection_type& c) {
        at_turn_end(c);
        c.release();
    }

    bool take_order(order& next, time_point now) {
        if (machine_.has_events()) {
            next.events = machine_.take_events();
            return true;
        }
        if (machine_.next_action(next.action, now)) {
            prepare(next);
            return true;
        }
        if (machine_.has_events()) return take_order(next, now);
        return !watchers_.empty() && (next.watcher = satisfied_watcher());
    }

    /// Whether the timer must fire sooner than it would, or not any more.
    bool is_due_sooner() noexcept {
        const time_point due = machine_.next_due();
        const bool over = machine_.stopped() && machine_.empty();
        if (due >= timer_due_ && !(over && timer_due_ != never)) return false;
        timer_due_ = due;
        return true;
    }

    /// What must be settled while nobody else can move.
    void prepare(order& next) {
        if (next.action.answered != nullptr) {
            auto* w = static_cast<waiter_type*>(next.action.answered);
            if (w->link_to_me) w->link_to_me->waiting = nullptr;
            if (w->granted != nullptr) w->take_granted();
        } else if (next.action.task == slot_task::report_leak) {
            next.frees_permit = next.action.reclaimed != nullptr;
            if (next.frees_permit) next.action.reclaimed->reclaimed.store(true, std::memory_order_release);
        } else if (next.action.task == slot_task::expire_lease) {
            next.overdue = next.action.slot->resource->expire();
        } else if (next.action.task == slot_task::abort_opening && next.action.slot->resource != nullptr) {
            // By the time it is cut, its slot may have gone on to another address.
            next.under_way = next.action.slot->resource->under_way;
        }
    }

    pool_watcher::pointer satisfied_watcher() {
        const pool_progress now{machine_.counts(), machine_.warm_left(), machine_.validating(), machine_.overdue()};
        for (auto it = watchers_.begin(); it != watchers_.end(); ++it) {
            if (!(*it)->is_over(now)) continue;
            pool_watcher::pointer over = std::move(*it);
            watchers_.erase(it);
            return over;
        }
        return nullptr;
    }

    // --- what the machine asks for

    void perform(order& o) {
        if (o.watcher) return o.watcher.release()->complete();
        for (const pool_event& event : o.events) listener_(event);
        if (o.frees_permit && budget_ != nullptr) budget_->release();
        if (o.action.ask) return ask_source();
        if (o.action.answered == nullptr && o.action.slot == nullptr) return;
        if (o.action.answered != nullptr) return static_cast<waiter_type*>(o.action.answered)->answered();
        slot_type& s = *o.action.slot;
        switch (o.action.task) {
            case slot_task::open: return open(s);
            case slot_task::abort_opening: return o.under_way.cancel();
            case slot_task::close: return close(s);
            case slot_task::rest: return rest(s);
            case slot_task::probe: return probe(s);
            case slot_task::expire_lease:
                if (o.overdue != nullptr) o.overdue->resume(wake::expired);
                return;
            case slot_task::report_leak:
            case slot_task::none: return;
        }
    }

    /// Room in the budget for what `s` opens; if there is none, the opening is over for now.
    bool acquire_permit(slot_type& s) {
        if (budget_ == nullptr) return true;
        bool pressing;
        {
            std::lock_guard lock(mutex_);
            if (take_permit()) return true;
            pressing = machine_.counts().waiting != 0;
            ++asking_;
        }
        for (;;) {
            const bool granted = budget_->acquire(this->shared_from_this(), pressing);
            std::lock_guard lock(mutex_);
            // Once it is deferred, only a grant allows growth again: so it must be sure that one will come.
            if (!granted && permits_ == 0 && !budget_->is_queued(this->weak_from_this())) continue;
            --asking_;
            if (granted || take_permit()) return true;
            machine_.opening_deferred(s);
            return false;
        }
    }
    /// Those that were granted while somebody asks are kept for him.
    bool take_permit() noexcept {
        if (permits_ <= asking_) return false;
        --permits_;
        return true;
    }

    /// Whether `settle_budget` might find something.
    bool concerns_budget() const noexcept {
        return permits_ > asking_ || machine_.growth_blocked() ||
               (budget_->is_pressed() && machine_.counts().idle != 0);
    }
    /// Gives up what others of the budget may be waiting for: room that is not needed, a place in the queue, an idle
    /// connection.
    void settle_budget() {
        bool spare = false;
        bool wanted = false;
        {
            std::lock_guard lock(mutex_);
            spare = take_permit();
            if (!machine_.needs_room()) {
                budget_->withdraw(this->weak_from_this());
                machine_.growth_allowed();
            }
            wanted = budget_->is_pressed() && machine_.counts().idle != 0;
        }
        if (spare) budget_->release();
        if (wanted) reclaim_idle();
    }
    void open(slot_type& s) {
        if (!acquire_permit(s)) return;
        // Until it is open, its handler is what holds it: should that never be called, nothing is leaked.
        const counted_ref<connection_type> c(new connection_type(this->shared_from_this(), s, executor_));
        open_request request;
        {
            std::lock_guard lock(mutex_);
            s.resource = &*c;
            request = request_for(s);
        }
        if (access_ != nullptr &&
            access_->use_requested(request.to.address, clock_type::now()) == admission::refused)
            return opened(*c, errc::access_denied, stream_type(executor_));
        c->peer = request.to.address;
        open_handler<pool_core> handler(this->shared_from_this(), c);
        opening begun;
        if constexpr (endpoint_transport<Transport, Executor>)
            begun = transport_.async_open(executor_, request, std::move(handler));
        else
            begun = transport_.async_open(executor_, request.timeout, std::move(handler));
        bool stopped;
        {
            std::lock_guard lock(mutex_);
            stopped = machine_.stopped();
            c->under_way = begun;
        }
        if (stopped) begun.cancel();
    }

    open_request request_for(const slot_type& s) {
        const pool_options& options = machine_.options();
        open_request request{.timeout = machine_.opening_timeout(s, clock_type::now()), .handshake_timeout = options.handshake_timeout};
        if (s.dialling == nullptr) return request;
        request.to = s.endpoint->where;
        request.from = local_address(request.to.address.family());
        return request;
    }

    void ask_source() {
        endpoint_answer answer([weak = this->weak_from_this()](std::error_code error, endpoint_list endpoints) {
            if (const auto self = weak.lock()) self->endpoints_answered(error, endpoints);
        });
        try {
            source_(std::move(answer));
        } catch (...) {  // the answer that was dropped has said so
        }
    }
    /// Whether the addresses are those of a proxy.
    bool is_proxied() const {
        if constexpr (endpoint_transport<Transport, Executor>)
            return transport_.dialled() != transport_.target();
        else
            return false;
    }
    void endpoints_answered(std::error_code error, const endpoint_list& endpoints) {
        tell([&](time_point now) {
            if (error)
                machine_.endpoints_failed(is_proxied() ? make_error_code(errc::proxy_unreachable) : error, now);
            else
                machine_.endpoints_came(endpoints, now);
        });
    }

    void handshake_begins(connection_type& c) {
        std::lock_guard lock(mutex_);
        machine_.opening_connected(*c.slot);
    }

    void opened(connection_type& c, std::error_code error, stream_type stream) {
        if (error) {
            if (budget_ != nullptr) budget_->release();
            if (access_ != nullptr) tell_access(c.peer, error);
            return tell([&](time_point now) {
                slot_type& s = *std::exchange(c.slot, nullptr);
                s.resource = nullptr;  // the slot may go on without this connection
                machine_.opening_failed(s, now, error);
            });
        }
        c.stream = std::move(stream);
        c.add_ref();  // the slot's
        tell_of(c, true, [&](time_point now) {
            c.under_way = {};
            machine_.slot_opened(*c.slot, now);
        });
    }

    /// The execution context ended before the opening did.
    void abandon_opening(connection_type& c) {
        {
            std::lock_guard lock(mutex_);
            std::exchange(c.slot, nullptr)->resource = nullptr;
        }
        if (budget_ != nullptr) budget_->release();
    }

    void close(slot_type& s) {
        connection_type* c = s.resource;
        c->left.reset();
        c->stream.close();
        if (budget_ != nullptr) budget_->release();
        note([&](time_point) {
            c->slot = nullptr;
            machine_.slot_closed(s);
        });
        c->release();
    }

    void rest(slot_type& s) {
        const counted_ref<connection_type> c(*s.resource);
        c->stream.release_buffers();
        bool unseen = false;
        note([&](time_point now) {
            unseen = c->readable.has_fired();
            machine_.tend_finished(s, now);
        });
        if (unseen) at_turn_end(*c);
    }

    void probe(slot_type& s) {
        std::shared_ptr<prober_type> prober;
        {
            std::lock_guard lock(mutex_);
            prober = prober_;
        }
        lease_type looked_at(s.resource);
        if (prober != nullptr) (*prober)(std::move(looked_at));
    }

    // --- connections that come back

    /// Alone, a connection is watched at once, and the next response is what ends that wait. Among others it is likely
    /// taken again within this turn: then the wait would cost more than it brings.
    bool watch_at_once(connection_type& c) {
        if (leased_.load(std::memory_order_relaxed) > 1) return false;
        c.readable.clear_fired();
        c.arm(io_want::read);
        return true;
    }
    /// Its place has been taken back, and nobody has it any more.
    static void end(connection_type& c) {
        c.left.reset();
        c.stream.close();
        c.release();
    }

    // --- connections that nobody uses

    /// What a readiness that nobody has looked into was about.
    static retire_reason look_into(connection_type& c) noexcept {
        c.readable.clear_fired();
        return look_at(c.stream);
    }

    void run_turn() {
        turn_.for_each_taken([this](connection_type& c) {
            if (waiting_op* op = c.readable.claim_unarmed())
                op->resume(wake::ready);
            else
                watch_if_idle(c);
        });
    }

    /// The execution context ended before the turn did: so does whoever waits for it.
    void abandon_turn() {
        turn_.for_each_taken([](connection_type& c) {
            if (waiting_op* op = c.readable.claim_unarmed()) op->resume(wake::cancelled);
        });
    }

    void watch_if_idle(connection_type& c) {
        {
            std::lock_guard lock(mutex_);
            if (c.slot == nullptr || !is_ours(c) || c.readable.is_armed() || !machine_.tend_started(*c.slot)) return;
        }
        c.readable.clear_fired();
        c.arm(io_want::read);
        tell_of(c, false, [&](time_point now) { machine_.tend_finished(*c.slot, now); });
    }

    // --- time

    void arm_timer() {
        std::lock_guard timer_lock(timer_mutex_);
        time_point due;
        {
            std::lock_guard lock(mutex_);
            due = timer_due_;
        }
        if (due == never) {
            timer_.cancel();
            return;
        }
        timer_.expires_at(due);
        timer_.async_wait([self = this->shared_from_this()](std::error_code error) {
            if (!error) self->time_is_up();
        });
    }

    void time_is_up() {
        tell_at(clock_type::now(), [&](time_point now) {
            timer_due_ = never;
            machine_.time_passed(now);
        });
    }

    const Executor executor_;
    Transport transport_;
    const std::string authority_;
    const std::shared_ptr<connection_budget> budget_;
    const pool_listener listener_;
    const std::vector<ip_address> local_addresses_;
    const std::shared_ptr<access_controller> access_;
    endpoint_source source_;  // empty where the endpoints are fixed, or the transport's affair

    std::atomic<std::size_t> leased_{0};
    speculation speculation_;
    turn_list<connection_type> turn_;

    std::mutex timer_mutex_;  // taken before `mutex_`
    timer_type timer_;

    mutable base::mutex mutex_;
    machine_type machine_;
    std::list<pool_watcher::pointer> watchers_;
    std::shared_ptr<prober_type> prober_;
    std::size_t permits_ = 0;  // room in the budget that has not been used yet
    std::size_t next_local_ = 0;
    std::size_t asking_ = 0;   // openings that are asking for room just now
    time_point timer_due_ = never;
};

}  // namespace hotpool::detail
