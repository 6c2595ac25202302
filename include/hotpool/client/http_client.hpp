// Requests over a pool, with everything around them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/client/client_options.hpp"
#include "hotpool/pool/connection_pool.hpp"
#include "hotpool/client/client_op.hpp"
#include "hotpool/http/request_builder.hpp"
#include "hotpool/http/response.hpp"
#include "hotpool/exchange/response_reader.hpp"
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
        core_ = std::make_shared<core_type>(pool.core(), options);
    }

    executor_type get_executor() const noexcept { return core_->pool->executor(); }

    /// Sends a request and receives its response whole.
    /// @completes `void(std::error_code, response)`
    /// @cancels any type
    /// @lifetime the request outlives the operation
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_send(const request_builder& request, Token&& token = {}) {
        return initiate<response, const request_builder&>(request, std::forward<Token>(token));
    }

    /// @param target path and query
    /// @completes `void(std::error_code, response)`
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_get(std::string_view target, Token&& token = {}) {
        return initiate<response, request_builder>(request_builder("GET", target), std::forward<Token>(token));
    }
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_head(std::string_view target, Token&& token = {}) {
        return initiate<response, request_builder>(request_builder("HEAD", target), std::forward<Token>(token));
    }
    /// A POST that may have been processed is not sent again; its error answers `condition::maybe_processed`.
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_post(std::string_view target, std::string body, std::string_view content_type, Token&& token = {}) {
        request_builder request("POST", target);
        request.header("Content-Type", content_type).body(std::move(body));
        return initiate<response, request_builder>(std::move(request), std::forward<Token>(token));
    }

    /// Sends a request and receives the head of its response; the reader holds the connection until it ends.
    /// @completes `void(std::error_code, reader_type)`
    /// @lifetime the request outlives the operation
    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_start(const request_builder& request, Token&& token = {}) {
        return initiate<reader_type, const request_builder&>(request, std::forward<Token>(token));
    }

private:
    using pool_core_type = typename Pool::core_type;

    using core_type = detail::client_core<pool_core_type>;

    template <class Result, class Request, class Token>
    auto initiate(Request&& request, Token&& token) {
        return net::async_initiate<Token, void(std::error_code, Result)>(
            [](auto handler, std::shared_ptr<core_type> core, auto what) {
                using op = detail::client_op<pool_core_type, Result, Request, std::decay_t<decltype(handler)>>;
                detail::allocate_op<op>(std::move(handler), std::move(core), what.take())->start();
            },
            token, core_, request_box<Request>(static_cast<Request&&>(request)));
    }

    /// Carries a request through an initiation that may be kept and started later: by value or as a reference.
    template <class Request>
    struct request_box {
        explicit request_box(Request&& r) : request(std::move(r)) {}
        Request&& take() { return std::move(request); }
        Request request;
    };
    template <class Request>
    struct request_box<const Request&> {
        explicit request_box(const Request& r) : request(&r) {}
        const Request& take() { return *request; }
        const Request* request;
    };

    std::shared_ptr<core_type> core_;
};

}  // namespace hotpool
