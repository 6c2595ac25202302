// The first step of an opening: from a host to its endpoints.
#pragma once

#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/origin.hpp"
#include "hotpool/error.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

using endpoint_list = std::vector<net::ip::tcp::endpoint>;

/// The endpoint of a host that is an address already; nothing for a name.
inline std::optional<net::ip::tcp::endpoint> numeric_endpoint(const origin& target) {
    std::error_code not_an_address;
    const net::ip::address address = net::ip::make_address(target.host, not_an_address);
    if (not_an_address) return std::nullopt;
    return net::ip::tcp::endpoint(address, port_number(target.port));
}

/// The library's name for a resolver's answer.
inline std::error_code resolve_error(const std::error_code& error, bool empty) noexcept {
    if (error == net::error::no_data || (!error && empty)) return errc::resolve_empty;
    if (error) return errc::resolve_failed;
    return {};
}

/// Asks `resolver` for the endpoints of `target`, in the system's order of preference.
/// @completes `void(std::error_code, endpoint_list)` on the handler's associated executor; a resolver that
/// was cancelled answers when the system's resolver returns, which cannot be interrupted
template <class Resolver, class Handler>
void async_resolve(Resolver& resolver, const origin& target, Handler handler) {
    const auto executor = net::get_associated_executor(handler);
    auto answered = [handler = std::move(handler)](const std::error_code& error, auto results) mutable {
        endpoint_list endpoints;
        for (const auto& entry : results) endpoints.push_back(entry.endpoint());
        const std::error_code outcome = resolve_error(error, endpoints.empty());
        std::move(handler)(outcome, std::move(endpoints));
    };
    resolver.async_resolve(
        target.host, std::to_string(port_number(target.port)), net::ip::resolver_base::numeric_service,
        net::bind_executor(executor, std::move(answered)));
}

}  // namespace hotpool::detail
