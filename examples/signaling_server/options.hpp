// What the server is told on its command line and in its environment.
#pragma once

#include <hotpool/base/time.hpp>
#include <hotpool/inbound/admission_options.hpp>
#include <hotpool/inbound/life_options.hpp>
#include <hotpool/inbound/registry_options.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace signaling {

struct options {
    std::uint16_t port = 0;                  ///< 0: one that is free
    bool every_address = false;              ///< or on loopback only
    std::string certificate_file, key_file;  ///< PEM; none: made for localhost, and printed
    hotpool::duration drain_time = std::chrono::seconds(5);

    hotpool::inbound::admission_options admission{};
    /// Who is there shows in pongs; there is no other silence to end.
    hotpool::inbound::life_options life{.idle_timeout = hotpool::duration::zero(),
                                        .heartbeat_interval = std::chrono::seconds(30)};
    /// Enough for a group of ten to come and to go while a reader is busy. Who misses a message knows of peers that are
    /// not there, so it had better come back and be told anew.
    hotpool::inbound::registry_options queues{.queue_limit = 32,
                                              .when_full = hotpool::inbound::slow_reader::disconnect};
};

/// @errors throws `std::invalid_argument`
options read_options(int argc, const char* const* argv);

extern const char* const usage;

}  // namespace signaling
