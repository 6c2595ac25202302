// The driver of an acceptor: tells the machine what happens, and does what it asks for.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/access.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/acceptor_machine.hpp"
#include "hotpool/inbound/detail/accept_loop.hpp"
#include "hotpool/inbound/detail/accept_waiters.hpp"
#include "hotpool/inbound/detail/acceptor_home.hpp"
#include "hotpool/inbound/detail/connection.hpp"
#include "hotpool/inbound/detail/connection_maker.hpp"
#include "hotpool/inbound/detail/connection_state.hpp"
#include "hotpool/inbound/detail/lingering_refusal.hpp"
#include "hotpool/inbound/detail/peer_op.hpp"
#include "hotpool/inbound/detail/process_resources.hpp"
#include "hotpool/inbound/detail/random_bytes.hpp"
#include "hotpool/inbound/end_names.hpp"
#include "hotpool/inbound/inbound_stats.hpp"
#include "hotpool/io/context_end.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/io/machine_loop.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/server.hpp"

namespace hotpool::inbound::detail {

/// Shared by an acceptor, its connections and its pending operations. `acceptor_machine` decides; here are its lock, its
/// timer and the sockets.
/// @threads any thread
template <class Server, policy_bundle Policies, class Executor>
class acceptor_core final : public hotpool::detail::machine_loop<acceptor_core<Server, Policies, Executor>, Executor>,
                            public acceptor_home<connection_state<typename Server::template stream<Executor>>>,
                            public hotpool::detail::context_guest,
                            public std::enable_shared_from_this<acceptor_core<Server, Policies, Executor>>,
                            private connection_maker<acceptor_core<Server, Policies, Executor>, Server, Executor>,
                            private accept_loop<acceptor_core<Server, Policies, Executor>, Executor> {
public:
    using executor_type = Executor;
    using stream_type = typename Server::template stream<Executor>;
    using state_type = connection_state<stream_type>;
    using connection_type = connection<stream_type>;
    using waiter_type = accept_waiter<stream_type>;
    using services_type = acceptor_services<stream_type>;
    using machine_type = acceptor_machine<Policies, waiter_type, drain_waiter>;
    using refusal_type = lingering_refusal<acceptor_core, typename stream_type::socket_type>;

    /// What is to be done outside the lock.
    struct order_type : machine_type::order_type {
        std::optional<hotpool::detail::counted_ref<refusal_type>> refusal;
        std::optional<hotpool::detail::counted_ref<state_type>> connection;  // of the action
    };

    acceptor_core(const Executor& executor, const acceptor_options& options, Server made, services_type services)
        : loop_type(executor),
          maker_type(std::move(made), std::move(services)),
          accept_loop<acceptor_core, Executor>(executor, options),
          machine_(options, this->listeners().size(), hour_begun(std::chrono::system_clock::now(), now()),
                   random_seed(), random_seed()) {
        machine_.listen(this->services().listener != nullptr);
    }
    ~acceptor_core() { this->leave(); }

    void start() {
        // What connections need of the context is there before this: it ends after this has been told of the end.
        const stream_type first(executor());
        const net::strand<Executor> one(executor());
        this->arrive(executor());
        this->tell([](time_point) {});
        this->begin_accepting();
    }

    const Executor& executor() const noexcept { return this->loop_executor(); }
    static time_point now() noexcept { return clock_type::now(); }
    using connection_maker<acceptor_core, Server, Executor>::server;

    // --- for the acceptor's callers ------------------------------------------------------------------------------

    void accept(waiter_type& w) {
        this->tell([&](time_point) {
            machine_.waiter_came(w);
            if (w.link_to_me) w.link_to_me->waiting = &w;
        });
    }
    /// The waiter behind the link if it was still waiting, or null: it will not be answered any more.
    waiter_type* forget(typename waiter_type::link_type& link) {
        const std::lock_guard lock(this->mutex_);
        waiter_type* const w = std::exchange(link.waiting, nullptr);
        if (w != nullptr) machine_.waiter_left(*w);
        return w;
    }
    void drain(duration limit, drain_waiter& w) {
        this->tell([&](time_point now) {
            machine_.drain_requested(w, limit, now);
            if (w.link_to_me) w.link_to_me->waiting = &w;
        });
    }
    /// As of those who wait for a connection.
    drain_waiter* forget(drain_waiter::link_type& link) {
        const std::lock_guard lock(this->mutex_);
        drain_waiter* const w = std::exchange(link.waiting, nullptr);
        if (w != nullptr) machine_.drainer_left(*w);
        return w;
    }
    void close() {
        this->tell([&](time_point) { machine_.closed(); });
    }

    acceptor_options options() const {
        const std::lock_guard lock(this->mutex_);
        return machine_.options();
    }
    void set_options(const acceptor_options& options) {
        this->tell([&](time_point now) { machine_.options_changed(options, now); });
    }
    block_result block(const peer_group& group, duration span, block_reach reach) {
        block_result result{};
        this->tell([&](time_point now) { result = machine_.block_requested(group, span, reach, now); });
        return result;
    }
    void unblock(const peer_group& group) {
        this->tell([&](time_point now) { machine_.unblock_requested(group, now); });
    }
    template <class Function>
    auto with_admission(Function function) {
        const std::lock_guard lock(this->mutex_);
        return function(machine_.admission());
    }
    inbound_stats stats() const {
        inbound_stats s;
        {
            const std::lock_guard lock(this->mutex_);
            s = machine_.stats();
        }
        s.total.bytes_in = this->bytes_in.load(std::memory_order_relaxed);
        s.total.bytes_out = this->bytes_out.load(std::memory_order_relaxed);
        return s;
    }
    std::vector<ip_endpoint> local_endpoints() const {
        std::vector<ip_endpoint> all;
        for (const auto& l : this->listeners()) all.push_back(l->where);
        return all;
    }

    // --- for connections -----------------------------------------------------------------------------------------

    void handshake_succeeded(state_type& c) override {
        this->tell([&](time_point now) { machine_.opened(c, Server::handshakes, now); });
    }
    void handshake_failed(state_type& c, std::error_code error) override {
        this->tell([&](time_point now) { machine_.handshake_failed(c, error, now); });
    }
    void ended(state_type& c, close_reason why) override {
        const hotpool::detail::counted_ref<state_type> held(&c);  // the acceptor's reference
        this->tell([&](time_point now) { machine_.ended(c, why, now); });
    }
    std::uint64_t close_begun(state_type& c, close_reason why) override {
        std::uint64_t may_come = 0;
        this->tell([&](time_point now) { may_come = machine_.close_begun(c, why, now); });
        return may_come;
    }

    bool refusal_left(refusal_type& r) {
        bool held = false;
        this->tell([&](time_point) { held = machine_.refusal_left(r); });
        return held;
    }

    void request_awaited(state_type& c) override {
        this->tell([&](time_point now) { machine_.request_awaited(c, now); });
    }
    close_reason request_begun(state_type& c) override {
        close_reason why = close_reason::none;
        this->tell([&](time_point now) { why = machine_.request_begun(c, now); });
        return why;
    }
    void request_received(state_type& c) override {
        this->tell([&](time_point now) { machine_.request_received(c, now); });
    }
    void reply_progressed(state_type& c) override {
        this->tell([&](time_point now) { machine_.reply_progressed(c, now); });
    }
    void request_ended(state_type& c, request_outcome outcome, reply_said said) override {
        this->tell([&](time_point now) { machine_.request_ended(c, outcome, said, now); });
    }
    void request_followed(state_type& c, request_outcome outcome) override {
        this->tell([&](time_point now) { machine_.request_followed(c, outcome, now); });
    }
    close_reason last_request(const state_type& c) override {
        const std::lock_guard lock(this->mutex_);
        return machine_.last_request(c, now());
    }
    admission_verdict request_offered(state_type& c, const ip_address* client, metering counts) override {
        const std::lock_guard lock(this->mutex_);
        return machine_.request_offered(c, client, counts, now());
    }
    admission_verdict client_named(state_type& c, const ip_address& client) override {
        const std::lock_guard lock(this->mutex_);
        return machine_.client_named(c, client, now());
    }

private:
    using loop_type = hotpool::detail::machine_loop<acceptor_core, Executor>;
    friend loop_type;
    using maker_type = connection_maker<acceptor_core, Server, Executor>;
    friend maker_type;
    friend class accept_loop<acceptor_core, Executor>;
    friend class accept_handler<acceptor_core, Executor>;
    using typename accept_loop<acceptor_core, Executor>::listener_type;

    struct ignore_end {
        void operator()(const std::error_code&) const noexcept {}
    };

    // --- for the loop, under the lock

    bool settles(time_point due) const noexcept {
        const time_point sooner = next_due();
        return !machine_.has_order() && sooner >= due && (sooner != never || due == never || !is_over());
    }
    time_point next_due() const noexcept { return is_over() ? never : machine_.next_due(); }
    bool is_over() const noexcept { return machine_.is_over(); }
    void time_passed(time_point now) noexcept { machine_.time_passed(now); }
    bool take_order(order_type& order, time_point) noexcept {
        if (!machine_.next_order(order)) return false;
        if (order.action) order.connection.emplace(static_cast<state_type&>(*order.action.connection));
        if (order.to_go != nullptr) order.refusal.emplace(static_cast<refusal_type*>(order.to_go));  // the core's
        if (waiter_type* const w = order.answer.waiter) {
            if (w->link_to_me) w->link_to_me->waiting = nullptr;
            w->error = order.answer.error;
            if (order.answer.connection != nullptr) w->granted = handle_of(*order.answer.connection);
        }
        if (drain_waiter* const w = order.drained.drainer) {
            if (w->link_to_me) w->link_to_me->waiting = nullptr;
            w->error = order.drained.error;
        }
        return true;
    }
    static connection_type handle_of(accepted_peer& c) noexcept {
        state_type& state = static_cast<state_type&>(c);
        state.add_ref();
        return hotpool::detail::access::make<connection_type>(&state);
    }

    // --- what the machine asks for, under no lock

    void perform(order_type& o) {
        for (const inbound_event& event : o.events) this->services().listener(event);
        if (o.connection) perform(o.action, **o.connection);
        if (o.refusal) (*o.refusal)->go();
        if (o.answer.waiter != nullptr) context_over_ ? o.answer.waiter->abandoned() : o.answer.waiter->answered();
        if (o.drained.drainer != nullptr)
            context_over_ ? o.drained.drainer->abandoned() : o.drained.drainer->answered();
        if (o.listeners == gate_task::stop) this->close_listeners();
        if (o.listeners == gate_task::resume) this->resume_accepting();
        if (o.read_usage) read_usage();
    }
    /// Where there is no memory for it, the connection is cut.
    void perform(const life_action& action, state_type& c) {
        try {
            switch (action.task) {
                case life_task::none: return;
                case life_task::send_ping: return c.tell_ping();
                case life_task::tell_draining: return c.tell_draining();
                case life_task::close:
                    return start_linger(&c, action.reason, error_of(action.reason), ignore_end{}, action.cuts_request);
                case life_task::abort: break;
            }
        } catch (...) {
            c.end(action.task == life_task::close ? action.reason : close_reason::resources,
                  std::make_error_code(std::errc::not_enough_memory), ending::orderly);
            return;
        }
        c.end(action.reason, error_of(action.reason), ending_of(action.reason));
    }
    void read_usage() {
        resource_usage usage;
        try {
            usage = resources_.read();
        } catch (...) {  // of memory: what is not known is as it was
        }
        this->tell([&](time_point now) { machine_.usage_read(usage, now); });
    }

    // --- accepting

    std::size_t may_accept(const listener_type& l) noexcept {
        const std::lock_guard lock(this->mutex_);
        return machine_.may_accept(l.number);
    }
    accept_verdict accept_failed(const listener_type& l, const std::error_code& error) {
        accept_verdict verdict{};
        this->tell([&](time_point now) { verdict = machine_.accept_failed(l.number, l.where, error, now); });
        return verdict;
    }
    accept_resumption resumption_of(const listener_type& l) const noexcept {
        const std::lock_guard lock(this->mutex_);
        return machine_.resumption_of(l.number);
    }
    void reopened(const listener_type& l, const std::error_code& error) {
        this->tell([&](time_point now) { machine_.reopened(l.number, l.where, error, now); });
    }
    void shed(std::size_t count) noexcept {
        const std::lock_guard lock(this->mutex_);
        machine_.shed(count);
    }
    admission_verdict offer(const listener_type& l, const ip_endpoint& peer) {
        admission_verdict verdict;
        this->tell([&](time_point now) { verdict = machine_.connection_offered(l.number, l.where, peer, now); });
        return verdict;
    }
    void admitted(state_type& c) {
        c.add_ref();  // the acceptor's
        try {
            this->tell([&](time_point now) { machine_.admitted(c, Server::handshakes, now); });
        } catch (...) {  // a listener's
            c.start();
            throw;
        }
        c.start();
    }
    std::uint64_t refusal_lingers(refusal_type& r) {
        std::uint64_t may_come = 0;
        this->tell([&](time_point now) { may_come = machine_.refusal_lingers(r, now); });
        return may_come;
    }
    void not_kept(admission_ticket& unused) {
        this->tell([&](time_point) { machine_.not_kept(unused); });
    }

    // --- the end of the execution context

    void context_ended() noexcept override {
        const auto keep = this->shared_from_this();
        this->tell([&](time_point) {
            context_over_ = true;
            machine_.closed();
        });
    }
    const void* guest_executor() const noexcept override { return &executor(); }

    const process_resources resources_;
    machine_type machine_;       // under the lock
    bool context_over_ = false;  // handlers are destroyed, not called; written before all that is performed after it
};

}  // namespace hotpool::inbound::detail
