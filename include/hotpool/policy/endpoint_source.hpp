// Where the addresses of an origin come from.
#pragma once

#include <functional>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "hotpool/base/error.hpp"
#include "hotpool/base/ip_address.hpp"

namespace hotpool {

/// In order of preference.
using endpoint_list = std::vector<ip_endpoint>;

/// Takes the answer to one question, once: an error (an `errc` of the group "opening a connection"), or endpoints.
/// Dropped without an answer, it says `errc::resolve_failed`.
/// @threads any thread
class endpoint_answer {
public:
    using receiver_type = std::function<void(std::error_code, endpoint_list)>;

    explicit endpoint_answer(receiver_type receiver) noexcept : receiver_(std::move(receiver)) {}
    endpoint_answer(endpoint_answer&& other) noexcept : receiver_(std::exchange(other.receiver_, nullptr)) {}
    endpoint_answer& operator=(endpoint_answer&&) = delete;
    ~endpoint_answer() {
        if (receiver_) (*this)(errc::resolve_failed, {});
    }

    void operator()(std::error_code error, endpoint_list endpoints) {
        if (!error && endpoints.empty()) error = errc::resolve_empty;
        if (const receiver_type receiver = std::exchange(receiver_, nullptr)) receiver(error, std::move(endpoints));
    }

private:
    receiver_type receiver_;
};

/// Asked for the present endpoints, it answers now or later, from any thread. It is asked again as
/// `pool_options::resolve_interval` says, which may be within its answer: it holds no lock then. One question at a time,
/// but that another follows one without an answer for `pool_options::connect_timeout`, or from before another network.
/// `errc::resolve_empty` says for certain that there is no address; after any other error, what is known stays in use.
using endpoint_source = std::function<void(endpoint_answer)>;

/// A fixed list: `static_endpoints({{*ip_address::parse("192.0.2.1"), 443}})`.
/// @errors throws `std::invalid_argument` for an empty list, or a port 0
inline endpoint_source static_endpoints(endpoint_list endpoints) {
    if (endpoints.empty()) throw std::invalid_argument("hotpool::static_endpoints endpoints must not be empty");
    for (const ip_endpoint& endpoint : endpoints)
        if (endpoint.port == 0)
            throw std::invalid_argument("hotpool::static_endpoints endpoints must have a port: " +
                                        endpoint.address.to_string());
    return [endpoints = std::move(endpoints)](endpoint_answer answer) {
        endpoint_list all;
        try {
            all = endpoints;
        } catch (const std::bad_alloc&) {
            return answer(std::make_error_code(std::errc::not_enough_memory), {});
        }
        answer({}, std::move(all));
    };
}

}  // namespace hotpool
