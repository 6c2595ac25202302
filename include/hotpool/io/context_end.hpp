// Being told that an execution context ends, while there is still time to let go of what waits there.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "hotpool/base/linked_list.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::detail {

class context_guests;

/// Somebody who keeps operations that wait for something else than the context's own events, such as the queue of a
/// pool. The context would not know of them: handlers that own what they wait for would never be destroyed.
class context_guest : public base::list_hook<context_guest> {
public:
    /// Registers with the context of `executor`. I/O objects of that context must have been made before, so that they
    /// end after this has been told.
    template <class Executor>
    void arrive(const Executor& executor);
    /// Afterwards it is told nothing any more.
    /// @return whether it was registered, and has not been and is not being told
    bool leave() noexcept;

    /// What finds the guest again as long as it is registered. A pointer would not do: the guest may be gone.
    struct ticket {
        context_guests* context = nullptr;
        std::uint64_t number = 0;
    };
    ticket own_ticket() const noexcept { return ticket_; }

    /// The context is shutting down: no handler will be called any more. Operations that wait are to be destroyed with
    /// their handlers, which may own this guest. Called once, by the thread that ends the context.
    virtual void context_ended() noexcept = 0;
    /// The executor that it was registered with.
    virtual const void* guest_executor() const noexcept = 0;

protected:
    ~context_guest() = default;

private:
    friend class context_guests;
    ticket ticket_;
};

/// The guests of one execution context. Lives as long as the context.
/// @threads any thread
class context_guests final : public net::execution_context::service {
public:
    using key_type = context_guests;
    static inline net::execution_context::id id;

    explicit context_guests(net::execution_context& context) : net::execution_context::service(context) {}

    void enter(context_guest& guest) {
        const std::lock_guard lock(mutex_);
        guest.ticket_ = {this, ++last_number_};
        guests_.push_back(guest);
    }
    bool remove(context_guest& guest) noexcept {
        const std::lock_guard lock(mutex_);
        if (guest.ticket_.context == nullptr) return false;
        guests_.remove(guest);
        guest.ticket_.context = nullptr;
        return true;
    }
    /// The executor of that guest if it is still there.
    template <class Executor>
    std::optional<Executor> executor_of(std::uint64_t number) {
        const std::lock_guard lock(mutex_);
        for (context_guest* g = guests_.front(); g != nullptr; g = guests_.next(*g)) {
            if (g->ticket_.number != number) continue;
            return *static_cast<const Executor*>(g->guest_executor());
        }
        return std::nullopt;
    }

private:
    void shutdown() override {
        for (;;) {
            context_guest* guest = nullptr;
            {
                const std::lock_guard lock(mutex_);
                guest = guests_.pop_front();
                if (guest != nullptr) guest->ticket_.context = nullptr;
            }
            if (guest == nullptr) return;
            guest->context_ended();
        }
    }

    std::mutex mutex_;
    base::linked_list<context_guest> guests_;
    std::uint64_t last_number_ = 0;
};

template <class Executor>
void context_guest::arrive(const Executor& executor) {
    net::execution_context& context = net::query(executor, net::execution::context);
    net::use_service<context_guests>(context).enter(*this);
}

inline bool context_guest::leave() noexcept { return ticket_.context != nullptr && ticket_.context->remove(*this); }

}  // namespace hotpool::detail
