// From a host to its endpoints, by the system's resolver.
#pragma once

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/policy/endpoint_source.hpp"
#include "hotpool/transport/asio.hpp"
#include "hotpool/transport/endpoint.hpp"

namespace hotpool::detail {

/// The library's name for a resolver's answer.
inline std::error_code resolve_error(const std::error_code& error, bool empty) noexcept {
    if (error == net::error::no_data || (!error && empty)) return errc::resolve_empty;
    if (error) return errc::resolve_failed;
    return {};
}

/// The system's resolver, asked in a thread of Asio's; what it is at cannot be interrupted.
template <class Executor>
endpoint_source system_resolver(const Executor& executor, origin target) {
    using resolver_type = net::ip::basic_resolver<net::ip::tcp, Executor>;
    return [executor, target = std::move(target)](endpoint_answer answer) {
        const auto resolver = std::make_shared<resolver_type>(executor);
        auto answered = [resolver, answer = std::move(answer)](const std::error_code& error,
                                                               const auto& results) mutable {
            endpoint_list endpoints;
            for (const auto& entry : results) endpoints.push_back(from_asio(entry.endpoint()));
            const std::error_code outcome = resolve_error(error, endpoints.empty());
            answer(outcome, std::move(endpoints));
        };
        resolver->async_resolve(target.host, std::to_string(port_number(target.port)),
                                net::ip::resolver_base::numeric_service, std::move(answered));
    };
}

}  // namespace hotpool::detail
