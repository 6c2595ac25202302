// Saving a connection whose response has not been read to its end.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <string_view>
#include <system_error>

#include "hotpool/base/time.hpp"
#include "hotpool/exchange/body_op.hpp"
#include "hotpool/exchange/unread_response.hpp"
#include "hotpool/policy/pool_options.hpp"

namespace hotpool::detail {

/// Reads and drops the rest of a body, then gives the connection back, or ends it if that is too much or too slow.
template <class Connection>
class body_drain final : public body_op<Connection> {
public:
    body_drain(Connection& c, std::size_t limit_bytes) : body_op<Connection>(c), drop_(limit_bytes) {}

    void start() {
        this->connection().begin_operation();
        this->run();
    }

    static void* operator new(std::size_t bytes) { return base::recycler::allocate(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept { base::recycler::deallocate(block, bytes); }

private:
    bool take(std::string_view& piece) override { return drop_.take(piece); }

    void ended(delivery, std::error_code error) override {
        const counted_ref<Connection> c(this->connection());
        delete this;
        c->left.reset();
        retire_reason why = retire_reason::none;
        if (error != errc::end_of_body)
            why = retire_reason::body_not_drained;
        else if (c->usage == connection_usage::broken)
            why = c->broken_for;
        c->home->give_back(*c, why);
    }

    drop_up_to drop_;
};

/// Takes over a connection whose usage is unread.
template <class Connection>
void drain_body(Connection& c, const pool_options& bounds) {
    unread_response<Connection>& rest = *unread_of(c);
    const auto give_up = [&c](retire_reason why) {
        c.left.reset();
        c.home->give_back(c, why);
    };
    if (!rest.request_allows || !rest.body.parser().keep_alive()) return give_up(retire_reason::connection_close);
    if (bounds.drain_limit_bytes == 0 || rest.body.lacks_more_than(bounds.drain_limit_bytes))
        return give_up(retire_reason::body_not_drained);
    rest.body.do_not_limit_silence();
    std::unique_ptr<body_drain<Connection>> op;
    try {
        op = std::make_unique<body_drain<Connection>>(c, bounds.drain_limit_bytes);
    } catch (const std::bad_alloc&) {
        return give_up(retire_reason::body_not_drained);
    }
    if (!c.home->begin_drain(c, base::after(clock_type::now(), bounds.drain_timeout)))
        return give_up(retire_reason::body_not_drained);
    op.release()->start();
}

}  // namespace hotpool::detail
