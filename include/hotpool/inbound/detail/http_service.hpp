// What all sessions of an HTTP server share.
#pragma once

#include <functional>
#include <string_view>
#include <utility>

#include "hotpool/base/mutex.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/http_options.hpp"
#include "hotpool/inbound/memory_ceiling.hpp"
#include "hotpool/inbound/request.hpp"
#include "hotpool/inbound/responder.hpp"
#include "hotpool/inbound/trusted_proxies.hpp"
#include "hotpool/inbound/turn_share.hpp"

namespace hotpool::inbound::detail {

struct http_service {
    using handler_type = std::function<void(const request&, responder)>;

    http_service(handler_type run, const http_options& o, trusted_proxies believed)
        : handler(std::move(run)), options(o), proxies(std::move(believed)) {}

    const handler_type handler;
    const http_options options;
    const trusted_proxies proxies;

    base::mutex memory_mutex;
    memory_ceiling memory{options.max_memory_bytes};  // under it
    base::mutex turn_mutex;
    turn_share turns;  // under it
};

/// What a client is told whose request a limit has cut.
inline std::string_view http_last_words(close_reason why) noexcept {
    switch (why) {
        case close_reason::request_timed_out:
            return "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        case close_reason::handler_timed_out:
            return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        case close_reason::memory_limit:
            return "HTTP/1.1 503 Service Unavailable\r\n"
                   "Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        default: return {};
    }
}

}  // namespace hotpool::inbound::detail
