// Saving a connection whose response has not been read to its end.
#pragma once

#include <cstddef>
#include <memory>
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
    const std::uint64_t known = rest.parser.remaining_body_hint();
    const bool hopeless = !rest.request_allows || !rest.parser.keep_alive();
    if (bounds.drain_limit_bytes == 0 || known > bounds.drain_limit_bytes + rest.unparsed().size() || hopeless) {
        c.left.reset();
        return c.home->give_back(c, hopeless ? retire_reason::connection_close : retire_reason::body_not_drained);
    }
    rest.between_bytes_timeout = duration::zero();
    if (!c.home->begin_drain(c, base::after(clock_type::now(), bounds.drain_timeout))) {
        c.left.reset();
        return c.home->give_back(c, retire_reason::body_not_drained);
    }
    (new body_drain<Connection>(c, bounds.drain_limit_bytes))->run();
}

}  // namespace hotpool::detail
