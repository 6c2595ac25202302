// What leads from a reader to its exchange.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "hotpool/connection/exchange_hold.hpp"
#include "hotpool/connection/lease_end.hpp"
#include "hotpool/io/counted.hpp"

namespace hotpool::detail {

/// Knows a connection and which of its exchanges is meant: used too late, it leads nowhere. It keeps nothing alive but
/// the memory of the connection.
/// @threads distinct objects only
template <class Connection>
class exchange_link {
public:
    using executor_type = typename Connection::executor_type;

    exchange_link() = default;
    exchange_link(Connection& c, std::uint64_t exchange)
        : connection_(std::in_place, c), exchange_(exchange), executor_(c.stream.get_executor()) {}

    /// Whether it has led to a connection and has not been reset.
    bool is_set() const noexcept { return connection_.has_value(); }
    /// The pool's executor; null where there never was a connection.
    const executor_type* executor() const noexcept { return executor_ ? &*executor_ : nullptr; }
    /// Forgets the connection, not the executor.
    void reset() noexcept { connection_.reset(); }

    /// The connection if its lease is still at this exchange, or null.
    const Connection* current() const noexcept {
        return connection_ && watched().hold.is_at(exchange_) ? &watched() : nullptr;
    }
    /// An operation of this exchange wants to begin. Once it has, it has the connection.
    exchange_hold::entry enter() {
        if (!connection_) return exchange_hold::entry::over;
        const exchange_hold::entry how = watched().hold.enter(exchange_);
        if (how != exchange_hold::entry::entered || watched().streams.is_free()) return how;
        leave_exchange(watched());  // the stream itself is being read or written
        return exchange_hold::entry::occupied;
    }
    Connection& entered() noexcept { return watched(); }
    /// Stops the operation of this exchange that is under way, if there is one.
    void interrupt() {
        if (!connection_) return;
        // The number first: where the exchange is still the same after that, it is its operation's, and no stranger's.
        const std::uint64_t serial = watched().last_serial();
        if (watched().hold.is_occupied_by(exchange_)) watched().cancel(serial);
    }

private:
    Connection& watched() const noexcept { return *connection_->operator->(); }

    std::optional<watching_ref<Connection>> connection_;
    std::uint64_t exchange_ = 0;
    std::optional<executor_type> executor_;
};

}  // namespace hotpool::detail
