// A connection that was refused, until its client has read why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "hotpool/base/mutex.hpp"
#include "hotpool/base/recycler.hpp"
#include "hotpool/inbound/detail/drop_incoming.hpp"
#include "hotpool/inbound/refusal_line.hpp"
#include "hotpool/io/counted.hpp"
#include "hotpool/transport/asio.hpp"

namespace hotpool::inbound::detail {

/// Reads and drops what comes, until the client has closed too, a bound is reached, or the core says `go`. Held by the
/// core while it lingers, and by its wait. The core has `refusal_left(refused)`: whether it held it until now.
/// @threads any thread
template <class Core, class Socket>
class lingering_refusal final : public refused_peer, public hotpool::detail::counted<lingering_refusal<Core, Socket>> {
public:
    /// @param socket whose sending side is shut down
    lingering_refusal(std::shared_ptr<Core> home, Socket socket) : home_(std::move(home)), socket_(std::move(socket)) {}

    /// @param may_come so many bytes, and no more
    void start(std::uint64_t may_come) noexcept {
        may_come_ = may_come;
        read_on();
    }
    void read_on() noexcept {
        {
            const std::lock_guard lock(mutex_);
            if (drop_incoming(socket_, may_come_) && wait()) return;
        }
        leave();
    }
    /// Closes it.
    void go() noexcept {
        std::error_code ignored;
        const std::lock_guard lock(mutex_);
        socket_.close(ignored);
    }

private:
    friend class hotpool::detail::counted<lingering_refusal>;
    using ref = hotpool::detail::counted_ref<lingering_refusal>;

    class on_readable {
    public:
        using allocator_type = base::recycling_allocator<void>;
        explicit on_readable(lingering_refusal& r) noexcept : refusal_(&r) { r.add_ref(); }
        on_readable(on_readable&& other) noexcept : refusal_(std::exchange(other.refusal_, nullptr)) {}
        /// Where nobody has called it, the execution context has ended, or the wait did not begin.
        ~on_readable() {
            if (refusal_ == nullptr) return;
            if (!refusal_->arming_) refusal_->leave();
            refusal_->release();
        }
        allocator_type get_allocator() const noexcept { return {}; }
        void operator()(const std::error_code&) {
            const ref r(std::exchange(refusal_, nullptr));
            r->read_on();
        }

    private:
        lingering_refusal* refusal_;
    };

    ~lingering_refusal() {}
    void dispose() noexcept { socket_.~Socket(); }

    void leave() noexcept {
        go();
        if (home_->refusal_left(*this)) this->release();
    }
    bool wait() noexcept {
        arming_ = true;
        bool waits = false;
        try {
            socket_.async_wait(net::socket_base::wait_read, on_readable(*this));
            waits = true;
        } catch (...) {  // of memory
        }
        arming_ = false;
        return waits;
    }

    const std::shared_ptr<Core> home_;
    base::mutex mutex_;
    union {
        Socket socket_;  // ends with the last holder, like all that belongs to the execution context
    };
    std::uint64_t may_come_ = 0;
    bool arming_ = false;  // a wait is about to begin: its handler that ends now says nothing of the context
};

}  // namespace hotpool::inbound::detail
