// Cancelling an operation of a connection.
#pragma once

#include <cstdint>

#include "hotpool/io/counted.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

/// Installed in a handler's cancellation slot; stays valid, and harmless, for as long as the slot keeps it, be it longer
/// than the execution context.
template <class Connection>
class cancel_operation {
public:
    cancel_operation(Connection& c, std::uint64_t serial) noexcept : connection_(c), serial_(serial) {}
    void operator()(net::cancellation_type type) {
        if (type != net::cancellation_type::none) connection_->cancel(serial_);
    }

private:
    watching_ref<Connection> connection_;
    std::uint64_t serial_;
};

/// Lets the handler's cancellation slot, if it is connected, cancel the operation with this serial.
template <class Completion, class Connection>
void make_cancellable(const Completion& completion, Connection& c, std::uint64_t serial) {
    if (auto slot = completion.get_cancellation_slot(); slot.is_connected())
        slot.template emplace<cancel_operation<Connection>>(c, serial);
}

}  // namespace hotpool::detail
