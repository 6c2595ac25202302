// A program that loads a library while it runs, and shows it no symbols: ./loaded LIBRARY
#include <dlfcn.h>

#include <cstdio>

#include "codes.hpp"

namespace {

int failures = 0;

void check(bool holds, const char* sentence) {
    if (holds) return;
    std::printf("FAILED: %s\n", sentence);
    ++failures;
}

template <class Function>
Function* find(void* library, const char* name) {
    return reinterpret_cast<Function*>(dlsym(library, name));
}

}  // namespace

int main(int, char** arguments) {
    using hotpool::condition;
    using hotpool::errc;
    void* library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        std::printf("FAILED: %s\n", dlerror());
        return 1;
    }
    const auto code_of = find<decltype(library_code)>(library, "library_code");
    const auto knows = find<decltype(library_knows)>(library, "library_knows");
    if (code_of == nullptr || knows == nullptr) return 1;

    std::error_code code;
    code_of(errc::get_timed_out, code);
    check(code == errc::get_timed_out, "codes of the library equal their enumerator");
    check(code == condition::timed_out, "codes of the library answer a condition");
    check(code == std::errc::timed_out, "codes of the library answer a condition of std");
    check(code != errc::pool_closed && code != condition::refused, "codes of the library differ from others");
    const std::error_code ours = errc::get_timed_out;
    check(knows(ours, errc::get_timed_out, condition::timed_out), "the library knows the program's codes");
    return failures;
}
