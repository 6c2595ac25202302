// The idle connections, in the order they are lent and grow old.
#pragma once

#include <cstddef>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/manager/slot.hpp"
#include "hotpool/policy/reuse_order.hpp"

namespace hotpool::detail {

/// Newest first. What is only tended for a moment keeps its place, and is passed over meanwhile.
/// @threads distinct objects only
/// @cost constant, but for those being tended at the end that is asked for
template <class Resource>
class idle_set {
public:
    using slot_type = slot<Resource>;

    /// How many have a place, those being tended included.
    std::size_t size() const noexcept { return places_.size(); }

    /// The first idle one from that end; null when there is none.
    slot_type* from(idle_end end) const noexcept {
        slot_type* s = end == idle_end::newest ? places_.front() : places_.back();
        while (s != nullptr && s->state != slot_state::idle)
            s = end == idle_end::newest ? places_.next(*s) : places_.previous(*s);
        return s;
    }

    void add_newest(slot_type& s) noexcept { places_.push_front(s); }
    void add_oldest(slot_type& s) noexcept { places_.push_back(s); }
    void remove(slot_type& s) noexcept { places_.remove(s); }

    /// Calls `visit(slot)` for each that has a place, the oldest first; it may remove that one.
    template <class Visitor>
    void for_each(Visitor visit) {
        slot_type* next = nullptr;
        for (slot_type* s = places_.back(); s != nullptr; s = next) {
            next = places_.previous(*s);
            visit(*s);
        }
    }

private:
    base::linked_list<slot_type> places_;
};

}  // namespace hotpool::detail
