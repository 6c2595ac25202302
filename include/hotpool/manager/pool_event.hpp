// What a pool tells whoever listens: about one connection, one address, or the pool as a whole.
#pragma once

#include <cstdint>
#include <functional>
#include <system_error>

#include "hotpool/base/event_queue.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/source_location.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/retire_reason.hpp"

namespace hotpool {

/// What is concerned, and with it what recovery means: a connection is replaced, an address is tried again, the pool
/// waits for its origin.
enum class event_level : std::uint8_t { connection, address, pool };

enum class pool_event_kind : std::uint8_t {
    connection_opened,   ///< with `endpoint`
    opening_failed,      ///< one attempt, with `endpoint` and `error`
    connection_ended,    ///< with `endpoint` and `reason`
    lease_leaked,        ///< held longer than `leak_after`, said once: `where` it was lent, and its `age`
    lease_reclaimed,     ///< its place was taken back: `where` and `age`
    address_ejected,     ///< too many failures in a row, the last with `error`
    address_readmitted,  ///< its trial went well
    address_left,        ///< in no answer of the endpoint source for `absent_grace`: its connections are retired
    addresses_unknown,   ///< the endpoint source failed with `error`
    pool_failing,        ///< no connection is left and none can be opened: callers get `error` at once
    pool_recovered,      ///< a connection could be opened again
};

constexpr event_level level_of(pool_event_kind kind) noexcept {
    if (kind <= pool_event_kind::lease_reclaimed) return event_level::connection;
    return kind <= pool_event_kind::addresses_unknown ? event_level::address : event_level::pool;
}

/// The event as a metric label, for example `address_ejected`.
constexpr const char* to_string(pool_event_kind kind) noexcept {
    switch (kind) {
        case pool_event_kind::connection_opened: return "connection_opened";
        case pool_event_kind::opening_failed: return "opening_failed";
        case pool_event_kind::connection_ended: return "connection_ended";
        case pool_event_kind::lease_leaked: return "lease_leaked";
        case pool_event_kind::lease_reclaimed: return "lease_reclaimed";
        case pool_event_kind::address_ejected: return "address_ejected";
        case pool_event_kind::address_readmitted: return "address_readmitted";
        case pool_event_kind::address_left: return "address_left";
        case pool_event_kind::addresses_unknown: return "addresses_unknown";
        case pool_event_kind::pool_failing: return "pool_failing";
        case pool_event_kind::pool_recovered: return "pool_recovered";
    }
    return "unknown";
}

/// Something that happened; `pool_event_kind` says which of the other members mean something.
struct pool_event {
    pool_event_kind kind{};
    ip_endpoint endpoint{};  ///< 0.0.0.0:0 where the transport finds its own way
    std::error_code error{};
    retire_reason reason = retire_reason::none;
    duration age{};
    source_location where{};
};

/// Told of each event once, in order where one thread runs the pool, by any thread and under no lock; must not throw.
using pool_listener = std::function<void(const pool_event&)>;

/// Events that have not been told yet; keeps nothing unless somebody listens.
using event_queue = base::event_queue<pool_event>;

}  // namespace hotpool
