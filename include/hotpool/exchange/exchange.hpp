// One request and its response over a lease.
#pragma once

#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/connection/lease.hpp"
#include "hotpool/exchange/exchange_options.hpp"
#include "hotpool/exchange/handled_exchange.hpp"
#include "hotpool/exchange/response_reader.hpp"
#include "hotpool/http/request_builder.hpp"
#include "hotpool/http/response.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool {

/// Sends a request and receives its response whole, up to `limits::max_body_bytes`. The first write is tried inside
/// this call. Afterwards the lease can be used for the next exchange, or be put back.
/// @completes `void(std::error_code, response)` on the handler's executor, or the pool's
/// @errors nothing has been sent, and the lease is as it was: what the builder refuses (`condition::bad_request`);
/// `errc::exchange_in_progress` beside another exchange or a read of its body; `errc::response_pending` while the body of
/// the last response is neither read nor closed; `errc::lease_reclaimed` when the pool has taken the place back;
/// `errc::connection_closed` when an earlier failure, 101 or CONNECT has ended the use of the lease for exchanges;
/// `errc::lease_empty`.
///
/// After these the connection is closed with its lease: `errc::unsolicited_bytes` when the peer spoke first;
/// `errc::client_certificate_refused` when it wants another certificate than it was shown, which in TLS 1.3 it says now;
/// `errc::stale_connection` when a reused connection was over before anything was written; `errc::maybe_processed` when
/// it broke afterwards and the request is not idempotent; `errc::response_missing`, `errc::response_truncated`,
/// `errc::connection_reset`, `errc::connection_closed`, over TLS `errc::tls_failed`,
/// `errc::tls_truncated` and `errc::tls_record_flood`; what the
/// parser refuses (`condition::bad_response`); `errc::body_source_failed`; `errc::first_byte_timed_out`,
/// `errc::response_stalled`; `errc::request_unsent` and `errc::request_timed_out` when the pool cuts the lease;
/// `errc::cancelled`, also when the lease is put back, discarded or destroyed meanwhile;
/// `std::errc::not_enough_memory`. `condition::maybe_processed` says of each whether the origin may have acted on the
/// request.
///
/// Throws `std::bad_alloc`, and `std::system_error` of `errc::lease_empty` for a lease that never had a connection and a
/// handler without an executor; nothing has happened then
/// @cancels any type; the connection is closed with its lease then
/// @threads distinct objects only; the lease may end, and be moved, on any thread meanwhile
/// @lifetime the lease lives until the operation has been started, which for a deferred one is later. The request
/// outlives the operation, or is handed in as an rvalue and kept by it; so are options, but for their `defaults`
/// @cost in steady state no allocation; one write, one wait, one read
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_exchange(lease<Transport, Executor>& lease, const request_builder& request, Token&& token = {}) {
    return detail::initiate_exchange<response>(lease, request, std::forward<Token>(token));
}
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_exchange(lease<Transport, Executor>& lease, request_builder&& request, Token&& token = {}) {
    return detail::initiate_exchange<response>(lease, std::move(request), std::forward<Token>(token));
}
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_exchange(lease<Transport, Executor>& lease, const request_builder& request, const exchange_options& options,
                    Token&& token = {}) {
    return detail::initiate_exchange<response>(lease, request, options, std::forward<Token>(token));
}
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_exchange(lease<Transport, Executor>& lease, request_builder&& request, const exchange_options& options,
                    Token&& token = {}) {
    return detail::initiate_exchange<response>(lease, std::move(request), options, std::forward<Token>(token));
}

/// Sends a request and receives the head of its response; the body is read through the reader. Until it has been read
/// or closed, the connection is busy with it.
/// @completes `void(std::error_code, response_reader)` on the handler's executor, or the pool's
/// @errors as `async_exchange`
/// @cancels any type; the connection is closed with its lease then
/// @threads as `async_exchange`
/// @lifetime as `async_exchange`
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_start_exchange(lease<Transport, Executor>& lease, const request_builder& request, Token&& token = {}) {
    return detail::initiate_exchange<response_reader<Transport, Executor>>(lease, request, std::forward<Token>(token));
}
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_start_exchange(lease<Transport, Executor>& lease, request_builder&& request, Token&& token = {}) {
    return detail::initiate_exchange<response_reader<Transport, Executor>>(lease, std::move(request),
                                                                           std::forward<Token>(token));
}
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_start_exchange(lease<Transport, Executor>& lease, const request_builder& request,
                          const exchange_options& options, Token&& token = {}) {
    return detail::initiate_exchange<response_reader<Transport, Executor>>(lease, request, options,
                                                                           std::forward<Token>(token));
}
template <class Transport, class Executor, class Token = net::default_completion_token_t<Executor>>
auto async_start_exchange(lease<Transport, Executor>& lease, request_builder&& request, const exchange_options& options,
                          Token&& token = {}) {
    return detail::initiate_exchange<response_reader<Transport, Executor>>(lease, std::move(request), options,
                                                                           std::forward<Token>(token));
}

}  // namespace hotpool
