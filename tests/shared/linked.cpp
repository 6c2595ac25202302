// A program and a library that it is linked to have the same error codes.
#include <cstdio>

#include "codes.hpp"

namespace {

int failures = 0;

void check(bool holds, const char* sentence) {
    if (holds) return;
    std::printf("FAILED: %s\n", sentence);
    ++failures;
}

}  // namespace

int main() {
    using hotpool::condition;
    using hotpool::errc;
    std::error_code code;
    library_code(errc::get_timed_out, code);
    const std::error_code ours = errc::get_timed_out;

    check(library_category() == &hotpool::hotpool_category(), "there is one category of errc");
    check(library_condition_category() == &hotpool::hotpool_condition_category(), "there is one category of condition");
    check(code == ours, "codes of the library equal codes of the program");
    check(code == errc::get_timed_out, "codes of the library equal their enumerator");
    check(code == condition::timed_out, "codes of the library answer a condition");
    check(code == std::errc::timed_out, "codes of the library answer a condition of std");
    check(code != errc::pool_closed && code != condition::refused, "codes of the library differ from others");
    check(library_knows(ours, errc::get_timed_out, condition::timed_out), "the library knows the program's codes");
    return failures;
}
