// Compiled with -fvisibility=hidden -fvisibility-inlines-hidden -O2, as libraries are.
#include "codes.hpp"

void library_code(hotpool::errc e, std::error_code& code) { code = e; }

bool library_knows(const std::error_code& code, hotpool::errc e, hotpool::condition c) {
    return code == e && code == c && code == make_error_code(e).default_error_condition();
}

const std::error_category* library_category() { return &hotpool::hotpool_category(); }
const std::error_category* library_condition_category() { return &hotpool::hotpool_condition_category(); }
