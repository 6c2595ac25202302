// The driver of admission and supervision: a lock, a timer, sockets. Every decision is a machine's.
//
// Longer than other files: all of it runs on one lock, and each step must be seen beside those it may meet.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/expiring_map.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/mutex.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/inbound/acceptor_options.hpp"
#include "hotpool/inbound/detail/acceptor_services.hpp"
#include "hotpool/inbound/admission.hpp"
#include "hotpool/inbound/detail/connection.hpp"
#include "hotpool/inbound/connection_supervisor.hpp"
#include "hotpool/inbound/detail/accept_loop.hpp"
#include "hotpool/inbound/detail/accept_waiters.hpp"
#include "hotpool/inbound/detail/connection_state.hpp"
#include "hotpool/inbound/detail/end_names.hpp"
#include "hotpool/inbound/detail/listening_socket.hpp"
#include "hotpool/inbound/detail/stream_op.hpp"
#include "hotpool/inbound/group_health.hpp"
#include "hotpool/inbound/inbound_stats.hpp"
#include "hotpool/inbound/detail/process_resources.hpp"
#include "hotpool/inbound/detail/random_bytes.hpp"
#include "hotpool/inbound/request_quota.hpp"
#include "hotpool/policy/policies.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/server.hpp"
#include "hotpool/transport/tcp_stream.hpp"

namespace hotpool::inbound::detail {

/// The quota that a bundle of policies names as its `request_quota`, or `fixed_window`.
template <class Policies>
struct quota_of {
    using type = fixed_window;
};
template <class Policies>
requires requires { typename Policies::request_quota; }
struct quota_of<Policies> {
    using type = typename Policies::request_quota;
};

/// Shared by an acceptor, its connections and its pending operations.
/// @threads any thread
template <class Server, policy_bundle Policies, class Executor>
class acceptor_core final : public connection_home<connection_state<typename Server::template stream<Executor>>>,
                            public std::enable_shared_from_this<acceptor_core<Server, Policies, Executor>>,
                            private accept_loop<acceptor_core<Server, Policies, Executor>, Executor> {
public:
    using executor_type = Executor;
    using stream_type = typename Server::template stream<Executor>;
    using state_type = connection_state<stream_type>;
    using connection_type = connection<stream_type>;
    using waiter_type = accept_waiter<stream_type>;
    using services_type = acceptor_services<stream_type>;
    using admission_type = basic_admission<typename quota_of<Policies>::type>;
    using supervisor_type = connection_supervisor<Policies>;

    acceptor_core(const Executor& executor, const acceptor_options& options, Server server, services_type services)
        : accept_loop<acceptor_core, Executor>(executor, options),
          executor_(executor),
          server_(std::move(server)),
          services_(std::move(services)),
          timer_(executor),
          admission_(options.admission, hour_begun(std::chrono::system_clock::now(), clock_type::now()), random_seed()),
          supervisor_(options.life, random_seed()),
          guard_(options.resources),
          alarm_(options.alarm),
          health_(options.health),
          blocked_(options.admission.max_groups),
          options_(options) {
        events_.listen(services_.listener != nullptr);
    }

    void start() {
        if (guard_.options().check_interval != duration::zero()) read_resources();
        this->begin_accepting();
    }

    const Executor& executor() const noexcept { return executor_; }
    Server& server() noexcept { return server_; }

    // --- for the acceptor's callers ------------------------------------------------------------------------------

    void accept(waiter_type& w) {
        tell([&](time_point) {
            waiters_.push_back(w);
            if (w.link_to_me) w.link_to_me->waiting = &w;
        });
    }
    /// The waiter behind the link if it was still waiting, or null: it will not be answered any more.
    waiter_type* forget(typename waiter_type::link& link) {
        const std::lock_guard lock(mutex_);
        waiter_type* w = std::exchange(link.waiting, nullptr);
        if (w != nullptr) waiters_.remove(*w);
        return w;
    }

    void drain(duration limit, drain_waiter::pointer waiter) {
        tell([&](time_point now) {
            drains_.push_back(std::move(waiter));
            if (is_closed_) return;
            if (!supervisor_.is_draining()) add_event({.kind = inbound_event_kind::draining});
            stop_listening();
            drain_deadline_ = std::min(drain_deadline_, base::after(now, std::max(limit, duration::zero())));
            supervisor_.drain_requested(drain_deadline_);
        });
    }
    void close() {
        tell([&](time_point) {
            if (std::exchange(is_closed_, true)) return;
            stop_listening();
            supervisor_.stop_requested(close_reason::acceptor_closed);
        });
    }

    acceptor_options options() const {
        const std::lock_guard lock(mutex_);
        return options_;
    }
    void set_options(const acceptor_options& options) {
        acceptor_options fresh = options;
        tell([&](time_point now) {
            admission_.set_options(options.admission);
            supervisor_.options_changed(options.life);
            for (const auto& l : this->listeners()) l->backoff = accept_backoff(options.accept_errors);
            if (guard_.state() != resource_state::ample) note_resources(resource_change::recovered);
            guard_ = resource_guard(options.resources);
            check_due_ = options.resources.check_interval == duration::zero() ? never : now;
            if (alarm_.is_raised()) note_alarm(alarm_change::cleared, {});
            alarm_ = error_alarm(options.alarm);
            health_ = group_health(options.health);
            options_ = std::move(fresh);
            resume_ = true;
        });
    }
    block_result block(const peer_group& group, duration span) {
        block_result result{};
        tell([&](time_point now) { result = block_group(group, span, errc::group_blocked, now); });
        return result;
    }
    void unblock(const peer_group& group) {
        tell([&](time_point now) {
            if (admission_.block(group, time_point::min(), now) != block_result::blocked) return;
            const peer_group whole = group_of(group.address(), admission_.options().groups);
            if (blocked_.erase(whole)) add_event({.kind = inbound_event_kind::group_recovered, .group = whole});
        });
    }
    template <class Function>
    auto with_admission(Function function) {
        const std::lock_guard lock(mutex_);
        return function(admission_);
    }

    inbound_stats stats() const {
        inbound_stats s;
        const std::lock_guard lock(mutex_);
        s.now = supervisor_.counts();
        s.total = supervisor_.counters();
        s.total.bytes_in = this->bytes_in.load(std::memory_order_relaxed);
        s.total.bytes_out = this->bytes_out.load(std::memory_order_relaxed);
        s.groups = admission_.counts().groups;
        s.blocked_groups = blocked_.size();
        s.ready = ready_.size();
        s.resources = guard_.usage();
        s.short_of_resources = guard_.state() != resource_state::ample;
        s.alarm = alarm_.is_raised();
        s.draining = supervisor_.is_draining();
        return s;
    }
    std::vector<ip_endpoint> local_endpoints() const {
        std::vector<ip_endpoint> all;
        for (const auto& l : this->listeners()) all.push_back(l->where);
        return all;
    }

    // --- for connections -----------------------------------------------------------------------------------------

    void handshake_succeeded(state_type& c) override {
        tell([&](time_point now) {
            if (c.state() == life_state::closed) return;
            admission_.handshake_done(c.ticket);
            if (supervisor_.opened(c, now) != close_reason::none) return;
            c.ready = true;
            ready_.push_back(c);
            add_event(c, {.kind = inbound_event_kind::connection_opened});
            if constexpr (Server::handshakes) note_alarm(alarm_.success_seen(now), {});
        });
    }
    void handshake_failed(state_type& c, std::error_code error) override {
        tell([&](time_point now) {
            if (c.state() != life_state::draining) note_failed_handshake(c, error, now);
        });
    }
    void ended(state_type& c, close_reason why, std::error_code) override {
        tell([&](time_point now) {
            not_ready(c);
            admission_.connection_ended(c.ticket);
            const close_reason counted = supervisor_.ended(c, why);
            note_resources(guard_.descriptor_given_back());
            if (counted == close_reason::handshake_timed_out) note_failed_handshake(c, errc::handshake_timed_out, now);
            if (counted == close_reason::protocol_error || counted == close_reason::request_timed_out)
                note_error_of(c, error_of(counted), now);
            overdue_ = overdue_ || counted == close_reason::drain_timed_out;
            add_event(c,
                      {.kind = inbound_event_kind::connection_ended, .closed = counted, .span = now - c.accepted_at});
        });
        c.release();  // the acceptor's reference
    }
    std::uint64_t close_begun(state_type& c, close_reason why) override {
        std::uint64_t may_come = 0;
        tell([&](time_point now) {
            if (c.state() == life_state::closed) return;
            not_ready(c);
            supervisor_.close_begun(c, why, now);
            may_come = supervisor_.options().max_linger_bytes;
        });
        return may_come;
    }

    void request_awaited(state_type& c) override {
        tell([&](time_point now) { supervisor_.request_awaited(c, now); });
    }
    close_reason request_begun(state_type& c) override {
        close_reason why = close_reason::none;
        tell([&](time_point now) { why = supervisor_.request_begun(c, now); });
        return why;
    }
    void request_received(state_type& c) override {
        tell([&](time_point now) { supervisor_.request_received(c, now); });
    }
    void reply_progressed(state_type& c) override {
        tell([&](time_point now) { supervisor_.reply_progressed(c, now); });
    }
    void request_ended(state_type& c, request_outcome outcome, reply_said said) override {
        tell([&](time_point now) {
            supervisor_.request_ended(c, now, outcome, said);
            note_outcome(outcome, now);
        });
    }
    void request_followed(state_type& c, request_outcome outcome) override {
        tell([&](time_point now) {
            supervisor_.request_followed(c, now, outcome);
            note_outcome(outcome, now);
        });
    }
    close_reason last_request(const state_type& c) override {
        const std::lock_guard lock(mutex_);
        return supervisor_.last_request(c, clock_type::now());
    }
    admission_verdict request_offered(state_type& c, const ip_address* client) override {
        const std::lock_guard lock(mutex_);
        const time_point now = clock_type::now();
        return client != nullptr ? admission_.request_offered(*client, now) : admission_.request_offered(c.ticket, now);
    }
    admission_verdict client_named(state_type& c, const ip_address& client) override {
        const std::lock_guard lock(mutex_);
        return admission_.client_named(c.ticket, client, clock_type::now());
    }

private:
    friend class accept_loop<acceptor_core, Executor>;
    using typename accept_loop<acceptor_core, Executor>::listener_type;
    using typename accept_loop<acceptor_core, Executor>::handler_type;
    using state_ref = hotpool::detail::counted_ref<state_type>;
    using timer_type = net::basic_waitable_timer<clock_type, net::wait_traits<clock_type>, Executor>;

    /// What is to be done outside the lock.
    struct order {
        life_action action;
        std::optional<state_ref> connection;  // of the action
        waiter_type* answered = nullptr;
        drain_waiter::pointer drained;
        std::error_code outcome;  // of the drain
        std::vector<inbound_event> events;
        bool stop_listening = false;
        bool resume = false;
        bool read_resources = false;
    };

    /// Says which core this thread carries orders out for.
    class carrying {
    public:
        explicit carrying(const acceptor_core* core) noexcept : outer_(std::exchange(carrying_, core)) {}
        carrying(const carrying&) = delete;
        carrying& operator=(const carrying&) = delete;
        ~carrying() { carrying_ = outer_; }

    private:
        const acceptor_core* outer_;
    };

    static constexpr duration shortest_pause = std::chrono::milliseconds(1);

    static state_type& of(supervised& s) noexcept { return static_cast<state_type&>(s); }

    // --- the machines under their lock

    /// Runs `input(now)` on the machines and then performs what they ask for, one thing at a time and never under the
    /// lock. The time is read under it, so that they are never told an earlier one than before.
    template <class Input>
    void tell(Input input) {
        bool settled;
        bool rearm = false;
        {
            const std::lock_guard lock(mutex_);
            input(clock_type::now());
            settled = !has_order();
            if (settled) rearm = is_due_sooner();
        }
        if (!settled) return carry_out();
        if (rearm) arm_timer();
    }
    void carry_out() {
        // What is told while something is performed is carried out after it: ending thousands of connections must not
        // take thousands of stack frames.
        if (carrying_ == this) return;
        const auto keep = this->shared_from_this();  // who is told may let go of the acceptor
        const carrying now(this);
        while (perform_next()) continue;
    }
    /// False when there was nothing to do.
    bool perform_next() {
        order next;
        bool found;
        bool rearm = false;
        {
            const std::lock_guard lock(mutex_);
            found = take_order(next);
            if (!found) rearm = is_due_sooner();
        }
        if (found) perform(next);
        if (rearm) arm_timer();
        return found;
    }

    bool has_order() const noexcept {
        return !events_.empty() || stop_ || read_ || supervisor_.has_action() || can_answer() || may_resume() ||
               (!drains_.empty() && all_gone());
    }
    /// Those that were admitted a moment ago, and that the supervisor has not been told of, are here too.
    bool all_gone() const noexcept { return supervisor_.all_gone() && admission_.counts().connections == 0; }
    bool take_order(order& next) {
        if (!events_.empty()) {
            next.events = events_.take();
        } else if (std::exchange(stop_, false)) {
            next.stop_listening = true;
        } else if (std::exchange(read_, false)) {
            next.read_resources = true;
        } else if (supervisor_.has_action()) {
            next.action = supervisor_.next_action();
            next.connection.emplace(of(*next.action.connection));
        } else if (can_answer()) {
            next.answered = waiters_.pop_front();
            answer(*next.answered);
        } else if (may_resume()) {
            resume_ = false;
            next.resume = true;
        } else if (!drains_.empty() && all_gone()) {
            if (!std::exchange(told_drained_, true)) add_event({.kind = inbound_event_kind::drained});
            next.drained = std::move(drains_.back());
            drains_.pop_back();
            next.outcome = overdue_ ? make_error_code(errc::drain_timed_out) : std::error_code();
        } else {
            return false;
        }
        return true;
    }

    /// What callers of `async_accept` are told when no connection is left for them, if none will come.
    std::error_code nothing_more() const noexcept {
        if (is_closed_) return errc::acceptor_closed;
        if (supervisor_.is_draining() && admission_.counts().half_open == 0) return errc::acceptor_draining;
        return lost_ ? make_error_code(errc::listener_lost) : std::error_code();
    }
    bool can_answer() const noexcept { return !waiters_.empty() && (!ready_.empty() || nothing_more()); }
    void answer(waiter_type& w) {
        if (w.link_to_me) w.link_to_me->waiting = nullptr;
        if (state_type* c = ready_.pop_front()) {
            c->ready = false;
            c->add_ref();
            w.granted = connection_type(c);
            resume_ = resume_ || std::exchange(held_back_, false);
        } else {
            w.error = nothing_more();
            if (waiters_.empty()) lost_ = false;
        }
    }
    void not_ready(state_type& c) {
        if (!std::exchange(c.ready, false)) return;
        ready_.remove(c);
        resume_ = resume_ || std::exchange(held_back_, false);
    }
    bool is_accepting() const noexcept { return !is_closed_ && !supervisor_.is_draining(); }
    bool may_resume() const noexcept { return resume_ && is_accepting(); }
    void stop_listening() {
        stop_ = true;
        admission_.drain_begun();
    }

    /// Whether the timer must fire sooner than it would, or not any more.
    bool is_due_sooner() noexcept {
        const bool over = !is_accepting() && all_gone();
        const time_point due = over ? never : next_due();
        if (due >= timer_due_ && !(over && timer_due_ != never)) return false;
        timer_due_ = due;
        return true;
    }
    time_point next_due() const noexcept {
        time_point due =
            std::min({supervisor_.next_deadline(), check_due_, alarm_.next_deadline(), blocked_.next_expiry()});
        for (const auto& l : this->listeners()) due = std::min(due, l->resume_at);
        return due;
    }

    // --- what is told

    /// Where memory is out the event is lost, but not what it is about.
    void add_event(const inbound_event& event) noexcept {
        try {
            events_.add(event);
        } catch (const std::bad_alloc&) {
        }
    }
    void add_event(const state_type& c, inbound_event event) {
        if (!events_.listens()) return;
        event.peer = c.peer;
        event.group = c.group;
        add_event(event);
    }
    void note_failed_handshake(const state_type& c, std::error_code error, time_point now) {
        supervisor_.counters().handshake_failed(error);
        add_event(c, {.kind = inbound_event_kind::handshake_failed, .error = error});
        note_alarm(alarm_.error_seen(now), error);
        note_error_of(c, error, now);
    }
    /// Whoever makes too many is kept out for a time; trusted proxies are not, for the errors are their clients'.
    void note_error_of(const state_type& c, std::error_code error, time_point now) noexcept {
        if (admission_.options().proxies.contains(c.peer.address)) return;
        try {
            if (health_.error_seen(c.group, now) == group_verdict::block)
                block_group(c.group, health_.options().block_for, error, now);
        } catch (const std::bad_alloc&) {  // what cannot be remembered does not count
        }
    }
    block_result block_group(const peer_group& group, duration span, std::error_code error, time_point now) {
        const block_result result = admission_.block(group, base::after(now, span), now);
        if (result != block_result::blocked) return result;
        const peer_group whole = group_of(group.address(), admission_.options().groups);
        blocked_.put(whole, {}, base::after(now, span));
        add_event({.kind = inbound_event_kind::group_blocked, .group = whole, .error = error, .span = span});
        supervisor_.for_each([&](supervised& s) {
            if (!of(s).ticket.empty() && of(s).ticket.group() == whole)
                supervisor_.end_requested(s, close_reason::group_blocked, now);
        });
        return result;
    }
    void note_alarm(alarm_change change, std::error_code error) {
        if (change == alarm_change::none) return;
        const bool raised = change == alarm_change::raised;
        supervisor_.counters().alarms += raised;
        add_event(
            {.kind = raised ? inbound_event_kind::alarm_raised : inbound_event_kind::alarm_cleared, .error = error});
    }
    void note_outcome(request_outcome outcome, time_point now) {
        if (outcome == request_outcome::refused) return;
        const bool failed = outcome == request_outcome::failed;
        note_alarm(failed ? alarm_.error_seen(now) : alarm_.success_seen(now), {});
    }
    void note_resources(resource_change change) {
        if (change == resource_change::became_short) {
            admission_.resources_ran_short();
            add_event({.kind = inbound_event_kind::resources_short});
        } else if (change == resource_change::recovered) {
            admission_.resources_recovered();
            add_event({.kind = inbound_event_kind::resources_recovered});
        }
    }

    // --- what the machines ask for

    void perform(order& o) {
        for (const inbound_event& event : o.events) services_.listener(event);
        if (o.connection) perform(o.action, **o.connection);
        if (o.answered != nullptr) o.answered->answered();
        if (o.drained) o.drained.release()->complete(o.outcome);
        if (o.stop_listening) this->close_listeners();
        if (o.resume) this->resume_accepting();
        if (o.read_resources) read_resources();
    }
    void perform(const life_action& action, state_type& c) {
        switch (action.task) {
            case life_task::none: break;
            case life_task::send_ping: c.tell_ping(); break;
            case life_task::tell_draining: c.tell_draining(); break;
            case life_task::close: start_linger(&c, action.reason, error_of(action.reason), ignore_end{}); break;
            case life_task::abort: c.end(action.reason, error_of(action.reason), ending_of(action.reason)); break;
        }
    }
    struct ignore_end {
        void operator()(const std::error_code&) const noexcept {}
    };

    void read_resources() {
        const resource_usage usage = resources_.read();
        tell([&](time_point now) {
            const duration interval = guard_.options().check_interval;
            if (interval == duration::zero()) return;  // since it was asked for
            note_resources(guard_.usage_read(usage));
            check_due_ = base::after(now, interval);
        });
    }

    // --- accepting

    /// How many may be accepted in this turn. Where none may, somebody will resume it.
    std::size_t may_accept(const listener_type& l) {
        const std::lock_guard lock(mutex_);
        if (!is_accepting() || l.resume_at != never) return 0;
        if (ready_.size() < options_.max_ready) return options_.accepts_per_turn;
        held_back_ = true;
        return 0;
    }
    accept_verdict accept_failed(listener_type& l, const std::error_code& error) {
        accept_answer answer;
        tell([&](time_point now) {
            answer = l.backoff.accept_failed(error);
            if (answer.verdict == accept_verdict::wait) return;
            ++supervisor_.counters().accept_errors;
            if (answer.verdict == accept_verdict::go_on) return;
            l.resume_at = base::after(now, answer.pause);
            const bool dead = answer.verdict == accept_verdict::dead;
            supervisor_.counters().accept_pauses += !dead;
            add_event({.kind = dead ? inbound_event_kind::listener_lost : inbound_event_kind::accepting_paused,
                       .peer = l.where,
                       .error = error,
                       .span = answer.pause});
            if (!dead) return;
            l.lost = true;
            const auto& all = this->listeners();
            lost_ = std::all_of(all.begin(), all.end(), [](const auto& each) { return each->lost; });
        });
        return answer.verdict;
    }
    accept_resumption resumption_of(listener_type& l) {
        const std::lock_guard lock(mutex_);
        if (l.resume_at != never) return accept_resumption::later;
        return std::exchange(l.lost, false) ? accept_resumption::reopen : accept_resumption::watch;
    }
    void reopened(listener_type& l, const std::error_code& error) {
        tell([&](time_point now) {
            if (!error) add_event({.kind = inbound_event_kind::listener_reopened, .peer = l.where});
            // It may have been closed for good meanwhile, and found closed by that.
            if (!is_accepting()) stop_ = true;
            if (!error) {
                lost_ = false;
                return;
            }
            l.lost = true;
            l.resume_at = base::after(now, std::max(l.backoff.accept_failed(error).pause, shortest_pause));
        });
    }
    void shed(std::size_t count) {
        const std::lock_guard lock(mutex_);
        for (; count != 0; --count) supervisor_.counters().connection_refused(refuse_reason::resources);
    }
    void admit(accepted_socket a, listener_type& l) {
        const net::ip::tcp protocol = l.protocol();
        admission_verdict verdict;
        tell([&](time_point now) {
            if (l.backoff.is_pausing()) add_event({.kind = inbound_event_kind::accepting_resumed, .peer = l.where});
            l.backoff.accepted();
            verdict = admission_.connection_offered(a.peer.address, now);
            if (verdict.admitted()) return;
            supervisor_.counters().connection_refused(verdict.refused);
            add_event({.kind = inbound_event_kind::connection_refused,
                       .peer = a.peer,
                       .group = group_of(a.peer.address, admission_.options().groups),
                       .refused = verdict.refused});
        });
        try {
            const Executor where = services_.connection_executor ? services_.connection_executor() : executor_;
            if (!verdict.admitted()) return refuse(std::move(a), protocol, where, verdict);
            std::error_code error;
            stream_type stream = stream_of(a, protocol, where, error);
            if (error) {
                stream.close();
                return give_up(verdict.ticket);
            }
            const state_ref c(new state_type(this->shared_from_this(), std::move(stream), a.peer,
                                             verdict.ticket.group(), verdict.ticket));
            begin(*c);
        } catch (...) {  // of memory, or the user's: this connection's affair
            give_up(verdict.ticket);
        }
    }
    void begin(state_type& c) {
        c.add_ref();  // the acceptor's
        tell([&](time_point now) {
            c.accepted_at = now;
            supervisor_.accepted(c, now);
            if constexpr (Server::handshakes) supervisor_.handshake_begun(c);
            note_resources(guard_.descriptor_taken());
        });
        c.start();
    }
    stream_type stream_of(accepted_socket& a, const net::ip::tcp& protocol, const Executor& where,
                          std::error_code& error) {
        typename stream_type::socket_type socket(where);
        socket.assign(protocol, a.descriptor.get(), error);
        if (error) return stream_type(where);
        a.descriptor.release();
        return server_.template make<Executor>(std::move(socket), error);
    }
    void refuse(accepted_socket a, const net::ip::tcp& protocol, const Executor& where,
                const admission_verdict& verdict) {
        if constexpr (!Server::handshakes) {
            if (!services_.refused) return;
            std::error_code error;
            stream_type stream = stream_of(a, protocol, where, error);
            if (!error) services_.refused(std::move(stream), verdict);
        }
    }
    /// It was admitted, and cannot be kept. Nothing to do once it is a connection, which has the ticket.
    void give_up(admission_ticket& ticket) {
        tell([&](time_point) {
            if (admission_.connection_ended(ticket) != ticket_use::taken) return;
            supervisor_.counters().connection_refused(refuse_reason::resources);
        });
    }

    // --- time

    void arm_timer() {
        const std::lock_guard timer_lock(timer_mutex_);
        time_point due;
        {
            const std::lock_guard lock(mutex_);
            due = timer_due_;
        }
        if (due == never) {
            timer_.cancel();
            return;
        }
        beginning_ = true;
        try {
            timer_.expires_at(due);
            timer_.async_wait(handler_type(this->shared_from_this(), nullptr, beginning_,
                                           [](acceptor_core& self, listener_type*) { self.time_is_up(); }));
        } catch (...) {  // of memory: whatever happens next tries again
            const std::lock_guard lock(mutex_);
            timer_due_ = never;
        }
        beginning_ = false;
    }
    void time_is_up() {
        tell([&](time_point now) {
            timer_due_ = never;
            supervisor_.time_passed(now);
            note_alarm(alarm_.time_passed(now), {});
            blocked_.drop_due(now, [this](const peer_group& group) {
                add_event({.kind = inbound_event_kind::group_recovered, .group = group});
            });
            if (check_due_ <= now) {
                check_due_ = never;
                read_ = true;
            }
            for (const auto& l : this->listeners()) {
                if (l->resume_at > now) continue;
                l->resume_at = never;
                resume_ = true;
            }
        });
    }

    static inline thread_local const acceptor_core* carrying_ = nullptr;

    const Executor executor_;
    Server server_;
    const services_type services_;
    const process_resources resources_;

    std::mutex timer_mutex_;  // taken before `mutex_`
    timer_type timer_;
    bool beginning_ = false;  // a wait of it

    mutable base::mutex mutex_;
    admission_type admission_;
    supervisor_type supervisor_;
    resource_guard guard_;
    error_alarm alarm_;
    group_health health_;
    struct nothing {};
    base::expiring_map<peer_group, nothing> blocked_;
    inbound_event_queue events_;
    base::linked_list<state_type, ready_tag> ready_;
    base::linked_list<waiter_type> waiters_;
    std::vector<drain_waiter::pointer> drains_;
    acceptor_options options_;
    time_point timer_due_ = never;
    time_point check_due_ = never;
    time_point drain_deadline_ = never;
    bool is_closed_ = false;
    bool stop_ = false;       // the listening sockets are to be closed
    bool read_ = false;       // resources are to be looked at
    bool resume_ = false;     // accepting is to go on
    bool held_back_ = false;  // accepting waits for somebody to take a connection
    bool lost_ = false;       // no listening socket is left, and not all callers have been told
    bool overdue_ = false;    // a drain has cut connections
    bool told_drained_ = false;
};

}  // namespace hotpool::inbound::detail
