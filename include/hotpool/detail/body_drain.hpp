// Saving a connection whose response has not been read to its end.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <system_error>

#include "hotpool/base/time.hpp"
#include "hotpool/detail/body_op.hpp"

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
        const connection_ref<Connection> c(this->connection());
        delete this;
        c->unread.reset();
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
void start_body_drain(Connection& c, std::size_t limit_bytes, duration timeout) {
    const std::uint64_t known = c.unread->parser.remaining_body_hint();
    const bool hopeless = !c.unread->request_allows || !c.unread->parser.keep_alive();
    if (limit_bytes == 0 || known > limit_bytes + c.unread->unparsed().size() || hopeless) {
        c.unread.reset();
        return c.home->give_back(c, hopeless ? retire_reason::connection_close : retire_reason::body_not_drained);
    }
    c.unread->between_bytes_timeout = duration::zero();
    if (!c.home->begin_drain(c, base::after(clock_type::now(), timeout))) {
        c.unread.reset();
        return c.home->give_back(c, retire_reason::body_not_drained);
    }
    (new body_drain<Connection>(c, limit_bytes))->run();
}

}  // namespace hotpool::detail
