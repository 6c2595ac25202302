// Whom a block of a group keeps out.
#pragma once

#include <cstdint>

namespace hotpool::inbound {

enum class block_reach : std::uint8_t {
    everyone,   ///< new connections and requests; an acceptor ends the connections that are there
    newcomers,  ///< new connections, and requests of clients behind a proxy; who is there may go on
};

}  // namespace hotpool::inbound
