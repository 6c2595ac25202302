// From a host to its endpoints, by the system's resolver.
#pragma once

#include <memory>
#include <new>
#include <optional>
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

/// One question to the system's resolver.
template <class Executor>
class resolution : public std::enable_shared_from_this<resolution<Executor>> {
public:
    explicit resolution(const Executor& executor) : resolver_(executor) {}

    void ask(const origin& target, endpoint_answer answer) {
        answer_.emplace(std::move(answer));
        try {
            resolver_.async_resolve(
                target.host, std::to_string(port_number(target.port)), net::ip::resolver_base::numeric_service,
                [self = this->shared_from_this()](const std::error_code& error, const auto& results) {
                    self->answered(error, results);
                });
        } catch (const std::bad_alloc&) {
            out_of_memory();
        }
    }

private:
    template <class Results>
    void answered(const std::error_code& error, const Results& results) {
        endpoint_list endpoints;
        try {
            for (const auto& entry : results) endpoints.push_back(from_asio(entry.endpoint()));
        } catch (const std::bad_alloc&) {
            return out_of_memory();
        }
        const std::error_code outcome = resolve_error(error, endpoints.empty());
        (*answer_)(outcome, std::move(endpoints));
    }
    void out_of_memory() { (*answer_)(std::make_error_code(std::errc::not_enough_memory), {}); }

    net::ip::basic_resolver<net::ip::tcp, Executor> resolver_;
    std::optional<endpoint_answer> answer_;
};

/// The system's resolver, asked in a thread of Asio's; what it is at cannot be interrupted.
template <class Executor>
endpoint_source system_resolver(const Executor& executor, origin target) {
    return [executor, target = std::move(target)](endpoint_answer answer) {
        std::shared_ptr<resolution<Executor>> question;
        try {
            question = std::make_shared<resolution<Executor>>(executor);
        } catch (const std::bad_alloc&) {
            return answer(std::make_error_code(std::errc::not_enough_memory), {});
        }
        question->ask(target, std::move(answer));
    };
}

}  // namespace hotpool::detail
