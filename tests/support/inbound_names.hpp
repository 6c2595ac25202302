// The accepting side's enumerations by name in failed checks.
#pragma once

#include <ostream>

#include "hotpool/inbound/connection_supervisor.hpp"

namespace hotpool::inbound {

inline std::ostream& operator<<(std::ostream& out, life_state value) { return out << to_string(value); }
inline std::ostream& operator<<(std::ostream& out, close_reason value) { return out << to_string(value); }
inline std::ostream& operator<<(std::ostream& out, refuse_reason value) { return out << to_string(value); }
inline std::ostream& operator<<(std::ostream& out, const life_counts& c) {
    return out << c.accepted << " accepted, " << c.handshaking << " handshaking, " << c.open << " open, " << c.draining
               << " draining";
}

inline std::ostream& operator<<(std::ostream& out, life_task task) {
    constexpr const char* names[] = {"none", "send_ping", "tell_draining", "close", "abort"};
    return out << names[static_cast<std::size_t>(task)];
}

}  // namespace hotpool::inbound
