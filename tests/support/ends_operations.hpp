// The operations of the matrix: one row for each asynchronous function of the public API and each place where it waits.
// `tests/lint/ends.sh` compares `covers` with the headers.
#pragma once

#include <cstdint>
#include <vector>

#include "support/ends_stage.hpp"

namespace hotpool::test {

/// What an operation has around it, so that an ending can be done to it; and what it is like.
enum ends_trait : std::uint32_t {
    has_pool = 1u << 0,
    has_lease = 1u << 1,      ///< works on a lease that the caller holds
    has_reader = 1u << 2,     ///< works on a reader
    on_connection = 1u << 3,  ///< waits for the peer on a connection
    waits_in_pool = 1u << 4,  ///< waits for a connection
    has_acceptor = 1u << 5,
    has_connection = 1u << 6,  ///< works on an accepted connection that the caller holds
    has_responder = 1u << 7,
    takes_no_handler = 1u << 8,
    has_peer = 1u << 9,        ///< of an accepted connection
    stalls_server = 1u << 10,  ///< the server falls silent once more before it is pending
    uploads = 1u << 11,        ///< waits while the request is being written
    limited = 1u << 12,        ///< ends by its own limit of time
    spends_reader = 1u << 13,  ///< the reader is spent when it begins
    pauses = 1u << 14,         ///< waits for time to pass, without a connection
    drains = 1u << 15,         ///< the pool or acceptor is over afterwards
};

/// Which errors are documented for it.
enum class ends_family {
    get,
    warm,
    pool_drain,
    exchange,
    reading,
    body_close,
    lease_io,
    client,
    accept,
    acceptor_drain,
    connection_io,
    connection_close,
    reply
};

struct operation_row {
    const char* name;
    const char* covers;  ///< header:function
    ends_family family;
    std::uint32_t traits;
    void (*set_up)(stage&);
    void (*start)(stage&);
    /// Lets the operation end as it would by itself. Null: only time does that.
    void (*finish)(stage&);
    std::error_code outcome{};  ///< after `finish`

    bool has(std::uint32_t trait) const noexcept { return (traits & trait) != 0; }
};

/// Defined in ends/outbound.cpp and ends/inbound.cpp.
const std::vector<operation_row>& outbound_operations();
const std::vector<operation_row>& inbound_operations();

}  // namespace hotpool::test
