// The machine of an acceptor: it joins admission, supervision, the gate and recovery. No I/O, clock or lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/accept_gate.hpp"
#include "hotpool/inbound/accepted_peer.hpp"
#include "hotpool/inbound/acceptor_options.hpp"
#include "hotpool/inbound/acceptor_order.hpp"
#include "hotpool/inbound/admission.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/connection_supervisor.hpp"
#include "hotpool/inbound/end_names.hpp"
#include "hotpool/inbound/half_open_line.hpp"
#include "hotpool/inbound/inbound_event.hpp"
#include "hotpool/inbound/inbound_stats.hpp"
#include "hotpool/inbound/recovery.hpp"
#include "hotpool/inbound/refusal_line.hpp"
#include "hotpool/inbound/request_quota.hpp"
#include "hotpool/policy/policies.hpp"

namespace hotpool::inbound {

/// Tell it what happened and what time it is; then perform what `next_order` hands out until there is nothing more, and
/// call `time_passed` at `next_due`.
/// @tparam Waiter who waits for a connection
/// @tparam Drainer who waits for all connections to be gone
/// @threads distinct objects only
template <policy_bundle Policies, class Waiter, class Drainer>
class acceptor_machine {
public:
    using order_type = acceptor_order<Waiter, Drainer>;
    using admission_type = basic_admission<typename quota_of<Policies>::type>;
    using supervisor_type = connection_supervisor<Policies>;

    /// @param window_begins when a window of requests began
    /// @param admission_seed any number that peers do not know
    /// @param life_seed for the jitter of lifetimes
    acceptor_machine(const acceptor_options& options, std::size_t listeners, time_point window_begins,
                     std::uint64_t admission_seed, std::uint64_t life_seed)
        : admission_(options.admission, window_begins, admission_seed),
          supervisor_(options.life, life_seed),
          gate_(listeners, options),
          refusals_(options.max_lingering_refusals),
          recovery_(options),
          options_(options) {}

    void listen(bool on) noexcept { recovery_.listen(on); }
    const acceptor_options& options() const noexcept { return options_; }
    /// @param options valid ones
    /// @errors throws as `basic_admission::set_options`, and `std::bad_alloc`; then nothing has changed
    void options_changed(const acceptor_options& options, time_point now) {
        acceptor_options fresh = options;
        admission_.set_options(options.admission);
        supervisor_.options_changed(options.life);
        gate_.options_changed(options);
        refusals_.limit(options.max_lingering_refusals);
        apply(recovery_.options_changed(options, now));
        options_ = std::move(fresh);
    }

    // --- callers

    void waiter_came(Waiter& w) noexcept { gate_.waiter_came(w); }
    void waiter_left(Waiter& w) noexcept { gate_.waiter_left(w); }
    void drainer_left(Drainer& d) noexcept { gate_.drainer_left(d); }
    /// @param limit from now on; the earliest end counts
    void drain_requested(Drainer& d, duration limit, time_point now) noexcept {
        gate_.drainer_came(d);
        if (gate_.is_closed()) return;
        if (!supervisor_.is_draining()) recovery_.tell({.kind = inbound_event_kind::draining});
        gate_.drain_begun();
        admission_.drain_begun();
        drain_deadline_ = std::min(drain_deadline_, base::after(now, std::max(limit, duration::zero())));
        supervisor_.drain_requested(drain_deadline_);
    }
    void closed() noexcept {
        if (gate_.is_closed()) return;
        gate_.closed();
        admission_.drain_begun();
        refusals_.stop();
        supervisor_.stop_requested(close_reason::acceptor_closed);
    }

    block_result block_requested(const peer_group& group, duration span, block_reach reach, time_point now) {
        return block(group, span, reach, errc::group_blocked, now);
    }
    void unblock_requested(const peer_group& group, time_point now) noexcept {
        if (admission_.unblock(group, now)) tell_recovered(admission_.whole_of(group));
    }
    /// For questions, and for its access list.
    admission_type& admission() noexcept { return admission_; }
    const admission_type& admission() const noexcept { return admission_; }

    inbound_stats stats() const noexcept {
        inbound_stats s;
        s.now = supervisor_.counts();
        s.total = supervisor_.counters();
        s.total.alarms = recovery_.alarms();
        s.total.refusals_cut = refusals_.cut();
        s.lingering_refusals = refusals_.size();
        s.groups = admission_.counts().groups;
        s.blocked_groups = admission_.blocked_groups();
        s.ready = gate_.ready();
        s.resources = recovery_.usage();
        s.short_of_resources = recovery_.is_short();
        s.alarm = recovery_.alarms_now();
        s.draining = supervisor_.is_draining();
        return s;
    }

    // --- listening sockets

    std::size_t may_accept(std::size_t listener) noexcept { return gate_.may_accept(listener); }
    accept_resumption resumption_of(std::size_t listener) const noexcept { return gate_.resumption_of(listener); }
    accept_verdict accept_failed(std::size_t listener, const ip_endpoint& where, const std::error_code& error,
                                 time_point now) noexcept {
        const accept_answer said = gate_.accept_failed(listener, error, now);
        if (said.verdict == accept_verdict::wait) return said.verdict;
        ++supervisor_.counters().accept_errors;
        if (said.verdict == accept_verdict::go_on) return said.verdict;
        const bool dead = said.verdict == accept_verdict::dead;
        supervisor_.counters().accept_pauses += !dead;
        recovery_.tell({.kind = dead ? inbound_event_kind::listener_lost : inbound_event_kind::accepting_paused,
                        .peer = where,
                        .error = error,
                        .span = said.pause});
        return said.verdict;
    }
    void reopened(std::size_t listener, const ip_endpoint& where, const std::error_code& error,
                  time_point now) noexcept {
        gate_.reopened(listener, error, now);
        if (!error) recovery_.tell({.kind = inbound_event_kind::listener_reopened, .peer = where});
    }
    /// So many were sent away without being looked at.
    void shed(std::size_t count) noexcept {
        for (; count != 0; --count) supervisor_.counters().connection_refused(refuse_reason::resources);
    }

    // --- connections

    /// Somebody has connected. If admitted, `admitted` or `not_kept` follows.
    [[nodiscard]] admission_verdict connection_offered(std::size_t listener, const ip_endpoint& where,
                                                       const ip_endpoint& peer, time_point now) {
        if (gate_.accepted(listener)) recovery_.tell({.kind = inbound_event_kind::accepting_resumed, .peer = where});
        admission_verdict verdict = admission_.connection_offered(
            peer.address, now, [this](const known_group* newcomers) { return make_room(newcomers); });
        if (verdict.admitted()) return verdict;
        supervisor_.counters().connection_refused(verdict.refused);
        recovery_.tell({.kind = inbound_event_kind::connection_refused,
                        .peer = {peer.address.unmapped(), peer.port},
                        .group = admission_.whole_of(peer_group(peer.address)),
                        .refused = verdict.refused});
        return verdict;
    }
    /// Who was refused has been told why.
    /// @return how many bytes may still come of him; 0: he is to be closed at once
    std::uint64_t refusal_lingers(refused_peer& r, time_point now) noexcept {
        const life_options& life = supervisor_.options();
        if (life.max_linger_bytes == 0 || life.linger_timeout == duration::zero()) return 0;
        if (!refusals_.refused(r, base::after(now, life.linger_timeout))) return 0;
        apply(recovery_.descriptor_taken());
        return life.max_linger_bytes;
    }
    /// He is gone.
    /// @return whether he was not to go anyway
    bool refusal_left(refused_peer& r) noexcept {
        if (!refusals_.left(r)) return false;
        apply(recovery_.descriptor_given_back());
        return true;
    }
    /// It was admitted, and nothing came of it. Nothing happens if it is a connection, which has the ticket.
    void not_kept(admission_ticket& ticket) noexcept {
        if (admission_.connection_ended(ticket) == ticket_use::taken)
            supervisor_.counters().connection_refused(refuse_reason::resources);
    }
    void admitted(accepted_peer& c, bool handshakes, time_point now) noexcept {
        c.accepted_at = now;
        supervisor_.accepted(c, now);
        if (handshakes) {
            supervisor_.handshake_begun(c);
            half_open_.handshake_begun(c);
        }
        apply(recovery_.descriptor_taken());
    }
    /// Its handshake, if there is one, has succeeded.
    void opened(accepted_peer& c, bool handshakes, time_point now) noexcept {
        if (c.state() == life_state::closed) return;
        half_open_.handshake_over(c);
        admission_.handshake_done(c.ticket);
        if (supervisor_.opened(c, now) != close_reason::none) return;
        gate_.connection_opened(c);
        tell(c, {.kind = inbound_event_kind::connection_opened});
        if (handshakes) recovery_.success_seen(now);
    }
    void handshake_failed(accepted_peer& c, std::error_code error, time_point now) noexcept {
        if (c.state() != life_state::draining) note_failed_handshake(c, error, now);
    }
    /// Its end has begun, in order.
    /// @return how many bytes may still come
    std::uint64_t close_begun(accepted_peer& c, close_reason why, time_point now) noexcept {
        if (c.state() == life_state::closed) return 0;
        gate_.connection_gone(c);
        supervisor_.close_begun(c, why, now);
        return supervisor_.options().max_linger_bytes;
    }
    /// It is over, and no longer the machine's.
    void ended(accepted_peer& c, close_reason why, time_point now) noexcept {
        gate_.connection_gone(c);
        half_open_.handshake_over(c);
        admission_.connection_ended(c.ticket);
        const close_reason counted = supervisor_.ended(c, why);
        apply(recovery_.descriptor_given_back());
        if (counted == close_reason::handshake_timed_out) note_failed_handshake(c, errc::handshake_timed_out, now);
        // Where no request had begun, nobody has done anything: browsers open connections that they never use.
        if (counted == close_reason::protocol_error ||
            (counted == close_reason::request_timed_out && c.requests() != 0))
            note_error_of(c, error_of(counted), now);
        if (counted == close_reason::drain_timed_out) gate_.drain_cut();
        tell(c, {.kind = inbound_event_kind::connection_ended, .closed = counted, .span = now - c.accepted_at});
    }

    // --- requests

    void request_awaited(accepted_peer& c, time_point now) noexcept { supervisor_.request_awaited(c, now); }
    close_reason request_begun(accepted_peer& c, time_point now) noexcept { return supervisor_.request_begun(c, now); }
    void request_received(accepted_peer& c, time_point now) noexcept { supervisor_.request_received(c, now); }
    void reply_progressed(accepted_peer& c, time_point now) noexcept { supervisor_.reply_progressed(c, now); }
    void request_ended(accepted_peer& c, request_outcome outcome, reply_said said, time_point now) noexcept {
        supervisor_.request_ended(c, now, outcome, said);
        note_outcome(outcome, now);
    }
    void request_followed(accepted_peer& c, request_outcome outcome, time_point now) noexcept {
        supervisor_.request_followed(c, now, outcome);
        note_outcome(outcome, now);
    }
    close_reason last_request(const accepted_peer& c, time_point now) const noexcept {
        return supervisor_.last_request(c, now);
    }
    /// @param client who is behind the proxy that connected; null: the peer itself
    [[nodiscard]] admission_verdict request_offered(accepted_peer& c, const ip_address* client, metering counts,
                                                    time_point now) noexcept {
        return client != nullptr ? admission_.request_offered(*client, now, counts)
                                 : admission_.request_offered(c.ticket, now, counts);
    }
    [[nodiscard]] admission_verdict client_named(accepted_peer& c, const ip_address& client, time_point now) noexcept {
        return admission_.client_named(c.ticket, client, now);
    }

    void usage_read(const resource_usage& usage, time_point now) noexcept { apply(recovery_.usage_read(usage, now)); }

    // --- time and orders

    void time_passed(time_point now) noexcept {
        if (drain_deadline_ <= now) refusals_.stop();
        refusals_.time_passed(now);
        supervisor_.time_passed(now);
        gate_.time_passed(now);
        recovery_.time_passed(now);
        admission_.time_passed(now, [this](const peer_group& group) { tell_recovered(group); });
    }
    time_point next_due() const noexcept {
        return std::min({supervisor_.next_deadline(), gate_.next_due(), refusals_.next_due(), recovery_.next_due(),
                         admission_.next_recovery()});
    }
    /// Whether nothing will ever be due again.
    bool is_over() const noexcept { return !gate_.is_accepting() && all_gone(); }

    bool has_order() const noexcept {
        return recovery_.has_events() || gate_.has_task() || recovery_.wants_usage() || supervisor_.has_action() ||
               refusals_.has_to_go() || gate_.has_answer(more_may_come()) || gate_.has_drained(all_gone());
    }
    /// @return whether there is one
    bool next_order(order_type& next) noexcept {
        if (recovery_.has_events()) {
            next.events = recovery_.take_events();
        } else if (gate_.has_task()) {
            next.listeners = gate_.next_task();
        } else if (recovery_.wants_usage()) {
            recovery_.usage_asked();
            next.read_usage = true;
        } else if (supervisor_.has_action()) {
            next.action = supervisor_.next_action();
        } else if (refusals_.has_to_go()) {
            next.to_go = refusals_.next_to_go();
            apply(recovery_.descriptor_given_back());
        } else if (gate_.has_answer(more_may_come())) {
            next.answer = gate_.next_answer(more_may_come());
        } else if (gate_.has_drained(all_gone())) {
            next.drained = gate_.next_drained();
            if (next.drained.is_first) recovery_.tell({.kind = inbound_event_kind::drained});
        } else {
            return false;
        }
        return true;
    }

    /// Whether its parts agree with one another; for tests.
    bool check() const noexcept { return admission_.check() && supervisor_.check(); }

private:
    bool more_may_come() const noexcept { return admission_.counts().half_open != 0; }
    /// Those that were admitted a moment ago, and that the supervisor has not been told of, are here too.
    bool all_gone() const noexcept {
        return supervisor_.all_gone() && admission_.counts().connections == 0 && refusals_.empty();
    }

    void apply(resource_change change) noexcept {
        if (change == resource_change::became_short) admission_.resources_ran_short();
        if (change == resource_change::recovered) admission_.resources_recovered();
    }
    void tell(const accepted_peer& c, inbound_event event) noexcept {
        if (!recovery_.listens()) return;
        event.peer = c.peer;
        event.group = c.group;
        recovery_.tell(event);
    }
    void tell_recovered(const peer_group& group) noexcept {
        recovery_.tell({.kind = inbound_event_kind::group_recovered, .group = group});
    }

    void note_outcome(request_outcome outcome, time_point now) noexcept {
        if (outcome == request_outcome::served) recovery_.success_seen(now);
        if (outcome == request_outcome::failed) recovery_.error_seen(now, {});
    }
    void note_failed_handshake(const accepted_peer& c, std::error_code error, time_point now) noexcept {
        supervisor_.counters().handshake_failed(error);
        tell(c, {.kind = inbound_event_kind::handshake_failed, .error = error});
        recovery_.error_seen(now, error);
        note_error_of(c, error, now);
    }
    /// Of a group that makes too many, nobody else is let in for a time: who is there may be its better part. Trusted
    /// proxies are not kept out, for the errors are their clients', nor is anybody twice.
    void note_error_of(const accepted_peer& c, std::error_code error, time_point now) noexcept {
        if (admission_.options().proxies.contains(c.peer.address)) return;
        if (admission_.status(c.peer.address, now).blocked_until > now) return;
        const duration span = recovery_.group_error_seen(c.group, now);
        if (span == duration::zero()) return;
        try {
            block(c.group, span, block_reach::newcomers, error, now);
        } catch (const std::bad_alloc&) {  // it is let in until it has made as many again
        }
    }
    block_result block(const peer_group& group, duration span, block_reach reach, std::error_code error,
                       time_point now) {
        const block_result result = admission_.block(group, base::after(now, span), now, reach);
        if (result != block_result::blocked) return result;
        const peer_group whole = admission_.whole_of(group);
        recovery_.tell({.kind = inbound_event_kind::group_blocked, .group = whole, .error = error, .span = span});
        if (reach == block_reach::newcomers) return result;
        supervisor_.for_each([&](supervised& s) {
            const admission_ticket& ticket = static_cast<accepted_peer&>(s).ticket;
            if (!ticket.empty() && ticket.group() == whole)
                supervisor_.end_requested(s, close_reason::group_blocked, now);
        });
        return result;
    }

    /// Whether one that is in its handshake goes; it counts as one no more.
    bool make_room(const known_group* newcomers) noexcept {
        accepted_peer* const goes = half_open_.to_go(newcomers);
        if (goes == nullptr) return false;
        half_open_.handshake_over(*goes);
        admission_.handshake_done(goes->ticket);
        supervisor_.abort_requested(*goes, close_reason::half_open);
        return true;
    }

    admission_type admission_;
    half_open_line half_open_;
    supervisor_type supervisor_;
    accept_gate<Waiter, Drainer> gate_;
    refusal_line refusals_;
    recovery recovery_;
    acceptor_options options_;
    time_point drain_deadline_ = never;
};

}  // namespace hotpool::inbound
