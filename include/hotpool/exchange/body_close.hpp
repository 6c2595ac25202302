// Ending a response before its end, at the caller's word.
#pragma once

#include <cstdint>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/exchange/body_op.hpp"
#include "hotpool/io/cancel_operation.hpp"
#include "hotpool/io/completion.hpp"

namespace hotpool::detail {

/// Drops the rest of a body within the pool's bounds, or gives the connection up; then puts a lease back that the
/// reader held.
template <class Connection, class Lease, class Handler>
class body_close final : public body_op<Connection> {
public:
    body_close(Handler handler, Connection& c, Lease own)
        : body_op<Connection>(c), completion_(std::move(handler), c.stream.get_executor()), own_(std::move(own)) {}

    void prepare() {
        Connection& c = this->connection();
        make_cancellable(completion_, c, c.begin_operation());
        const pool_options bounds = c.home->options();
        drop_ = drop_up_to(bounds.drain_limit_bytes);
        if (auto* rest = unread_of(c)) rest->body.do_not_limit_silence();
        c.home->set_lease_deadline(c, base::after(clock_type::now(), bounds.drain_timeout));
    }
    void go() { this->run(); }
    auto memory() const noexcept { return completion_.get_allocator(); }

private:
    bool take(std::string_view& piece) override { return drop_.take(piece); }

    void ended(delivery how, std::error_code error) override {
        Connection& c = this->connection();
        std::error_code verdict;
        if (error != errc::end_of_body) {
            verdict = error ? error : make_error_code(errc::body_too_large);
            c.break_for(retire_reason::body_not_drained);
            if (error == errc::request_timed_out) c.broken_for = retire_reason::body_not_drained;
        }
        c.left.reset();
        c.home->set_lease_deadline(c, never);
        this->leave();
        own_ = Lease();
        completion_.end(this, how, std::move(verdict));
    }

    completion<Handler, typename Connection::executor_type> completion_;
    Lease own_;
    drop_up_to drop_{0};
};

}  // namespace hotpool::detail
