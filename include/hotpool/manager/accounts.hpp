// Whether the machine's books agree with what its slots say.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "hotpool/manager/ledger.hpp"

namespace hotpool::detail {

/// Counts everything once more by looking at each slot. For tests: nothing of it is asked while a pool runs.
template <class Resource>
class accounts {
public:
    explicit accounts(const ledger<Resource>& l) : ledger_(l) {
        l.slots.for_each([&](const slot<Resource>& s) { count(s); });
    }

    /// Openings that no caller counts on.
    std::size_t doubtful() const noexcept { return doubtful_; }
    /// Slots by what they are probing for.
    const std::array<std::size_t, probe_kind_count>& probing() const noexcept { return probing_; }

    /// Every slot is counted at its address.
    bool loads_agree() const noexcept {
        return std::all_of(loads_.begin(), loads_.end(), [](const auto& e) {
            return e.first->load.connections == e.second.connections && e.first->load.leased == e.second.leased;
        });
    }
    /// Whatever was opened is there, or was counted out for one reason.
    bool ends_agree() const noexcept {
        std::uint64_t ended = 0;
        for (const std::uint64_t n : ledger_.counters.retired) ended += n;
        const auto& slots = ledger_.slots;
        return ledger_.counters.opened == ended + slots.count(slot_state::idle) + slots.count(slot_state::leased) +
                                              slots.count(slot_state::probing);
    }
    /// A slot has what its state says, and nothing else.
    /// @param due when it is due
    static bool is_sound(const slot<Resource>& s, time_point due) noexcept {
        if ((s.state == slot_state::probing) != (s.probing != probe_kind::none)) return false;
        if (s.state == slot_state::closing) return s.retire != retire_reason::none;
        if (s.state == slot_state::idle && (s.retire != retire_reason::none || s.task != slot_task::none)) return false;
        return s.in_wheel() ? s.key <= due : due == never;
    }

private:
    void count(const slot<Resource>& s) {
        doubtful_ += s.dialling != nullptr && s.dialling->doubtful();
        ++probing_[static_cast<std::size_t>(s.probing)];
        if (s.endpoint == nullptr) return;
        auto it = std::find_if(loads_.begin(), loads_.end(), [&](auto& e) { return e.first == s.endpoint.get(); });
        if (it == loads_.end()) it = loads_.insert(it, {s.endpoint.get(), {}});
        ++it->second.connections;
        it->second.leased += s.state == slot_state::leased;
    }

    const ledger<Resource>& ledger_;
    std::size_t doubtful_ = 0;
    std::array<std::size_t, probe_kind_count> probing_{};
    std::vector<std::pair<const endpoint_state*, endpoint_load>> loads_;
};

}  // namespace hotpool::detail
