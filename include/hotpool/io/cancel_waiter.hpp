// Cancelling a caller who waits in a queue of a pool or an acceptor.
#pragma once

#include <memory>
#include <utility>

#include "hotpool/base/recycler.hpp"
#include "hotpool/base/error.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

/// Installed in the cancellation slot of a caller who waits. `Core::forget` says whether he still does.
template <class Core>
class cancel_waiter {
public:
    using link_type = typename Core::waiter_type::link;
    cancel_waiter(std::shared_ptr<Core> core, std::shared_ptr<link_type> link) noexcept
        : core_(std::move(core)), link_(std::move(link)) {}
    void operator()(net::cancellation_type type) {
        if (type == net::cancellation_type::none) return;
        if (auto* w = core_->forget(*link_)) {
            w->error = errc::cancelled;
            w->answered();
        }
    }

private:
    std::shared_ptr<Core> core_;
    std::shared_ptr<link_type> link_;
};

/// Connects a waiter with a cancellation slot, before it is queued.
template <class Core, class Slot>
void make_waiter_cancellable(const std::shared_ptr<Core>& core, typename Core::waiter_type& w, Slot slot) {
    if (!slot.is_connected()) return;
    w.link_to_me = std::allocate_shared<typename Core::waiter_type::link>(base::recycling_allocator<void>());
    slot.template emplace<cancel_waiter<Core>>(core, w.link_to_me);
}

}  // namespace hotpool::detail
