// What it means that a connection ends before it has served anyone.
#pragma once

#include <chrono>
#include <cstdint>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/manager/retire_reason.hpp"

namespace hotpool::detail {

/// A connection that ends sooner than this after its opening, and has served nobody, was opened for nothing. One that
/// has lasted longer was good: servers that close connections which nobody uses leave them alone for some seconds, while
/// a server that is full, a proxy before a dead origin and a certificate that is refused show at once.
inline constexpr duration proving_time = std::chrono::seconds(1);

/// @param good_since when a connection was opened that has not ended early; `never`: none
constexpr bool is_proven(time_point good_since, time_point now) noexcept {
    return good_since <= now && base::elapsed(good_since, now) >= proving_time;
}

/// By whose doing a connection has ended.
enum class ended_by : std::uint8_t {
    circumstance,  ///< something happened that will not happen to each new one: the program said so, a caller gave up
    pool,          ///< the pool's own numbers and policies, or a server that closes what lies idle
    peer,          ///< its opening has failed after all
};

/// @param used whether it has been lent: what nobody has used yet a server may close as it likes
constexpr ended_by who_ended(retire_reason why, bool used) noexcept {
    switch (why) {
        case retire_reason::peer_closed: return used ? ended_by::peer : ended_by::pool;
        case retire_reason::unsolicited_bytes:
        case retire_reason::transport_error:
        case retire_reason::probe_failed:
        case retire_reason::certificate_refused:
        case retire_reason::validation_failed: return ended_by::peer;
        case retire_reason::idle_timeout:
        case retire_reason::max_lifetime:
        case retire_reason::surplus:
        case retire_reason::budget: return ended_by::pool;
        default: return ended_by::circumstance;
    }
}

/// The same end as the failure of an opening; none where it is no failure of anybody's.
inline std::error_code opening_error(retire_reason why) noexcept {
    switch (why) {
        case retire_reason::peer_closed:
        case retire_reason::transport_error: return errc::closed_unserved;
        case retire_reason::unsolicited_bytes: return errc::spoke_unasked;
        case retire_reason::probe_failed:
        case retire_reason::validation_failed: return errc::probe_failed;
        case retire_reason::certificate_refused: return errc::client_certificate_refused;
        case retire_reason::max_lifetime: return errc::lifetime_over;
        case retire_reason::idle_timeout: return errc::idle_timed_out;
        default: return {};
    }
}

}  // namespace hotpool::detail
