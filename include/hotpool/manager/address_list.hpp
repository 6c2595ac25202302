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
    bool listed = true;               ///< connections to an address that is not are retired
    time_point absent_since = never;  ///< answers do not name it any more: nothing new is opened to it
    endpoint_standing standing = endpoint_standing::usable;
    endpoint_load load{};
    std::size_t stalled = 0;     ///< openings under way that have been slow enough for another address to be tried
    std::uint64_t failures = 0;  ///< those that were news
    unsigned failures_in_a_row = 0;
    time_point good_since = never;  ///< the first connection opened since the last failure, until one has served
    unsigned ejections = 0;         ///< without a long enough good time between them
    time_point ejected_until{};
    time_point readmitted_at{};

    bool is_named() const noexcept { return listed && absent_since == never; }
};

/// Holders keep an address alive that the pool has forgotten.
using endpoint_ptr = std::shared_ptr<endpoint_state>;

namespace detail {

class address_list;

/// What an answer makes of a list: made under no lock, taken under one.
struct merged_addresses {
    std::shared_ptr<const address_list> before;
    std::shared_ptr<address_list> after;   ///< nobody else's yet
    std::vector<endpoint_ptr> returned{};  ///< those absent from `before` that are named again
    std::vector<endpoint_ptr> left{};      ///< room for all who may leave for good
};

/// Addresses as the source ordered them, each once, and behind them those that only earlier answers have named. A list
/// that is in use never changes, and of its addresses only what is known of them: so two lists may be merged while another
/// thread uses them.
/// @threads any thread
class address_list {
public:
    address_list() = default;

    const std::vector<endpoint_ptr>& in_order() const noexcept { return in_order_; }
    /// By address.
    const std::vector<endpoint_ptr>& absent() const noexcept { return absent_; }

    /// What is known of addresses that stay is kept; those that are not named any more are absent.
    /// @param answer may name an address twice
    /// @errors throws `std::bad_alloc`
    /// @cost n log n by the length of both lists
    static merged_addresses merge(const endpoint_list& answer, std::shared_ptr<const address_list> known) {
        const std::vector<std::size_t> places = first_places(answer);
        const std::vector<endpoint_ptr> all = known->by_address();
        std::vector<endpoint_ptr> states(answer.size()), absent;
        merged_addresses merged;
        auto old = all.begin();
        auto away = known->absent_.begin();
        for (const std::size_t place : places) {
            for (; old != all.end() && (*old)->where < answer[place]; ++old) absent.push_back(*old);
            const bool stays = old != all.end() && (*old)->where == answer[place];
            states[place] = stays ? *old++ : made(answer[place]);
            away = std::find_if(away, known->absent_.end(),
                                [&](const endpoint_ptr& e) { return !(e->where < answer[place]); });
            if (stays && away != known->absent_.end() && *away == states[place]) merged.returned.push_back(*away);
        }
        absent.insert(absent.end(), old, all.end());
        merged.left.reserve(absent.size());
        merged.after = std::make_shared<address_list>(std::move(states), places, std::move(absent));
        merged.before = std::move(known);
        return merged;
    }

    /// @param states null where an address is named a second time
    /// @param places those of the others, by address
    address_list(std::vector<endpoint_ptr> states, std::vector<std::size_t> places, std::vector<endpoint_ptr> absent)
        : by_address_(std::move(places)), absent_(std::move(absent)) {
        std::vector<std::size_t> moved_to(states.size());
        in_order_.reserve(by_address_.size());
        for (std::size_t i = 0; i < states.size(); ++i) {
            moved_to[i] = in_order_.size();
            if (states[i] != nullptr) in_order_.push_back(std::move(states[i]));
        }
        for (std::size_t& place : by_address_) place = moved_to[place];
    }

    /// Forgets those of the absent of which `leaves(const endpoint_ptr&)` says so, before the list is in use.
    template <class Leaves>
    void forget_absent(Leaves leaves) noexcept {
        std::erase_if(absent_, leaves);
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

    /// The absent ones too.
    std::vector<endpoint_ptr> by_address() const {
        std::vector<endpoint_ptr> all;
        all.reserve(in_order_.size() + absent_.size());
        auto away = absent_.begin();
        for (const std::size_t place : by_address_) {
            for (; away != absent_.end() && (*away)->where < in_order_[place]->where; ++away) all.push_back(*away);
            all.push_back(in_order_[place]);
        }
        all.insert(all.end(), away, absent_.end());
        return all;
    }

    std::vector<endpoint_ptr> in_order_;
    std::vector<std::size_t> by_address_;  // places in `in_order_`
    std::vector<endpoint_ptr> absent_;
};

}  // namespace detail
}  // namespace hotpool
