// The counts of handshakes that outlive the context they were made in.
#pragma once

#include <mutex>

#include "hotpool/transport/transport_stats.hpp"

namespace hotpool::detail {

/// Shared by all contexts of one transport, earlier ones included, whose last handshakes may still be under way.
/// @threads any thread
class tls_totals {
public:
    /// Adds every count but `sessions_cached`, which is none.
    void add(const transport_stats& more) noexcept {
        const std::lock_guard lock(mutex_);
        sum_.handshakes += more.handshakes;
        sum_.resumed += more.resumed;
        sum_.sessions_offered += more.sessions_offered;
        sum_.sessions_refused += more.sessions_refused;
        sum_.sessions_rejected += more.sessions_rejected;
    }
    transport_stats get() const noexcept {
        const std::lock_guard lock(mutex_);
        return sum_;
    }

private:
    mutable std::mutex mutex_;
    transport_stats sum_;
};

}  // namespace hotpool::detail
