// Requests over a pool, with everything around them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/client/client_op.hpp"
#include "hotpool/client/client_options.hpp"
#include "hotpool/exchange/launch.hpp"
#include "hotpool/exchange/request_box.hpp"
#include "hotpool/exchange/response_reader.hpp"
#include "hotpool/http/request_builder.hpp"
#include "hotpool/http/response.hpp"
#include "hotpool/pool/connection_pool.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool {

/// Sends requests on connections of a pool: gets one, makes the exchange, puts it back, and tries again on another
/// where the first was over before anything could have happened (see `retry`), or later where the origin asks for that
/// (`client_options::max_retry_after`). Copies share options and pool.
///
/// Errors are those of `async_exchange` and of `connection_pool::async_get`. When `client_options::request_timeout`
/// passed first: `errc::request_unsent` if no byte of the request had left, else `errc::request_timed_out`. Each answers
/// `condition::maybe_processed` for the last try; there were earlier ones that the origin may have seen only where
/// the request is idempotent.
/// @threads any thread
template <class Pool>
class http_client {
public:
    using executor_type = typename Pool::executor_type;
    using reader_type = response_reader<typename Pool::transport_type, executor_type>;

    /// @errors throws `std::invalid_argument` naming the field and the rule
    explicit http_client(Pool& pool, const client_options& options = {}) {
        validate(options);
        core_ = std::make_shared<core_type>(detail::access::core(pool), options);
    }

    executor_type get_executor() const noexcept { return core_->pool->executor(); }

    /// Sends a request and receives its response whole.
    /// @completes `void(std::error_code, response)` on the handler's executor, or the pool's
    /// @errors those of `async_exchange` but `errc::lease_empty`, `errc::exchange_in_progress`,
    /// `errc::response_pending`; those of `connection_pool::async_get`; `errc::request_unsent`,
    /// `errc::request_timed_out`. Throws `std::bad_alloc`; nothing has happened then
    /// @cancels any type, in whichever step it is
    /// @threads any thread
    /// @lifetime the request outlives the operation, or is handed in as an rvalue and kept by it. The client and its pool
    /// may end before
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_send(const request_builder& request, Token&& token = {}) {
        return initiate<response>(request, std::forward<Token>(token));
    }
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_send(request_builder&& request, Token&& token = {}) {
        return initiate<response>(std::move(request), std::forward<Token>(token));
    }

    /// Sends a GET.
    /// @param target path and query
    /// @completes as `async_send`
    /// @errors as `async_send`
    /// @cancels any type
    /// @threads any thread
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_get(std::string_view target, Token&& token = {}) {
        return initiate<response>(request_builder("GET", target), std::forward<Token>(token));
    }
    /// Sends a HEAD; the response has no body.
    /// @param target path and query
    /// @completes as `async_send`
    /// @errors as `async_send`
    /// @cancels any type
    /// @threads any thread
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_head(std::string_view target, Token&& token = {}) {
        return initiate<response>(request_builder("HEAD", target), std::forward<Token>(token));
    }
    /// Sends a POST. One that may have been processed is not sent again; its error answers `condition::maybe_processed`.
    /// @param target path and query
    /// @completes as `async_send`
    /// @errors as `async_send`
    /// @cancels any type
    /// @threads any thread
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_post(std::string_view target, std::string body, std::string_view content_type, Token&& token = {}) {
        request_builder request("POST", target);
        request.header("Content-Type", content_type).body(std::move(body));
        return initiate<response>(std::move(request), std::forward<Token>(token));
    }

    /// Sends a request and receives the head of its response; the reader holds the connection until it ends.
    /// @completes `void(std::error_code, reader_type)` on the handler's executor, or the pool's
    /// @errors as `async_send`
    /// @cancels any type, in whichever step it is
    /// @threads any thread
    /// @lifetime as `async_send`
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_start(const request_builder& request, Token&& token = {}) {
        return initiate<reader_type>(request, std::forward<Token>(token));
    }
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_start(request_builder&& request, Token&& token = {}) {
        return initiate<reader_type>(std::move(request), std::forward<Token>(token));
    }

private:
    using pool_core_type = typename Pool::core_type;

    using core_type = detail::client_core<pool_core_type>;

    template <class Result, class Request, class Token>
    auto initiate(Request&& request, Token&& token) {
        using box = detail::box_for<Request>;
        return net::async_initiate<Token, void(std::error_code, Result)>(
            [](auto handler, std::shared_ptr<core_type> core, box what) {
                using op = detail::client_op<pool_core_type, Result, box, std::decay_t<decltype(handler)>>;
                detail::launch<op>(std::move(handler), std::move(core), std::move(what));
            },
            token, core_, box(std::forward<Request>(request)));
    }

    std::shared_ptr<core_type> core_;
};

}  // namespace hotpool
