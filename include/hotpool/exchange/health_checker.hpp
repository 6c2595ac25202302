// Probes of idle connections.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/exchange/exchange.hpp"
#include "hotpool/http/request_builder.hpp"
#include "hotpool/pool/connection_pool.hpp"

namespace hotpool {

/// Gives a pool's idle connections something to answer. The pool's machine decides which connection is due
/// (`health_check_interval` since it was put back or last probed) and closes it when the probe fails or takes longer
/// than `health_check_timeout`; `pool_stats` counts both. What the peer closes by itself is noticed without probes.
/// @tparam Pool a `connection_pool`
/// @threads any thread
/// @lifetime ends before the pool does
template <class Pool>
class health_checker {
public:
    using lease_type = typename Pool::lease_type;
    /// To be called once with whether the connection is healthy; until then the probe owns the connection. Dropped
    /// instead of called, it says no. After `health_check_timeout` the connection has failed, whoever still holds this:
    /// the pool has its place back, and the lease's next exchange fails with `errc::lease_reclaimed`.
    using verdict_type = std::function<void(bool healthy)>;
    /// Looks at the connection behind the lease, which stays valid until the verdict. What it throws comes out of `run` of
    /// the pool's context, and ends the connection.
    using probe_type = std::function<void(lease_type& lease, verdict_type verdict)>;

    /// Probes with `HEAD target`; any status below 500 is healthy.
    explicit health_checker(Pool& pool, std::string_view target = "/")
        : health_checker(pool, request_builder("HEAD", target), [](const response& r) { return r.status() < 500; }) {}

    /// Probes with a request of the user's, and judges its response.
    /// @param healthy of any thread of the pool's executor; must not throw
    health_checker(Pool& pool, request_builder request, std::function<bool(const response&)> healthy)
        : health_checker(pool, request_probe(std::move(request), std::move(healthy))) {}

    /// Probes with a function of the user's, for protocols other than HTTP.
    health_checker(Pool& pool, probe_type probe) : pool_(pool) {
        detail::access::core(pool)->set_prober([probe = std::move(probe)](lease_type lease) {
            const auto kept = std::make_shared<examined>(std::move(lease));
            try {
                probe(kept->lease, [kept](bool healthy) { end(kept->lease, healthy); });
            } catch (...) {
                kept->lease.discard();
                throw;
            }
        });
    }
    health_checker(const health_checker&) = delete;
    health_checker& operator=(const health_checker&) = delete;
    ~health_checker() { detail::access::core(pool_)->set_prober(nullptr); }

private:
    /// What a verdict is to be given on. Where none is, it has failed.
    struct examined {
        explicit examined(lease_type looked_at) noexcept : lease(std::move(looked_at)) {}
        examined(const examined&) = delete;
        examined& operator=(const examined&) = delete;
        ~examined() { lease.discard(); }
        lease_type lease;
    };

    static void end(lease_type& lease, bool healthy) {
        if (!healthy || !lease) return lease.discard();
        // The pool may be gone, and its core with the last connection.
        const detail::counted_ref<typename lease_type::connection_type> keep(*detail::access::connection(lease));
        keep->found_well = true;
        detail::access::end(lease, true);
    }
    static probe_type request_probe(request_builder what, std::function<bool(const response&)> healthy) {
        auto request = std::make_shared<const request_builder>(std::move(what));
        return [request, healthy = std::move(healthy)](lease_type& lease, verdict_type verdict) {
            async_exchange(lease, *request, [request, healthy, verdict](std::error_code error, const response& reply) {
                verdict(!error && healthy(reply));
            });
        };
    }

    Pool& pool_;
};

}  // namespace hotpool
