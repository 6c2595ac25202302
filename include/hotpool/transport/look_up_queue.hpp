// Which names are being looked up, which wait for that, and who has asked. No I/O, no clock, no lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "hotpool/base/expiring_map.hpp"
#include "hotpool/base/time.hpp"

namespace hotpool::detail {

/// How many look-ups go on at once. Each takes a thread, for as long as the system's resolver pleases.
struct look_up_limits {
    /// Under way for less than `slow_after`. Enough for the start of a program with many origins.
    std::size_t quick = 16;
    /// Under way for longer, and those of names known to be slow: silent names have these to themselves.
    std::size_t slow = 48;
    /// Names that wait for a place; one more is refused.
    std::size_t waiting = 1024;
    /// A look-up that takes longer is slow, and so is its name until a look-up of it is quick again. A healthy name
    /// service answers sooner; a lost datagram costs 5 s (resolv.conf(5), timeout).
    duration slow_after = std::chrono::seconds(2);
    /// One that has not begun after this is refused: below the usual `connect_timeout`, so that callers learn why.
    duration longest_wait = std::chrono::seconds(8);
    /// Slow names that are remembered, and for how long.
    std::size_t slow_names = 1024;
    duration slow_memory = std::chrono::minutes(10);
};

/// Decides which look-up begins when. Askers of a name that is waiting or being looked up join that; a name has one
/// look-up under way, and a second one only where the first was begun before something that makes its answer void.
/// Quick look-ups and slow ones have places of their own: however many names are silent, the next one has its turn after
/// `slow_after` at the latest, until all places are taken; then it is refused after `longest_wait`.
/// @tparam Asker a handle to somebody who is to be answered
/// @threads distinct objects only
/// @cost by the number of names that wait or are being looked up, which is bounded
template <class Asker>
class look_up_queue {
public:
    struct look_up {
        std::string host;
        std::vector<Asker> askers;
        time_point asked_at{};
        time_point began_at{};
        bool fresh = false;     ///< one from before is under way, of no use
        bool slow = false;      ///< has a slow place from its beginning
        bool outdated = false;  ///< nobody joins it any more
    };
    enum class admission : std::uint8_t { waits, joined, refused };

    /// What to do next: begin a look-up, or tell askers that theirs never begins, or nothing.
    struct order {
        look_up* begun = nullptr;
        std::vector<Asker> refused{};
    };

    struct totals {
        std::uint64_t begun = 0;
        std::uint64_t joined = 0;
        std::uint64_t refused = 0;
    };

    explicit look_up_queue(const look_up_limits& limits = {}) : limits_(limits), slow_names_(limits.slow_names) {}

    /// Somebody wants to know. Where the name waits, `next` says when it begins.
    /// @param fresh whether the answer of a look-up that is under way already would be of no use
    /// @errors throws `std::bad_alloc`, nothing changed then
    admission asked(const std::string& host, Asker asker, bool fresh, time_point now) {
        if (look_up* same = find(waiting_, host)) return join(*same, std::move(asker));
        look_up* const running = find(running_, host);
        if (running != nullptr && !fresh) return join(*running, std::move(asker));
        if (waiting_.size() >= limits_.waiting) {
            ++totals_.refused;
            return admission::refused;
        }
        look_up next;
        next.host = host;
        next.askers.push_back(std::move(asker));
        next.asked_at = now;
        next.fresh = running != nullptr;
        waiting_.push_back(std::move(next));
        if (running != nullptr) running->outdated = true;
        return admission::waits;
    }
    /// The one that has just begun to wait never will: there is nobody to look it up.
    void withdraw_newest() noexcept {
        waiting_.pop_back();
        ++totals_.refused;
    }

    /// The look-up stays where it is until `ended`; its `host` may be read meanwhile.
    order next(time_point now) noexcept {
        const places taken = places_taken(now);
        for (auto l = waiting_.begin(); l != waiting_.end(); ++l) {
            if (under_way(l->host) > (l->fresh ? 1u : 0u)) continue;
            const bool slow = slow_names_.find(l->host) != nullptr;
            if (slow ? taken.slow >= limits_.slow : taken.quick >= limits_.quick) continue;
            l->slow = slow;
            l->began_at = now;
            running_.splice(running_.end(), waiting_, l);
            ++totals_.begun;
            return {&running_.back(), {}};
        }
        if (waiting_.empty() || now < wait_ends(waiting_.front())) return {};
        order refusal{nullptr, std::move(waiting_.front().askers)};
        totals_.refused += refusal.refused.size();
        waiting_.pop_front();
        return refusal;
    }
    /// Who is to be told.
    std::vector<Asker> ended(const look_up& which, time_point now) noexcept {
        const auto place = std::find_if(running_.begin(), running_.end(), [&](auto& l) { return &l == &which; });
        remember(*place, now);
        std::vector<Asker> askers = std::move(place->askers);
        running_.erase(place);
        return askers;
    }

    /// When `next` may have something to say that says nothing at `now`, if nothing else happens.
    time_point next_due(time_point now) const noexcept {
        if (waiting_.empty()) return never;
        time_point due = wait_ends(waiting_.front());
        for (const look_up& l : running_)
            if (!is_slow(l, now)) due = std::min(due, base::after(l.began_at, limits_.slow_after));
        return due;
    }

    bool anybody_waits() const noexcept { return !waiting_.empty(); }
    std::size_t waiting() const noexcept { return waiting_.size(); }
    std::size_t under_way() const noexcept { return running_.size(); }
    std::size_t slow(time_point now) const noexcept {
        return static_cast<std::size_t>(
            std::count_if(running_.begin(), running_.end(), [&](const look_up& l) { return is_slow(l, now); }));
    }
    const totals& total() const noexcept { return totals_; }

private:
    struct places {
        std::size_t quick;
        std::size_t slow;
    };

    static look_up* find(std::list<look_up>& list, const std::string& host) noexcept {
        for (look_up& l : list)
            if (!l.outdated && l.host == host) return &l;
        return nullptr;
    }
    admission join(look_up& l, Asker asker) {
        l.askers.push_back(std::move(asker));
        ++totals_.joined;
        return admission::joined;
    }
    unsigned under_way(const std::string& host) const noexcept {
        return static_cast<unsigned>(
            std::count_if(running_.begin(), running_.end(), [&](const look_up& l) { return l.host == host; }));
    }
    bool is_slow(const look_up& l, time_point now) const noexcept {
        return l.slow || base::elapsed(l.began_at, now) >= limits_.slow_after;
    }
    /// A quick one that has become slow moves over where there is room.
    places places_taken(time_point now) const noexcept {
        const std::size_t all_slow = slow(now);
        const std::size_t moved = std::min(all_slow, limits_.slow);
        return {running_.size() - moved, moved};
    }
    time_point wait_ends(const look_up& l) const noexcept { return base::after(l.asked_at, limits_.longest_wait); }

    void remember(const look_up& l, time_point now) noexcept {
        slow_names_.drop_due(now);
        if (base::elapsed(l.began_at, now) < limits_.slow_after) {
            slow_names_.erase(l.host);
            return;
        }
        try {
            slow_names_.put(l.host, {}, base::after(now, limits_.slow_memory));
        } catch (const std::bad_alloc&) {  // then it counts as quick until it has taken too long once more
        }
    }

    struct nothing {};

    const look_up_limits limits_;
    std::list<look_up> waiting_;  // in the order of asking
    std::list<look_up> running_;
    base::expiring_map<std::string, nothing> slow_names_;
    totals totals_;
};

}  // namespace hotpool::detail
