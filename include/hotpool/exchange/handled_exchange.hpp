// An exchange over a lease, for a handler.
#pragma once

#include <cstdint>
#include <system_error>
#include <type_traits>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/exchange/exchange_op.hpp"
#include "hotpool/exchange/exchange_options.hpp"
#include "hotpool/exchange/launch.hpp"
#include "hotpool/exchange/request_box.hpp"
#include "hotpool/exchange/response_reader.hpp"
#include "hotpool/http/response.hpp"
#include "hotpool/io/cancel_operation.hpp"
#include "hotpool/io/completion.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

/// Answers its handler with a response, or with a reader of it.
template <class Connection, class Result, class Box, class Handler>
class handled_exchange final : private boxed_request<Box>, public exchange_op<Connection> {
public:
    static constexpr collect what = std::is_same_v<Result, response> ? collect::whole : collect::head;

    handled_exchange(Handler handler, Connection& c, Box what_to_send, const exchange_options& options)
        : boxed_request<Box>{std::move(what_to_send)},
          exchange_op<Connection>(this->request.get(), options, what),
          connection_(c),
          completion_(std::move(handler), c.stream.get_executor()) {}

    bool prepare() {
        why_not_ = this->prepare_on(connection_);
        return true;
    }
    void go() {
        if (why_not_ == errc{}) return this->run();
        completion_.end(this, delivery::posted, make_error_code(why_not_), Result());
    }
    auto memory() const noexcept { return completion_.get_allocator(); }

private:
    void began(Connection& c, std::uint64_t serial) override { make_cancellable(completion_, c, serial); }

    void ended(delivery how, std::error_code error) override {
        Result result;
        if (!error) {
            this->lift_limits();
            if constexpr (what == collect::whole)
                result = this->take_response();
            else
                result = reader_access::make<Result>(this->take_response(), connection_, this->serial());
        }
        this->leave();
        completion_.end(this, how, std::move(error), std::move(result));
    }

    Connection& connection_;
    errc why_not_{};
    completion<Handler, typename Connection::executor_type> completion_;
};

template <class Result, class Lease, class Request, class Token>
auto initiate_exchange(Lease& lease, Request&& request, const exchange_options& options, Token&& token) {
    using connection_type = typename Lease::connection_type;
    using box = box_for<Request>;
    return net::async_initiate<Token, void(std::error_code, Result)>(
        [](auto handler, Lease* over, box what, const exchange_options& how) {
            using op = handled_exchange<connection_type, Result, box, std::decay_t<decltype(handler)>>;
            connection_type* const c = access::connection(*over);
            if (c != nullptr) return launch<op>(std::move(handler), *c, std::move(what), how);
            access::with_last_executor(*over, [&](const auto* of_pool) {
                end_unbegun(of_pool, std::move(handler), make_error_code(errc::lease_empty), Result());
            });
        },
        token, &lease, box(std::forward<Request>(request)), options);
}

template <class Result, class Lease, class Request, class Token>
auto initiate_exchange(Lease& lease, Request&& request, Token&& token) {
    return initiate_exchange<Result>(lease, std::forward<Request>(request), exchange_options(),
                                     std::forward<Token>(token));
}

}  // namespace hotpool::detail
