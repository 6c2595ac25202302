// What is remembered of groups of peers, in a bounded amount of memory.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hotpool/inbound/group_key.hpp"
#include "hotpool/inbound/group_list.hpp"

namespace hotpool::inbound {

/// Groups, `max_groups` at most, and a `Value` with each. Once there are as many, a new one takes the place of one
/// without connections: of the one seen least recently among those within their limits, or if there is none, among
/// those over them.
/// @threads distinct objects only
/// @cost constant, up to chains that are as long as chance makes them; nothing is allocated but in the constructor,
/// which takes the memory for all groups at once. Of that the system hands out what has been used.
template <class Value>
class group_table {
    struct content : known_group {
        Value value{};
    };
    static constexpr std::size_t cache_line = 64;

public:
    /// Within one line of the cache if it fits: a table of many groups is not in the cache.
    struct alignas(sizeof(content) <= cache_line ? cache_line : alignof(content)) entry : content {};

    /// The most memory that a group takes, its share of the hash table included.
    static constexpr std::size_t bytes_per_group = sizeof(entry) + 4 * sizeof(std::uint32_t);

    /// @param max_groups 1 to 2^31
    /// @param seed any number that peers do not know
    group_table(std::size_t max_groups, std::uint64_t seed)
        // Twice as many chains as groups: most lookups then read one group.
        : chains_(2 * std::bit_ceil(max_groups), no_group), max_groups_(max_groups), hash_(seed) {
        entries_.reserve(max_groups);
    }
    group_table(const group_table&) = delete;
    group_table& operator=(const group_table&) = delete;

    /// Null if it is not known. It stays as recently seen as it was.
    entry* find(const group_key& key) noexcept {
        const std::uint32_t place = place_of(key);
        return place == no_group ? nullptr : &entries_[place];
    }
    const entry* find(const group_key& key) const noexcept {
        const std::uint32_t place = place_of(key);
        return place == no_group ? nullptr : &entries_[place];
    }

    /// The group, which is known from now on, with a `Value` as it is made; null if all that are known have
    /// connections.
    /// @param key of one that is not known
    /// @param is_over whether a group is over its limit now, by its `Value`, however it stood when it was seen
    template <class IsOver>
    entry* add(const group_key& key, IsOver is_over) noexcept {
        entry* place = nullptr;
        if (entries_.size() < max_groups_) {
            place = &entries_.emplace_back();
        } else {
            place = take_victim(is_over);
            if (place == nullptr) return nullptr;
            *place = {};
        }
        place->key = key;
        std::uint32_t& chain = chains_[chain_of(key)];
        place->next_in_chain = chain;
        chain = index_of(*place);
        list_of(*place).push_back(entries_, chain);
        return place;
    }

    /// The group has been seen, and stands so.
    void seen(entry& known, group_standing standing) noexcept {
        if (known.connections == 0) list_of(known).remove(entries_, index_of(known));
        known.standing = standing;
        if (known.connections == 0) list_of(known).push_back(entries_, index_of(known));
    }

    void connection_added(entry& known) noexcept {
        if (known.connections++ == 0) list_of(known).remove(entries_, index_of(known));
    }
    void connection_removed(entry& known) noexcept {
        if (--known.connections == 0) list_of(known).push_back(entries_, index_of(known));
    }

    std::size_t size() const noexcept { return entries_.size(); }
    /// Groups that had to make room for others.
    std::uint64_t forgotten() const noexcept { return forgotten_; }
    /// Those of them that were over their limit then.
    std::uint64_t forgotten_over_limit() const noexcept { return forgotten_over_limit_; }
    /// What has been taken from the allocator.
    std::size_t bytes() const noexcept {
        return entries_.capacity() * sizeof(entry) + chains_.capacity() * sizeof(std::uint32_t);
    }
    /// In no particular order.
    const std::vector<entry>& entries() const noexcept { return entries_; }

    /// Whether every group is found by its key and is in the list where it belongs; for tests.
    bool check() const noexcept {
        std::size_t idle = 0;
        for (const entry& known : entries_) {
            if (find(known.key) != &known) return false;
            idle += known.connections == 0;
        }
        std::size_t listed = 0;
        for (const auto standing : {group_standing::within_limits, group_standing::over_limit})
            for (std::uint32_t at = lists_[static_cast<std::size_t>(standing)].front(); at != no_group;
                 at = entries_[at].list.next, ++listed)
                if (entries_[at].connections != 0 || entries_[at].standing != standing) return false;
        return idle == listed && entries_.size() <= max_groups_;
    }

private:
    std::size_t chain_of(const group_key& key) const noexcept {
        return static_cast<std::size_t>(hash_(key)) & (chains_.size() - 1);
    }
    std::uint32_t place_of(const group_key& key) const noexcept {
        std::uint32_t place = chains_[chain_of(key)];
        while (place != no_group && entries_[place].key != key) place = entries_[place].next_in_chain;
        return place;
    }
    std::uint32_t index_of(const entry& known) const noexcept {
        return static_cast<std::uint32_t>(&known - entries_.data());
    }
    group_list& list_of(const entry& known) noexcept { return lists_[static_cast<std::size_t>(known.standing)]; }

    /// Of the groups over their limit one is looked at each time: that one goes if it no longer is, since then nothing
    /// is lost with it. So those whose time has passed are found without a timer, and a flood of new groups pays
    /// little. Those that came to be over theirs unseen, by a lower one, are put where they belong, once each.
    template <class IsOver>
    entry* take_victim(IsOver is_over) noexcept {
        group_list& within = lists_[static_cast<std::size_t>(group_standing::within_limits)];
        group_list& over = lists_[static_cast<std::size_t>(group_standing::over_limit)];
        for (std::uint32_t at; (at = within.front()) != no_group && is_over(entries_[at].value);) {
            within.remove(entries_, at);
            entries_[at].standing = group_standing::over_limit;
            over.push_back(entries_, at);
        }
        std::uint32_t victim = over.front();
        const bool still_over = victim != no_group && is_over(entries_[victim].value);
        if (victim != no_group) over.remove(entries_, victim);
        if (still_over && within.front() != no_group) {
            over.push_back(entries_, victim);
            victim = no_group;
        } else {
            forgotten_over_limit_ += still_over;
        }
        if (victim == no_group) {
            victim = within.front();
            if (victim == no_group) return nullptr;
            within.remove(entries_, victim);
        }
        ++forgotten_;
        std::uint32_t* link = &chains_[chain_of(entries_[victim].key)];
        while (*link != victim) link = &entries_[*link].next_in_chain;
        *link = entries_[victim].next_in_chain;
        return &entries_[victim];
    }

    std::vector<entry> entries_;  // reserved once: they never move
    std::vector<std::uint32_t> chains_;
    group_list lists_[2];  // by standing, those without connections, the one seen least recently first
    std::size_t max_groups_;
    group_hash hash_;
    std::uint64_t forgotten_ = 0;
    std::uint64_t forgotten_over_limit_ = 0;
};

}  // namespace hotpool::inbound
