// A caller who waits in a queue of a pool or an acceptor, and how it is cancelled.
#pragma once

#include <memory>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/recycler.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

/// Where a cancellation handler finds a waiter while it waits; under the lock of the queue's owner.
template <class Waiter>
struct waiter_link {
    Waiter* waiting = nullptr;
};

/// A caller in a queue, as the driver that owns the queue sees it.
/// @tparam Waiter derives from this, and has an `error`
template <class Waiter>
class queued_caller {
public:
    using link_type = waiter_link<Waiter>;

    /// Told once, by any thread and under no lock: `error`, or what the waiter has besides, says what. Frees itself.
    virtual void answered() = 0;
    /// Instead: the execution context has ended. Frees itself and its handler.
    virtual void abandoned() noexcept = 0;

    /// Where a cancellation handler finds this caller while it waits; under the lock of the queue's owner.
    std::shared_ptr<link_type> link_to_me;

protected:
    ~queued_caller() = default;
};

/// Installed in the cancellation slot of a caller who waits. `Core::forget` says whether he still does. Keeps neither
/// the core nor the caller: it may outlive both, and their execution context.
template <class Core, class Waiter>
class cancel_waiter {
public:
    using link_type = typename Waiter::link_type;
    cancel_waiter(const std::shared_ptr<Core>& core, std::shared_ptr<link_type> link) noexcept
        : core_(core), link_(std::move(link)) {}
    void operator()(net::cancellation_type type) {
        if (type == net::cancellation_type::none) return;
        const std::shared_ptr<Core> core = core_.lock();
        if (core == nullptr) return;
        if (Waiter* w = core->forget(*link_)) {
            w->error = errc::cancelled;
            w->answered();
        }
    }

private:
    std::weak_ptr<Core> core_;
    std::shared_ptr<link_type> link_;
};

/// Connects a waiter with a cancellation slot, before it is queued.
template <class Core, class Waiter, class Slot>
void make_waiter_cancellable(const std::shared_ptr<Core>& core, Waiter& w, Slot slot) {
    using link_type = typename Waiter::link_type;
    if (!slot.is_connected()) return;
    w.link_to_me = std::allocate_shared<link_type>(base::recycling_allocator<void>());
    slot.template emplace<cancel_waiter<Core, Waiter>>(core, w.link_to_me);
}

}  // namespace hotpool::detail
