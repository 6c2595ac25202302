// Who is let in: the verdict on each new connection and each request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include "hotpool/access/access_list.hpp"
#include "hotpool/base/expiring_map.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/admission_counts.hpp"
#include "hotpool/inbound/admission_options.hpp"
#include "hotpool/inbound/admission_verdict.hpp"
#include "hotpool/inbound/block_reach.hpp"
#include "hotpool/inbound/group_table.hpp"
#include "hotpool/inbound/peer_group.hpp"
#include "hotpool/inbound/refuse_reason.hpp"
#include "hotpool/inbound/request_quota.hpp"

namespace hotpool::inbound {

/// Counts connections and requests by group of peers, and refuses what exceeds the limits: a machine without clock,
/// lock or socket. It is told the time with each call; one that is a little earlier than the last does no harm.
///
/// A verdict names the first reason in the order of `refuse_reason` that applies. Groups are remembered up to a
/// ceiling; what is forgotten is the least recently seen of those without connections, and those over their limit only
/// when there are no others. A group that has been forgotten begins anew.
///
/// @threads distinct objects only
/// @cost no allocation, and constant but for the access list. Measured: a connection or a request of a known group 40 to
/// 70 ns among up to 10,000 groups, by ticket less; among 65,536 picked at random, whose table the nearer caches do not
/// hold, about one read of memory more; a new group in a full table 200 to 300 ns.
template <request_quota Quota = fixed_window>
class basic_admission {
    struct record {
        typename Quota::state requests;
        time_point blocked_until = time_point::min();
    };
    using table = group_table<record>;
    using entry = typename table::entry;

public:
    /// Of memory, at most, for each of `max_groups`.
    static constexpr std::size_t bytes_per_group = table::bytes_per_group;

    /// @param window_begins when a window of requests began, such as `hour_begun`; for `fixed_window`
    /// @param seed any number that peers do not know, such as `random_seed`: none can make groups then that are slow to
    /// find
    /// @errors throws as `validate`
    basic_admission(const admission_options& options, time_point window_begins, std::uint64_t seed)
        : options_(checked(options)),
          window_begins_(window_begins),
          quota_(quota_of(options, window_begins)),
          key_of_(options.groups),
          groups_(options.max_groups, seed),
          blocked_(options.max_groups) {}
    basic_admission(const basic_admission&) = delete;
    basic_admission& operator=(const basic_admission&) = delete;

    /// Somebody has connected. If admitted, the connection counts as half-open until `handshake_done`, for its group
    /// and in total until `connection_ended`.
    /// @param make_room called with the `known_group` of the peer, or null, if `max_handshakes` alone are in the way:
    /// tells `handshake_done` for another ticket, and returns whether it has
    template <class MakeRoom>
    [[nodiscard]] admission_verdict connection_offered(const ip_address& peer, time_point now, MakeRoom make_room) {
        if (access_.next_expiry() <= now) access_.time_passed(now);
        const group_key key = key_of_(peer);
        entry* known = groups_.find(key);
        refuse_reason why = judge_connection(peer, known, now);
        if (why == refuse_reason::half_open && make_room(static_cast<const known_group*>(known)))
            why = refuse_reason::none;
        if (why == refuse_reason::none && known == nullptr) why = add(key, known, now);
        if (known != nullptr) seen(*known, now);
        if (why != refuse_reason::none) return verdict_on(counts_.connections_by_verdict, why, known, now);
        groups_.connection_added(*known);
        ++counts_.connections;
        ++counts_.half_open;
        admission_verdict verdict = verdict_on(counts_.connections_by_verdict, why, known, now);
        verdict.ticket = {this, *known};
        return verdict;
    }
    [[nodiscard]] admission_verdict connection_offered(const ip_address& peer, time_point now) {
        return connection_offered(peer, now, [](const known_group*) { return false; });
    }

    /// Its handshake is over, well or not, or it needs none.
    ticket_use handshake_done(admission_ticket& ticket) noexcept {
        const ticket_use use = use_of(ticket);
        if (use == ticket_use::taken) counts_.half_open -= std::exchange(ticket.half_open_, false);
        return use;
    }

    /// Its place is free; the ticket is empty afterwards.
    ticket_use connection_ended(admission_ticket& ticket) noexcept {
        const ticket_use use = handshake_done(ticket);
        if (use != ticket_use::taken) return use;
        groups_.connection_removed(entry_of(ticket));
        --counts_.connections;
        ticket = {};
        return use;
    }

    /// A proxy has said whose connection it is: it counts for the client's group from now on. If refused, it stays
    /// where it was, is counted as refused too, and is to be closed.
    [[nodiscard]] admission_verdict client_named(admission_ticket& ticket, const ip_address& client, time_point now) {
        if (use_of(ticket) != ticket_use::taken) return {refuse_reason::no_ticket, {}, {}};
        const group_key key = key_of_(client);
        if (key == ticket.entry_->key) return {};
        entry* known = groups_.find(key);
        refuse_reason why = judge_group(client, known, now);
        if (why == refuse_reason::none && is_group_full(client, known)) why = refuse_reason::group_connections;
        if (why == refuse_reason::none && known == nullptr) why = add(key, known, now);
        if (known != nullptr) seen(*known, now);
        if (why != refuse_reason::none) return verdict_on(counts_.connections_by_verdict, why, known, now);
        groups_.connection_added(*known);
        groups_.connection_removed(entry_of(ticket));
        ticket.entry_ = known;
        return {};
    }

    /// A request has come on an admitted connection. If admitted, it is counted for the connection's group.
    /// @cost no hash is computed
    [[nodiscard]] admission_verdict request_offered(const admission_ticket& ticket, time_point now,
                                                    metering counts = metering::on) noexcept {
        entry* const known = use_of(ticket) == ticket_use::taken ? &entry_of(ticket) : nullptr;
        refuse_reason why = known == nullptr ? refuse_reason::no_ticket : refuse_reason::none;
        if (known != nullptr && known->value.blocked_until > now && known->reach == block_reach::everyone)
            why = refuse_reason::blocked;
        return judge_request(why, known, counts, now);
    }
    /// A request of `client` has come, on a connection that a proxy shares between its clients: whoever it is comes anew
    /// with each.
    [[nodiscard]] admission_verdict request_offered(const ip_address& client, time_point now,
                                                    metering counts = metering::on) noexcept {
        const group_key key = key_of_(client);
        entry* known = groups_.find(key);
        refuse_reason why = judge_group(client, known, now);
        if (why == refuse_reason::none && known == nullptr) why = add(key, known, now);
        return judge_request(why, known, counts, now);
    }

    /// Refuses all groups' new connections from now on; requests on those that are open are admitted as before.
    void drain_begun() noexcept { is_draining_ = true; }
    /// Refuses new connections until `resources_recovered`.
    void resources_ran_short() noexcept { is_short_ = true; }
    void resources_recovered() noexcept { is_short_ = false; }

    /// Refuses the group's connections and requests until that time. Its connections stay, which are the caller's to
    /// end.
    /// @param group one, or an address in it
    /// @param until `never` for as long as it is remembered; a time that is past ends the block
    /// @param reach with `newcomers`, requests on the group's own connections are admitted as before
    /// @errors throws `std::bad_alloc`; it is not blocked then
    block_result block(const peer_group& group, time_point until, time_point now,
                       block_reach reach = block_reach::everyone) {
        const peer_group whole = whole_of(group);
        if (group.unmapped().prefix_length() < whole.prefix_length()) return block_result::not_a_group;
        const group_key key = key_of_(group.address());
        entry* known = groups_.find(key);
        if (known == nullptr && add(key, known, now) != refuse_reason::none) return block_result::table_full;
        if (until > now)
            blocked_.put(whole, {}, until);
        else
            blocked_.erase(whole);
        known->value.blocked_until = until;
        known->reach = reach;
        seen(*known, now);
        return block_result::blocked;
    }
    /// Ends a block.
    /// @return whether there was one
    bool unblock(const peer_group& group, time_point now) noexcept {
        const peer_group whole = whole_of(group);
        if (group.unmapped().prefix_length() < whole.prefix_length()) return false;
        if (entry* const known = groups_.find(key_of_(group.address()))) {
            known->value.blocked_until = time_point::min();
            seen(*known, now);
        }
        return blocked_.erase(whole);
    }
    /// The group that an address, or a part of a group, belongs to.
    peer_group whole_of(const peer_group& part) const noexcept { return group_of(part.address(), options_.groups); }

    /// Blocks that are over are forgotten.
    /// @param recovered called with each group whose block was; if the table had no room left for it, it may come again
    /// before that
    template <class Recovered>
    void time_passed(time_point now, Recovered recovered) {
        blocked_.drop_due(now, recovered);
    }
    /// When to call `time_passed`.
    time_point next_recovery() const noexcept { return blocked_.next_expiry(); }
    std::size_t blocked_groups() const noexcept { return blocked_.size(); }

    /// How a group stands that is remembered, else as one that was never seen.
    group_status status(const ip_address& address, time_point now) const noexcept {
        const group_key key = key_of_(address);
        const entry* known = groups_.find(key);
        return known != nullptr ? status_of(*known, now) : group_status{key.group(), 0, {}, {}};
    }
    /// Calls `visit(const group_status&)` for each group that is remembered, in no particular order.
    template <class Visit>
    void for_each_group(time_point now, Visit&& visit) const {
        for (const entry& known : groups_.entries()) visit(status_of(known, now));
    }

    admission_counts counts() const noexcept {
        admission_counts now = counts_;
        now.groups = groups_.size();
        now.groups_forgotten = groups_.forgotten();
        now.groups_forgotten_over_limit = groups_.forgotten_over_limit();
        return now;
    }
    /// What has been taken from the allocator for groups: at most `bytes_per_group` times `max_groups`.
    std::size_t bytes() const noexcept { return groups_.bytes(); }

    /// Who is denied and allowed at all; asked for each connection, and for each client that a proxy names.
    access_list& access() noexcept { return access_; }
    const access_list& access() const noexcept { return access_; }

    const admission_options& options() const noexcept { return options_; }
    /// From now on. Connections that are out stay and count, also where there are more than there may be now; what was
    /// counted of requests stays as the quota says. With another grouping, groups that are remembered stay what they
    /// are, new connections are counted for new ones.
    /// @errors throws as `validate`, if `max_groups` is another, or `std::bad_alloc`; nothing has changed then
    void set_options(const admission_options& options) {
        validate(options);
        if (options.max_groups != options_.max_groups)
            throw std::invalid_argument("hotpool::inbound::admission_options::max_groups must stay as it was");
        admission_options copy = options;  // which may fail
        options_ = std::move(copy);
        quota_ = quota_of(options, window_begins_);
        key_of_ = group_key_maker{options.groups};
    }

    /// Whether all counts agree with one another; for tests.
    bool check() const noexcept {
        std::size_t connections = 0;
        for (const entry& known : groups_.entries()) connections += known.connections;
        return groups_.check() && connections == counts_.connections && counts_.half_open <= counts_.connections;
    }

private:
    static const admission_options& checked(const admission_options& options) {
        validate(options);
        return options;
    }
    static Quota quota_of(const admission_options& options, time_point window_begins) {
        // Of no limit the quota is never asked.
        const std::uint32_t limit = options.max_requests_per_group;
        return Quota{quota_options{limit == 0 ? 1 : limit, options.request_window, window_begins}};
    }

    ticket_use use_of(const admission_ticket& ticket) const noexcept {
        if (ticket.empty()) return ticket_use::empty;
        return ticket.owner_ == this ? ticket_use::taken : ticket_use::foreign;
    }
    static entry& entry_of(const admission_ticket& ticket) noexcept { return static_cast<entry&>(*ticket.entry_); }

    duration requests_after(const record& known, time_point now) const noexcept {
        return options_.max_requests_per_group == 0 ? duration::zero() : quota_.wait(known.requests, now);
    }
    bool is_over(const record& known, time_point now) const noexcept {
        return known.blocked_until > now || requests_after(known, now) > duration::zero();
    }
    void seen(entry& known, time_point now) noexcept {
        groups_.seen(known, is_over(known.value, now) ? group_standing::over_limit : group_standing::within_limits);
    }
    group_status status_of(const entry& known, time_point now) const noexcept {
        return {known.key.group(), known.connections, requests_after(known.value, now), known.value.blocked_until};
    }

    refuse_reason add(const group_key& key, entry*& known, time_point now) noexcept {
        known = groups_.add(key, [this, now](const record& other) { return is_over(other, now); });
        return known != nullptr ? refuse_reason::none : refuse_reason::group_table_full;
    }

    refuse_reason judge_group(const ip_address& address, const entry* known, time_point now) const noexcept {
        if (access_.verdict(address, now) == access_verdict::denied) return refuse_reason::denied;
        if (known != nullptr && known->value.blocked_until > now) return refuse_reason::blocked;
        return refuse_reason::none;
    }
    bool is_group_full(const ip_address& address, const entry* known) const noexcept {
        return options_.max_connections_per_group != 0 && known != nullptr &&
               known->connections >= options_.max_connections_per_group && !options_.proxies.contains(address);
    }
    refuse_reason judge_connection(const ip_address& peer, const entry* known, time_point now) const noexcept {
        const auto has_reached = [](std::size_t count, std::size_t limit) { return limit != 0 && count >= limit; };
        if (is_draining_) return refuse_reason::draining;
        const refuse_reason why = judge_group(peer, known, now);
        if (why != refuse_reason::none) return why;
        if (is_short_) return refuse_reason::resources;
        if (has_reached(counts_.connections, options_.max_connections)) return refuse_reason::total_connections;
        if (is_group_full(peer, known)) return refuse_reason::group_connections;
        if (has_reached(counts_.half_open, options_.max_handshakes)) return refuse_reason::half_open;
        return refuse_reason::none;
    }
    admission_verdict judge_request(refuse_reason why, entry* known, metering counts, time_point now) noexcept {
        if (counts == metering::on && why == refuse_reason::none) {
            if (requests_after(known->value, now) > duration::zero())
                why = refuse_reason::group_requests;
            else
                quota_.count(known->value.requests, now);
        }
        if (known != nullptr) seen(*known, now);
        return verdict_on(counts_.requests_by_verdict, why, known, now);
    }

    duration retry_after(refuse_reason why, const entry* known, time_point now) const noexcept {
        switch (why) {
            case refuse_reason::none:
            case refuse_reason::denied:
            case refuse_reason::no_ticket: return duration::zero();
            case refuse_reason::blocked: {
                const time_point until = known->value.blocked_until;
                return until == never ? duration::zero() : until - now;
            }
            case refuse_reason::group_requests: return requests_after(known->value, now);
            case refuse_reason::draining:
            case refuse_reason::resources:
            case refuse_reason::total_connections:
            case refuse_reason::group_connections:
            case refuse_reason::half_open:
            case refuse_reason::group_table_full: break;
        }
        return options_.busy_retry_after;
    }
    admission_verdict verdict_on(admission_counts::by_reason& counts, refuse_reason why, const entry* known,
                                 time_point now) noexcept {
        ++counts[static_cast<std::size_t>(why)];
        return {why, retry_after(why, known, now), {}};
    }

    admission_options options_;
    time_point window_begins_;
    Quota quota_;
    group_key_maker key_of_;
    table groups_;
    struct nothing {};
    base::expiring_map<peer_group, nothing> blocked_;
    access_list access_;
    admission_counts counts_;
    bool is_draining_ = false;
    bool is_short_ = false;
};

using admission = basic_admission<>;

}  // namespace hotpool::inbound
