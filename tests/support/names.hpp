// The machine's enumerations by name in failed checks.
#pragma once

#include <ostream>

#include "hotpool/connection_manager.hpp"

namespace hotpool::test {

inline const char* name_of(slot_state state) noexcept {
    switch (state) {
        case slot_state::vacant: return "vacant";
        case slot_state::opening: return "opening";
        case slot_state::idle: return "idle";
        case slot_state::leased: return "leased";
        case slot_state::probing: return "probing";
        case slot_state::closing: return "closing";
    }
    return "?";
}

inline const char* name_of(slot_task task) noexcept {
    switch (task) {
        case slot_task::none: return "none";
        case slot_task::open: return "open";
        case slot_task::abort_opening: return "abort_opening";
        case slot_task::close: return "close";
        case slot_task::rest: return "rest";
        case slot_task::probe: return "probe";
        case slot_task::report_leak: return "report_leak";
        case slot_task::expire_lease: return "expire_lease";
    }
    return "?";
}

inline const char* name_of(get_outcome outcome) noexcept {
    switch (outcome) {
        case get_outcome::granted: return "granted";
        case get_outcome::queued: return "queued";
        case get_outcome::refused: return "refused";
    }
    return "?";
}

}  // namespace hotpool::test

namespace hotpool {

inline std::ostream& operator<<(std::ostream& out, slot_state value) { return out << test::name_of(value); }
inline std::ostream& operator<<(std::ostream& out, slot_task value) { return out << test::name_of(value); }
inline std::ostream& operator<<(std::ostream& out, get_outcome value) { return out << test::name_of(value); }
inline std::ostream& operator<<(std::ostream& out, retire_reason value) { return out << to_string(value); }

inline std::ostream& operator<<(std::ostream& out, const connection_counts& c) {
    return out << c.opening << " opening, " << c.idle << " idle, " << c.leased << " leased, " << c.probing
               << " probing, " << c.closing << " closing, " << c.waiting << " waiting";
}

}  // namespace hotpool

namespace hotpool::detail {

inline std::ostream& operator<<(std::ostream& out, const openings& o) {
    return out << o.total << " openings, " << o.for_warm_up << " of them to warm up";
}
inline std::ostream& operator<<(std::ostream& out, failure_reach reach) { return out << static_cast<int>(reach); }
inline std::ostream& operator<<(std::ostream& out, due_matter what) { return out << static_cast<int>(what); }

}  // namespace hotpool::detail
