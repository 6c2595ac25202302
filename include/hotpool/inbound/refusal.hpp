// The replies to who is not admitted.
#pragma once

#include <chrono>
#include <string>

#include "hotpool/base/time.hpp"
#include "hotpool/inbound/refuse_reason.hpp"
#include "hotpool/inbound/reply.hpp"

namespace hotpool::inbound {

/// 429 where the client itself asks too much, 403 where it is denied, and 503 where the server is at its end.
/// @source RFC 6585, 4; RFC 9110, 15.5.4 and 15.6.4
constexpr unsigned refusal_status(refuse_reason why) noexcept {
    switch (why) {
        case refuse_reason::denied: return 403;
        case refuse_reason::blocked:
        case refuse_reason::group_connections:
        case refuse_reason::group_requests: return 429;
        default: return 503;
    }
}

/// @param retry_after rounded up to seconds for Retry-After; 0 or less: there is no such field
inline reply make_refusal(unsigned status, duration retry_after) {
    reply r(status);
    if (retry_after > duration::zero()) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry_after);
        r.header("Retry-After", std::to_string(seconds.count()));
    }
    return r;
}

}  // namespace hotpool::inbound
