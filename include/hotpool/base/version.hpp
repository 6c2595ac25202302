#pragma once

/// The version of the library, stated here only: the build reads these three lines.
#define HOTPOOL_VERSION_MAJOR 0
#define HOTPOOL_VERSION_MINOR 1
#define HOTPOOL_VERSION_PATCH 0

/// One number to compare in `#if`: major * 10000 + minor * 100 + patch.
#define HOTPOOL_VERSION (HOTPOOL_VERSION_MAJOR * 10000 + HOTPOOL_VERSION_MINOR * 100 + HOTPOOL_VERSION_PATCH)

#define HOTPOOL_DETAIL_TEXT_OF(x) #x
#define HOTPOOL_DETAIL_DOTTED(major, minor, patch) \
    HOTPOOL_DETAIL_TEXT_OF(major) "." HOTPOOL_DETAIL_TEXT_OF(minor) "." HOTPOOL_DETAIL_TEXT_OF(patch)

/// The same as text: "major.minor.patch".
#define HOTPOOL_VERSION_STRING \
    HOTPOOL_DETAIL_DOTTED(HOTPOOL_VERSION_MAJOR, HOTPOOL_VERSION_MINOR, HOTPOOL_VERSION_PATCH)
