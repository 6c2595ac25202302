// What the machines of an acceptor know of one connection.
#pragma once

#include <utility>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/base/skew_heap.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/admission_verdict.hpp"
#include "hotpool/inbound/peer_group.hpp"
#include "hotpool/inbound/supervised.hpp"

namespace hotpool::inbound {

struct ready_tag;

/// A connection that was admitted; a driver's connection derives from it. It is an acceptor's from `admitted` to `ended`.
/// @threads those of the acceptor's machine, except for the constants
class accepted_peer : public supervised,
                      public base::list_hook<accepted_peer, ready_tag>,
                      public base::heap_hook<accepted_peer> {
public:
    /// Takes the ticket, and throws nothing.
    accepted_peer(const ip_endpoint& from, admission_ticket& admitted) noexcept
        : peer{from.address.unmapped(), from.port}, group(admitted.group()), ticket(std::move(admitted)) {}

    const ip_endpoint peer;
    const peer_group group;  ///< when it was admitted; `ticket` knows for whom it counts now
    admission_ticket ticket;
    time_point accepted_at{};
    accepted_peer* half_open_next = nullptr;  ///< in the ring of its group in a `half_open_line`
    accepted_peer* half_open_previous = nullptr;
    bool is_ready = false;  ///< open, and nobody has accepted it yet
};

}  // namespace hotpool::inbound
