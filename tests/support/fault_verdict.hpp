// What an error promises about the request that it ended.
#pragma once

#include <system_error>

#include "hotpool/error.hpp"

namespace hotpool::test {

/// Whether `condition::maybe_processed` holds for every error after which a POST may have been processed. While it
/// does not, only those errors are taken at their word that come before the first byte of a request.
inline constexpr bool maybe_processed_is_exact =
    hotpool::detail::answers(errc::request_timed_out, condition::maybe_processed);

/// Whether the error says that the request has not been processed.
inline bool says_unprocessed(std::error_code error) noexcept {
    if constexpr (maybe_processed_is_exact) return error != condition::maybe_processed;
    return error == condition::open_failed || error == condition::refused || error == errc::get_timed_out ||
           error == errc::stale_connection || error == errc::request_unsent;
}

/// Whether the error is one of this library's, and has a name.
inline bool is_named(std::error_code error) {
    return error.category() == hotpool_category() && error.message() != "unknown hotpool error";
}

}  // namespace hotpool::test
