// What the accepting side counts.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/refuse_reason.hpp"
#include "hotpool/metrics/histogram.hpp"

namespace hotpool::inbound {

/// How a request ended.
enum class request_outcome : std::uint8_t {
    served,   ///< as its peer may expect, be it with a 404
    refused,  ///< by a limit or because the server leaves: 429, 503
    failed,   ///< by a fault of either side: 400, 500, a handler that threw
};

/// What a reply has told its peer of the connection.
enum class reply_said : std::uint8_t {
    nothing,   ///< what becomes of it is for `last_request` to say, now as before
    it_stays,  ///< a request may be on its way: what has come up since the reply was made does not end it at once
};

/// The errors that a handshake may end with, one counter each; any other code counts as `other`.
inline constexpr errc first_handshake_error = errc::tls_setup_failed;
inline constexpr errc last_handshake_error = errc::alpn_mismatch;
inline constexpr std::size_t handshake_error_count =
    static_cast<std::size_t>(last_handshake_error) - static_cast<std::size_t>(first_handshake_error) + 2;

/// Where a handshake's error is counted; the last place is that of all others.
inline std::size_t handshake_error_index(std::error_code error) noexcept {
    const auto first = static_cast<int>(first_handshake_error), last = static_cast<int>(last_handshake_error);
    if (error.category() != hotpool_category() || error.value() < first || error.value() > last)
        return handshake_error_count - 1;
    return static_cast<std::size_t>(error.value() - first);
}

/// The error counted there as a metric label, for example `certificate_missing`.
constexpr const char* handshake_error_label(std::size_t index) noexcept {
    switch (static_cast<errc>(static_cast<std::size_t>(first_handshake_error) + index)) {
        case errc::tls_setup_failed: return "tls_setup_failed";
        case errc::handshake_failed: return "handshake_failed";
        case errc::handshake_timed_out: return "handshake_timed_out";
        case errc::handshake_closed: return "handshake_closed";
        case errc::certificate_missing: return "certificate_missing";
        case errc::certificate_expired: return "certificate_expired";
        case errc::certificate_not_yet_valid: return "certificate_not_yet_valid";
        case errc::certificate_host_mismatch: return "certificate_host_mismatch";
        case errc::certificate_self_signed: return "certificate_self_signed";
        case errc::certificate_unknown_issuer: return "certificate_unknown_issuer";
        case errc::certificate_revoked: return "certificate_revoked";
        case errc::certificate_invalid: return "certificate_invalid";
        case errc::certificate_pin_mismatch: return "certificate_pin_mismatch";
        case errc::alpn_mismatch: return "alpn_mismatch";
        default: return "other";
    }
}

/// Totals since the server was made. The supervisor counts what it is told of, the driver the rest.
struct inbound_counters {
    // the supervisor's
    std::uint64_t accepted = 0;  ///< connections admitted
    std::uint64_t opened = 0;    ///< of them, those that came through their handshake
    std::uint64_t requests = 0;  ///< requests begun
    std::uint64_t served = 0;    ///< requests that ended so
    std::uint64_t refused_requests = 0;
    std::uint64_t failed_requests = 0;
    std::uint64_t cut_requests = 0;                          ///< requests whose connection ended before them
    std::uint64_t pings = 0;                                 ///< asked for
    std::uint64_t examined = 0;                              ///< connections that a sweep has looked at
    std::array<std::uint64_t, close_reason_count> closed{};  ///< connections ended, by `close_reason`
    metrics::histogram establish_us;                         ///< from accept to open
    metrics::histogram request_us;                           ///< from a request's first byte to the end of its reply

    // the driver's
    std::array<std::uint64_t, refuse_reason_count> refused{};               ///< connections, by `refuse_reason`
    std::array<std::uint64_t, handshake_error_count> handshake_failures{};  ///< by `handshake_error_index`
    std::uint64_t refusals_cut = 0;   ///< refused, and closed before their time to read why, for others
    std::uint64_t accept_errors = 0;  ///< of the listening socket
    std::uint64_t accept_pauses = 0;  ///< times that accepting was put off for want of descriptors or memory
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t alarms = 0;  ///< times that the error rate was too high

    // of a program that has a registry: `send_counts::dropped` of its totals, written here before it shows them
    std::uint64_t queue_drops = 0;

    void connection_refused(refuse_reason why) noexcept { ++refused[static_cast<std::size_t>(why)]; }
    void handshake_failed(std::error_code error) noexcept { ++handshake_failures[handshake_error_index(error)]; }

    std::uint64_t refused_for(refuse_reason why) const noexcept { return refused[static_cast<std::size_t>(why)]; }
    std::uint64_t closed_for(close_reason why) const noexcept { return closed[static_cast<std::size_t>(why)]; }
    std::uint64_t handshake_failures_for(std::error_code error) const noexcept {
        return handshake_failures[handshake_error_index(error)];
    }
};

/// A span as histograms count it; nothing less than 0.
constexpr std::uint64_t in_microseconds(duration span) noexcept {
    const auto count = std::chrono::duration_cast<std::chrono::microseconds>(span).count();
    return count < 0 ? 0 : static_cast<std::uint64_t>(count);
}

}  // namespace hotpool::inbound
