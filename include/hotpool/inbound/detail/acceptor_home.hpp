// What an accepted connection asks of its acceptor.
#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>

#include "hotpool/base/ip_address.hpp"
#include "hotpool/inbound/admission_verdict.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/inbound_counters.hpp"

namespace hotpool::inbound::detail {

/// Called under no lock, by any thread; see `acceptor_machine` for each.
template <class State>
class acceptor_home {
public:
    virtual void handshake_succeeded(State& c) = 0;
    virtual void handshake_failed(State& c, std::error_code error) = 0;
    /// Once for each connection, whatever ends it.
    virtual void ended(State& c, close_reason why) = 0;
    virtual std::uint64_t close_begun(State& c, close_reason why) = 0;

    virtual void request_awaited(State& c) = 0;
    virtual close_reason request_begun(State& c) = 0;
    virtual void request_received(State& c) = 0;
    virtual void reply_progressed(State& c) = 0;
    virtual void request_ended(State& c, request_outcome outcome, reply_said said) = 0;
    virtual void request_followed(State& c, request_outcome outcome) = 0;
    virtual close_reason last_request(const State& c) = 0;
    virtual admission_verdict request_offered(State& c, const ip_address* client, metering counts) = 0;
    virtual admission_verdict client_named(State& c, const ip_address& client) = 0;

    std::atomic<std::uint64_t> bytes_in{0};
    std::atomic<std::uint64_t> bytes_out{0};

protected:
    ~acceptor_home() = default;
};

}  // namespace hotpool::inbound::detail
