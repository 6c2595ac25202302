// What an error promises about the request that it ended.
#pragma once

#include <system_error>

#include "hotpool/error.hpp"

namespace hotpool::test {

/// Whether the error says that the request has not been processed.
inline bool says_unprocessed(std::error_code error) noexcept { return error != condition::maybe_processed; }

/// Whether the error is one of this library's, and has a name.
inline bool is_named(std::error_code error) {
    return error.category() == hotpool_category() && error.message() != "unknown hotpool error";
}

}  // namespace hotpool::test
