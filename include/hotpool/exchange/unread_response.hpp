// The rest of a response whose head has been handed out.
#pragma once

#include <cstddef>
#include <string_view>
#include <system_error>

#include "hotpool/base/byte_buffer.hpp"
#include "hotpool/base/recycler.hpp"
#include "hotpool/base/time.hpp"
#include "hotpool/connection/left_behind.hpp"
#include "hotpool/http/response_parser.hpp"
#include "hotpool/policy/pool_options.hpp"

namespace hotpool::detail {

/// Reads and drops the rest of the response of `c`, off the caller's path, and gives the connection back.
template <class Connection>
void drain_body(Connection& c, const pool_options& bounds);

/// Where the parser stands, and the bytes received that have not been handed out.
template <class Connection>
struct unread_response final : left_behind<Connection> {
    response_parser parser;
    base::byte_buffer window;
    std::size_t parsed = 0;        ///< bytes of the window that the parser has consumed
    std::string_view piece;        ///< body bytes in the parsed part that nobody has taken yet
    bool past_window = false;      ///< the last bytes went past the window: nobody knows what is behind them
    bool request_allows = true;    ///< the request went out whole and did not ask to close
    std::error_code failure;       ///< why the body will not be read to its end
    duration between_bytes_timeout{};  ///< how long a read waits for the next byte; 0: as long as the lease may
    time_point lease_deadline = never; ///< the lease's own

    std::string_view unparsed() const noexcept { return window.view_from(parsed); }

    /// The next step of the parser; to be called when `piece` is empty.
    parse_result step() noexcept {
        if (parsed == window.size()) {
            window.clear();
            parsed = 0;
        }
        const parse_result r = parser.parse(unparsed());
        parsed += r.consumed;
        piece = r.piece;
        return r;
    }

    std::string_view bytes() const noexcept override { return unparsed(); }
    void take(std::size_t count) noexcept override { window.consume(count); }
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
