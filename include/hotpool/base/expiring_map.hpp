// A bounded map whose entries end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "hotpool/base/time.hpp"

namespace hotpool::base {

/// Values by key, each with the time at which it is dropped. A tree and no hash table, so that whoever chooses the keys
/// cannot make them collide.
/// @threads distinct objects only
/// @cost logarithmic for each call and each entry dropped; one or two allocations for an entry, none for a lookup
template <class Key, class Value>
class expiring_map {
public:
    struct entry {
        Value value;
        time_point expires;
    };
    enum class put_result : std::uint8_t { added, replaced, full };

    /// @param max_size entries at most; those that are due count until they are dropped
    explicit expiring_map(std::size_t max_size) noexcept : max_size_(max_size) {}

    std::size_t size() const noexcept { return entries_.size(); }

    /// The entry, due or not; null if there is none.
    const entry* find(const Key& key) const noexcept {
        const auto place = entries_.find(key);
        return place != entries_.end() ? &place->second : nullptr;
    }

    /// The entry of the greatest key that is not greater than `key`, due or not; a null pair if there is none.
    std::pair<const Key*, const entry*> find_up_to(const Key& key) const noexcept {
        auto place = entries_.upper_bound(key);
        if (place == entries_.begin()) return {};
        --place;
        return {&place->first, &place->second};
    }

    /// Adds an entry or replaces the one of that key.
    /// @errors throws `std::bad_alloc`, what is found by `find` unchanged then
    put_result put(const Key& key, Value value, time_point expires) {
        const auto place = entries_.find(key);
        if (place == entries_.end() && entries_.size() >= max_size_) return put_result::full;
        if (expires != never) order_.emplace(expires, key);
        if (place == entries_.end()) {
            entries_.emplace(key, entry{std::move(value), expires});
            return put_result::added;
        }
        if (place->second.expires != expires) order_.erase({place->second.expires, key});
        place->second = {std::move(value), expires};
        return put_result::replaced;
    }

    /// Whether there was one.
    bool erase(const Key& key) noexcept {
        const auto place = entries_.find(key);
        if (place == entries_.end()) return false;
        order_.erase({place->second.expires, key});
        entries_.erase(place);
        return true;
    }

    /// Drops what is due at `now`.
    void drop_due(time_point now) noexcept {
        drop_due(now, [](const Key&) {});
    }
    /// The same, and calls `visit(key)` for each entry.
    template <class Visit>
    void drop_due(time_point now, Visit visit) {
        while (!order_.empty() && order_.begin()->first <= now) {
            const auto& [expires, key] = *order_.begin();
            const auto place = entries_.find(key);
            // A `put` that ran out of memory leaves its place in the order behind.
            if (place != entries_.end() && place->second.expires == expires) {
                visit(key);
                entries_.erase(place);
            }
            order_.erase(order_.begin());
        }
    }

    /// When the next entry is due; `never` if none is.
    time_point next_expiry() const noexcept { return order_.empty() ? never : order_.begin()->first; }

private:
    std::size_t max_size_;
    std::map<Key, entry> entries_;
    std::set<std::pair<time_point, Key>> order_;
};

}  // namespace hotpool::base
