// The end of a readiness wait at an accepted connection.
#pragma once

#include <system_error>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/recycler.hpp"
#include "hotpool/inbound/close_reason.hpp"
#include "hotpool/inbound/end_names.hpp"
#include "hotpool/transport/transport.hpp"

namespace hotpool::inbound::detail {

/// The handler of the wait; holds the connection for it.
template <class State>
class wake_connection {
public:
    using allocator_type = base::recycling_allocator<void>;

    wake_connection(State& c, io_want want) noexcept : connection_(&c), want_(want) { c.add_ref(); }
    wake_connection(wake_connection&& other) noexcept
        : connection_(std::exchange(other.connection_, nullptr)), want_(other.want_), called_(other.called_) {}
    ~wake_connection() {
        if (connection_ == nullptr) return;
        // The execution context has ended, which may be another one than the acceptor's; or the wait did not begin.
        if (!called_ && !connection_->arming_)
            connection_->end(close_reason::acceptor_closed, errc::cancelled, ending::orderly);
        connection_->release();
    }
    allocator_type get_allocator() const noexcept { return {}; }

    void operator()(const std::error_code&) {
        called_ = true;
        connection_->became_ready(want_);
    }

private:
    State* connection_;
    io_want want_;
    bool called_ = false;
};

}  // namespace hotpool::inbound::detail
