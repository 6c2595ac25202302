// What an acceptor may be given besides its options.
#pragma once

#include <functional>

#include "hotpool/inbound/admission_verdict.hpp"
#include "hotpool/inbound/inbound_event.hpp"

namespace hotpool::inbound {

/// All may be empty.
/// @tparam Stream of the acceptor's connections
template <class Stream>
struct acceptor_services {
    /// Told of what happens.
    inbound_listener listener{};
    /// The executor of each new connection: a strand of its own where several threads run one context, or one context
    /// after the other where each has a thread. Empty: the acceptor's for all. Called by any thread.
    std::function<typename Stream::executor_type()> connection_executor{};
    /// Shown each connection that is refused, over plain TCP only, to say why: as much as a write takes that does not
    /// wait. What the client sends is dropped then until it has closed too, for `linger_timeout` and `max_linger_bytes`
    /// at the longest and for `max_lingering_refusals` at a time. Empty: it is closed without a word. Called by any
    /// thread, under no lock.
    std::function<void(Stream&, const admission_verdict&)> refused{};
};

}  // namespace hotpool::inbound
