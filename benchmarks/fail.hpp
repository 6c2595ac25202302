// How a call of the system or of OpenSSL that failed ends a benchmark.
#pragma once

#include <openssl/err.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace bench {

[[noreturn]] inline void fail(const char* what) { throw std::system_error{errno, std::generic_category(), what}; }

[[noreturn]] inline void fail_tls(const char* what) {
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_get_error(), text.data(), text.size());
    throw std::runtime_error{what + std::string{": "} + text.data()};
}

}  // namespace bench
