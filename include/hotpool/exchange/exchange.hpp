// One request and its response over a lease.
#pragma once

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "hotpool/io/completion.hpp"
#include "hotpool/exchange/exchange_op.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/exchange/exchange_options.hpp"
#include "hotpool/connection/lease.hpp"
#include "hotpool/http/request_builder.hpp"
#include "hotpool/http/response.hpp"
#include "hotpool/exchange/response_reader.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool {

namespace detail {

inline const exchange_options default_exchange_options;

/// An exchange that answers a handler: with a response, or with a reader of it.
template <class Connection, class Result, class Handler>
class handled_exchange final : public exchange_op<Connection> {
public:
    static constexpr collect what = std::is_same_v<Result, response> ? collect::whole : collect::head;

    handled_exchange(Handler handler, const typename Connection::executor_type& io, const request_builder& request,
                     const exchange_options& options)
        : exchange_op<Connection>(request, options, what), completion_(std::move(handler), io) {}

    void start(Connection& c) { this->run(c); }

private:
    void began(Connection& c, std::uint64_t serial) override {
        make_cancellable(completion_, c, serial);
    }

    void ended(delivery how, std::error_code error) override {
        Result result;
        if (!error) {
            this->lift_limits();
            if constexpr (what == collect::whole)
                result = this->take_response();
            else
                result = Result(this->take_response(), this->connection());
        }
        completion_.end(this, how, std::move(error), std::move(result));
    }

    completion<Handler, typename Connection::executor_type> completion_;
};

template <class Result, class Lease, class Token>
auto initiate_exchange(Lease& lease, const request_builder& request, const exchange_options& options, Token&& token) {
    using connection_type = typename Lease::connection_type;
    return net::async_initiate<Token, void(std::error_code, Result)>(
        [](auto handler, connection_type* c, const request_builder* what, const exchange_options* how) {
            using op = handled_exchange<connection_type, Result, std::decay_t<decltype(handler)>>;
            if (c == nullptr) return post_outcome(std::move(handler), make_error_code(errc::lease_empty), Result());
            allocate_op<op>(std::move(handler), c->stream.get_executor(), *what, *how)->start(*c);
        },
        token, lease.connection(), &request, &options);
}

}  // namespace detail

/// Sends a request and receives its response whole, up to `limits::max_body_bytes`. The first write is tried inside
/// this call. Afterwards the lease can be used for the next exchange, or be put back.
/// @completes `void(std::error_code, response)` on the handler's executor, or the pool's
/// @errors `errc::lease_empty`; what the builder refuses (nothing is sent then); what the parser refuses; `errc::stale_connection` when a
/// reused connection was over before anything was written; `errc::maybe_processed` when it broke afterwards and the
/// request is not idempotent; `errc::response_missing`, `errc::response_truncated`, `errc::connection_reset`;
/// `errc::first_byte_timed_out`, `errc::response_stalled`; `errc::request_unsent` and `errc::request_timed_out` when the
/// pool cuts the lease; `errc::cancelled`. After any of them but those of the builder the connection ends with its
/// lease. `condition::maybe_processed` says of each whether the origin may have acted on the request
/// @cancels any type; the connection is closed with its lease then
/// @lifetime lease, request and options outlive the operation
/// @cost in steady state no allocation; one write, one wait, one read
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_exchange(lease<Transport, Executor>& lease, const request_builder& request, Token&& token = {}) {
    return detail::initiate_exchange<response>(lease, request, detail::default_exchange_options,
                                               std::forward<Token>(token));
}
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_exchange(lease<Transport, Executor>& lease, const request_builder& request,
                    const exchange_options& options, Token&& token = {}) {
    return detail::initiate_exchange<response>(lease, request, options, std::forward<Token>(token));
}

/// Sends a request and receives the head of its response; the body is read through the reader. Until it has been read
/// or closed, the connection is busy with it.
/// @completes `void(std::error_code, response_reader)`
/// @errors as `async_exchange`
/// @lifetime as `async_exchange`
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_start_exchange(lease<Transport, Executor>& lease, const request_builder& request, Token&& token = {}) {
    return detail::initiate_exchange<response_reader<Transport, Executor>>(
        lease, request, detail::default_exchange_options, std::forward<Token>(token));
}
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_start_exchange(lease<Transport, Executor>& lease, const request_builder& request,
                          const exchange_options& options, Token&& token = {}) {
    return detail::initiate_exchange<response_reader<Transport, Executor>>(lease, request, options,
                                                                           std::forward<Token>(token));
}

}  // namespace hotpool
