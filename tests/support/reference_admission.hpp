// An admission as plainly as it can be written: groups in a vector, every request remembered, everything counted anew.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "hotpool/access_list.hpp"
#include "hotpool/inbound/admission.hpp"

namespace hotpool::test {

using namespace hotpool::inbound;

/// How a quota would be counted by somebody who remembers every request.
template <class Quota>
struct reference_quota;

template <>
struct reference_quota<fixed_window> {
    std::vector<time_point> log;

    static time_point end_of_window(time_point at, const quota_options& o) {
        time_point end = o.window_begins;
        while (end <= at) end += o.window;
        return end;
    }
    duration wait(time_point now, const quota_options& o) const {
        const time_point end = end_of_window(now, o);
        const auto used =
            std::count_if(log.begin(), log.end(), [&](time_point t) { return end_of_window(t, o) == end; });
        return static_cast<std::uint64_t>(used) < o.max_requests ? duration::zero() : end - now;
    }
    void count(time_point now, const quota_options&) { log.push_back(now); }
};

template <>
struct reference_quota<sliding_window> {
    std::vector<time_point> log;
    time_point origin{};

    static duration part(const quota_options& o) { return (o.window + duration{11}) / 12; }
    duration::rep part_of(time_point at, const quota_options& o) const { return (at - origin) / part(o); }
    std::uint64_t used(time_point at, const quota_options& o) const {
        return static_cast<std::uint64_t>(
            std::count_if(log.begin(), log.end(), [&](time_point t) { return part_of(t, o) > part_of(at, o) - 13; }));
    }
    duration wait(time_point now, const quota_options& o) const {
        time_point at = now;
        while (used(at, o) >= o.max_requests) at = origin + (part_of(at, o) + 1) * part(o);
        return at - now;
    }
    void count(time_point now, const quota_options& o) {
        if (used(now, o) == 0) {
            log.clear();
            origin = now;
        }
        log.push_back(now);
    }
};

template <>
struct reference_quota<token_bucket> {
    std::vector<time_point> log;

    /// What is missing at `at` to a full bucket; a token is as many units as a window has nanoseconds, and as many units
    /// as the limit come back in each.
    duration::rep missing(time_point at, const quota_options& o) const {
        duration::rep units = 0;
        time_point last = log.empty() ? at : log.front();
        for (const time_point t : log) {
            units = std::max<duration::rep>(0, units - (t - last).count() * o.max_requests) + o.window.count();
            last = t;
        }
        return std::max<duration::rep>(0, units - (at - last).count() * o.max_requests);
    }
    duration wait(time_point now, const quota_options& o) const {
        const duration::rep most = o.window.count() * o.max_requests;
        const duration::rep lacking = missing(now, o) + o.window.count() - most;
        return lacking <= 0 ? duration::zero() : duration{(lacking + o.max_requests - 1) / o.max_requests};
    }
    void count(time_point now, const quota_options&) { log.push_back(now); }
};

template <class Quota>
class reference_admission {
public:
    struct connection {
        std::size_t id = 0;
        peer_group group;
        bool half_open = true;
    };
    struct answer {
        refuse_reason refused = refuse_reason::none;
        duration retry_after{};
    };

    reference_admission(const admission_options& options, time_point window_begins)
        : options_(options), window_begins_(window_begins) {}

    answer connection_offered(std::size_t id, const ip_address& peer, time_point now) {
        const peer_group group = group_of(peer, options_.groups);
        refuse_reason why = judge_address(peer, now);
        if (why == refuse_reason::none && short_) why = refuse_reason::resources;
        if (why == refuse_reason::none && is_at(connections.size(), options_.max_connections))
            why = refuse_reason::total_connections;
        if (why == refuse_reason::none && is_group_full(peer)) why = refuse_reason::group_connections;
        if (why == refuse_reason::none && is_at(half_open(), options_.max_handshakes)) why = refuse_reason::half_open;
        if (why == refuse_reason::none && !remember(group, now)) why = refuse_reason::group_table_full;
        see(group, now);
        if (why == refuse_reason::none) connections.push_back({id, group, true});
        return answer_of(why, group, now);
    }
    answer client_named(std::size_t place, const ip_address& client, time_point now) {
        const peer_group group = group_of(client, options_.groups);
        if (group == connections[place].group) return {};
        refuse_reason why = judge_address(client, now);
        if (why == refuse_reason::none && is_group_full(client)) why = refuse_reason::group_connections;
        if (why == refuse_reason::none && !remember(group, now)) why = refuse_reason::group_table_full;
        see(group, now);
        if (why == refuse_reason::none) {
            const peer_group left = std::exchange(connections[place].group, group);
            touch(left);
        }
        return answer_of(why, group, now);
    }
    void connection_ended(std::size_t place) {
        const peer_group left = connections[place].group;
        connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(place));
        touch(left);
    }

    answer request_offered(const peer_group& group, time_point now) { return request(refuse_reason::none, group, now); }
    answer request_offered(const ip_address& client, time_point now) {
        const peer_group group = group_of(client, options_.groups);
        refuse_reason why = judge_address(client, now);
        if (why == refuse_reason::none && !remember(group, now)) why = refuse_reason::group_table_full;
        return request(why, group, now);
    }

    block_result block(const ip_address& address, time_point until, time_point now) {
        const peer_group group = group_of(address, options_.groups);
        if (!remember(group, now)) return block_result::table_full;
        find(group)->blocked_until = until;
        see(group, now);
        return block_result::blocked;
    }

    void set_options(const admission_options& options) { options_ = options; }
    void set_short(bool is_short) { short_ = is_short; }
    std::size_t half_open() const {
        return static_cast<std::size_t>(
            std::count_if(connections.begin(), connections.end(), [](const connection& c) { return c.half_open; }));
    }
    std::size_t of_group(const peer_group& group) const {
        return static_cast<std::size_t>(std::count_if(connections.begin(), connections.end(),
                                                      [&](const connection& c) { return c.group == group; }));
    }
    std::vector<peer_group> groups() const {
        std::vector<peer_group> result;
        for (const known& k : known_) result.push_back(k.group);
        std::sort(result.begin(), result.end());
        return result;
    }
    duration wait(const peer_group& group, time_point now) {
        const known* const k = find(group);
        return k == nullptr || options_.max_requests_per_group == 0 ? duration::zero() : k->quota.wait(now, quota());
    }

    std::vector<connection> connections;
    access_list access;

private:
    struct known {
        peer_group group;
        time_point blocked_until = time_point::min();
        reference_quota<Quota> quota;
        std::uint64_t seen = 0;
        bool over = false;  ///< as it was when the group was last looked at
    };

    static bool is_at(std::size_t count, std::size_t limit) { return limit != 0 && count >= limit; }
    quota_options quota() const { return {options_.max_requests_per_group, options_.request_window, window_begins_}; }
    known* find(const peer_group& group) {
        const auto place = std::find_if(known_.begin(), known_.end(), [&](const known& k) { return k.group == group; });
        return place == known_.end() ? nullptr : &*place;
    }
    bool is_over(const peer_group& group, time_point now) {
        return find(group)->blocked_until > now || wait(group, now) > duration::zero();
    }
    void touch(const peer_group& group) { find(group)->seen = ++seen_; }
    void see(const peer_group& group, time_point now) {
        if (find(group) == nullptr) return;
        find(group)->over = is_over(group, now);
        touch(group);
    }

    /// The group without connections that was seen least recently of those that are flagged so; null if there is none.
    known* oldest(bool over) {
        known* found = nullptr;
        for (known& k : known_)
            if (k.over == over && of_group(k.group) == 0 && (found == nullptr || k.seen < found->seen)) found = &k;
        return found;
    }
    bool remember(const peer_group& group, time_point now) {
        if (find(group) != nullptr) return true;
        if (known_.size() == options_.max_groups) {
            known* victim = oldest(true);
            const bool spared = victim != nullptr && is_over(victim->group, now) && oldest(false) != nullptr;
            if (spared) touch(victim->group);
            if (spared || victim == nullptr) victim = oldest(false);
            if (victim == nullptr) return false;
            known_.erase(known_.begin() + (victim - known_.data()));
        }
        known_.push_back({group, time_point::min(), {}, ++seen_, false});
        return true;
    }

    refuse_reason judge_address(const ip_address& address, time_point now) {
        if (access.verdict(address, now) == access_verdict::denied) return refuse_reason::denied;
        const known* const k = find(group_of(address, options_.groups));
        return k != nullptr && k->blocked_until > now ? refuse_reason::blocked : refuse_reason::none;
    }
    bool is_group_full(const ip_address& address) const {
        return is_at(of_group(group_of(address, options_.groups)), options_.max_connections_per_group) &&
               !options_.proxies.contains(address);
    }
    answer request(refuse_reason why, const peer_group& group, time_point now) {
        known* const k = find(group);
        if (why == refuse_reason::none && k->blocked_until > now) why = refuse_reason::blocked;
        if (why == refuse_reason::none && wait(group, now) > duration::zero()) why = refuse_reason::group_requests;
        if (why == refuse_reason::none) k->quota.count(now, quota());
        see(group, now);
        return answer_of(why, group, now);
    }
    answer answer_of(refuse_reason why, const peer_group& group, time_point now) {
        if (why == refuse_reason::none || why == refuse_reason::denied) return {why, {}};
        if (why == refuse_reason::blocked) return {why, find(group)->blocked_until - now};
        if (why == refuse_reason::group_requests) return {why, wait(group, now)};
        return {why, options_.busy_retry_after};
    }

    admission_options options_;
    time_point window_begins_;
    std::vector<known> known_;
    std::uint64_t seen_ = 0;
    bool short_ = false;
};

}  // namespace hotpool::test
