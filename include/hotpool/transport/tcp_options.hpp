// The choices of a plain TCP connection.
#pragma once

#include "hotpool/transport/proxy_options.hpp"

namespace hotpool {

/// How sockets are set up: `tcp_options{.keep_alive = true}`.
struct tcp_options {
    /// Small writes leave at once (TCP_NODELAY), instead of waiting for the acknowledgement of earlier ones.
    bool no_delay = true;
    /// The system probes silent peers (SO_KEEPALIVE), by default after two hours.
    bool keep_alive = false;
    /// Connections are tunnels through this HTTP proxy; by default there is none.
    proxy_options proxy{};
};

}  // namespace hotpool
