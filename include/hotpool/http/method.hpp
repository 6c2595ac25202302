// What the library has to know of a request method.
#pragma once

#include <string_view>

#include "hotpool/http/request_kind.hpp"

namespace hotpool::http {

struct method_facts {
    std::string_view name;
    request_kind kind = request_kind::plain;
    bool idempotent = false;    ///< RFC 9110, 9.2.2
    bool forbids_body = false;  ///< RFC 9110, 9.3.6 and 9.3.8
    bool expects_body = false;  ///< a body of no bytes is announced too (RFC 9110, 8.6)
};

inline constexpr method_facts known_methods[] = {
    {.name = "GET", .idempotent = true},
    {.name = "POST", .expects_body = true},
    {.name = "HEAD", .kind = request_kind::head, .idempotent = true},
    {.name = "PUT", .idempotent = true, .expects_body = true},
    {.name = "DELETE", .idempotent = true},
    {.name = "PATCH", .expects_body = true},
    {.name = "OPTIONS", .idempotent = true},
    {.name = "CONNECT", .kind = request_kind::connect, .forbids_body = true},
    {.name = "TRACE", .idempotent = true, .forbids_body = true},
};

/// What is true of a method; nothing of one that is unknown.
constexpr method_facts facts_of(std::string_view method) noexcept {
    for (const method_facts& known : known_methods)
        if (known.name == method) return known;
    return {};
}

}  // namespace hotpool::http
