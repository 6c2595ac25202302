// What is remembered of groups of peers, in a bounded amount of memory.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/inbound/keyed_hash.hpp"
#include "hotpool/inbound/peer_group.hpp"

namespace hotpool::inbound {

/// How much it matters that a group is remembered.
enum class group_standing : std::uint8_t {
    within_limits,
    over_limit,  ///< blocked, or its quota is used up: forgotten last
};

/// What a table knows of every group, whatever else is remembered of it.
struct known_group {
    peer_group group;
    std::uint32_t connections = 0;  ///< with any it is not forgotten
    group_standing standing = group_standing::within_limits;
};

/// Groups by their block, `Value` with each, `max_groups` at most. Once there are as many, a new one takes the place of
/// one without connections: first of those within their limits, then of those over them, each time of the one that was
/// seen least recently. Peers choose their addresses, so the hash has a key that they do not know.
/// @threads distinct objects only
/// @cost constant, up to chains that are as long as chance makes them; nothing is allocated but in the constructor,
/// which takes the memory for all groups at once. Of that the system hands out what has been used.
template <class Value>
class group_table {
public:
    struct entry : known_group, base::list_hook<entry> {
        Value value{};

    private:
        friend group_table;
        std::uint32_t next_in_chain = none;
    };

    /// The most memory that a group takes, its share of the hash table included.
    static constexpr std::size_t bytes_per_group = sizeof(entry) + 2 * sizeof(std::uint32_t);

    /// @param max_groups 1 to 2^31
    /// @param seed any number that peers do not know
    group_table(std::size_t max_groups, std::uint64_t seed)
        : chains_(std::bit_ceil(max_groups), none), max_groups_(max_groups), hash_(seed) {
        entries_.reserve(max_groups);
    }
    group_table(const group_table&) = delete;
    group_table& operator=(const group_table&) = delete;

    /// Null if it is not known. It stays as recently seen as it was.
    entry* find(const peer_group& group) noexcept {
        const std::uint32_t place = place_of(group);
        return place == none ? nullptr : &entries_[place];
    }
    const entry* find(const peer_group& group) const noexcept {
        const std::uint32_t place = place_of(group);
        return place == none ? nullptr : &entries_[place];
    }

    /// The group, which is known from now on, with a `Value` as it is made; null if all that are known have connections.
    /// @param group one that is not known
    /// @param is_still_over whether a group that was over its limit is so now
    template <class IsStillOver>
    entry* add(const peer_group& group, IsStillOver is_still_over) noexcept {
        entry* place = nullptr;
        if (entries_.size() < max_groups_) {
            place = &entries_.emplace_back();
        } else {
            place = take_victim(is_still_over);
            if (place == nullptr) return nullptr;
            *place = {};
        }
        std::uint32_t& chain = chains_[chain_of(group)];
        place->group = group;
        place->next_in_chain = chain;
        chain = index_of(*place);
        list_of(*place).push_back(*place);
        return place;
    }

    /// The group has been seen, and stands so.
    void seen(entry& known, group_standing standing) noexcept {
        if (known.connections == 0) list_of(known).remove(known);
        known.standing = standing;
        if (known.connections == 0) list_of(known).push_back(known);
    }

    void connection_added(entry& known) noexcept {
        if (known.connections++ == 0) list_of(known).remove(known);
    }
    void connection_removed(entry& known) noexcept {
        if (--known.connections == 0) list_of(known).push_back(known);
    }

    std::size_t size() const noexcept { return entries_.size(); }
    std::size_t max_groups() const noexcept { return max_groups_; }
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

    /// Whether every group is found by its block and is in the list where it belongs; for tests.
    bool check() const noexcept {
        std::size_t idle = 0;
        for (const entry& e : entries_) {
            if (find(e.group) != &e) return false;
            idle += e.connections == 0;
        }
        const auto all_stand_so = [](const list_type& list, group_standing standing) {
            for (const entry* e = list.front(); e != nullptr; e = list_type::next(*e))
                if (e->connections != 0 || e->standing != standing) return false;
            return true;
        };
        return all_stand_so(within_, group_standing::within_limits) && all_stand_so(over_, group_standing::over_limit) &&
               idle == within_.size() + over_.size() && entries_.size() <= max_groups_;
    }

private:
    using list_type = base::linked_list<entry>;
    static constexpr std::uint32_t none = static_cast<std::uint32_t>(-1);

    std::size_t chain_of(const peer_group& group) const noexcept {
        return static_cast<std::size_t>(hash_(group)) & (chains_.size() - 1);
    }
    std::uint32_t place_of(const peer_group& group) const noexcept {
        std::uint32_t place = chains_[chain_of(group)];
        while (place != none && entries_[place].group != group) place = entries_[place].next_in_chain;
        return place;
    }
    std::uint32_t index_of(const entry& e) const noexcept { return static_cast<std::uint32_t>(&e - entries_.data()); }
    list_type& list_of(const entry& e) noexcept {
        return e.standing == group_standing::within_limits ? within_ : over_;
    }

    /// Of the groups over their limit one is looked at each time: that one goes if it no longer is, since then nothing
    /// is lost with it. So those whose time has passed are found without a timer, and a flood of new groups pays little.
    template <class IsStillOver>
    entry* take_victim(IsStillOver is_still_over) noexcept {
        entry* victim = over_.front();
        const bool still_over = victim != nullptr && is_still_over(victim->value);
        if (victim != nullptr) over_.remove(*victim);
        if (victim == nullptr || (still_over && !within_.empty())) {
            if (victim != nullptr) over_.push_back(*victim);
            victim = within_.pop_front();
        } else {
            forgotten_over_limit_ += still_over;
        }
        if (victim == nullptr) return nullptr;
        ++forgotten_;
        std::uint32_t* link = &chains_[chain_of(victim->group)];
        while (*link != index_of(*victim)) link = &entries_[*link].next_in_chain;
        *link = victim->next_in_chain;
        return victim;
    }

    std::vector<entry> entries_;  // reserved once: they never move
    std::vector<std::uint32_t> chains_;
    list_type within_;
    list_type over_;
    std::size_t max_groups_;
    group_hash hash_;
    std::uint64_t forgotten_ = 0;
    std::uint64_t forgotten_over_limit_ = 0;
};

}  // namespace hotpool::inbound
