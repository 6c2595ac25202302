// The numbers and fields of a client.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotpool/base/time.hpp"
#include "hotpool/error.hpp"
#include "hotpool/exchange_options.hpp"
#include "hotpool/http/field_block.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/http/request_fields.hpp"
#include "hotpool/version.hpp"

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
    if (options.request_timeout < duration::zero())
        throw std::invalid_argument("hotpool::client_options::request_timeout must not be negative");
    validate(exchange_options{options.limits, options.continue_timeout});
}

}  // namespace hotpool
