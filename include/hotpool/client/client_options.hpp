// The numbers and fields of a client.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/base/version.hpp"
#include "hotpool/exchange/exchange_options.hpp"
#include "hotpool/http/field_block.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/http/request_fields.hpp"

namespace hotpool {

/// What every request of a client has in common.
struct client_options {
    /// The User-Agent of requests that name none; empty: none is sent.
    std::string user_agent = "hotpool/" HOTPOOL_VERSION_STRING;
    /// Fields for requests that do not have them themselves.
    std::vector<std::pair<std::string, std::string>> default_headers = {};
    /// From the call to the end of the response: waiting for a connection, retries and the body included. 0: no limit.
    duration request_timeout = std::chrono::seconds(30);
    /// How much the peer may send.
    http::limits limits = {};
    /// See `exchange_options::continue_timeout`.
    duration continue_timeout = std::chrono::seconds(1);
    /// See `exchange_options::upload_stall_timeout`.
    duration upload_stall_timeout = std::chrono::seconds(1);
    /// See `exchange_options::first_byte_timeout`. At most `request_timeout`, unless that is 0.
    duration first_byte_timeout = duration::zero();
    /// See `exchange_options::between_bytes_timeout`. At most `request_timeout`, unless that is 0.
    duration between_bytes_timeout = duration::zero();
    /// The longest wait that a response 503 or 429 may ask for by its Retry-After: then an idempotent request waits as
    /// long and is sent again, if tries and deadline allow it. A response that asks for more, and any other, is the
    /// caller's. 0: each is the caller's. At most `request_timeout`, unless that is 0.
    duration max_retry_after = duration::zero();
};

namespace detail {

/// The fields that every request of a client gets, checked.
/// @errors throws `std::invalid_argument` naming the field and the rule
inline http::field_block default_fields(const client_options& options) {
    http::field_block block;
    const auto add = [&](const std::string& name, const std::string& value, const char* option) {
        if (const errc e = block.append(name, value); e != errc{})
            throw std::invalid_argument(std::string("hotpool::client_options::") + option + " " + name + ": " +
                                        make_error_code(e).message());
    };
    bool agent_named = options.user_agent.empty();
    for (const auto& [name, value] : options.default_headers) {
        if (http::is_managed_field(name))
            throw std::invalid_argument("hotpool::client_options::default_headers " + name +
                                        ": is written by the library");
        add(name, value, "default_headers");
        agent_named = agent_named || http::equals_ignoring_case(name, "User-Agent");
    }
    if (!agent_named) add("User-Agent", options.user_agent, "user_agent");
    return block;
}

}  // namespace detail

/// @errors throws `std::invalid_argument` naming the field and the rule
inline void validate(const client_options& options) {
    const auto refuse = [](const char* option, const char* rule) {
        throw std::invalid_argument(std::string("hotpool::client_options::") + option + rule);
    };
    if (options.request_timeout < duration::zero()) refuse("request_timeout", " must not be negative");
    const auto check_part = [&](duration part, const char* option) {
        if (part < duration::zero()) refuse(option, " must not be negative");
        if (part > options.request_timeout && options.request_timeout != duration::zero())
            refuse(option, " must not be more than request_timeout");
    };
    check_part(options.first_byte_timeout, "first_byte_timeout");
    check_part(options.between_bytes_timeout, "between_bytes_timeout");
    check_part(options.max_retry_after, "max_retry_after");
    validate(exchange_options{.limits = options.limits,
                              .continue_timeout = options.continue_timeout,
                              .upload_stall_timeout = options.upload_stall_timeout});
}

}  // namespace hotpool
