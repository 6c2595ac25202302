// Where an acceptor listens, what it lets in, and how long that may stay.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/inbound/accept_backoff.hpp"
#include "hotpool/inbound/admission_options.hpp"
#include "hotpool/inbound/error_alarm.hpp"
#include "hotpool/inbound/group_health.hpp"
#include "hotpool/inbound/life_options.hpp"
#include "hotpool/inbound/resource_guard.hpp"

namespace hotpool::inbound {

/// Fill in what differs from the defaults: `acceptor_options{.addresses = {"127.0.0.1", "::1"}, .port = 8080}`. Those
/// of the listening sockets, down to `reuse_address`, mean something when the acceptor is made only.
struct acceptor_options {
    /// IPv4 and IPv6 addresses to listen at; an IPv6 one takes IPv6 connections only. None given: all that the machine
    /// has of both families, of which it may lack one.
    std::vector<std::string> addresses{};
    /// The same for all addresses. 0: one that the system picks.
    std::uint16_t port = 0;
    /// Connections that the system accepts ahead, for each address. 1 to 65535; the system has a limit of its own.
    int backlog = 1024;
    /// Whether the port may be taken while connections of an earlier process are still winding up (SO_REUSEADDR).
    bool reuse_address = true;

    /// Connections that are open and that no `async_accept` has taken yet; at so many, accepting pauses, and newcomers
    /// wait in the system's backlog. 1 or more.
    std::size_t max_ready = 64;
    /// Connections accepted in one turn of the loop, so that a flood leaves time for those that are open. 1 or more.
    std::size_t accepts_per_turn = 4;

    /// Connections that were refused and have been told why, until their clients have read it (`acceptor_services`); at
    /// so many, the oldest is closed. 0: each is closed at once. They take a descriptor each, and count nowhere else.
    std::size_t max_lingering_refusals = 128;

    admission_options admission{};
    life_options life{};
    accept_backoff_options accept_errors{};
    resource_options resources{};
    error_alarm_options alarm{};
    group_health_options health{};
};

/// Refuses values out of range; corrects nothing.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const acceptor_options& options) {
    const auto refuse = [](const char* field, const char* rule) {
        throw std::invalid_argument(std::string("hotpool::inbound::acceptor_options::") + field + " " + rule);
    };
    for (const std::string& text : options.addresses) {
        if (!ip_address::parse(text)) refuse("addresses", "must be IPv4 or IPv6 addresses");
        if (std::count(options.addresses.begin(), options.addresses.end(), text) != 1)
            refuse("addresses", "must differ");
    }
    if (options.backlog < 1 || options.backlog > 65535) refuse("backlog", "must be from 1 to 65535");
    if (options.max_ready == 0) refuse("max_ready", "must be 1 or more");
    if (options.accepts_per_turn == 0) refuse("accepts_per_turn", "must be 1 or more");
    inbound::validate(options.admission);
    inbound::validate(options.life);
    inbound::validate(options.accept_errors);
    inbound::validate(options.resources);
    inbound::validate(options.alarm);
    inbound::validate(options.health);
}

}  // namespace hotpool::inbound
