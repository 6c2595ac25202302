// The rest of a response whose head has been handed out.
#pragma once

#include <cstddef>
#include <string_view>

#include "hotpool/base/recycler.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/connection/left_behind.hpp"
#include "hotpool/exchange/body_machine.hpp"
#include "hotpool/policy/pool_options.hpp"

namespace hotpool::detail {

/// Reads and drops the rest of the response of `c`, off the caller's path, and gives the connection back.
template <class Connection>
void drain_body(Connection& c, const pool_options& bounds);

/// What an exchange leaves on its connection: the body to come; or, where another protocol follows, its first bytes.
template <class Connection>
struct unread_response final : left_behind<Connection> {
    body_machine body;
    bool request_allows = true;         ///< the request went out whole and did not ask to close
    time_point lease_deadline = never;  ///< the lease's own

    std::string_view bytes() const noexcept override { return body.unparsed(); }
    void take(std::size_t count) noexcept override { body.drop(count); }
    void finish(Connection& c, const pool_options& bounds) override { drain_body(c, bounds); }

    static void* operator new(std::size_t bytes) { return base::recycler::allocate(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept { base::recycler::deallocate(block, bytes); }
};

/// What an exchange has left on `c`, or null.
template <class Connection>
unread_response<Connection>* unread_of(const Connection& c) noexcept {
    return static_cast<unread_response<Connection>*>(c.left.get());
}

}  // namespace hotpool::detail
