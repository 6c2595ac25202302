// What one call to a parser found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hotpool/base/error.hpp"

namespace hotpool {

/// What happened next in a message.
enum class parse_event : std::uint8_t {
    need_more,     ///< nothing can be told without more bytes
    interim_head,  ///< of a response: a 1xx head other than 101; another head follows
    head,          ///< the final head of a response, the head of a request
    body,          ///< some bytes of the body
    end,           ///< the message is complete
    failed,        ///< the message is refused; the connection is not usable any more
};

/// One step of a parser.
/// @lifetime `piece` is a view into the input of the call
struct parse_result {
    parse_event event = parse_event::need_more;
    std::size_t consumed = 0;  ///< bytes of the input that are not to be presented again
    std::string_view piece;    ///< with `parse_event::body`: its bytes, never empty
    errc error{};              ///< with `parse_event::failed`: why
};

}  // namespace hotpool
