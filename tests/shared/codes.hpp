// What a library that uses hotpool hands to the program: codes and conditions made inside it.
#pragma once

#include <system_error>

#include "hotpool/error.hpp"

#define SHARED_EXPORT extern "C" __attribute__((visibility("default")))

/// The error `e` as the library makes it.
SHARED_EXPORT void library_code(hotpool::errc e, std::error_code& code);

/// Whether the library finds that `code` is `e`, and that it answers `c`.
SHARED_EXPORT bool library_knows(const std::error_code& code, hotpool::errc e, hotpool::condition c);

/// The categories at the addresses where the library sees them.
SHARED_EXPORT const std::error_category* library_category();
SHARED_EXPORT const std::error_category* library_condition_category();
