// What of a request decides how its response is framed.
#pragma once

#include <cstdint>

namespace hotpool {

/// A response to HEAD has no body, a 2xx to CONNECT turns the connection into a tunnel.
enum class request_kind : std::uint8_t { plain, head, connect };

}  // namespace hotpool
