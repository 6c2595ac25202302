// After a response: may the connection be used again?
#pragma once

#include "hotpool/connection/connection.hpp"
#include "hotpool/connection/look.hpp"
#include "hotpool/http/response_parser.hpp"

namespace hotpool::detail {

/// How much is asked of the socket at once: a TLS record and a head fit in.
inline constexpr std::size_t read_block_bytes = 32 * 1024;

/// Judges a connection whose response has been read to its end.
/// @param request_allows the request went out whole and did not ask to close
/// @param bytes_left whether bytes came behind the response
template <class Connection>
void settle(Connection& c, const response_parser& parser, bool request_allows, bool bytes_left) {
    c.last_status = static_cast<std::uint16_t>(parser.status());
    if (!request_allows || !parser.keep_alive()) return c.break_for(retire_reason::connection_close);
    if (parser.announces_forbidden_body()) return c.break_for(retire_reason::protocol_error);
    if (bytes_left) return c.break_for(retire_reason::unsolicited_bytes);
    if (c.stream.has_buffered()) {
        // TLS holds something back, a session ticket or more than was asked for: the socket would not tell.
        if (const retire_reason why = look_at(c); why != retire_reason::none) return c.break_for(why);
    }
    c.usage = connection_usage::clean;
    c.idle_hint = parser.keep_alive_timeout();
}

}  // namespace hotpool::detail
