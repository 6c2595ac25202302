// The choices of an accepted plain TCP connection.
#pragma once

namespace hotpool {

/// How accepted sockets are set up: `tcp_server_options{.keep_alive = true}`.
struct tcp_server_options {
    /// Small writes leave at once (TCP_NODELAY), instead of waiting for the acknowledgement of earlier ones.
    bool no_delay = true;
    /// The system probes silent peers (SO_KEEPALIVE), by default after two hours.
    bool keep_alive = false;
};

}  // namespace hotpool
