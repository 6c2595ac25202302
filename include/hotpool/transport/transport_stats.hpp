// What a transport counts of its handshakes.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace hotpool {

/// Totals since the transport was made, its copies and earlier options included; all 0 where nothing is counted, as
/// over plain TCP.
struct transport_stats {
    std::uint64_t handshakes = 0;         ///< completed, the peer accepted
    std::uint64_t resumed = 0;            ///< of them, those that went on with an earlier session
    std::uint64_t sessions_offered = 0;   ///< handshakes begun with an earlier session
    std::uint64_t sessions_refused = 0;   ///< of them, answered by a handshake in full
    std::uint64_t sessions_rejected = 0;  ///< of them, failed; the opening was tried once more without
    std::size_t sessions_cached = 0;      ///< kept at this moment
};

/// A transport that counts. One that does not has no such member, and the pool's numbers stay 0.
template <class T>
concept counting_transport = requires(const T transport) {
    { transport.stats() }
    noexcept->std::same_as<transport_stats>;
};

}  // namespace hotpool
