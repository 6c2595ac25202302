// A small HTTP/1.1 server on an acceptor: enough for a service and its health and metrics, not a web framework.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/inbound/admission_verdict.hpp"
#include "hotpool/inbound/detail/accept_relay.hpp"
#include "hotpool/inbound/detail/http_session.hpp"
#include "hotpool/inbound/http_options.hpp"
#include "hotpool/inbound/refusal.hpp"
#include "hotpool/inbound/request.hpp"
#include "hotpool/inbound/responder.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::inbound {

/// Takes the connections of an acceptor and has their requests answered.
///
/// A handler gets each request once it is whole, one at a time per connection, on the connection's executor, which must
/// run one thing at a time: an `io_context` of one thread, or a strand. It answers through its `responder`, there or
/// later, from any thread; the request stays where it is until then. A handler that throws, or lets its responder go
/// unanswered, has answered 500.
///
/// Refused without the handler: what breaks the protocol or a limit (400, 413, 414, 417, 431, 501, 505), requests
/// above the group's quota (429 with Retry-After), of denied addresses (403), CONNECT (501), and what begins once
/// the acceptor drains (503). Requests under way are finished then, each with `Connection: close`.
/// @threads any thread
/// @lifetime the acceptor must outlive it; sessions that are under way go on when it is destroyed
template <class Acceptor>
class http_server {
public:
    using handler_type = std::function<void(const request&, responder)>;
    using acceptor_type = Acceptor;
    using connection_type = typename Acceptor::connection_type;

    /// Begins to serve at once. Whose word about their clients is taken is asked of the acceptor here, and not again.
    /// @errors throws `std::invalid_argument` naming the field and the rule
    http_server(Acceptor& acceptor, handler_type handler, http_options options = {})
        : service_(made(acceptor, std::move(handler), options)) {
        relay_ = std::make_shared<relay_type>(acceptor.core_, start_session{service_});
        relay_->start();
    }
    http_server(http_server&&) = delete;
    ~http_server() { relay_->stop(); }

    /// What requests and replies keep in memory now; see `http_options::max_memory_bytes`.
    std::size_t memory_bytes() const noexcept {
        const std::lock_guard lock(service_->memory_mutex);
        return service_->memory.kept();
    }

private:
    static std::shared_ptr<detail::http_service> made(const Acceptor& acceptor, handler_type handler,
                                                      const http_options& options) {
        validate(options);
        if (!handler) throw std::invalid_argument("hotpool::inbound::http_server: handler must not be empty");
        return std::make_shared<detail::http_service>(std::move(handler), options,
                                                      acceptor.options().admission.proxies);
    }
    struct start_session {
        std::shared_ptr<detail::http_service> service;
        void operator()(connection_type c) const noexcept {
            detail::http_session<connection_type>::start(std::move(c), service);
        }
    };
    using relay_type = detail::accept_relay<typename Acceptor::core_type, start_session>;

    std::shared_ptr<detail::http_service> service_;
    std::shared_ptr<relay_type> relay_;
};

/// Says to a plain connection that was not admitted why, in HTTP: for `acceptor_services::refused`.
struct http_refusal {
    template <class Stream>
    void operator()(Stream& stream, const admission_verdict& verdict) const {
        base::byte_buffer out;
        reply_writer{.keep_alive = false}.write_head(
            out, make_refusal(refusal_status(verdict.refused), verdict.retry_after));
        const std::string_view text = out.view();
        stream.try_write(net::buffer(text));
    }
};

}  // namespace hotpool::inbound
