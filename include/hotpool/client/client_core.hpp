// What the requests of a client share, and how one of them is stopped.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/base/recycler.hpp"
#include "hotpool/client/client_options.hpp"
#include "hotpool/client/pause.hpp"
#include "hotpool/connection/connection.hpp"
#include "hotpool/exchange/exchange_options.hpp"
#include "hotpool/http/field_block.hpp"
#include "hotpool/policy/retry.hpp"

namespace hotpool::detail {

/// What the requests of a client share. @threads any thread
template <class Core>
struct client_core {
    client_core(std::shared_ptr<Core> of_pool, const client_options& options)
        : pool(std::move(of_pool)),
          fields(default_fields(options)),
          exchange{.limits = options.limits,
                   .continue_timeout = options.continue_timeout,
                   .upload_stall_timeout = options.upload_stall_timeout,
                   .first_byte_timeout = options.first_byte_timeout,
                   .between_bytes_timeout = options.between_bytes_timeout,
                   .defaults = &fields},
          request_timeout(options.request_timeout),
          max_retry_after(options.max_retry_after) {}
    client_core(const client_core&) = delete;
    client_core& operator=(const client_core&) = delete;

    const std::shared_ptr<Core> pool;
    const http::field_block fields;
    const exchange_options exchange;
    const duration request_timeout;
    const duration max_retry_after;
    const typename Core::retry_type retry{};
    retry_budget budget;
};

/// How a request is stopped from outside, in whichever step it is. It may outlive the client, the pool and their
/// execution context: it keeps none of them, and then does nothing.
/// @threads any thread
template <class Core>
class client_cancellation {
public:
    using connection_type = typename Core::connection_type;
    using link_type = typename Core::waiter_type::link_type;

    explicit client_cancellation(const std::shared_ptr<Core>& core)
        : core_(core), waiting_(std::allocate_shared<link_type>(base::recycling_allocator<link_type>())) {}

    const std::shared_ptr<link_type>& waiting() const noexcept { return waiting_; }

    /// The exchange has begun. If the request has been cancelled already, the exchange is told.
    void began(connection_type& c, std::uint64_t serial) {
        bool late = false;
        {
            std::lock_guard lock(mutex_);
            connection_.emplace(c);
            serial_ = serial;
            late = cancelled_;
        }
        if (late) c.cancel(serial);
    }
    /// The request waits for its next try. If it has been cancelled already, the wait is over.
    void paused(const std::shared_ptr<pause>& p) {
        bool late = false;
        {
            std::lock_guard lock(mutex_);
            pause_ = p;
            late = cancelled_;
        }
        if (late) p->end(true);
    }
    bool is_cancelled() {
        std::lock_guard lock(mutex_);
        return cancelled_;
    }
    void cancel() {
        std::optional<watched_type> c;
        std::uint64_t serial = 0;
        std::shared_ptr<pause> p;
        {
            std::lock_guard lock(mutex_);
            cancelled_ = true;
            c = connection_;
            serial = serial_;
            p = pause_.lock();
        }
        if (c) (*c)->cancel(serial);
        stop_waiting();
        if (p) p->end(true);
    }
    void stop_waiting() {
        const std::shared_ptr<Core> core = core_.lock();
        if (core == nullptr) return;
        if (auto* w = core->forget(*waiting_)) {
            w->error = errc::cancelled;
            w->answered();
        }
    }

private:
    using watched_type = watching_ref<connection_type>;

    const std::weak_ptr<Core> core_;
    const std::shared_ptr<link_type> waiting_;
    std::mutex mutex_;
    std::optional<watched_type> connection_;
    std::uint64_t serial_ = 0;
    std::weak_ptr<pause> pause_;
    bool cancelled_ = false;
};

}  // namespace hotpool::detail
