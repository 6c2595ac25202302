// What a small HTTP server may be told.
#pragma once

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "hotpool/base/time.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/inbound/forwarded.hpp"

namespace hotpool::inbound {

/// Fill in what differs from the defaults. How long requests and pauses may take is in the acceptor's `life_options`.
struct http_options {
    /// Of what a client may send. Heads of 16 KiB are what most servers allow; bodies are kept in memory whole.
    http::limits limits{.max_head_bytes = 16 * 1024, .max_body_bytes = 1024 * 1024};

    /// What all requests and replies of the server may keep in memory together, beyond 8 KiB of each connection. Above it,
    /// the one that has kept most for longest is ended (`close_reason::memory_limit`), with 503 where a request was coming;
    /// those that a handler works on are counted, and left alone. 0: no ceiling. What one turn of the loop adds comes on
    /// top until then: a body's room may double, 64 KiB for one that begins, and what the handler replies with.
    std::size_t max_memory_bytes = std::size_t{256} * 1024 * 1024;

    /// Paths whose requests spend no quota (`max_requests_per_group`), and are served when it is spent, such as `/health`
    /// and `/metrics`: what is cheap to answer. Each is compared with the whole path as it comes, without its query.
    std::vector<std::string> unmetered_paths{};

    /// In which field the acceptor's `admission_options::proxies` say who their clients are.
    forwarded_field proxy_field = forwarded_field::x_forwarded_for;

    /// For how long after the server began to drain requests are still served that begin on connections it has; later ones
    /// are refused. 0: not at all. Each reply says `Connection: close` from the drain on.
    duration drain_grace = std::chrono::seconds(5);
    /// After how long a client is told to come back (Retry-After) whose request begins later than that. 0: it is not told.
    /// What a restart takes.
    std::chrono::seconds drain_retry_after = std::chrono::seconds(5);
    /// How long an idle connection stays open once the server drains: a client whose request is on its way is served
    /// instead of being cut off. 0: closed at once. A round trip of a bad network.
    duration drain_idle_time = std::chrono::milliseconds(300);
};

/// Refuses values out of range; corrects nothing.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const http_options& options) {
    options.limits.validate();
    for (const std::string& path : options.unmetered_paths)
        if (path.empty() || path.front() != '/' || path.find('?') != path.npos)
            throw std::invalid_argument(
                "hotpool::inbound::http_options::unmetered_paths must begin with / and have no query");
    if (options.drain_grace < duration::zero())
        throw std::invalid_argument("hotpool::inbound::http_options::drain_grace must not be negative");
    if (options.drain_retry_after < std::chrono::seconds::zero())
        throw std::invalid_argument("hotpool::inbound::http_options::drain_retry_after must not be negative");
    if (options.drain_idle_time < duration::zero())
        throw std::invalid_argument("hotpool::inbound::http_options::drain_idle_time must not be negative");
}

}  // namespace hotpool::inbound
