// The addresses of one answer and what is known of each. No I/O, no clock, no lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/policy/balance.hpp"
#include "hotpool/policy/endpoint_source.hpp"

namespace hotpool {

/// Whether connections are made to an address.
enum class endpoint_standing : std::uint8_t {
    usable,
    ejected,  ///< it failed too often; one trial is made when its time is over
    trial,    ///< that trial is under way
};

/// One address and what is known of it. The counts of connections are kept by the connection manager.
struct endpoint_state {
    ip_endpoint where;
    bool listed = true;  ///< in the latest answer; connections to an address that is not are retired
    endpoint_standing standing = endpoint_standing::usable;
    endpoint_load load{};
    std::size_t stalled = 0;     ///< openings under way that have been slow enough for another address to be tried
    std::uint64_t failures = 0;  ///< those that were news
    unsigned failures_in_a_row = 0;
    time_point good_since = never;  ///< the first connection opened since the last failure, until one has served
    unsigned ejections = 0;         ///< without a long enough good time between them
    time_point ejected_until{};
    time_point readmitted_at{};
};

/// Holders keep an address alive that the pool has forgotten.
using endpoint_ptr = std::shared_ptr<endpoint_state>;

namespace detail {

class address_list;

/// What an answer makes of a list: made under no lock, taken under one.
struct merged_addresses {
    std::shared_ptr<const address_list> before;
    std::shared_ptr<const address_list> after;
    std::vector<endpoint_ptr> left{};  ///< those of `before` that are not in `after`
};

/// Addresses as the source ordered them, each once. The list never changes, and of its addresses only what is known of
/// them: so two lists may be merged while another thread uses them.
/// @threads any thread
class address_list {
public:
    address_list() = default;

    const std::vector<endpoint_ptr>& in_order() const noexcept { return in_order_; }

    /// What is known of addresses that stay is kept.
    /// @param answer may name an address twice
    /// @errors throws `std::bad_alloc`
    /// @cost n log n by the length of both lists
    static merged_addresses merge(const endpoint_list& answer, std::shared_ptr<const address_list> known) {
        const std::vector<std::size_t> places = first_places(answer);
        std::vector<endpoint_ptr> states(answer.size());
        std::vector<std::size_t> gone;
        auto old = known->by_address_.begin();
        for (const std::size_t place : places) {
            for (; old != known->by_address_.end() && known->in_order_[*old]->where < answer[place]; ++old)
                gone.push_back(*old);
            const bool stays = old != known->by_address_.end() && known->in_order_[*old]->where == answer[place];
            states[place] = stays ? known->in_order_[*old++] : made(answer[place]);
        }
        gone.insert(gone.end(), old, known->by_address_.end());
        std::sort(gone.begin(), gone.end());

        merged_addresses merged;
        merged.after = std::make_shared<const address_list>(std::move(states), places);
        merged.left.reserve(gone.size());
        for (const std::size_t place : gone) merged.left.push_back(known->in_order_[place]);
        merged.before = std::move(known);
        return merged;
    }

    /// @param states null where an address is named a second time
    /// @param places those of the others, by address
    address_list(std::vector<endpoint_ptr> states, std::vector<std::size_t> places) : by_address_(std::move(places)) {
        std::vector<std::size_t> moved_to(states.size());
        in_order_.reserve(by_address_.size());
        for (std::size_t i = 0; i < states.size(); ++i) {
            moved_to[i] = in_order_.size();
            if (states[i] != nullptr) in_order_.push_back(std::move(states[i]));
        }
        for (std::size_t& place : by_address_) place = moved_to[place];
    }

private:
    static endpoint_ptr made(const ip_endpoint& where) {
        auto e = std::make_shared<endpoint_state>();
        e->where = where;
        return e;
    }
    /// Where each address is named first, by address.
    static std::vector<std::size_t> first_places(const endpoint_list& list) {
        std::vector<std::size_t> places(list.size());
        std::iota(places.begin(), places.end(), std::size_t{0});
        std::sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
            const auto order = list[a] <=> list[b];
            return order != 0 ? order < 0 : a < b;
        });
        const auto same = [&](std::size_t a, std::size_t b) { return list[a] == list[b]; };
        places.erase(std::unique(places.begin(), places.end(), same), places.end());
        return places;
    }

    std::vector<endpoint_ptr> in_order_;
    std::vector<std::size_t> by_address_;  // places in `in_order_`
};

}  // namespace detail
}  // namespace hotpool
