// What the accepting side tells whoever listens: about one connection, one group, or the server as a whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <system_error>

#include "hotpool/base/event_queue.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/ip_block.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/connection_id.hpp"
#include "hotpool/inbound/refuse_reason.hpp"

namespace hotpool::inbound {

/// What is concerned, and with it what recovery means: a connection is ended, a group is kept out for a time, the whole
/// server accepts less or nothing until it is well again.
enum class inbound_level : std::uint8_t { connection, group, whole };

enum class inbound_event_kind : std::uint8_t {
    connection_opened,   ///< it is through its handshake
    connection_refused,  ///< not admitted, with `refused`
    handshake_failed,    ///< with `error`
    connection_ended,    ///< with `closed`, and `span`, its age
    group_blocked,       ///< with `span`, for how long, and `error`, the last of those that led to it
    group_recovered,     ///< it may come again
    accepting_paused,    ///< with `error` and `span`, until the next try
    accepting_resumed,   ///< a connection was accepted again
    listener_lost,       ///< a listening socket does not accept any more, with `error`
    listener_reopened,   ///< another one has taken its place
    resources_short,     ///< descriptors or memory: newcomers are refused
    resources_recovered,
    alarm_raised,  ///< too large a share of what happened lately were errors, the last of them `error`
    alarm_cleared,
    draining,  ///< nothing is accepted any more, and everyone is asked to leave
    drained,   ///< everyone has left
};

inline constexpr std::size_t inbound_event_kind_count = static_cast<std::size_t>(inbound_event_kind::drained) + 1;

constexpr inbound_level level_of(inbound_event_kind kind) noexcept {
    if (kind <= inbound_event_kind::connection_ended) return inbound_level::connection;
    return kind <= inbound_event_kind::group_recovered ? inbound_level::group : inbound_level::whole;
}

/// The event as a metric label, for example `group_blocked`.
constexpr const char* to_string(inbound_event_kind kind) noexcept {
    switch (kind) {
        case inbound_event_kind::connection_opened: return "connection_opened";
        case inbound_event_kind::connection_refused: return "connection_refused";
        case inbound_event_kind::handshake_failed: return "handshake_failed";
        case inbound_event_kind::connection_ended: return "connection_ended";
        case inbound_event_kind::group_blocked: return "group_blocked";
        case inbound_event_kind::group_recovered: return "group_recovered";
        case inbound_event_kind::accepting_paused: return "accepting_paused";
        case inbound_event_kind::accepting_resumed: return "accepting_resumed";
        case inbound_event_kind::listener_lost: return "listener_lost";
        case inbound_event_kind::listener_reopened: return "listener_reopened";
        case inbound_event_kind::resources_short: return "resources_short";
        case inbound_event_kind::resources_recovered: return "resources_recovered";
        case inbound_event_kind::alarm_raised: return "alarm_raised";
        case inbound_event_kind::alarm_cleared: return "alarm_cleared";
        case inbound_event_kind::draining: return "draining";
        case inbound_event_kind::drained: return "drained";
    }
    return "unknown";
}

/// Something that happened; `inbound_event_kind` says which of the other members mean something.
struct inbound_event {
    inbound_event_kind kind{};
    ip_endpoint peer{};  ///< of a connection; of a listener, its own address
    ip_block group{};    ///< of a connection and of a group
    connection_id id{};  ///< of a connection that has one
    std::error_code error{};
    close_reason closed = close_reason::none;
    refuse_reason refused = refuse_reason::none;
    duration span{};
};

/// Told of each event once, in order where one thread runs the server, by any thread and under no lock; must not throw.
using inbound_listener = std::function<void(const inbound_event&)>;

/// Events that have not been told yet; keeps nothing unless somebody listens.
using inbound_event_queue = base::event_queue<inbound_event>;

}  // namespace hotpool::inbound
